#include "wire/json_writer.h"

namespace virtpulse::wire {
namespace {

// Length of the valid UTF-8 sequence at the start of `text`; 0 where there is none. RFC 3629:
// no overlong forms, no surrogates, nothing over U+10FFFF.
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto follows = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xc0) == 0x80; };
    const unsigned char lead = byte(0);
    if (lead < 0x80) return 1;
    if (lead >= 0xc2 && lead <= 0xdf) return follows(1) ? 2 : 0;
    if (lead >= 0xe0 && lead <= 0xef) {
        if (!follows(1) || !follows(2)) return 0;
        if (lead == 0xe0 && byte(1) < 0xa0) return 0;
        if (lead == 0xed && byte(1) > 0x9f) return 0;
        return 3;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        if (!follows(1) || !follows(2) || !follows(3)) return 0;
        if (lead == 0xf0 && byte(1) < 0x90) return 0;
        if (lead == 0xf4 && byte(1) > 0x8f) return 0;
        return 4;
    }
    return 0;
}

}  // namespace

void append_json_text(std::string_view text, std::size_t longest, std::string& out) {
    constexpr std::string_view replacement = "\xef\xbf\xbd";
    constexpr std::string_view hex = "0123456789abcdef";
    const std::size_t limit = out.size() + longest;
    // Most of what is ever said needs nothing of all that.
    const auto is_plain = [](char c) { return c >= 0x20 && c != 0x7f && c != '"' && c != '\\'; };
    if (text.size() <= longest && std::ranges::all_of(text, is_plain)) {
        out += text;
        return;
    }
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        const auto first = static_cast<unsigned char>(text[0]);
        char escaped[6] = {'\\', 'u', '0', '0', hex[first >> 4 & 0xf], hex[first & 0xf]};
        std::string_view piece = text.substr(0, length);
        if (length == 0) {
            piece = replacement;
        } else if (first == '"' || first == '\\') {
            escaped[1] = static_cast<char>(first);
            piece = {escaped, 2};
        } else if (first < 0x20 || first == 0x7f) {
            piece = {escaped, sizeof escaped};
        }
        if (out.size() + piece.size() > limit) return;
        out += piece;
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
}

}  // namespace virtpulse::wire
