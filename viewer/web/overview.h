// All hosts and VMs at one moment in a few bytes each, for the grid of the page.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "viewer/model/grid.h"
#include "viewer/web/roster.h"

namespace virtpulse::viewer::web {

// Memory that a VM was given, KiB: its maximum where it is known, else what it has now.
std::optional<std::uint64_t> given_kib(const wire::Vm& vm);
// Of that, the share in use, 0 to 1: what is resident of its process, which the host really spends,
// else what it has now.
std::optional<double> used_share(const wire::Vm& vm);

// The message, little-endian. Numbers that are not known are the largest of their type, or the
// smallest where it has a sign. `entries` are the roster's, one a host, in the same order.
//
//   u8 1, u8 1 (version), u16 0, u32 hosts, f64 time (s since the epoch), then for each host:
//   u32 number, u32 serial (of the roster entry that names its VMs), u8 level (0 unknown, 1 good,
//   2 warn, 3 bad), u8 severity (200 is 1), u8 presence (200 is 1), u8 flags (1 live, 2 all parts
//   came, 4 a source is missing), u16 age (0.1 s), i16 CPU, RAM, disk (0.1 %), i16 CPU and board
//   temperature (0.1 degrees C), u16 VMs, u8 length and UTF-8 of the reasons, then for each VM:
//   u8 state + 8 where stale, u16 memory used (65534 is all), i16 CPU (0.1 %), i16 run delay of
//   each vCPU (0.1 %).
//
// 50 VMs on each of 1000 hosts are some 390 kB.
std::string overview_of(std::span<const HostView> hosts,
                        std::span<const RosterEntry* const> entries, double time_s);

}  // namespace virtpulse::viewer::web
