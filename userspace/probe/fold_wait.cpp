#include "userspace/probe/fold_wait.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <optional>
#include <tuple>
#include <utility>

#include "wire/histogram.h"

namespace virtpulse::agent {
namespace {

static_assert(VP_WAIT_BUCKETS == wire::wait_buckets);
static_assert(VP_BYS == wire::wait_classes.size());

std::uint64_t load(const __u64& member) {
    return std::atomic_ref(const_cast<__u64&>(member)).load(std::memory_order_relaxed);
}
std::uint32_t load(const __u32& member) {
    return std::atomic_ref(const_cast<__u32&>(member)).load(std::memory_order_relaxed);
}

std::optional<std::uint64_t> in_ns(std::optional<double> value) {
    return value ? std::optional(static_cast<std::uint64_t>(*value)) : std::nullopt;
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
}

std::unordered_map<std::uint32_t, vp_history> fold_waits(std::span<const vp_thread> threads,
                                                         std::span<const vp_wait> waits,
                                                         std::span<const EndedWaitsRow> ended) {
    std::unordered_map<std::uint32_t, vp_history> sums;
    for (const auto& [tgid, history] : ended)
        sums[tgid] = history;
    for (std::size_t place = 0; place < threads.size() && place < waits.size(); ++place) {
        const auto tid = load(threads[place].tid);
        if (tid == 0 || tid == VP_TID_CLAIMED) continue;
        add_history(sums[load(threads[place].tgid)], waits[place].all);
    }
    return sums;
}

WaitCounters WaitMemory::advance(const vp_history& now, std::span<const CulpritRow> culprits) {
    WaitCounters result;
    const auto counts_before = counts_;
    // A thread that ended meanwhile can be missing for one sample.
    for (std::size_t i = 0; i < VP_WAIT_BUCKETS; ++i)
        counts_[i] = std::max<std::uint64_t>(now.counts[i], counts_[i]);
    wire::WaitExt& wait = result.wait;
    const auto end = std::find_if(counts_.rbegin(), counts_.rend(), [](auto n) { return n != 0; });
    wait.counts.assign(counts_.begin(), end.base());
    wait.merged = now.merged;
    if (!std::exchange(first_, false)) {
        wait.p50_ns = in_ns(wire::quantile_between(counts_before, counts_, wait_scale, 0.5));
        wait.p99_ns = in_ns(wire::quantile_between(counts_before, counts_, wait_scale, 0.99));
    }
    result.moves = now.moves;
    result.node_moves = now.node_moves;

    struct Candidate {
        WaitCulprit culprit;
        std::uint64_t grown_ns;
    };
    std::vector<Candidate> candidates;
    const auto add = [&](std::uint32_t by, std::uint32_t tgid, const std::string& name,
                         std::uint64_t ns, std::uint64_t count) {
        if (ns == 0) return;
        auto& before = charged_[{by, tgid, name}];
        candidates.push_back({{{std::string(wire::wait_classes.at(by)), name, ns, count}, tgid},
                              ns > before ? ns - before : 0});
        before = ns;
    };
    for (std::uint32_t by = 0; by < VP_BYS; ++by) {
        wait.by_ns.at(by) = now.by[by].ns;
        // Those of these two have rows of their own.
        if (by != VP_BY_HOST && by != VP_BY_VM) add(by, 0, {}, now.by[by].ns, now.by[by].waits);
    }
    for (const auto& [key, culprit] : culprits) {
        add(key.tgid != 0 ? VP_BY_VM : VP_BY_HOST, key.tgid, comm_of(key), culprit.ns,
            culprit.waits);
    }
    const auto keep = std::min(candidates.size(), wire::most_culprits);
    std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(keep),
                      candidates.end(), [](const Candidate& a, const Candidate& b) {
                          return std::tie(a.grown_ns, a.culprit.culprit.ns) >
                                 std::tie(b.grown_ns, b.culprit.culprit.ns);
                      });
    for (std::size_t i = 0; i < keep; ++i)
        result.culprits.push_back(std::move(candidates[i].culprit));
    return result;
}

}  // namespace virtpulse::agent
