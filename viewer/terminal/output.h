// Standard output: a terminal, or a pipe or file.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace virtpulse::viewer {

struct ScreenSize {
    std::size_t columns = 80;
    std::size_t rows = 24;

    bool operator==(const ScreenSize&) const = default;
};

// What one refresh writes to a terminal: every line over the old one, then nothing below. The
// cursor is hidden and line wrapping off only while it is being drawn, so that the terminal is in
// order whatever ends the program. `afresh` empties the screen first.
std::string screen_update(const std::vector<std::string>& lines, bool afresh);

inline constexpr auto flush_patience = std::chrono::milliseconds(100);

class Output {
  public:
    // The descriptor stays the caller's.
    explicit Output(int fd) : fd_(fd) {}

    // Whether it can be drawn over: a terminal, and no "dumb" one.
    [[nodiscard]] bool is_screen() const;
    // Whether it is to have colours: a screen, and NO_COLOR is not set (no-color.org).
    [[nodiscard]] bool has_colour() const;
    [[nodiscard]] ScreenSize size() const;

    [[nodiscard]] bool idle() const { return pending_.empty(); }
    void put(std::string&& text) { pending_ = std::move(text); }
    // Writes as long as the reader keeps up, but not past `flush_patience`, for signals and frames
    // are to be noticed whatever it does; true where nothing is left. The error's code is EPIPE
    // where the reader has gone.
    Result<bool> flush();

  private:
    int fd_;
    std::string pending_;
};

}  // namespace virtpulse::viewer
