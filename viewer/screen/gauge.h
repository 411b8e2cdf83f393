// A level as a bar with its number.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "viewer/model/health.h"
#include "viewer/screen/line.h"

namespace virtpulse::viewer::screen {

// A bar of `width` columns, `fraction` (0 to 1) of it filled to half a column; what is above 0
// shows. Without a fraction it is blank.
void add_bar(Line& line, std::optional<double> fraction, std::size_t width, Ink ink);

struct GaugeStyle {
    std::size_t bar = 0;     // columns; 0: the number only
    std::size_t value = 4;   // columns
    bool marked = true;      // with the sign of a level that is warn or bad
    std::optional<Ink> ink;  // in place of the colour of the severity
};

// Columns that a gauge takes, with the one for its mark.
std::size_t columns_of_gauge(const GaugeStyle& style);

// The bar, the number as given, and the mark. A figure that is not known is a dash.
void add_gauge(Line& line, const Threshold& threshold, std::optional<double> value,
               const GaugeStyle& style);

// The part of a gauge that `value` fills: of 100 for percentages, of the critical value for
// temperatures.
double fraction_of(const Threshold& threshold, double value);

}  // namespace virtpulse::viewer::screen
