// How much memory there is, and how much a program may take: of the machine, or of the control
// group that it runs in, where that is less.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace virtpulse::load {

struct MemoryRoom {
    std::uint64_t total_bytes = 0;
    std::uint64_t available_bytes = 0;  // without swapping
};

// MemTotal and MemAvailable of /proc/meminfo's text.
Result<MemoryRoom> parse_meminfo(std::string_view text);

// The directories whose memory limit holds for a process, its own group first, from the text of its
// /proc/PID/cgroup: those of the unified hierarchy and those of the old memory controller. In a
// container the path may be one of the host's that is not to be seen; its parents are listed too,
// and the last of them is the container's own.
std::vector<std::string> memory_groups(std::string_view proc_cgroup);

// What a group's files say: `limit` of memory.max or memory.limit_in_bytes ("max" for none),
// `usage` of memory.current or memory.usage_in_bytes, `stat` of memory.stat. Page cache that is not
// in use counts as available, as in MemAvailable. Narrows `room`; text that says nothing leaves it
// as it is.
MemoryRoom narrowed(MemoryRoom room, std::string_view limit, std::string_view usage,
                    std::string_view stat);

// All that for this process, now.
Result<MemoryRoom> memory_room();

}  // namespace virtpulse::load
