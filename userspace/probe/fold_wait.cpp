#include "userspace/probe/fold_wait.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "userspace/probe/quantile_ns.h"
#include "userspace/probe/record_word.h"

namespace virtpulse::agent {
namespace {

static_assert(VP_WAIT_BUCKETS == wire::wait_buckets);
static_assert(VP_BYS == wire::wait_classes.size());

// Puts `now` in place of `before` in a sum, of which that is a part. All members are counters of 64
// bits, of which each step is right modulo 2^64.
void renew_part(vp_history& sum, vp_history& before, const vp_history& now) {
    auto* const sums = reinterpret_cast<__u64*>(&sum);
    auto* const olds = reinterpret_cast<__u64*>(&before);
    const auto* const news = reinterpret_cast<const __u64*>(&now);
    for (std::size_t i = 0; i < sizeof(vp_history) / sizeof(__u64); ++i) {
        const auto word = load(news[i]);
        sums[i] += word - olds[i];
        olds[i] = word;
    }
}

// While the kernel may write it: never as of one VM with another's figures.
vp_pending load_pending(const vp_pending& from) {
    const std::uint32_t tgid = load(from.tgid);
    const vp_pending pending{load(from.ns), load(from.waits), tgid};
    return load(from.tgid) == tgid ? pending : vp_pending{};
}

// The kernel's type is another of the same width.
std::array<std::uint64_t, VP_WAIT_BUCKETS> counts_of(const vp_history& history) {
    std::array<std::uint64_t, VP_WAIT_BUCKETS> counts{};
    std::ranges::copy(history.counts, counts.begin());
    return counts;
}

std::string comm_of(const vp_culprit_key& key) {
    return {key.comm, strnlen(key.comm, sizeof key.comm)};
}

}  // namespace

void add_history(vp_history& to, const vp_history& from) {
    for (std::size_t i = 0; i < VP_WAIT_BUCKETS; ++i)
        to.counts[i] += load(from.counts[i]);
    for (std::size_t i = 0; i < VP_BYS; ++i) {
        to.by[i].ns += load(from.by[i].ns);
        to.by[i].waits += load(from.by[i].waits);
    }
    to.merged += load(from.merged);
    to.moves += load(from.moves);
    to.node_moves += load(from.node_moves);
    to.phantom_ns += load(from.phantom_ns);
}

bool WaitSums::are_known(std::span<const VmUse> uses) const {
    return std::ranges::equal(uses, vms_, [](const VmUse& use, const Vm& known) {
        return use.tgid == known.tgid && use.vm.start_ns == known.start_ns;
    });
}

bool WaitSums::needs_ended(std::span<const VmUse> uses) const {
    return !are_known(uses) ||
           !std::ranges::equal(
               uses, vms_, {}, [](const VmUse& use) { return use.vm.ended_switches; },
               &Vm::ended_switches);
}

void WaitSums::begin_anew(std::span<const VmUse> uses) {
    sums_.assign(uses.size(), {});
    threads_.clear();
    pending_.clear();
    vms_.clear();
    for (const auto& use : uses)
        vms_.push_back({use.tgid, use.vm.start_ns, 0, {}});
}

// Makes `threads_` those at `places`, which are mostly the same as at the call before.
void WaitSums::match(std::span<const UsedPlace> places) {
    const auto is_at = [](const UsedPlace& at, const Thread& known) {
        return at.place == known.place && at.tid == known.tid;
    };
    if (std::ranges::equal(places, threads_, is_at)) return;
    next_.clear();
    auto known = threads_.begin();
    for (const auto& at : places) {
        // Both are in the order of their places.
        for (; known != threads_.end() && known->place < at.place; ++known)
            drop(*known);
        if (known != threads_.end() && is_at(at, *known)) {
            next_.push_back(std::move(*known++));
        } else {
            auto& fresh = next_.emplace_back();
            fresh.place = at.place;
            fresh.tid = at.tid;
            fresh.use = at.use;
            fresh.added = std::make_unique<vp_history>();
        }
    }
    for (; known != threads_.end(); ++known)
        drop(*known);
    threads_.swap(next_);
}

void WaitSums::drop(Thread& thread) {
    renew_part(sums_[thread.use], *thread.added, vp_history{});
    renew_pending(thread, {});
}

namespace {

std::uint64_t pair_of(std::uint32_t victim, std::uint32_t culprit) {
    return std::uint64_t{victim} << 32 | culprit;
}

}  // namespace

void WaitSums::renew_pending(Thread& thread, const vp_pending& now) {
    const std::uint32_t victim = vms_[thread.use].tgid;
    // A sum of which nothing is left is that of no other thread either, as none has a part of 0 in
    // it.
    const auto part = now.ns == 0 ? vp_pending{} : now;
    if (const auto before = std::exchange(thread.pending, part); before.tgid != 0) {
        const auto sum = pending_.find(pair_of(victim, before.tgid));
        sum->second.ns -= before.ns;
        sum->second.waits -= before.waits;
        if (sum->second.ns == 0) pending_.erase(sum);
    }
    if (part.tgid == 0) return;
    auto& sum = pending_[pair_of(victim, part.tgid)];
    sum.ns += part.ns;
    sum.waits += part.waits;
}

vp_share WaitSums::pending(std::uint32_t victim, std::uint32_t culprit) const {
    const auto found = pending_.find(pair_of(victim, culprit));
    return found == pending_.end() ? vp_share{} : found->second;
}

std::span<const vp_history> WaitSums::advance(std::span<const VmUse> uses,
                                              std::span<const UsedPlace> places,
                                              std::span<const vp_thread> threads,
                                              std::span<const vp_wait> waits,
                                              std::optional<std::span<const EndedWaitsRow>> ended) {
    if (!are_known(uses)) begin_anew(uses);
    if (ended) {
        std::unordered_map<std::uint32_t, const vp_history*> by_tgid;
        for (const auto& [tgid, history] : *ended)
            by_tgid[tgid] = &history;
        for (std::size_t i = 0; i < uses.size(); ++i) {
            vms_[i].ended_switches = uses[i].vm.ended_switches;
            const auto found = by_tgid.find(uses[i].tgid);
            if (found != by_tgid.end()) renew_part(sums_[i], vms_[i].ended, *found->second);
        }
    }
    match(places);
    for (std::size_t i = 0; i < places.size(); ++i) {
        const auto& at = places[i];
        auto& known = threads_[i];
        // One that ended since is in the next sample: it may be among the ended already.
        if (load(threads[at.place].tid) != at.tid) {
            drop(known);
            known.settled = false;
            continue;
        }
        if (known.settled && !at.on_cpu && known.switches == at.switches &&
            known.run_delay_ns == at.run_delay_ns) {
            continue;
        }
        known.settled = !at.on_cpu;
        known.switches = at.switches;
        known.run_delay_ns = at.run_delay_ns;
        const vp_wait& wait = waits[at.place];
        renew_part(sums_[at.use], *known.added, wait.all);
        renew_pending(known, load_pending(wait.pending));
    }
    return sums_;
}

const vp_history& WaitMemory::advance(const vp_history& now) {
    before_ = now_;
    auto* const words = reinterpret_cast<__u64*>(&now_);
    const auto* const news = reinterpret_cast<const __u64*>(&now);
    for (std::size_t i = 0; i < sizeof(vp_history) / sizeof(__u64); ++i)
        words[i] = std::max(words[i], news[i]);
    looks_ = std::min(looks_ + 1, 2U);
    return now_;
}

void WaitMemory::report(std::span<const ChargedRow> culprits, WaitCounters& result) const {
    wire::WaitExt& wait = result.wait;
    const std::span counts(now_.counts);
    const auto end = std::find_if(counts.rbegin(), counts.rend(), [](auto n) { return n != 0; });
    wait.counts.assign(counts.begin(), end.base());
    wait.merged = now_.merged;
    wait.phantom_ns = now_.phantom_ns;
    wait.p50_ns.reset();
    wait.p99_ns.reset();
    if (looks_ > 1) {
        const auto before = counts_of(before_);
        const auto now = counts_of(now_);
        wait.p50_ns = quantile_ns(before, now, wait_scale, 0.5);
        wait.p99_ns = quantile_ns(before, now, wait_scale, 0.99);
    }

    // Named only once it is known who they are.
    struct Candidate {
        std::uint32_t by;
        const ChargedRow* row;  // null where the class has none
        vp_share share;
        std::uint64_t grown_ns;
    };
    std::vector<Candidate> candidates;
    candidates.reserve(VP_BYS + culprits.size());
    for (std::uint32_t by = 0; by < VP_BYS; ++by) {
        const auto& share = now_.by[by];
        wait.by_ns.at(by) = share.ns;
        // Those of these two have rows of their own.
        if (by == VP_BY_HOST || by == VP_BY_VM || share.ns == 0) continue;
        candidates.push_back({by, nullptr, share, share.ns - before_.by[by].ns});
    }
    for (const auto& row : culprits) {
        if (row.culprit.ns == 0) continue;
        const std::uint32_t by = row.key.tgid != 0 ? VP_BY_VM : VP_BY_HOST;
        candidates.push_back({by, &row, {row.culprit.ns, row.culprit.waits}, row.grown_ns});
    }
    const auto keep = std::min(candidates.size(), wire::most_culprits);
    std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(keep),
                      candidates.end(), [](const Candidate& a, const Candidate& b) {
                          return std::tie(a.grown_ns, a.share.ns) >
                                 std::tie(b.grown_ns, b.share.ns);
                      });
    result.culprits.clear();
    for (const auto& [by, row, share, grown_ns] : std::span(candidates).first(keep)) {
        wire::Culprit culprit{std::string(wire::wait_classes.at(by)),
                              row != nullptr ? comm_of(row->key) : std::string(), share.ns,
                              share.waits};
        result.culprits.push_back({std::move(culprit), row != nullptr ? row->key.tgid : 0});
    }
}

}  // namespace virtpulse::agent
