// Whose vCPUs run on the two threads of one core. No I/O.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>

#include "userspace/proc/cpu_siblings.h"

namespace virtpulse::agent {

struct VcpuPlace {
    std::uint32_t vm = 0;   // tgid
    std::uint32_t cpu = 0;  // where it ran last
};

// Of each VM the number of vCPUs with a vCPU of another VM on a sibling of their CPU. VMs without
// such are not in it.
std::unordered_map<std::uint32_t, std::uint64_t> count_on_shared_cores(
    std::span<const VcpuPlace> vcpus, const CpuSiblings& siblings);

}  // namespace virtpulse::agent
