// Which CPUs are threads of one core, and so take time from each other without anybody waiting.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "userspace/proc/root.h"

namespace virtpulse::agent {

// CPU -> the others of its core. CPUs that have their core to themselves are not in it.
using CpuSiblings = std::map<std::uint32_t, std::vector<std::uint32_t>>;

// Of SYSFS/devices/system/cpu, as it is now. Empty where no core has two threads, or where that is
// not told.
CpuSiblings read_cpu_siblings(const Root& root);

}  // namespace virtpulse::agent
