#include "userspace/probe/watched_vms.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <string>

#include "userspace/probe/record_word.h"
#include "userspace/proc/clock.h"
#include "userspace/proc/executable.h"
#include "userspace/proc/file.h"
#include "userspace/proc/process_files.h"

namespace virtpulse::agent {

namespace {

// Records of the threads of processes that are VMs for certain.
void mark_confirmed(std::span<vp_thread> threads, const std::set<std::uint32_t>& tgids) {
    for (auto& thread : threads) {
        if (load(thread.unconfirmed) == 0 || !tgids.contains(load(thread.tgid))) continue;
        std::atomic_ref(thread.unconfirmed).store(0, std::memory_order_relaxed);
    }
}

// Frees the records of a process, so that its threads get others.
void free_records(std::span<vp_thread> threads, std::uint32_t tgid) {
    for (auto& thread : threads) {
        auto tid = load(thread.tid);
        if (tid == 0 || tid == VP_TID_CLAIMED || load(thread.tgid) != tgid) continue;
        std::atomic_ref(thread.tid).compare_exchange_strong(tid, 0);
    }
}

// Says the first of several failures, and how many there were.
class Failures {
  public:
    void add(Error error) {
        if (count_++ == 0) first_ = std::move(error);
    }
    [[nodiscard]] Result<void> result() const {
        if (count_ == 0) return {};
        if (count_ == 1) return first_;
        return Error{first_.message + ", and " + std::to_string(count_ - 1) + " more such failures",
                     first_.code};
    }

  private:
    std::size_t count_ = 0;
    Error first_;
};

}  // namespace

Result<void> WatchedVms::watch(KernelProbe& probe, std::span<const ProcessKey> processes) {
    std::erase_if(vms_, [&](const auto& entry) {
        if (std::ranges::binary_search(processes, entry.first)) return false;
        for (const auto id : entry.second.cgroups)
            probe.remove_cgroup(id);
        return true;
    });
    const auto is_watched = [&](const auto& process) { return vms_.contains(process); };
    if (std::ranges::all_of(processes, is_watched)) return {};
    const auto mounts = read_cgroup_mounts(root_);
    std::set<std::uint32_t> begun;
    Failures failures;
    for (const auto& process : processes) {
        const auto [place, is_new] = vms_.try_emplace(process);
        if (!is_new) continue;
        if (auto done = begin(probe, process, place->second, mounts); !done) {
            failures.add(done.error());
            vms_.erase(place);
        } else {
            begun.insert(static_cast<std::uint32_t>(process.pid));
        }
    }
    mark_confirmed(probe.threads(), begun);
    return failures.result();
}

Result<void> WatchedVms::renew_rows(KernelProbe& probe, std::span<const VmRow> rows) {
    std::set<ProcessKey> known;
    for (const auto& [tgid, vm] : rows)
        known.insert({static_cast<pid_t>(tgid), ns_to_ticks(vm.start_ns)});
    const auto mounts = read_cgroup_mounts(root_);
    Failures failures;
    for (auto& [process, vm] : vms_) {
        if (known.contains(process) || !still_runs(process)) continue;
        const auto tgid = static_cast<std::uint32_t>(process.pid);
        spdlog::warn("process {} had lost its row in the map vms: its counters start again", tgid);
        free_records(probe.threads(), tgid);
        probe.remove_ended_waits(tgid);
        // The start as it was: rows of other maps have it for a key.
        WatchedVm fresh;
        fresh.start_ns = vm.start_ns;
        fresh.cgroups = std::move(vm.cgroups);
        vm = std::move(fresh);
        if (auto done = begin(probe, process, vm, mounts); !done) failures.add(done.error());
    }
    return failures.result();
}

// Whether the process is there, and what it was.
bool WatchedVms::still_runs(const ProcessKey& process) const {
    const auto tgid = static_cast<std::uint32_t>(process.pid);
    std::string buffer;
    const auto text = read_file(task_file(root_, tgid, tgid, "stat"), buffer);
    const auto stat = and_then(text, parse_process_stat);
    return stat && !stat->is_dead() && stat->start_ticks == process.start_ticks &&
           runs_hypervisor(root_, process.pid);
}

Result<void> WatchedVms::begin(KernelProbe& probe, const ProcessKey& process, WatchedVm& vm,
                               const CgroupMounts& mounts) {
    if (auto done = confirm_or_add(probe, process, vm); !done) return done;
    return assign_cgroups(probe, process, vm, mounts);
}

// The kernel side makes and removes rows at the same time, so that what was found may have changed.
Result<void> WatchedVms::confirm_or_add(KernelProbe& probe, const ProcessKey& process,
                                        WatchedVm& vm) {
    const auto tgid = static_cast<std::uint32_t>(process.pid);
    constexpr int tries = 3;
    for (int i = 0; i < tries; ++i) {
        const auto known = probe.find_vm(tgid);
        if (known && ns_to_ticks(known->start_ns) == process.start_ticks) {
            const auto confirmed = probe.confirm_vm({known->start_ns, tgid, 0, 0, 0});
            if (!confirmed) return confirmed.error();
            if (!*confirmed) continue;
            vm.start_ns = known->start_ns;
            return {};
        }
        if (known) probe.remove_vm(tgid);  // of a process before it
        vp_vm fresh{};
        fresh.start_ns = vm.start_ns != 0 ? vm.start_ns : ticks_to_ns(process.start_ticks);
        fresh.since_ns = static_cast<std::uint64_t>(since_boot().count());
        fresh.confirmed = 1;
        const auto added = probe.add_vm(tgid, fresh);
        if (!added) return added.error();
        if (!*added) continue;
        vm.start_ns = fresh.start_ns;
        found_running_ = true;
        return {};
    }
    return Error{"process " + std::to_string(tgid) + " begins again and again"};
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
    Failures failures;
    for (auto& [process, vm] : vms_) {
        if (auto done = assign_cgroups(probe, process, vm, mounts); !done) {
            failures.add(done.error());
        }
    }
    return failures.result();
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
