#include "collector/listen.h"

#include <catch2/catch.hpp>

using namespace virtpulse;
using namespace virtpulse::collector;

TEST_CASE("addresses are resolved, and loopback is told from the rest") {
    const auto [host, loopback, text] = GENERATE(table<std::string, bool, std::string>({
        {"127.0.0.1", true, "127.0.0.1:7"},
        {"127.9.9.9", true, "127.9.9.9:7"},
        {"::1", true, "[::1]:7"},
        {"0.0.0.0", false, "0.0.0.0:7"},
        {"::", false, "[::]:7"},
        {"192.0.2.1", false, "192.0.2.1:7"},
        {"2001:db8::1", false, "[2001:db8::1]:7"},
    }));
    const auto address = resolve({host, 7});
    REQUIRE(address.has_value());
    CHECK(address->is_loopback() == loopback);
    CHECK(address->text() == text);
}

TEST_CASE("an address that cannot be found is an error that names it") {
    const auto address = resolve({"256.1.1.1.invalid", 7});
    REQUIRE(!address);
    CHECK(address.error().message.find("256.1.1.1.invalid:7") != std::string::npos);
}
