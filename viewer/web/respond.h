// What a request for a file of the page is answered.
#pragma once

#include <utility>

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "viewer/web/access.h"
#include "viewer/web/assets.h"

namespace virtpulse::viewer::web {

using Request = boost::beast::http::request<boost::beast::http::string_body>;
using Response = boost::beast::http::response<boost::beast::http::string_body>;

inline constexpr std::string_view live_path = "/live";    // the WebSocket
inline constexpr std::string_view login_path = "/login";  // the token is sent there, by POST

// Who is served.
struct Policy {
    std::uint16_t port = 0;          // that is served
    const Access* access = nullptr;  // without it: this machine alone, and plain HTTP
};

// A file, or the reason why there is none. Who is not known yet is given the way in, and what that
// page is made of.
Response respond(const Request& request, std::span<const Asset> files, const Policy& policy);

// Whether the request, which asks for a WebSocket, is the page's own; else what it is answered.
std::optional<Response> refusal_of_live(const Request& request, const Policy& policy);

// What whoever sends a token is answered. `is_right`: with the cookie, and the way to the page.
Response login_response(const Request& request, const Access& access, bool is_right);

Response too_many_browsers(const Request& request);

}  // namespace virtpulse::viewer::web
