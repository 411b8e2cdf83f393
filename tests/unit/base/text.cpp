#include "base/text.h"

#include <catch2/catch.hpp>

#include <cstdint>

using namespace virtpulse;

TEST_CASE("a number is the whole text or nothing") {
    CHECK(parse_number<int>("12") == 12);
    CHECK(parse_number<std::uint64_t>("18446744073709551615") == UINT64_MAX);
    CHECK(parse_number<double>("0.5") == 0.5);
    for (const auto text : {"", " 1", "1 ", "1x", "+1", "18446744073709551616"}) {
        CHECK(!parse_number<std::uint64_t>(text));
    }
    CHECK(!parse_number<std::uint8_t>("256"));
}

TEST_CASE("fields are taken off the front") {
    std::string_view line = "  cpu  12\t34";
    CHECK(take_field(line) == "cpu");
    CHECK(take_field(line) == "12");
    CHECK(take_field(line) == "34");
    CHECK(take_field(line).empty());

    std::string_view list = "a,b";
    CHECK(take_until(list, ',') == "a");
    CHECK(take_until(list, ',') == "b");
    CHECK(list.empty());

    CHECK(trim(" \ta b\r\n") == "a b");
    CHECK(trim(" \n").empty());
}
