// A quantile of what a histogram of times grew by, in the frame's unit.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "wire/histogram.h"

namespace virtpulse::agent {

// wire::quantile_between in whole ns; nothing where nothing was counted between the two.
inline std::optional<std::uint64_t> quantile_ns(std::span<const std::uint64_t> before,
                                                std::span<const std::uint64_t> after,
                                                const wire::Log2Scale& scale, double q) {
    const auto value = wire::quantile_between(before, after, scale, q);
    return value ? std::optional(static_cast<std::uint64_t>(*value)) : std::nullopt;
}

}  // namespace virtpulse::agent
