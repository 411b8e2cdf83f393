// Addresses as people write them on a command line or in a list of collectors.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace virtpulse {

inline constexpr std::uint16_t frame_port = 55000;   // UDP, agent to collector
inline constexpr std::uint16_t viewer_port = 56000;  // TCP, collector to viewer

struct Endpoint {
    std::string host;  // a name, an IPv4 address, or an IPv6 address without brackets
    std::uint16_t port = 0;

    bool operator==(const Endpoint&) const = default;
    // "host:port", with brackets round an IPv6 address.
    [[nodiscard]] std::string text() const;
};

// Reads "host", "host:port", "1.2.3.4:port", "[v6]", "[v6]:port" or a bare v6 address; without a
// port it gets `default_port`. The error names the text and what is wrong with it.
Result<Endpoint> parse_endpoint(std::string_view text, std::uint16_t default_port);

// Reads a list with one endpoint a line; blank lines and what follows '#' mean nothing. The error
// says which line.
Result<std::vector<Endpoint>> parse_endpoint_list(std::string_view text,
                                                  std::uint16_t default_port);

}  // namespace virtpulse
