#include "userspace/probe/wait_report.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "userspace/probe/vm_index.h"

namespace virtpulse::agent {

Result<void> WaitReport::read_pairs(KernelProbe& probe, std::span<const VmRow> vms) {
    return note_ends(vms) ? probe.read_culprits(culprit_rows_)
                          : probe.read_next_culprits(culprit_rows_);
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

namespace {

// All pairs are read as often after a VM's end: once for what its last waits were, once to remove
// them, and once for those that were still charged then, as a CPU remembers who had it.
constexpr unsigned whole_readings = 3;

}  // namespace

// Whether all pairs are to be read, as some VM has just ended.
bool WaitReport::note_ends(std::span<const VmRow> vms) {
    bool read_all = false;
    std::unordered_map<std::uint32_t, unsigned> ended;
    for (const auto& [tgid, vm] : vms) {
        if (vm.ended_ns == 0) continue;
        const auto before = readings_since_end_.find(tgid);
        const auto readings = before == readings_since_end_.end() ? 1 : before->second + 1;
        ended.emplace(tgid, readings);
        if (readings <= whole_readings) read_all = true;
    }
    readings_since_end_ = std::move(ended);
    return read_all;
}

void WaitReport::note_culprits(KernelProbe& probe, const Fold& fold) {
    const auto is_told = [&](std::uint32_t tgid) {
        const auto ended = readings_since_end_.find(tgid);
        return ended == readings_since_end_.end() ? fold.place_of_vm(tgid).has_value()
                                                  : ended->second == 1;
    };
    const auto is_to_go = [&](std::uint32_t tgid) {
        return !is_told(tgid) && (fold.place_of_vm(tgid) || !probe.has_vm(tgid));
    };
    const auto now = std::chrono::steady_clock::now();
    for (const auto& row : culprit_rows_) {
        if (is_told(row.key.victim) && (row.key.tgid == 0 || is_told(row.key.tgid))) {
            const vp_share pending =
                row.key.tgid != 0 ? sums_.pending(row.key.victim, row.key.tgid) : vp_share{};
            culprits_.note(row, now, pending);
        } else if (is_to_go(row.key.victim) || (row.key.tgid != 0 && is_to_go(row.key.tgid))) {
            probe.remove_culprit(row.key);
            culprits_.remove(row.key);
        }
    }
    const bool any_end =
        std::ranges::any_of(readings_since_end_, [](const auto& vm) { return vm.second == 2; });
    if (fold.vms_changed() || any_end) culprits_.keep(is_told);
    for (const auto& key : culprits_.to_take_out(culprit_rows_, pairs_lost_, now)) {
        if (const auto last = probe.take_out_culprit(key)) culprits_.took_out({key, *last});
    }
}

void WaitReport::note_full(std::uint64_t culprits_full) {
    const auto before = std::exchange(culprits_full_, culprits_full);
    pairs_lost_ = before && *before != culprits_full;
}

}  // namespace virtpulse::agent
