#include "viewer/screen/line.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/terminal_text.h"

namespace virtpulse::viewer::screen {

Ink heat(double severity) {
    constexpr double steps = heat_steps - 1;
    // A hair is added, for a level's threshold times ten may come out below the whole number.
    const double step = std::floor(std::clamp(severity, 0.0, 1.0) * steps + 1e-9);
    return {Hue::heat, static_cast<std::uint8_t>(step)};
}

Ink ink_of(Level level) {
    switch (level) {
        case Level::good:
            return heat(0);
        case Level::warn:
            return heat(warn_severity);
        case Level::bad:
            return heat(1);
        case Level::unknown:
            break;
    }
    return faint;
}

Level level_of_step(std::uint8_t step) {
    return level_of(static_cast<double>(step) / (heat_steps - 1));
}

std::string_view sign_of(Level level) {
    switch (level) {
        case Level::good:
            return "●";
        case Level::warn:
            return "▲";
        case Level::bad:
            return "✗";
        case Level::unknown:
            break;
    }
    return "?";
}

void Line::add(std::string text, Ink ink) {
    if (text.empty()) return;
    columns_ += columns_of(text);
    if (!spans_.empty() && spans_.back().ink == ink) {
        spans_.back().text += text;
    } else {
        spans_.push_back({std::move(text), ink});
    }
}

void Line::add(const Line& line) {
    for (const auto& span : line.spans_)
        add(span.text, span.ink);
}

void Line::fill(std::size_t column) {
    if (column > columns_) add(std::string(column - columns_, ' '));
}

void Line::cut(std::size_t column) {
    if (columns_ <= column) return;
    auto spans = std::exchange(spans_, {});
    columns_ = 0;
    for (auto& span : spans) {
        const std::size_t room = column - columns_;
        const std::size_t needed = columns_of(span.text);
        if (needed < room) {
            add(std::move(span.text), span.ink);
            continue;
        }
        // What follows is lost, so this is marked as cut even where it would just fit.
        if (room > 0) add(fitted(span.text + ' ', room, Align::left), span.ink);
        return;
    }
}

std::string Line::text() const {
    std::string text;
    for (const auto& span : spans_)
        text += span.text;
    return text;
}

std::string ascii_of(std::string_view text) {
    using Pair = std::pair<std::string_view, char>;
    static constexpr std::array<Pair, 14> known{{{"━", '#'},
                                                 {"╸", '='},
                                                 {"─", '-'},
                                                 {"│", '|'},
                                                 {"●", 'o'},
                                                 {"▲", '!'},
                                                 {"✗", 'X'},
                                                 {"○", '~'},
                                                 {"…", '.'},
                                                 {"—", '-'},
                                                 {"▾", 'v'},
                                                 {"▴", '^'},
                                                 {"°", ' '},
                                                 {"›", '>'}}};
    std::string out;
    while (!text.empty()) {
        if (static_cast<unsigned char>(text.front()) < 0x80) {
            out += text.front();
            text.remove_prefix(1);
            continue;
        }
        const auto end = text.substr(1).find_first_not_of(
            "\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8A\x8B\x8C\x8D\x8E\x8F"
            "\x90\x91\x92\x93\x94\x95\x96\x97\x98\x99\x9A\x9B\x9C\x9D\x9E\x9F"
            "\xA0\xA1\xA2\xA3\xA4\xA5\xA6\xA7\xA8\xA9\xAA\xAB\xAC\xAD\xAE\xAF"
            "\xB0\xB1\xB2\xB3\xB4\xB5\xB6\xB7\xB8\xB9\xBA\xBB\xBC\xBD\xBE\xBF");
        const auto character =
            text.substr(0, end == std::string_view::npos ? text.size() : end + 1);
        const auto at = std::ranges::find(known, character, &Pair::first);
        if (at != known.end()) {
            out += at->second;
        } else {
            out.append(columns_of(character), '?');
        }
        text.remove_prefix(character.size());
    }
    return out;
}

}  // namespace virtpulse::viewer::screen
