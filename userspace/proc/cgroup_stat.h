// The files in which the kernel says what a cgroup, or the whole host, lacked.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "wire/frame.h"

namespace virtpulse::agent {

// What a CPU quota did. Counts a directory's own quota, not that of those above or below it.
struct Throttling {
    std::uint64_t periods = 0;            // in which the quota was in force and something ran
    std::uint64_t throttled_periods = 0;  // of those, in which it was used up
    std::uint64_t throttled_ns = 0;       // added up over the CPUs

    bool operator==(const Throttling&) const = default;
};

// cpu.stat of cgroup v1 (throttled_time in ns) and of v2 (throttled_usec). Nothing where it does
// not speak of quotas: a directory of v2 without the cpu controller.
std::optional<Throttling> parse_cpu_stat(std::string_view text);

// cpu.pressure, memory.pressure and io.pressure of v2, and /proc/pressure/*: the totals.
Result<wire::Stall> parse_pressure(std::string_view text);

}  // namespace virtpulse::agent
