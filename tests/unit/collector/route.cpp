#include "collector/serve/route.h"

#include <catch2/catch.hpp>

using namespace virtpulse::collector;

TEST_CASE("a path and a query are a question") {
    const auto asked =
        route("/api/v1/hosts/a%2Fb%25/domains/u/history?metric=x&metric=y+z&from=-60");
    REQUIRE(asked.has_value());
    CHECK(asked->operation == "history");
    CHECK(asked->parameters ==
          Parameters{{"from", "-60"}, {"host", "a/b%"}, {"metric", "x,y z"}, {"uuid", "u"}});
    CHECK(route("/metrics?debug=1")->operation == "metrics");
    CHECK(route("/api/v1/hosts")->operation == "hosts");
    CHECK(route("/api/v1/hosts/h/domains/u")->operation == "domain");
    CHECK(route("/api/v1/hosts/h/history")->operation == "history");
}

TEST_CASE("the path has precedence over what a query says of host and VM") {
    const auto host = route("/api/v1/hosts/h?host=other&uuid=u");
    REQUIRE(host.has_value());
    CHECK(host->parameters == Parameters{{"host", "h"}});
}

TEST_CASE("what is no path is 404, what is written wrong 400") {
    for (const auto* const target :
         {"", "/", "*", "/api/v1", "/api/v1/", "/api/v1/hosts/", "/api/v1/hosts//domains/u",
          "/api/v1/hosts/h/domains", "/api/v1/hosts/h/domains/u/x", "/api/v1/hosts/h/domains/u/x/y",
          "/API/v1/hosts", "http://h/api/v1/hosts"}) {
        INFO(target);
        const auto asked = route(target);
        REQUIRE(!asked);
        CHECK(asked.error().code == not_found);
    }
    for (const auto* const target :
         {"/api/v1/hosts/%", "/api/v1/hosts/%4", "/api/v1/hosts/%zz", "/api/v1/hosts/%00",
          "/api/v1/hosts/%+1", "/api/v1/events?from=1&from=2", "/api/v1/events?%=1"}) {
        INFO(target);
        const auto asked = route(target);
        REQUIRE(!asked);
        CHECK(asked.error().code == bad_request);
    }
}

TEST_CASE("Accept is a list of types, of which those with q=0 are refused") {
    const auto [header, accepted] = GENERATE(table<std::string, bool>({
        {"", true},
        {"*/*", true},
        {"application/*", true},
        {" application/json ;q=0.5", true},
        {"text/html, application/json", true},
        {"application/json;q=0", false},
        {"application/json;q=0.0, text/*", false},
        {"text/html", false},
        {",,", false},
        {"app/*", false},
    }));
    INFO(header);
    CHECK(accepts(header, "application/json") == accepted);
}
