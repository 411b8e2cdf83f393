#include "tools/load/amount.h"

#include <string>

#include "base/text.h"

namespace virtpulse::load {
namespace {

constexpr double kMostBytes = 0x1p60;

// What the last letter multiplies by; 0 for a letter that means nothing here.
double factor_of(char unit) {
    constexpr std::string_view units = "kMGT";
    constexpr std::string_view lower = "kmgt";
    auto at = units.find(unit);
    if (at == std::string_view::npos) at = lower.find(unit == 'K' ? 'k' : unit);
    if (at == std::string_view::npos) return 0;
    return static_cast<double>(1ULL << (10 * (at + 1)));
}

}  // namespace

Result<std::uint64_t> parse_bytes(std::string_view what, std::string_view text) {
    auto digits = text;
    double factor = 1;
    if (!digits.empty() && factor_of(digits.back()) > 0) {
        factor = factor_of(digits.back());
        digits.remove_suffix(1);
    }
    const auto number = parse_number<double>(digits);
    // So written, a NaN fails too.
    if (number && *number * factor >= 1 && *number * factor <= kMostBytes) {
        return static_cast<std::uint64_t>(*number * factor);
    }
    return Error{std::string(what) + " must be bytes such as 4096, 64k, 256M or 1G, not '" +
                 std::string(text) + "'"};
}

Result<Amount> parse_amount(std::string_view what, std::string_view text) {
    if (text.ends_with('%')) {
        const auto percent = parse_number<double>(text.substr(0, text.size() - 1));
        if (percent && *percent > 0 && *percent <= 100) return Amount{0, *percent};
        return Error{std::string(what) + " must be more than 0% and at most 100%, not '" +
                     std::string(text) + "'"};
    }
    const auto bytes = parse_bytes(what, text);
    if (bytes) return Amount{*bytes, 0};
    return Error{std::string(what) +
                 " must be bytes such as 256M or 1G, or a percentage such as 50%, not '" +
                 std::string(text) + "'"};
}

}  // namespace virtpulse::load
