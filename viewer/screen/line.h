// Text with its looks: what the screen is to show, before any terminal is involved.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "viewer/model/health.h"

namespace virtpulse::viewer::screen {

enum class Hue : std::uint8_t {
    plain,
    faint,
    fading,  // by `step`, the last is the faintest
    accent,  // what is a key, or chosen
    heat,    // by `step`, green to red
};

inline constexpr std::uint8_t heat_steps = 11;  // tenths of severity, 0 to 10
inline constexpr std::uint8_t fading_steps = 3;

struct Ink {
    Hue hue = Hue::plain;
    std::uint8_t step = 0;
    bool bold = false;
    bool reverse = false;

    bool operator==(const Ink&) const = default;
};

inline constexpr Ink plain{};
inline constexpr Ink faint{Hue::faint};
inline constexpr Ink strong{Hue::plain, 0, true};
inline constexpr Ink accent{Hue::accent};

// The colour of a severity from 0 to 1. Its step tells its level, too: see `level_of_step`.
Ink heat(double severity);
Ink ink_of(Level level);
// The level that the colour stands for, for terminals that have only three.
Level level_of_step(std::uint8_t step);

// A shape for each level, since colour is never the only sign.
std::string_view sign_of(Level level);
inline constexpr std::string_view silent_sign = "○";

// Of a table's rows, whatever they list.
inline constexpr std::size_t sign_width = 3;  // a blank, the sign, a blank
inline constexpr std::size_t column_gap = 2;

struct Span {
    std::string text;  // sanitised
    Ink ink;

    bool operator==(const Span&) const = default;
};

class Line {
  public:
    Line() = default;
    explicit Line(std::string text, Ink ink = plain) { add(std::move(text), ink); }

    void add(std::string text, Ink ink = plain);
    void add(const Line& line);
    // Blanks up to that column.
    void fill(std::size_t column);
    // Cuts what goes beyond that column, with '…' at its end.
    void cut(std::size_t column);

    [[nodiscard]] const std::vector<Span>& spans() const { return spans_; }
    [[nodiscard]] std::size_t columns() const { return columns_; }
    [[nodiscard]] std::string text() const;

  private:
    std::vector<Span> spans_;
    std::size_t columns_ = 0;
};

// `text` for a terminal that has ASCII only: our own signs become others, the rest '?'. As wide.
std::string ascii_of(std::string_view text);

}  // namespace virtpulse::viewer::screen
