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
    CHECK(is_own_origin("http://127.0.0.1:8056", "http://", "127.0.0.1:8056"));
    CHECK(is_own_origin("http://localhost:8056", "http://", "LOCALHOST:8056"));
    for (const auto* origin :
         {"", "null", "http://evil.example", "https://127.0.0.1:8056", "http://127.0.0.1:80",
          "http://127.0.0.1:8056.evil.example", "http://localhost:8056", "file://"}) {
        INFO(origin);
        CHECK_FALSE(is_own_origin(origin, "http://", "127.0.0.1:8056"));
    }
}

TEST_CASE("files are served with everything that keeps them to themselves") {
    const auto response = respond(get("/app.js?x=1"), page, {port});
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
    const auto response = respond(request, page, {port});
    CHECK(response.body().empty());
    CHECK(response[http::field::content_length] == "3");
}

TEST_CASE("what is not served is said") {
    CHECK(respond(get("/none"), page, {port}).result() == http::status::not_found);
    CHECK(respond(get("/../app.js"), page, {port}).result() == http::status::not_found);
    CHECK(respond(get("/", "evil.example:8056"), page, {port}).result() ==
          http::status::misdirected_request);
    auto request = get("/");
    request.method(http::verb::post);
    CHECK(respond(request, page, {port}).result() == http::status::method_not_allowed);
}

TEST_CASE("the WebSocket is for the page alone") {
    auto request = get("/live");
    REQUIRE(refusal_of_live(request, {port}));
    CHECK(refusal_of_live(request, {port})->result() == http::status::forbidden);
    request.set(http::field::origin, "http://evil.example");
    CHECK(refusal_of_live(request, {port})->result() == http::status::forbidden);
    request.set(http::field::origin, "http://127.0.0.1:8056");
    CHECK_FALSE(refusal_of_live(request, {port}));
    request.target("/");
    CHECK(refusal_of_live(request, {port})->result() == http::status::not_found);
    request.set(http::field::host, "evil.example:8056");
    CHECK(refusal_of_live(request, {port})->result() == http::status::misdirected_request);
}

TEST_CASE("a token is of some length, and of characters that a form takes") {
    CHECK(Access::from_token(std::string(32, 'x')).has_value());
    CHECK(Access::from_token(std::string(256, '~') + "\r\n").has_value());
    for (const auto& text :
         {std::string(), std::string(31, 'x'), std::string(257, 'x'), std::string(32, ' '),
          std::string(32, 'x') + "\ny", std::string(32, '\0'), std::string(32, '\xe4')}) {
        CHECK_FALSE(Access::from_token(text).has_value());
    }
}

TEST_CASE("only the token is the token, and only our cookie admits") {
    const std::string token(40, 'k');
    const auto access = Access::from_token(token + '\n');
    REQUIRE(access.has_value());
    CHECK(access->is_token(token));
    for (const auto& text : {std::string(), token + '\n', token + 'k', token.substr(1)})
        CHECK_FALSE(access->is_token(text));
    const auto cookie = access->cookie();
    for (const auto* needed : {"; Secure", "; HttpOnly", "; SameSite=Strict", "; Path=/"})
        CHECK(cookie.find(needed) != std::string::npos);
    CHECK(cookie.find(token) == std::string::npos);
    const auto pair = cookie.substr(0, cookie.find(';'));
    CHECK(access->admits(pair));
    CHECK(access->admits("a=b; " + pair + "; c=d"));
    for (const auto& text : {std::string(), std::string(";;=;"), pair + "0", pair.substr(1),
                             pair.substr(0, pair.size() - 1), "x" + pair}) {
        CHECK_FALSE(access->admits(text));
    }
    const auto other = Access::from_token(token);
    REQUIRE(other.has_value());
    CHECK_FALSE(other->admits(pair));  // another run of the viewer
}

TEST_CASE("a form's token comes as it was typed") {
    CHECK(token_of_form("token=a%2Bb%2fc%3D") == "a+b/c=");
    CHECK(token_of_form("token=a+b&x=y") == "a b");
    CHECK(token_of_form("token=%zz%2") == "%zz%2");
    CHECK(token_of_form("").empty());
    CHECK(token_of_form("other=1").empty());
}

TEST_CASE("beyond this machine nothing of the grid is served without the cookie") {
    const auto access = Access::from_token(std::string(32, 'x'));
    REQUIRE(access.has_value());
    constexpr Asset files[]{{"/", "text/html", "<p>"},
                            {"/app.js", "text/javascript", "1;"},
                            {"/login", "text/html", "<form>"},
                            {"/style.css", "text/css", "p{}"}};
    const Policy policy{port, &*access};
    const auto first = respond(get("/", "grid1.example:8056"), files, policy);
    CHECK(first.result() == http::status::see_other);
    CHECK(first[http::field::location] == "/login");
    CHECK(respond(get("/login", "grid1"), files, policy).body() == "<form>");
    CHECK(respond(get("/style.css", "grid1"), files, policy).result() == http::status::ok);
    CHECK(respond(get("/app.js", "grid1"), files, policy).result() == http::status::unauthorized);
    CHECK(respond(get("/", ""), files, policy).result() == http::status::misdirected_request);

    auto live = get("/live", "grid1:8056");
    live.set(http::field::origin, "https://grid1:8056");
    CHECK(refusal_of_live(live, policy)->result() == http::status::unauthorized);
    const auto given = login_response(get("/login", "grid1"), *access, true);
    CHECK(given.result() == http::status::see_other);
    CHECK(given[http::field::location] == "/");
    const std::string cookie(given[http::field::set_cookie]);
    live.set(http::field::cookie, cookie.substr(0, cookie.find(';')));
    CHECK_FALSE(refusal_of_live(live, policy));
    live.set(http::field::origin, "http://grid1:8056");
    CHECK(refusal_of_live(live, policy)->result() == http::status::forbidden);
    auto page_again = get("/", "grid1");
    page_again.set(http::field::cookie, cookie.substr(0, cookie.find(';')));
    CHECK(respond(page_again, files, policy).body() == "<p>");
    const auto refused = login_response(get("/login", "grid1"), *access, false);
    CHECK(refused.result() == http::status::unauthorized);
    CHECK(refused.find(http::field::set_cookie) == refused.end());
}

}  // namespace
}  // namespace virtpulse::viewer::web
