#include "viewer/terminal/table.h"

#include <algorithm>

namespace virtpulse::viewer {
namespace {

constexpr std::size_t gap = 2;

std::string_view escape_of(Tone tone) {
    switch (tone) {
        case Tone::strong:
            return "\x1b[1m";
        case Tone::faint:
            return "\x1b[2m";
        case Tone::good:
            return "\x1b[32m";
        case Tone::warn:
            return "\x1b[1;33m";
        case Tone::bad:
            return "\x1b[1;31m";
        case Tone::plain:
            break;
    }
    return "";
}

}  // namespace

std::string toned(std::string_view text, Tone tone, bool colour) {
    const auto escape = escape_of(tone);
    if (!colour || escape.empty() || text.empty()) return std::string(text);
    return std::string(escape) + std::string(text) + "\x1b[0m";
}

std::size_t Table::total() const {
    std::size_t sum = 0;
    for (const auto width : widths_) {
        if (width > 0) sum += width + (sum > 0 ? gap : 0);
    }
    return sum;
}

void Table::lay_out(std::size_t width) {
    widths_.assign(columns_.size(), 0);
    for (std::size_t at = 0; at < columns_.size(); ++at)
        widths_[at] = columns_[at].is_elastic ? 0 : columns_[at].least;
    for (const auto& row : rows_) {
        for (std::size_t at = 0; at < row.size() && at < columns_.size(); ++at) {
            const std::size_t needed = std::min(columns_of(row[at].text), columns_[at].most);
            widths_[at] = std::max(widths_[at], needed);
        }
    }
    if (widths_.empty()) return;
    const auto wanted = widths_;
    auto& first = widths_.front();
    first = columns_.front().least;
    for (std::size_t at = 1; at < columns_.size(); ++at) {
        if (columns_[at].is_elastic) widths_[at] = std::min(wanted[at], columns_[at].least);
    }
    while (total() > width) {
        std::size_t victim = 0;
        for (std::size_t at = 1; at < columns_.size(); ++at) {
            if (widths_[at] == 0 || columns_[at].drop_order == 0) continue;
            if (victim == 0 || columns_[at].drop_order < columns_[victim].drop_order) victim = at;
        }
        if (victim == 0) break;
        widths_[victim] = 0;
    }
    for (std::size_t at = 0; at < columns_.size(); ++at) {
        const bool grows = at == 0 || (columns_[at].is_elastic && widths_[at] > 0);
        const std::size_t spare = width > total() ? width - total() : 0;
        if (grows) widths_[at] = std::min(wanted[at], widths_[at] + spare);
    }
}

std::string Table::line(std::size_t at, bool colour) const {
    const Row& row = rows_[at];
    std::string out;
    std::size_t blanks = 0;  // not yet written: nothing may follow them
    for (std::size_t column = 0; column < columns_.size(); ++column) {
        const std::size_t width = widths_[column];
        if (width == 0) continue;
        const bool has_text = column < row.size() && !row[column].text.empty();
        if (!has_text) {
            blanks += width + gap;
            continue;
        }
        const auto& cell = row[column];
        const auto text = fitted(cell.text, width, columns_[column].align);
        const auto begin = text.find_first_not_of(' ');
        const auto end = text.find_last_not_of(' ');
        if (begin == std::string::npos) {
            blanks += width + gap;
            continue;
        }
        // Blanks carry no tone: an indented name would else be underlined by some terminals.
        out.append(blanks + begin, ' ');
        out += toned(std::string_view(text).substr(begin, end - begin + 1), cell.tone, colour);
        blanks = text.size() - end - 1 + gap;
    }
    return out;
}

}  // namespace virtpulse::viewer
