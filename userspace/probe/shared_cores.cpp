#include "userspace/probe/shared_cores.h"

#include <algorithm>

namespace virtpulse::agent {
namespace {

// Who was last on a CPU. Of several VMs one is enough to know that another was there.
struct Users {
    std::uint32_t first_vm = 0;
    bool several = false;
};

}  // namespace

std::unordered_map<std::uint32_t, std::uint64_t> count_on_shared_cores(
    std::span<const VcpuPlace> vcpus, const CpuSiblings& siblings) {
    std::unordered_map<std::uint32_t, std::uint64_t> counts;
    if (siblings.empty()) return counts;
    std::unordered_map<std::uint32_t, Users> users;
    for (const auto& [vm, cpu] : vcpus) {
        const auto [at, is_new] = users.try_emplace(cpu, Users{vm, false});
        if (at->second.first_vm != vm) at->second.several = true;
    }
    for (const auto& vcpu : vcpus) {
        const auto core = siblings.find(vcpu.cpu);
        if (core == siblings.end()) continue;
        const bool is_shared = std::ranges::any_of(core->second, [&](std::uint32_t sibling) {
            const auto beside = users.find(sibling);
            return beside != users.end() &&
                   (beside->second.several || beside->second.first_vm != vcpu.vm);
        });
        if (is_shared) ++counts[vcpu.vm];
    }
    return counts;
}

}  // namespace virtpulse::agent
