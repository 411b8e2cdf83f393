// Which CPUs are of which NUMA node.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "userspace/proc/root.h"

namespace virtpulse::agent {

// "0-3,8" as sysfs writes it. An error where it is no such list, or names a CPU over 65535.
Result<std::vector<std::uint32_t>> parse_cpu_list(std::string_view text);

// CPU -> node, of SYSFS/devices/system/node. Empty where the kernel knows no nodes.
std::map<std::uint32_t, std::uint32_t> read_cpu_nodes(const Root& root);

}  // namespace virtpulse::agent
