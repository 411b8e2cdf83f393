// What the map `culprits` says, and which of its rows are to make room for others. No I/O.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "userspace/probe/kernel_probe.h"

namespace virtpulse::agent {

// Who took the CPU from whom, since the agent began or before.
struct ChargedRow {
    vp_culprit_key key{};
    vp_culprit culprit{};        // with what rows had that were taken out of the map
    std::uint64_t grown_ns = 0;  // between the last two readings
    vp_culprit taken_out{};      // of `culprit`, ns and waits that are in the map no more
    bool in_map = false;
    std::chrono::steady_clock::time_point grown_at{};
};

// The rows of that map by victim, as each was read last: it can hold more than is read a sample.
//
// A map that is full loses what is new, so rows are taken out of it before, at most
// `most_taken_out` a sample, and their figures go on from what they were: those that did not grow
// for `quiet_age`, sooner the fuller it is; of a map that is nearly full also the quarter of each
// reading that grew least, of those that did not the smallest, so that the large ones stay while
// many come at once. A pair whose row was taken out gets another one when it is charged
// again.
class CulpritTable {
  public:
    using Time = std::chrono::steady_clock::time_point;

    // `room`: rows that the map can hold.
    explicit CulpritTable(std::size_t room = VP_MAX_CULPRITS) : room_(room) {}

    // `pending`: of this pair, what is not in the row yet.
    void note(const CulpritRow& row, Time now, const vp_share& pending = {});
    // It is gone from the map, and so is what was known of it.
    void remove(const vp_culprit_key& key);

    // Which of the rows just read are to be taken out. `is_full`: pairs found no room meanwhile.
    [[nodiscard]] std::vector<vp_culprit_key> to_take_out(std::span<const CulpritRow> read,
                                                          bool is_full, Time now) const;
    // It was taken out, with what it had then.
    void took_out(const CulpritRow& row);

    // Drops the pairs of VMs that are gone.
    template <class IsKnown>
    void keep(const IsKnown& is_known) {
        std::erase_if(by_victim_, [&](const auto& entry) { return !is_known(entry.first); });
        for (auto& [victim, rows] : by_victim_) {
            std::erase_if(rows, [&](const ChargedRow& row) {
                return row.key.tgid != 0 && !is_known(row.key.tgid);
            });
        }
        count();
    }
    [[nodiscard]] std::span<const ChargedRow> of(std::uint32_t victim) const;
    // Rows that are in the map.
    [[nodiscard]] std::size_t size() const { return in_map_; }

    static constexpr std::size_t most_taken_out = 512;
    // Pairs that are remembered when their rows are not in the map; of those beyond, some 120 bytes
    // each, figures begin at 0 when they are charged again.
    [[nodiscard]] std::size_t most_remembered() const {
        return std::min(3 * room_, std::size_t{65536});
    }

  private:
    using Rows = std::vector<ChargedRow>;  // by key
    [[nodiscard]] const ChargedRow* find(const vp_culprit_key& key) const;
    [[nodiscard]] std::chrono::seconds quiet_age(std::size_t in_map) const;
    void count();

    std::size_t room_;
    std::unordered_map<std::uint32_t, Rows> by_victim_;
    std::size_t in_map_ = 0;
    std::size_t remembered_ = 0;  // and not in the map
};

}  // namespace virtpulse::agent
