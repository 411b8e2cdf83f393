#include "wire/histogram.h"

#include <algorithm>

namespace virtpulse::wire {
namespace {

std::uint64_t at(std::span<const std::uint64_t> counts, std::size_t bucket) {
    return bucket < counts.size() ? counts[bucket] : 0;
}

}  // namespace

std::optional<double> quantile_between(std::span<const std::uint64_t> before,
                                       std::span<const std::uint64_t> after, const Log2Scale& scale,
                                       double q) {
    if (before.size() > scale.buckets || after.size() > scale.buckets) return std::nullopt;
    double total = 0;
    for (std::size_t i = 0; i < scale.buckets; ++i) {
        if (at(after, i) < at(before, i)) return std::nullopt;
        total += static_cast<double>(at(after, i) - at(before, i));
    }
    if (total == 0) return std::nullopt;
    const double rank = std::clamp(q, 0.0, 1.0) * total;
    double below = 0;
    double value = 0;
    for (std::size_t i = 0; i < scale.buckets; ++i) {
        const auto count = static_cast<double>(at(after, i) - at(before, i));
        if (count == 0) continue;
        const auto low = static_cast<double>(scale.lower_bound(i));
        if (!scale.has_upper_bound(i)) return low;
        const auto high = static_cast<double>(scale.lower_bound(i + 1));
        if (below + count >= rank) return low + (high - low) * std::max(0.0, rank - below) / count;
        below += count;
        value = high;  // where rounding leaves the rank beyond all of them
    }
    return value;
}

}  // namespace virtpulse::wire
