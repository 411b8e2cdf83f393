// Text of other people's making, made fit for a terminal and measured in columns.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace virtpulse {

// `text` with everything replaced by U+FFFD that could do more than stand in its columns: control
// characters, line and paragraph separators, bidirectional and other invisible format characters,
// what is not assigned, bytes that are no UTF-8, and a combining mark with nothing to combine with.
std::string sanitised(std::string_view text);

// Columns that sanitised text takes: 2 for a wide character, 0 for a combining mark.
std::size_t columns_of(std::string_view text);

enum class Align : unsigned char { left, right };

// Sanitised text in exactly `columns` columns: filled with blanks, or cut with '…' at its end.
std::string fitted(std::string_view text, std::size_t columns, Align align);

// Sanitised text in lines of at most `columns` columns, broken at blanks; a longer word is cut.
std::vector<std::string> wrapped(std::string_view text, std::size_t columns);

}  // namespace virtpulse
