#include "viewer/web/policy.h"

#include <catch2/catch.hpp>

#include <string>

#include "viewer/web/respond.h"

namespace virtpulse::viewer::web {
namespace {

namespace http = boost::beast::http;

constexpr std::uint16_t port = 8056;
constexpr Asset page[]{{"/", "text/html", "<p>"}, {"/app.js", "text/javascript", "1;"}};

Request get(const std::string& target, const std::string& host = "127.0.0.1:8056") {
    Request request(http::verb::get, target, 11);
    request.set(http::field::host, host);
    return request;
}

TEST_CASE("the page is for this machine's own names and addresses") {
    for (const auto* host :
         {"127.0.0.1:8056", "127.9.9.9:8056", "localhost:8056", "LocalHost:8056", "[::1]:8056"}) {
        CHECK(is_own_host(host, port));
    }
    CHECK(is_own_host("localhost", 80));
    CHECK(is_own_host("[::1]", 80));
    for (const auto* host :
         {"", ":", ":8056", "127.0.0.1", "127.0.0.1:8057", "127.0.0.1:", "127.0.0.1:8056:8056",
          "evil.example:8056", "localhost.evil.example:8056", "10.0.0.1:8056", "0.0.0.0:8056",
          "::1:8056", "[::1", "[127.0.0.1]:8056", "[]:8056", "127.0.0.1:08056x", "[::2]:8056"}) {
        INFO(host);
        CHECK_FALSE(is_own_host(host, port));
    }
    CHECK_FALSE(is_own_host(std::string(60'000, 'a') + ":8056", port));
}

TEST_CASE("an origin is the page's own or it is not") {
    CHECK(is_own_origin("http://127.0.0.1:8056", "127.0.0.1:8056"));
    CHECK(is_own_origin("http://localhost:8056", "LOCALHOST:8056"));
    for (const auto* origin :
         {"", "null", "http://evil.example", "https://127.0.0.1:8056", "http://127.0.0.1:80",
          "http://127.0.0.1:8056.evil.example", "http://localhost:8056", "file://"}) {
        INFO(origin);
        CHECK_FALSE(is_own_origin(origin, "127.0.0.1:8056"));
    }
}

TEST_CASE("files are served with everything that keeps them to themselves") {
    const auto response = respond(get("/app.js?x=1"), page, port);
    CHECK(response.result() == http::status::ok);
    CHECK(response.body() == "1;");
    CHECK(response[http::field::content_type] == "text/javascript");
    CHECK(response["X-Content-Type-Options"] == "nosniff");
    const auto policy = response["Content-Security-Policy"];
    CHECK(policy.find("default-src 'none'") == 0);
    CHECK(policy.find("unsafe") == boost::beast::string_view::npos);
}

TEST_CASE("HEAD has the length and not the bytes") {
    auto request = get("/");
    request.method(http::verb::head);
    const auto response = respond(request, page, port);
    CHECK(response.body().empty());
    CHECK(response[http::field::content_length] == "3");
}

TEST_CASE("what is not served is said") {
    CHECK(respond(get("/none"), page, port).result() == http::status::not_found);
    CHECK(respond(get("/../app.js"), page, port).result() == http::status::not_found);
    CHECK(respond(get("/", "evil.example:8056"), page, port).result() ==
          http::status::misdirected_request);
    auto request = get("/");
    request.method(http::verb::post);
    CHECK(respond(request, page, port).result() == http::status::method_not_allowed);
}

TEST_CASE("the WebSocket is for the page alone") {
    auto request = get("/live");
    REQUIRE(refusal_of_live(request, port));
    CHECK(refusal_of_live(request, port)->result() == http::status::forbidden);
    request.set(http::field::origin, "http://evil.example");
    CHECK(refusal_of_live(request, port)->result() == http::status::forbidden);
    request.set(http::field::origin, "http://127.0.0.1:8056");
    CHECK_FALSE(refusal_of_live(request, port));
    request.target("/");
    CHECK(refusal_of_live(request, port)->result() == http::status::not_found);
    request.set(http::field::host, "evil.example:8056");
    CHECK(refusal_of_live(request, port)->result() == http::status::misdirected_request);
}

}  // namespace
}  // namespace virtpulse::viewer::web
