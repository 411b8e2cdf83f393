#include "tools/load/amount.h"

#include <catch2/catch.hpp>

#include "tools/load/program.h"

using namespace virtpulse::load;

TEST_CASE("bytes are read with and without a unit") {
    constexpr std::uint64_t k = 1024;
    CHECK(*parse_bytes("SIZE", "4096") == 4096);
    CHECK(*parse_bytes("SIZE", "64k") == 64 * k);
    CHECK(*parse_bytes("SIZE", "64K") == 64 * k);
    CHECK(*parse_bytes("SIZE", "256M") == 256 * k * k);
    CHECK(*parse_bytes("SIZE", "1.5g") == 3 * k * k * k / 2);
    CHECK(*parse_bytes("SIZE", "2T") == 2 * k * k * k * k);
}

TEST_CASE("what is no number of bytes is an error that names it") {
    for (const auto* text :
         {"", "k", "0", "-1", "1x", "1kk", "nan", "inf", "1e30", "64 M", "50%"}) {
        CAPTURE(text);
        const auto bytes = parse_bytes("--size", text);
        REQUIRE(bytes.has_error());
        CHECK(bytes.error().message.starts_with("--size must be bytes"));
    }
}

TEST_CASE("an amount may be a percentage of the whole") {
    CHECK(parse_amount("SIZE", "50%")->of(1000) == 500);
    CHECK(parse_amount("SIZE", "100%")->of(1000) == 1000);
    CHECK(parse_amount("SIZE", "0.5%")->of(1000) == 5);
    CHECK(parse_amount("SIZE", "10k")->of(1000) == 10240);
    for (const auto* text : {"%", "0%", "101%", "-5%", "nan%", "x", "5 %"}) {
        CAPTURE(text);
        CHECK(parse_amount("SIZE", text).has_error());
    }
}

TEST_CASE("bytes are shown in the unit that suits them") {
    CHECK(bytes_text(0) == "0 B");
    CHECK(bytes_text(1023) == "1023 B");
    CHECK(bytes_text(64U << 20U) == "64 MiB");
    CHECK(bytes_text(3ULL << 29U) == "1.5 GiB");
    CHECK(bytes_text(1ULL << 55U) == "32768 TiB");
}
