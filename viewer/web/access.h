// Who may see a page that can be reached from beyond this machine.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"

namespace virtpulse::viewer::web {

inline constexpr std::size_t shortest_token = 32;  // characters
inline constexpr std::size_t longest_token = 256;

// Whoever knows the token gets a cookie, which holds until the viewer ends. The token itself is
// kept by nobody: neither here, where only its hash under a key of this run is, nor in a browser.
class Access {
  public:
    // `token` is what a file says: one line of printable characters.
    static Result<Access> from_token(std::string_view token);
    // From a file that only its owner may read.
    static Result<Access> from_file(const std::string& path);

    // Both take the same time whatever is wrong.
    [[nodiscard]] bool is_token(std::string_view text) const;
    // Whether a Cookie header has our cookie in it.
    [[nodiscard]] bool admits(std::string_view cookies) const;
    // For Set-Cookie.
    [[nodiscard]] std::string cookie() const;

  private:
    using Hash = std::array<unsigned char, 32>;
    Access() : key_(32) {}
    [[nodiscard]] Hash hash(std::string_view text) const;

    Secret key_;
    Hash token_{};
    Hash session_{};  // the hash of the cookie's value
    std::string value_;
};

// "token" of a form as browsers send it; empty where there is none.
std::string token_of_form(std::string_view body);

}  // namespace virtpulse::viewer::web
