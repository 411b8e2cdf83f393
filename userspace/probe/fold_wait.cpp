#include "userspace/probe/fold_wait.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <tuple>
#include <utility>

#include "userspace/probe/quantile_ns.h"
#include "userspace/probe/record_word.h"

namespace virtpulse::agent {
namespace {

static_assert(VP_WAIT_BUCKETS == wire::wait_buckets);
static_assert(VP_BYS == wire::wait_classes.size());

void prefetch(const vp_history& history) {
    constexpr std::size_t line = 64;
    const auto* bytes = reinterpret_cast<const char*>(&history);
    for (std::size_t at = 0; at < sizeof history; at += line)
        __builtin_prefetch(bytes + at);
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

void fold_waits(std::span<const VmUse> uses, std::span<const UsedPlace> places,
                std::span<const vp_thread> threads, std::span<const vp_wait> waits,
                std::span<const EndedWaitsRow> ended, std::vector<vp_history>& sums) {
    sums.assign(uses.size(), {});
    if (!ended.empty()) {
        std::unordered_map<std::uint32_t, const vp_history*> by_tgid;
        for (const auto& [tgid, history] : ended)
            by_tgid[tgid] = &history;
        for (std::size_t i = 0; i < uses.size(); ++i) {
            const auto found = by_tgid.find(uses[i].tgid);
            if (found != by_tgid.end()) sums[i] = *found->second;
        }
    }
    for (std::size_t i = 0; i < places.size(); ++i) {
        // Records lie wherever their threads' numbers put them, six cache lines each, that nobody
        // touched for an interval.
        constexpr std::size_t ahead = 8;
        if (i + ahead < places.size()) prefetch(waits[places[i + ahead].place].all);
        const auto& [place, tid, use] = places[i];
        // One that ended since is in the next sample: it may be among the ended already.
        if (load(threads[place].tid) == tid) add_history(sums[use], waits[place].all);
    }
}

void CulpritTable::note(const CulpritRow& row) {
    auto& rows = by_victim_[row.key.victim];
    const auto found = std::ranges::find_if(rows, [&](const ChargedRow& known) {
        return std::memcmp(&known.key, &row.key, sizeof row.key) == 0;
    });
    if (found == rows.end()) {
        rows.push_back({row.key, row.culprit, row.culprit.ns});
        return;
    }
    const auto before = found->culprit.ns;
    found->grown_ns = row.culprit.ns > before ? row.culprit.ns - before : 0;
    found->culprit = row.culprit;
}

void CulpritTable::remove(const vp_culprit_key& key) {
    const auto rows = by_victim_.find(key.victim);
    if (rows == by_victim_.end()) return;
    std::erase_if(rows->second, [&](const ChargedRow& known) {
        return std::memcmp(&known.key, &key, sizeof key) == 0;
    });
}

std::span<const ChargedRow> CulpritTable::of(std::uint32_t victim) const {
    const auto rows = by_victim_.find(victim);
    if (rows == by_victim_.end()) return {};
    return rows->second;
}

std::size_t CulpritTable::size() const {
    std::size_t size = 0;
    for (const auto& [victim, rows] : by_victim_)
        size += rows.size();
    return size;
}

WaitCounters WaitMemory::advance(const vp_history& now, std::span<const ChargedRow> culprits) {
    WaitCounters result;
    const auto counts_before = counts_;
    // A thread that ended meanwhile can be missing for one sample.
    for (std::size_t i = 0; i < VP_WAIT_BUCKETS; ++i)
        counts_[i] = std::max<std::uint64_t>(now.counts[i], counts_[i]);
    wire::WaitExt& wait = result.wait;
    const auto end = std::find_if(counts_.rbegin(), counts_.rend(), [](auto n) { return n != 0; });
    wait.counts.assign(counts_.begin(), end.base());
    wait.merged = now.merged;
    wait.phantom_ns = now.phantom_ns;
    if (!std::exchange(first_, false)) {
        wait.p50_ns = quantile_ns(counts_before, counts_, wait_scale, 0.5);
        wait.p99_ns = quantile_ns(counts_before, counts_, wait_scale, 0.99);
    }
    result.moves = now.moves;
    result.node_moves = now.node_moves;

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
        const auto& share = now.by[by];
        const auto before = std::exchange(by_ns_.at(by), share.ns);
        wait.by_ns.at(by) = share.ns;
        // Those of these two have rows of their own.
        if (by == VP_BY_HOST || by == VP_BY_VM || share.ns == 0) continue;
        candidates.push_back({by, nullptr, share, share.ns > before ? share.ns - before : 0});
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
    for (const auto& [by, row, share, grown_ns] : std::span(candidates).first(keep)) {
        wire::Culprit culprit{std::string(wire::wait_classes.at(by)),
                              row != nullptr ? comm_of(row->key) : std::string(), share.ns,
                              share.waits};
        result.culprits.push_back({std::move(culprit), row != nullptr ? row->key.tgid : 0});
    }
    return result;
}

}  // namespace virtpulse::agent
