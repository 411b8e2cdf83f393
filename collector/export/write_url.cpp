#include "collector/export/write_url.h"

#include <algorithm>

namespace virtpulse::collector {
namespace {

constexpr std::uint16_t http_default_port = 80;

}  // namespace

Result<WriteUrl> parse_write_url(std::string_view text) {
    const auto wrong = [&](const std::string& why) {
        return Error{"remote write to '" + std::string(text) + "': " + why};
    };
    constexpr std::string_view scheme = "http://";
    if (text.starts_with("https://")) {
        return wrong(
            "https is not spoken; a proxy on this machine can do that: http://127.0.0.1/…");
    }
    if (!text.starts_with(scheme)) return wrong("this is no URL that begins with http://");
    const auto is_printable = [](char c) { return c > 0x20 && c < 0x7f; };
    if (!std::ranges::all_of(text, is_printable)) {
        return wrong("a URL has no blanks and no other characters than those of ASCII");
    }
    const auto rest = text.substr(scheme.size());
    const auto slash = rest.find_first_of("/?#");
    if (slash == std::string_view::npos || rest[slash] != '/') {
        return wrong("there is no path; Prometheus and VictoriaMetrics have /api/v1/write");
    }
    const auto authority = rest.substr(0, slash);
    if (authority.find('@') != std::string_view::npos) {
        return wrong("a name and password are not sent");
    }
    const auto endpoint = parse_endpoint(authority, http_default_port);
    if (!endpoint) return wrong(endpoint.error().message);
    const auto target = rest.substr(slash);
    return WriteUrl{*endpoint, std::string(target.substr(0, target.find('#')))};
}

}  // namespace virtpulse::collector
