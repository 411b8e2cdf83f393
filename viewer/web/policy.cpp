#include "viewer/web/policy.h"

#include <utility>

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <string>

#include "base/text.h"

namespace virtpulse::viewer::web {
namespace {

constexpr std::uint16_t http_port = 80;  // where a Host has none

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return std::ranges::equal(a, b, {}, lower, lower);
}

bool is_loopback(std::string_view host) {
    if (equal_ignoring_case(host, "localhost")) return true;
    const bool in_brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(
        std::string(in_brackets ? host.substr(1, host.size() - 2) : host), error);
    return !error && address.is_v6() == in_brackets && address.is_loopback();
}

}  // namespace

bool is_own_host(std::string_view host, std::uint16_t port) {
    constexpr std::size_t longest = 64;
    if (host.size() > longest) return false;
    const auto colon = host.rfind(':');
    const bool has_port = colon != std::string_view::npos && !host.ends_with(']');
    const auto asked =
        has_port ? parse_number<std::uint16_t>(host.substr(colon + 1)) : std::optional(http_port);
    return asked == port && is_loopback(host.substr(0, has_port ? colon : host.size()));
}

bool is_own_origin(std::string_view origin, std::string_view scheme, std::string_view host) {
    return origin.starts_with(scheme) && equal_ignoring_case(origin.substr(scheme.size()), host);
}

}  // namespace virtpulse::viewer::web
