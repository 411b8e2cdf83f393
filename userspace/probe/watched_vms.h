// The VMs that are watched: what is kept of each from sample to sample, and the cgroups by which
// the kernel side knows its block I/O.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"
#include "userspace/probe/fold.h"
#include "userspace/probe/fold_wait.h"
#include "userspace/probe/kernel_probe.h"
#include "userspace/proc/process_cgroup.h"
#include "userspace/proc/root.h"
#include "userspace/sample/source.h"

namespace virtpulse::agent {

struct WatchedVm {
    std::uint64_t start_ns = 0;  // of its process, as the map `vms` has it
    std::vector<std::uint64_t> cgroups;
    ThreadUse highest;  // the counters never go back, whatever a reading missed
    std::array<std::uint64_t, VP_ROLES> highest_role_ns{};
    std::uint32_t unadopted = 0;  // of vp_vm, when threads were last adopted
    WaitMemory waits;
};

class WatchedVms {
  public:
    explicit WatchedVms(Root root) : root_(std::move(root)) {}

    // Watches these processes, in ascending order, and no others. One that cannot be watched keeps
    // none of the others from it, and is tried again at the next call.
    Result<void> watch(KernelProbe& probe, std::span<const ProcessKey> processes);

    // Begins those again that have no row among these, all that there are: whoever removed it,
    // nothing else would. Their counters start from 0, and since now.
    Result<void> renew_rows(KernelProbe& probe, std::span<const VmRow> rows);
    [[nodiscard]] std::size_t size() const { return vms_.size(); }

    // Looks up again in which cgroups they are: they can be moved to others at any time.
    Result<void> renew_cgroups(KernelProbe& probe);

    // Whether watch() told the kernel side, since this was last asked, of a process that it had not
    // seen begin: its threads have no records yet.
    [[nodiscard]] bool take_found_running() { return std::exchange(found_running_, false); }

    // Whether any of them has threads, by these rows of `vms`, that the kernel has made since the
    // last call and that have no records.
    bool note_unadopted(std::span<const VmRow> rows);

    // Null where it is not watched. Valid until the next watch().
    [[nodiscard]] WatchedVm* find(const ProcessKey& process);

  private:
    Result<void> begin(KernelProbe& probe, const ProcessKey& process, WatchedVm& vm,
                       const CgroupMounts& mounts);
    Result<void> confirm_or_add(KernelProbe& probe, const ProcessKey& process, WatchedVm& vm);
    [[nodiscard]] bool still_runs(const ProcessKey& process) const;
    Result<void> assign_cgroups(KernelProbe& probe, const ProcessKey& process, WatchedVm& vm,
                                const CgroupMounts& mounts) const;

    Root root_;
    ByProcess<WatchedVm> vms_;
    bool found_running_ = false;
};

}  // namespace virtpulse::agent
