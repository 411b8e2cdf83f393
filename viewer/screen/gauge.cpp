#include "viewer/screen/gauge.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/terminal_text.h"
#include "viewer/terminal/units.h"

namespace virtpulse::viewer::screen {
namespace {

std::string repeated(std::string_view piece, std::size_t times) {
    std::string text;
    text.reserve(piece.size() * times);
    for (; times > 0; --times)
        text += piece;
    return text;
}

bool is_temperature(const Threshold& threshold) {
    return threshold.unit != "%";
}

}  // namespace

void add_bar(Line& line, std::optional<double> fraction, std::size_t width, Ink ink) {
    if (!fraction) {
        line.add(std::string(width, ' '));
        return;
    }
    const double bounded = std::clamp(*fraction, 0.0, 1.0);
    auto halves = static_cast<std::size_t>(std::lround(bounded * 2 * static_cast<double>(width)));
    if (bounded > 0.005 && width > 0) halves = std::max<std::size_t>(halves, 1);
    const std::size_t filled = halves / 2;
    const std::size_t half = halves % 2;
    line.add(repeated("━", filled) + repeated("╸", half), ink);
    line.add(repeated("─", width - filled - half), faint);
}

std::size_t columns_of_gauge(const GaugeStyle& style) {
    return style.bar + (style.bar > 0 ? 1 : 0) + style.value + (style.marked ? 1 : 0);
}

double fraction_of(const Threshold& threshold, double value) {
    return value / (is_temperature(threshold) ? threshold.critical : 100);
}

void add_gauge(Line& line, const Threshold& threshold, std::optional<double> value,
               const GaugeStyle& style) {
    if (value && !std::isfinite(*value)) value.reset();
    const double severity = value ? severity_of(threshold, *value) : 0;
    const Level level = level_of(severity);
    const bool notable = value && level != Level::good;
    const Ink ink = style.ink.value_or(heat(severity));
    if (style.bar > 0) {
        add_bar(line, value ? std::optional(fraction_of(threshold, *value)) : std::nullopt,
                style.bar, ink);
        line.add(" ");
    }
    std::string text(unknown_mark);
    if (value) text = degrees_text(value) + (is_temperature(threshold) ? "°" : "%");
    line.add(fitted(text, style.value, Align::right), style.ink.value_or(!value    ? faint
                                                                         : notable ? ink
                                                                                   : plain));
    if (style.marked) line.add(notable ? std::string(sign_of(level)) : " ", ink);
}

}  // namespace virtpulse::viewer::screen
