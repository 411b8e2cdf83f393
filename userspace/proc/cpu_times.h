// How busy the host's CPUs are: /proc/stat.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace virtpulse::agent {

// Over all CPUs since the host booted, in the kernel's clock ticks (USER_HZ).
struct CpuTimes {
    std::uint64_t busy_ticks = 0;  // user + nice + system + irq + softirq + steal
    std::uint64_t idle_ticks = 0;  // idle + iowait
    std::uint64_t online_cpus = 0;
    std::uint64_t boot_time_s = 0;  // since the Unix epoch
};

// Reads the text of /proc/stat. The time of guests is in user and nice already and not counted
// twice. Columns that an old kernel lacks are 0.
Result<CpuTimes> parse_cpu_times(std::string_view text);

// 100 * busy / (busy + idle) between two readings: 1 minus the idle share, as the standard says.
// Waiting for a disk is idle; time that a hypervisor beneath this host took away (steal) is not.
// Nothing where no time passed, or where a counter went back, as iowait may.
std::optional<double> cpu_percent(const CpuTimes& before, const CpuTimes& now);

}  // namespace virtpulse::agent
