// Keys of sealed frames, and the file that they are in.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/secret.h"

namespace virtpulse::wire {

inline constexpr std::size_t key_bytes = 32;
inline constexpr std::size_t most_keys = 16384;

struct Key {
    std::uint32_t id = 0;
    Secret bytes{key_bytes};
    std::string host_pattern;  // fnmatch(3): '*', '?', '[a-z]'

    // Whether a host of this name may use the key.
    [[nodiscard]] bool allows(const std::string& host) const;
};

// The keys of a file, in its order.
class KeyRing {
  public:
    // Reads one `id hex-key host-pattern` a line; blank lines and what follows '#' mean nothing.
    // The error says which line and what is wrong with it, and nothing of a key.
    static Result<KeyRing> parse(std::string_view text);

    // The key of that id, or nullptr.
    [[nodiscard]] const Key* find(std::uint32_t id) const;
    // The key that a host of this name is to seal with, or nullptr: the last line that allows it,
    // so that a key is replaced by a line at the end.
    [[nodiscard]] const Key* newest_for(const std::string& host) const;
    [[nodiscard]] std::size_t size() const { return keys_.size(); }

  private:
    std::vector<Key> keys_;
    std::map<std::uint32_t, std::size_t> by_id_;
};

// A line for the file, with a new key.
Result<Secret> new_key_line(std::string_view host_pattern);

}  // namespace virtpulse::wire
