// What a request for a file of the page is answered.
#pragma once

#include <utility>

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "viewer/web/assets.h"

namespace virtpulse::viewer::web {

using Request = boost::beast::http::request<boost::beast::http::string_body>;
using Response = boost::beast::http::response<boost::beast::http::string_body>;

inline constexpr std::string_view live_path = "/live";  // the WebSocket

// A file, or the reason why there is none. `port` is the one that is served.
Response respond(const Request& request, std::span<const Asset> files, std::uint16_t port);

// Whether the request, which asks for a WebSocket, is the page's own; else what it is answered.
std::optional<Response> refusal_of_live(const Request& request, std::uint16_t port);

Response too_many_browsers(const Request& request);

}  // namespace virtpulse::viewer::web
