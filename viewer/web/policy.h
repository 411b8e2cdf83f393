// Who may ask the page's server for anything.
#pragma once

#include <cstdint>
#include <string_view>

namespace virtpulse::viewer::web {

// Whether `host`, a request's Host header, names this machine by a loopback address or as
// "localhost", with the port that is served. A page of another site whose name was made to point
// here (DNS rebinding) has its own name in it.
bool is_own_host(std::string_view host, std::uint16_t port);

// Whether `origin` is the page itself as it was served by `scheme` ("http://") under `host`.
// Browsers send the origin of whatever page opens a WebSocket; another site's page may not.
bool is_own_origin(std::string_view origin, std::string_view scheme, std::string_view host);

}  // namespace virtpulse::viewer::web
