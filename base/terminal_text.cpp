#include "base/terminal_text.h"

#include <clocale>
#include <cwchar>

#include "base/text.h"

namespace virtpulse {
namespace {

constexpr char32_t replacement = 0xFFFD;
constexpr std::string_view replacement_text = "\xEF\xBF\xBD";
constexpr std::string_view ellipsis = "…";

struct Character {
    char32_t code;
    std::size_t bytes;
};

// The first character of `text`, which is not empty; U+FFFD of one byte where it is no UTF-8.
Character first_of(std::string_view text) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    constexpr Character bad{replacement, 1};
    const unsigned char lead = byte(0);
    if (lead < 0x80) return {lead, 1};
    std::size_t bytes = 0;
    char32_t code = 0;
    char32_t least = 0;  // anything below could be said in fewer bytes
    if ((lead & 0xE0) == 0xC0) {
        bytes = 2, code = lead & 0x1F, least = 0x80;
    } else if ((lead & 0xF0) == 0xE0) {
        bytes = 3, code = lead & 0x0F, least = 0x800;
    } else if ((lead & 0xF8) == 0xF0) {
        bytes = 4, code = lead & 0x07, least = 0x10000;
    } else {
        return bad;
    }
    if (text.size() < bytes) return bad;
    for (std::size_t at = 1; at < bytes; ++at) {
        if ((byte(at) & 0xC0) != 0x80) return bad;
        code = (code << 6) | (byte(at) & 0x3F);
    }
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    if (code < least || code > 0x10FFFF || surrogate) return bad;
    return {code, bytes};
}

// Invisible characters that C libraries count as 0 columns and that change what stands beside them.
bool is_format(char32_t code) {
    return code == 0xAD || code == 0x61C || code == 0x180E || (code >= 0x200B && code <= 0x200F) ||
           (code >= 0x2028 && code <= 0x202E) || (code >= 0x2060 && code <= 0x206F) ||
           (code >= 0xFE00 && code <= 0xFE0F) || code == 0xFEFF ||
           (code >= 0xFFF0 && code <= 0xFFFB) || (code >= 0xE0000 && code <= 0xE0FFF);
}

// As the C library's Unicode tables say, whatever locale the user has; -1 for what has no width.
int width_of(char32_t code) {
    if (code < 0x20 || (code >= 0x7F && code < 0xA0)) return -1;
    if (code < 0x7F) return 1;
    if (is_format(code)) return -1;
    static const locale_t unicode = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    if (unicode == nullptr) return -1;  // no tables: only ASCII is shown
    const locale_t before = ::uselocale(unicode);
    const int width = ::wcwidth(static_cast<wchar_t>(code));
    ::uselocale(before);
    return width;
}

}  // namespace

std::string sanitised(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const auto [code, bytes] = first_of(text);
        const int width = width_of(code);
        const bool invalid = code == replacement && bytes == 1;
        if (invalid || width < 0 || (width == 0 && out.empty())) {
            out += replacement_text;
        } else {
            out += text.substr(0, bytes);
        }
        text.remove_prefix(bytes);
    }
    return out;
}

std::size_t columns_of(std::string_view text) {
    std::size_t columns = 0;
    while (!text.empty()) {
        const auto [code, bytes] = first_of(text);
        const int width = code == replacement ? 1 : width_of(code);
        if (width > 0) columns += static_cast<std::size_t>(width);
        text.remove_prefix(bytes);
    }
    return columns;
}

std::string fitted(std::string_view text, std::size_t columns, Align align) {
    const std::size_t needed = columns_of(text);
    if (needed <= columns) {
        const std::string blanks(columns - needed, ' ');
        return align == Align::left ? std::string(text) + blanks : blanks + std::string(text);
    }
    if (columns == 0) return {};
    std::size_t used = 0;
    std::size_t end = 0;
    while (end < text.size()) {
        const auto [code, bytes] = first_of(text.substr(end));
        const int width = code == replacement ? 1 : width_of(code);
        const auto wide = static_cast<std::size_t>(width > 0 ? width : 0);
        if (used + wide > columns - 1) break;
        used += wide;
        end += bytes;
    }
    // A wide character that does not fit leaves a column over.
    return std::string(text.substr(0, end)) + std::string(ellipsis) +
           std::string(columns - 1 - used, ' ');
}

std::vector<std::string> wrapped(std::string_view text, std::size_t columns) {
    if (columns_of(text) <= columns) return {std::string(text)};
    std::vector<std::string> lines(1);
    while (!text.empty()) {
        const auto word = take_until(text, ' ');
        const auto needed = columns_of(word);
        if (!lines.back().empty() && columns_of(lines.back()) + 1 + needed > columns) {
            lines.emplace_back();
        }
        if (!lines.back().empty()) lines.back() += ' ';
        lines.back() += needed > columns ? fitted(word, columns, Align::left) : std::string(word);
    }
    return lines;
}

}  // namespace virtpulse
