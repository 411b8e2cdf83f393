#include "userspace/probe/wait_quantile.h"

#include <numeric>

namespace virtpulse::agent {
namespace {

std::uint64_t begin_of(std::size_t bucket) {
    return bucket == 0 ? 0 : std::uint64_t{1} << (9 + bucket);
}

}  // namespace

std::optional<std::uint64_t> wait_quantile_ns(std::span<const std::uint64_t> counts, double q) {
    const auto total = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
    if (total == 0) return std::nullopt;
    const double rank = q * static_cast<double>(total);
    double below = 0;
    for (std::size_t bucket = 0; bucket < counts.size(); ++bucket) {
        const auto count = static_cast<double>(counts[bucket]);
        if (count > 0 && below + count >= rank) {
            const auto begin = begin_of(bucket);
            if (bucket + 1 == counts.size()) return begin;
            const auto width = static_cast<double>(begin_of(bucket + 1) - begin);
            return begin + static_cast<std::uint64_t>(width * (rank - below) / count);
        }
        below += count;
    }
    return begin_of(counts.size() - 1);
}

}  // namespace virtpulse::agent
