#include "userspace/probe/wait_report.h"

#include <chrono>
#include <utility>

#include "userspace/probe/vm_index.h"

namespace virtpulse::agent {

Result<void> WaitReport::read_pairs(KernelProbe& probe) {
    return probe.read_next_culprits(culprit_rows_);
}

Result<void> WaitReport::read(KernelProbe& probe, const Fold& fold, std::span<const VmUse> uses) {
    const bool needs_ended = sums_.needs_ended(uses);
    if (needs_ended) {
        if (const auto read = probe.read_ended_waits(ended_rows_); !read) return read;
    }
    using Ended = std::span<const EndedWaitsRow>;
    waits_ = sums_.advance(uses, fold.places(), probe.threads(), probe.waits(),
                           needs_ended ? std::optional<Ended>(ended_rows_) : std::nullopt);
    if (needs_ended) {
        for (const auto& [tgid, history] : ended_rows_) {
            if (is_gone(probe, fold, tgid)) probe.remove_ended_waits(tgid);
        }
    }
    note_culprits(probe, fold);
    return {};
}

void WaitReport::note_culprits(KernelProbe& probe, const Fold& fold) {
    const auto is_known = [&](std::uint32_t tgid) { return fold.place_of_vm(tgid).has_value(); };
    const auto now = std::chrono::steady_clock::now();
    for (const auto& row : culprit_rows_) {
        if (is_known(row.key.victim) && (row.key.tgid == 0 || is_known(row.key.tgid))) {
            const vp_share pending =
                row.key.tgid != 0 ? sums_.pending(row.key.victim, row.key.tgid) : vp_share{};
            culprits_.note(row, now, pending);
        } else if (is_gone(probe, fold, row.key.victim) ||
                   (row.key.tgid != 0 && is_gone(probe, fold, row.key.tgid))) {
            probe.remove_culprit(row.key);
            culprits_.remove(row.key);
        }
    }
    if (fold.vms_changed()) culprits_.keep(is_known);
    for (const auto& key : culprits_.to_take_out(culprit_rows_, pairs_lost_, now)) {
        if (const auto last = probe.take_out_culprit(key)) culprits_.took_out({key, *last});
    }
}

void WaitReport::note_full(std::uint64_t culprits_full) {
    const auto before = std::exchange(culprits_full_, culprits_full);
    pairs_lost_ = before && *before != culprits_full;
}

}  // namespace virtpulse::agent
