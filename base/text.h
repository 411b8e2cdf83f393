// Reading numbers and fields out of text, without locale and without exceptions.
#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string_view>

namespace virtpulse {

// The whole of `text` as a number, or nothing: "12" yes; "", "12 ", "12x", "+12" no.
template <class Number>
requires std::integral<Number> || std::floating_point<Number> std::optional<Number> parse_number(
    std::string_view text) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// `text` without blanks, tabs and line ends around it.
constexpr std::string_view trim(std::string_view text) {
    constexpr std::string_view blank = " \t\r\n";
    const auto first = text.find_first_not_of(blank);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

// Takes the text up to `separator` off the front of `rest`; all of it where there is none.
constexpr std::string_view take_until(std::string_view& rest, char separator) {
    const auto at = rest.find(separator);
    const auto taken = rest.substr(0, at);
    rest = at == std::string_view::npos ? std::string_view{} : rest.substr(at + 1);
    return taken;
}

// Takes the next field, fields being separated by any number of blanks and tabs; empty at the end.
constexpr std::string_view take_field(std::string_view& rest) {
    const auto first = rest.find_first_not_of(" \t");
    if (first == std::string_view::npos) {
        rest = {};
        return {};
    }
    rest = rest.substr(first);
    const auto end = rest.find_first_of(" \t");
    const auto taken = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end);
    return taken;
}

}  // namespace virtpulse
