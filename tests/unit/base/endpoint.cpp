#include "base/endpoint.h"

#include <catch2/catch.hpp>

using namespace virtpulse;

TEST_CASE("an endpoint is read as people write it") {
    struct Row {
        std::string_view text;
        Endpoint endpoint;
    };
    const Row rows[] = {
        {"grid1", {"grid1", 55000}},     {"grid1:1234", {"grid1", 1234}},
        {"10.0.0.7:1", {"10.0.0.7", 1}}, {"::1", {"::1", 55000}},
        {"[::1]", {"::1", 55000}},       {"[fe80::1%eth0]:65535", {"fe80::1%eth0", 65535}},
    };
    for (const auto& row : rows) {
        INFO(row.text);
        const auto endpoint = parse_endpoint(row.text, frame_port);
        REQUIRE(endpoint.has_value());
        CHECK(*endpoint == row.endpoint);
    }
    CHECK(Endpoint{"::1", 80}.text() == "[::1]:80");
    CHECK(Endpoint{"a", 80}.text() == "a:80");
}

TEST_CASE("what is no endpoint is refused, and the error names it") {
    for (const std::string_view text :
         {"", ":1", "a:", "a:0", "a:65536", "a:x", "a:-1", "[::1", "[::1]5", "a b", "a;rm", "[]"}) {
        INFO(text);
        const auto endpoint = parse_endpoint(text, frame_port);
        REQUIRE(!endpoint);
        CHECK(endpoint.error().message.find(text) != std::string::npos);
    }
    CHECK(!parse_endpoint(std::string(300, 'a'), frame_port));
}

TEST_CASE("a list of collectors has comments and blank lines") {
    const auto list = parse_endpoint_list("# ours\n\n a:1 # spare\r\nb\n[::1]:2", frame_port);
    REQUIRE(list.has_value());
    CHECK(*list == std::vector<Endpoint>{{"a", 1}, {"b", 55000}, {"::1", 2}});

    const auto broken = parse_endpoint_list("a\nb:c\n", frame_port);
    REQUIRE(!broken);
    CHECK(broken.error().message.starts_with("line 2: "));
}
