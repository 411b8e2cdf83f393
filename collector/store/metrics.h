// The figures that are rolled up, and that history can be asked for.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "wire/frame.h"

namespace virtpulse::collector {

// Names are those of the columns; each ends in its unit, or counts. A counter's rates are per
// second.
inline constexpr std::array<std::string_view, 7> host_gauges{
    "cpu_percent",    "ram_percent",     "disk_percent",   "cputemp_celsius",
    "mbtemp_celsius", "agent_rss_bytes", "ksm_saved_bytes"};
inline constexpr std::array<std::string_view, 4> host_counters{
    "agent_cpu_ns", "cpu_pressure_us", "memory_pressure_us", "io_pressure_us"};

// Of the two latencies the worst of its devices.
inline constexpr std::array<std::string_view, 6> vm_gauges{
    "cpu_percent", "ram_kib", "rss_bytes", "wait_p99_ns", "read_p99_ns", "write_p99_ns"};
// From read_ops to write_ns, and ahead_ns: over all its devices.
inline constexpr std::array<std::string_view, 24> vm_counters{
    "cpu_ns",         "run_delay_ns",     "switches",     "read_ops",        "read_bytes",
    "write_ops",      "write_bytes",      "flush_ops",    "discard_ops",     "busy_ns",
    "read_ns",        "write_ns",         "wait_vm_ns",   "wait_process_ns", "wait_quota_ns",
    "kvm_exits",      "kvm_halt_poll_ns", "major_faults", "throttled_ns",    "memory_pressure_us",
    "io_pressure_us", "wait_own_ns",      "kvm_guest_ns", "ahead_ns"};

inline constexpr std::size_t most_gauges = host_gauges.size();
inline constexpr std::size_t most_counters = vm_counters.size();

// What there are roll-ups of: hosts, or VMs.
struct Subject {
    std::string_view name;  // of the tables, in front: vm_10s
    std::string_view id;    // the key's column
    std::span<const std::string_view> gauges;
    std::span<const std::string_view> counters;
};
inline constexpr Subject host_subject{"host", "host_id", host_gauges, host_counters};
inline constexpr Subject vm_subject{"vm", "vm_id", vm_gauges, vm_counters};

struct Tier {
    std::string_view name;  // of the tables, behind: vm_10s
    std::int64_t step_s;
};
inline constexpr std::array<Tier, 3> tiers{{{"10s", 10}, {"1min", 60}, {"1h", 3600}}};

// What one sample says of a host or a VM, in the order of the names above.
struct Reading {
    double time_s = 0;                   // by the host's clock
    std::optional<std::uint64_t> since;  // counters with another `since` began anew
    std::size_t devices = 0;             // whose counters are added up
    std::array<std::optional<double>, most_gauges> gauges{};
    std::array<std::optional<std::uint64_t>, most_counters> counters{};
};
// How long something waited for a resource; nothing where it is not known, or was not read for this
// sample (see wire::CgroupExt).
std::optional<std::uint64_t> waited_us(const std::optional<wire::PressureExt>& pressure,
                                       std::optional<wire::Stall> wire::PressureExt::*resource);
// The figures of a VM's cgroup; none where they are of an earlier sample.
const wire::CgroupExt& read_now(const std::optional<wire::CgroupExt>& cgroup);
consteval std::size_t wait_class(std::string_view name) {
    return static_cast<std::size_t>(std::ranges::find(wire::wait_classes, name) -
                                    wire::wait_classes.begin());
}
// Nothing where the waits are not known.
std::optional<std::uint64_t> waited_for(const std::optional<wire::WaitExt>& wait,
                                        std::size_t wait_class);
// Likewise, for all threads of its own.
std::optional<std::uint64_t> waited_for_own(const std::optional<wire::WaitExt>& wait);
Reading reading_of(const wire::Host& host);
Reading reading_of(const wire::Vm& vm, double time_s);
// Those of the devices that a VM used.
void take_blocks(const std::vector<wire::BlockCounters>& blocks, Reading& reading);

}  // namespace virtpulse::collector
