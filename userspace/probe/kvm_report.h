// The exits of VMs from their guests, sample by sample: which records are whose, and what they say.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "userspace/probe/fold_kvm.h"
#include "userspace/probe/kernel_probe.h"
#include "userspace/probe/vm_index.h"
#include "userspace/sample/source.h"

namespace virtpulse::agent {

class KvmReport {
  public:
    // Gives each of `vms`, which `index` finds, its exits. Records of VMs that are gone are freed.
    void read(KernelProbe& probe, const VmIndex& index, std::span<VmCounters> vms);

    // As of the last reading.
    [[nodiscard]] std::size_t records() const { return places_.size(); }

  private:
    void find_records(KernelProbe& probe);

    std::vector<std::uint32_t> places_;   // in use
    std::optional<std::uint64_t> begun_;  // see KernelProbe::vcpus_begun()
    std::vector<ExitSums> sums_;
};

// Frees the place of a record that no thread writes any more.
void free_vcpu(vp_vcpu& vcpu);

}  // namespace virtpulse::agent
