// Histograms whose buckets double in width, and what can be told from them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace virtpulse::wire {

// Bucket 0 counts values below `first_bound`, bucket i those from first_bound * 2^(i-1) up to, but
// without, first_bound * 2^i. The last of `buckets` has no upper bound: nothing is left out.
struct Log2Scale {
    std::uint64_t first_bound = 1;
    std::size_t buckets = 2;  // 2 to 64, and first_bound * 2^(buckets-2) must not pass 2^63

    // Smallest value that the bucket counts.
    [[nodiscard]] constexpr std::uint64_t lower_bound(std::size_t bucket) const {
        return bucket == 0 ? 0 : first_bound << (bucket - 1);
    }
    [[nodiscard]] constexpr bool has_upper_bound(std::size_t bucket) const {
        return bucket + 1 < buckets;
    }

    bool operator==(const Log2Scale&) const = default;
};

// The value that a share `q` (0 to 1) of all values counted between two readings of a cumulative
// histogram was not above, in the unit of the scale. Values are taken to be spread evenly over
// their bucket (linear interpolation, as Prometheus' histogram_quantile does): it is off by less
// than the width of one bucket. Where it falls into the last bucket, that bucket's lower bound:
// it was at least so much. A reading that is shorter than the scale ends in zeros, so `before` may
// be empty. Nothing where nothing was counted between, where a count went back, or where a reading
// has more buckets than the scale.
std::optional<double> quantile_between(std::span<const std::uint64_t> before,
                                       std::span<const std::uint64_t> after, const Log2Scale& scale,
                                       double q);

}  // namespace virtpulse::wire
