// What VMs waited for a CPU and whom that is charged to, sample by sample: read from the kernel's
// maps, of which the one of culprits is kept from filling up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "userspace/probe/culprit_table.h"
#include "userspace/probe/fold.h"
#include "userspace/probe/fold_wait.h"
#include "userspace/probe/kernel_probe.h"

namespace virtpulse::agent {

class WaitReport {
  public:
    // `room`: rows that the map `culprits` can hold.
    explicit WaitReport(std::size_t room) : culprits_(room) {}

    // The next part of the pairs. To be called before the threads' records are read: a wait that a
    // thread adds to its pair in between is missing for one sample, and never counted twice.
    Result<void> read_pairs(KernelProbe& probe, std::span<const VmRow> vms);
    // `uses` is what `fold` gave. Rows of VMs that are gone are removed.
    Result<void> read(KernelProbe& probe, const Fold& fold, std::span<const VmUse> uses);
    // Rows that found no room in the map, as the kernel side counted by now.
    void note_full(std::uint64_t culprits_full);

    // Of the VM at this place in what fold() gave. Valid until the next reading.
    [[nodiscard]] const vp_history& waits(std::size_t vm) const { return waits_[vm]; }
    [[nodiscard]] std::span<const ChargedRow> culprits_of(std::uint32_t tgid) const {
        return culprits_.of(tgid);
    }
    [[nodiscard]] std::size_t culprit_rows() const { return culprits_.size(); }

  private:
    bool note_ends(std::span<const VmRow> vms);
    void note_culprits(KernelProbe& probe, const Fold& fold);

    std::vector<EndedWaitsRow> ended_rows_;
    WaitSums sums_;
    std::span<const vp_history> waits_;
    std::vector<CulpritRow> culprit_rows_;
    CulpritTable culprits_;
    std::unordered_map<std::uint32_t, unsigned> readings_since_end_;  // of ended VMs, by tgid
    std::optional<std::uint64_t> culprits_full_;
    bool pairs_lost_ = false;  // since the last sample
};

}  // namespace virtpulse::agent
