// Where in the report of a sample the figures of a VM go.
#pragma once

#include <cstdint>
#include <span>

#include "userspace/probe/fold.h"
#include "userspace/probe/kernel_probe.h"
#include "userspace/proc/process_files.h"
#include "userspace/sample/source.h"

namespace virtpulse::agent {

// Whether a row of another map, read after `vms` was, is of a VM that is gone. One that is not
// among the VMs of this sample may have been born since, and its row is to stay.
inline bool is_gone(const KernelProbe& probe, const Fold& fold, std::uint32_t tgid) {
    return !fold.place_of_vm(tgid) && !probe.has_vm(tgid);
}

class VmIndex {
  public:
    // `by_vm`: of each VM that fold() gave its counters in the report, null where it is not
    // watched. Both outlive this.
    VmIndex(const Fold& fold, std::span<VmCounters* const> by_vm) : fold_(fold), by_vm_(by_vm) {}

    [[nodiscard]] bool is_gone(const KernelProbe& probe, std::uint32_t tgid) const {
        return agent::is_gone(probe, fold_, tgid);
    }
    // Null where it is not watched.
    [[nodiscard]] VmCounters* counters_of(std::uint32_t tgid, std::uint64_t start_ns) const {
        const auto place = fold_.place_of_vm(tgid);
        VmCounters* const vm = place ? by_vm_[*place] : nullptr;
        const bool is_it = vm != nullptr && vm->process.start_ticks == ns_to_ticks(start_ns);
        return is_it ? vm : nullptr;
    }

  private:
    const Fold& fold_;
    std::span<VmCounters* const> by_vm_;
};

}  // namespace virtpulse::agent
