// Memory that holds a secret, and forgets it.
#pragma once

#include <sodium.h>

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

namespace virtpulse {

// `size` bytes in one place, cleared when they are no longer needed. Moved, never copied, so that
// no second place has to be cleared.
class Secret {
  public:
    explicit Secret(std::size_t size) : bytes_(size) {}
    Secret(Secret&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
    Secret& operator=(Secret&& other) noexcept {
        if (this != &other) {
            clear();
            bytes_ = std::exchange(other.bytes_, {});
        }
        return *this;
    }
    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;
    ~Secret() { clear(); }

    [[nodiscard]] unsigned char* data() { return bytes_.data(); }
    [[nodiscard]] const unsigned char* data() const { return bytes_.data(); }
    [[nodiscard]] std::size_t size() const { return bytes_.size(); }
    [[nodiscard]] std::string_view text() const {
        return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
    }

  private:
    void clear() { ::sodium_memzero(bytes_.data(), bytes_.size()); }

    std::vector<unsigned char> bytes_;  // never grows: its place is the only one
};

}  // namespace virtpulse
