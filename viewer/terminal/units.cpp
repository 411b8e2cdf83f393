#include "viewer/terminal/units.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace virtpulse::viewer {
namespace {

constexpr std::array<std::string_view, 7> binary_units{"B",   "KiB", "MiB", "GiB",
                                                       "TiB", "PiB", "EiB"};

std::string fixed(double value, int decimals) {
    char text[64];
    // Nothing that is shown has a meaning beyond this, and it keeps the text short.
    const double bounded = std::clamp(value, -1e15, 1e15);
    const int size = std::snprintf(text, sizeof text, "%.*f", decimals, bounded);
    return {text, static_cast<std::size_t>(std::max(size, 0))};
}

// Three digits at most: "3.2" but "32".
std::string short_number(double value) {
    return value != 0 && value < 9.95 ? fixed(value, 1) : fixed(value, 0);
}

// Which of the units makes `bytes` a number below 1024, rounding minded.
std::size_t unit_of(double bytes) {
    std::size_t unit = 0;
    while (bytes >= 1023.5 && unit + 1 < binary_units.size()) {
        bytes /= 1024;
        ++unit;
    }
    return unit;
}

double in_unit(double bytes, std::size_t unit) {
    return bytes / std::pow(1024.0, static_cast<double>(unit));
}

}  // namespace

std::string percent_text(std::optional<double> value) {
    if (!value) return std::string(unknown_mark);
    return fixed(*value, *value < 999.95 ? 1 : 0);
}

std::string degrees_text(std::optional<double> value) {
    return value ? fixed(*value, 0) : std::string(unknown_mark);
}

std::string rate_text(std::optional<double> value) {
    if (!value) return std::string(unknown_mark);
    if (*value < 0.05) return "0";
    if (*value < 9999.5) return short_number(*value);
    if (*value < 999'950) return fixed(*value / 1e3, *value < 99'950 ? 1 : 0) + 'k';
    return fixed(*value / 1e6, *value < 99'950'000 ? 1 : 0) + 'M';
}

std::string bytes_text(std::optional<double> value) {
    if (!value) return std::string(unknown_mark);
    if (*value < 0.5) return "0";
    const std::size_t unit = unit_of(*value);
    const double number = in_unit(*value, unit);
    return (unit == 0 ? fixed(number, 0) : short_number(number)) + ' ' +
           std::string(binary_units[unit]);
}

std::string bytes_rate_text(std::optional<double> value) {
    auto text = bytes_text(value);
    if (value && text != "0") text += "/s";
    return text;
}

std::string memory_text(std::optional<std::uint64_t> now_kib,
                        std::optional<std::uint64_t> max_kib) {
    const auto& larger = max_kib ? max_kib : now_kib;
    if (!larger) return std::string(unknown_mark);
    const std::size_t unit = unit_of(static_cast<double>(*larger) * 1024);
    const auto part = [unit](const std::optional<std::uint64_t>& kib) {
        if (!kib) return std::string(unknown_mark);
        const double number = in_unit(static_cast<double>(*kib) * 1024, unit);
        return fixed(number, number < 99.95 ? 1 : 0);
    };
    return part(now_kib) + '/' + part(max_kib) + ' ' + std::string(binary_units[unit]);
}

std::string counted(std::size_t count, std::string_view noun) {
    return std::to_string(count) + ' ' + std::string(noun) + (count == 1 ? "" : "s");
}

std::string duration_text(double seconds) {
    const double whole = std::max(0.0, std::floor(seconds));
    if (whole < 120) return fixed(whole, 0) + " s";
    if (whole < 120 * 60) return fixed(std::floor(whole / 60), 0) + " min";
    if (whole < 48 * 3600) return fixed(std::floor(whole / 3600), 0) + " h";
    return fixed(std::floor(whole / 86400), 0) + " d";
}

}  // namespace virtpulse::viewer
