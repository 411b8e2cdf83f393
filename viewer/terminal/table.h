// A table with aligned columns that loses its least important columns where it does not fit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/terminal_text.h"

namespace virtpulse::viewer {

// What a cell says by its colour, always besides its text.
enum class Tone : std::uint8_t { plain, strong, faint, good, warn, bad };

// `text` in that tone where there is colour, else as it is.
std::string toned(std::string_view text, Tone tone, bool colour);

struct Cell {
    std::string text;  // sanitised
    Tone tone = Tone::plain;
};
using Row = std::vector<Cell>;

struct Column {
    Align align = Align::right;
    std::size_t least = 0;  // columns, so that a table does not jump as its numbers change
    std::size_t most = 24;
    int drop_order = 0;  // the lowest goes first; 0: never dropped
    // Not `least` is its smallest width then, but what it needs up to that; and it grows with the
    // room there is.
    bool is_elastic = false;
};

// The first column is the one that gives way and that takes what is left over, elastic ones after
// it.
class Table {
  public:
    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

    void add(Row row) { rows_.push_back(std::move(row)); }
    // Decides the columns' widths from all rows, for lines of at most `width` columns.
    void lay_out(std::size_t width);
    // Row `at` as a line, without blanks at its end.
    [[nodiscard]] std::string line(std::size_t at, bool colour) const;

  private:
    [[nodiscard]] std::size_t total() const;

    std::vector<Column> columns_;
    std::vector<Row> rows_;
    std::vector<std::size_t> widths_;  // 0: dropped
};

}  // namespace virtpulse::viewer
