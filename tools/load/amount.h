// Amounts of bytes as people write them: 4096, 64k, 256M, 1G, 50%.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace virtpulse::load {

// `text` as bytes: a number, not necessarily whole, with k, M, G or T (powers of 1024, either case)
// or nothing behind it. `what` names it in the error. From 1 to 2^60 bytes; a part of a byte falls
// away.
Result<std::uint64_t> parse_bytes(std::string_view what, std::string_view text);

// Bytes, or a part of something whose size is not known yet.
struct Amount {
    std::uint64_t bytes = 0;
    double percent = 0;  // not 0: of the whole, and `bytes` means nothing

    [[nodiscard]] std::uint64_t of(std::uint64_t whole_bytes) const {
        if (percent == 0) return bytes;
        return static_cast<std::uint64_t>(percent / 100 * static_cast<double>(whole_bytes));
    }
};

// Bytes as above, or a percentage: "50%", more than 0, up to 100.
Result<Amount> parse_amount(std::string_view what, std::string_view text);

}  // namespace virtpulse::load
