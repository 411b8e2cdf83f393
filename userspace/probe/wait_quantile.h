// Quantiles of single waits from their histogram. No I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace virtpulse::agent {

// The wait, in ns, that the share `q` (0 to 1) of all waits is no longer than. `counts` are those
// of bpf/records.h: bucket 0 from 0 to 2^10 ns, bucket k from 2^(9+k) to 2^(10+k), the last one
// open. Inside a bucket waits are taken to be spread evenly, so that it is right to a factor of 2
// and mostly much better; of the open bucket it is its beginning, which is true and the least that
// can be said. Nothing where there was no wait.
std::optional<std::uint64_t> wait_quantile_ns(std::span<const std::uint64_t> counts, double q);

}  // namespace virtpulse::agent
