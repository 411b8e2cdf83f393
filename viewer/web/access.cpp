#include "viewer/web/access.h"

#include <sodium.h>

#include <algorithm>
#include <charconv>

#include "base/secret_file.h"

namespace virtpulse::viewer::web {
namespace {

// A browser takes a cookie of this prefix from the very origin, over TLS only.
constexpr std::string_view cookie_name = "__Host-virtpulse";

}  // namespace

Result<Access> Access::from_token(std::string_view token) {
    while (token.ends_with('\n') || token.ends_with('\r'))
        token.remove_suffix(1);
    const bool is_printable =
        std::ranges::all_of(token, [](char c) { return c > ' ' && c <= '~'; });
    if (token.size() < shortest_token || token.size() > longest_token || !is_printable) {
        return Error{"a token is one line of " + std::to_string(shortest_token) + " to " +
                         std::to_string(longest_token) +
                         " printable characters without spaces, as `openssl rand -hex 32` gives",
                     0};
    }
    if (::sodium_init() < 0) return Error{"libsodium cannot be used on this machine", 0};
    Access access;
    ::randombytes_buf(access.key_.data(), access.key_.size());
    access.token_ = access.hash(token);
    std::array<unsigned char, 32> session{};
    ::randombytes_buf(session.data(), session.size());
    std::array<char, 65> hex{};
    ::sodium_bin2hex(hex.data(), hex.size(), session.data(), session.size());
    access.value_ = hex.data();
    access.session_ = access.hash(access.value_);
    return access;
}

Result<Access> Access::from_file(const std::string& path) {
    const auto secret = read_secret_file(path);
    if (!secret) return secret.error();
    auto access = from_token(secret->text());
    if (!access) return access.error().within(path);
    return access;
}

Access::Hash Access::hash(std::string_view text) const {
    Hash made{};
    ::crypto_generichash(made.data(), made.size(),
                         reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                         key_.data(), key_.size());
    return made;
}

bool Access::is_token(std::string_view text) const {
    const auto made = hash(text);
    return ::sodium_memcmp(made.data(), token_.data(), made.size()) == 0;
}

bool Access::admits(std::string_view cookies) const {
    while (!cookies.empty()) {
        const auto end = std::min(cookies.find(';'), cookies.size());
        auto pair = cookies.substr(0, end);
        cookies.remove_prefix(std::min(end + 1, cookies.size()));
        while (pair.starts_with(' '))
            pair.remove_prefix(1);
        const auto equals = pair.find('=');
        if (equals == std::string_view::npos || pair.substr(0, equals) != cookie_name) continue;
        const auto made = hash(pair.substr(equals + 1));
        if (::sodium_memcmp(made.data(), session_.data(), made.size()) == 0) return true;
    }
    return false;
}

std::string Access::cookie() const {
    return std::string(cookie_name) + '=' + value_ + "; Path=/; Secure; HttpOnly; SameSite=Strict";
}

std::string token_of_form(std::string_view body) {
    constexpr std::string_view name = "token=";
    if (!body.starts_with(name)) return {};
    body.remove_prefix(name.size());
    body = body.substr(0, body.find('&'));
    std::string token;
    for (std::size_t at = 0; at < body.size(); ++at) {
        unsigned value = 0;
        const auto digits = body.substr(at + 1, 2);
        const auto* const end = digits.data() + digits.size();
        if (body[at] == '%' && digits.size() == 2 &&
            std::from_chars(digits.data(), end, value, 16).ptr == end) {
            token += static_cast<char>(value);
            at += 2;
        } else {
            token += body[at] == '+' ? ' ' : body[at];
        }
    }
    return token;
}

}  // namespace virtpulse::viewer::web
