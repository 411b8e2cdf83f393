#include "userspace/probe/watched_vms.h"

#include <algorithm>

#include "userspace/proc/clock.h"
#include "userspace/proc/process_files.h"

namespace virtpulse::agent {

Result<void> WatchedVms::watch(KernelProbe& probe, std::span<const ProcessKey> processes,
                               std::vector<VmRow>& rows) {
    std::erase_if(vms_, [&](const auto& entry) {
        if (std::ranges::binary_search(processes, entry.first)) return false;
        for (const auto id : entry.second.cgroups)
            probe.remove_cgroup(id);
        return true;
    });
    const auto is_watched = [&](const auto& process) { return vms_.contains(process); };
    if (std::ranges::all_of(processes, is_watched)) return {};
    if (const auto read = probe.read_vms(rows); !read) return read;
    const auto mounts = read_cgroup_mounts(root_);
    for (const auto& process : processes) {
        const auto [place, is_new] = vms_.try_emplace(process);
        if (!is_new) continue;
        if (const auto begun = begin(probe, process, place->second, mounts, rows); !begun) {
            vms_.erase(place);
            return begun;
        }
    }
    return {};
}

Result<void> WatchedVms::begin(KernelProbe& probe, const ProcessKey& process, WatchedVm& vm,
                               const CgroupMounts& mounts, std::span<const VmRow> rows) {
    const auto tgid = static_cast<std::uint32_t>(process.pid);
    const auto known = std::ranges::find(rows, tgid, &VmRow::tgid);
    if (known != rows.end() && ns_to_ticks(known->vm.start_ns) == process.start_ticks) {
        vm.start_ns = known->vm.start_ns;
    } else {
        vp_vm fresh{};
        fresh.start_ns = ticks_to_ns(process.start_ticks);
        fresh.since_ns = static_cast<std::uint64_t>(since_boot().count());
        vm.start_ns = fresh.start_ns;
        if (const auto replaced = probe.replace_vm(tgid, fresh); !replaced) return replaced;
        found_running_ = true;
    }
    return assign_cgroups(probe, process, vm, mounts);
}

Result<void> WatchedVms::assign_cgroups(KernelProbe& probe, const ProcessKey& process,
                                        WatchedVm& vm, const CgroupMounts& mounts) const {
    auto cgroups = own_block_cgroups(root_, mounts, process.pid);
    for (const auto id : vm.cgroups) {
        if (std::ranges::find(cgroups, id) == cgroups.end()) probe.remove_cgroup(id);
    }
    const vp_owner owner{vm.start_ns, static_cast<std::uint32_t>(process.pid), 0};
    vm.cgroups = std::move(cgroups);
    for (const auto id : vm.cgroups) {
        if (const auto set = probe.set_cgroup_owner(id, owner); !set) return set;
    }
    return {};
}

Result<void> WatchedVms::renew_cgroups(KernelProbe& probe) {
    const auto mounts = read_cgroup_mounts(root_);
    for (auto& [process, vm] : vms_) {
        if (const auto assigned = assign_cgroups(probe, process, vm, mounts); !assigned) {
            return assigned;
        }
    }
    return {};
}

bool WatchedVms::note_unadopted(std::span<const VmRow> rows) {
    bool any = false;
    for (const auto& [tgid, vm] : rows) {
        if (vm.unadopted == 0) continue;
        WatchedVm* const watched = find({static_cast<pid_t>(tgid), ns_to_ticks(vm.start_ns)});
        if (watched == nullptr) continue;
        if (std::exchange(watched->unadopted, vm.unadopted) != vm.unadopted) any = true;
    }
    return any;
}

WatchedVm* WatchedVms::find(const ProcessKey& process) {
    const auto found = vms_.find(process);
    return found == vms_.end() ? nullptr : &found->second;
}

}  // namespace virtpulse::agent
