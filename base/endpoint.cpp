#include "base/endpoint.h"

#include <algorithm>
#include <cctype>

#include "base/text.h"

namespace virtpulse {
namespace {

constexpr std::size_t longest_host_name = 253;  // RFC 1035, without the trailing dot

bool is_host_character(char c) {
    const auto byte = static_cast<unsigned char>(c);
    // '%' introduces the zone of a link-local IPv6 address.
    return std::isalnum(byte) != 0 || c == '.' || c == '-' || c == '_' || c == ':' || c == '%';
}

Error bad(std::string_view text, std::string_view reason) {
    return {"'" + std::string(text.substr(0, 300)) + "' is no host[:port]: " + std::string(reason)};
}

}  // namespace

std::string Endpoint::text() const {
    const bool v6 = host.find(':') != std::string::npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Endpoint> parse_endpoint(std::string_view text, std::uint16_t default_port) {
    std::string_view host = text;
    std::string_view port;
    bool has_port = false;
    if (text.starts_with('[')) {
        const auto close = text.find(']');
        if (close == std::string_view::npos) return bad(text, "the bracket is not closed");
        host = text.substr(1, close - 1);
        const auto after = text.substr(close + 1);
        if (!after.empty() && after.front() != ':') return bad(text, "':' expected after ']'");
        has_port = !after.empty();
        if (has_port) port = after.substr(1);
    } else if (std::ranges::count(text, ':') == 1) {
        const auto colon = text.find(':');
        host = text.substr(0, colon);
        port = text.substr(colon + 1);
        has_port = true;
    }
    if (host.empty()) return bad(text, "the host is empty");
    if (host.size() > longest_host_name) return bad(text, "the host is longer than 253 characters");
    if (!std::ranges::all_of(host, is_host_character)) {
        return bad(text, "a character that no host name has");
    }
    Endpoint endpoint{std::string(host), default_port};
    if (has_port) {
        const auto number = parse_number<std::uint16_t>(port);
        if (!number || *number == 0) return bad(text, "the port is not a number from 1 to 65535");
        endpoint.port = *number;
    }
    return endpoint;
}

Result<std::vector<Endpoint>> parse_endpoint_list(std::string_view text,
                                                  std::uint16_t default_port) {
    std::vector<Endpoint> endpoints;
    int line_number = 0;
    while (!text.empty()) {
        ++line_number;
        auto line = take_until(text, '\n');
        line = trim(take_until(line, '#'));
        if (line.empty()) continue;
        auto endpoint = parse_endpoint(line, default_port);
        if (!endpoint) return endpoint.error().within("line " + std::to_string(line_number));
        endpoints.push_back(std::move(*endpoint));
    }
    return endpoints;
}

}  // namespace virtpulse
