// From the kernel's records of waits to those of each VM. No I/O.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "userspace/probe/fold.h"
#include "userspace/probe/kernel_probe.h"
#include "userspace/sample/source.h"
#include "wire/histogram.h"

namespace virtpulse::agent {

// See VP_WAIT_BUCKETS.
inline constexpr wire::Log2Scale wait_scale{1 << VP_WAIT_FIRST_SHIFT, VP_WAIT_BUCKETS};

// Adds what one thread waited for to a sum.
void add_history(vp_history& to, const vp_history& from);

// The waits of each VM's threads, living and ended; `sums` gets one for each of `uses`. `ended`
// must have been read before. The kernel writes while we look: each number is whole, and one that
// is not in this sample yet is in the next.
void fold_waits(std::span<const VmUse> uses, std::span<const UsedPlace> places,
                std::span<const vp_thread> threads, std::span<const vp_wait> waits,
                std::span<const EndedWaitsRow> ended, std::vector<vp_history>& sums);

// A row of the map `culprits` and what it grew by between its last two readings.
struct ChargedRow {
    vp_culprit_key key{};
    vp_culprit culprit{};
    std::uint64_t grown_ns = 0;
};

// The rows of that map by victim, as each was read last: it can hold more than is read a sample.
class CulpritTable {
  public:
    void note(const CulpritRow& row);
    void remove(const vp_culprit_key& key);
    template <class IsKnown>
    void keep_victims(const IsKnown& is_known) {
        std::erase_if(by_victim_, [&](const auto& entry) { return !is_known(entry.first); });
    }
    [[nodiscard]] std::span<const ChargedRow> of(std::uint32_t victim) const;
    [[nodiscard]] std::size_t size() const;

  private:
    std::unordered_map<std::uint32_t, std::vector<ChargedRow>> by_victim_;
};

// What one VM's waits were when it was last looked at, to tell what is new of them.
class WaitMemory {
  public:
    // `culprits` are the rows with this VM as victim.
    WaitCounters advance(const vp_history& now, std::span<const ChargedRow> culprits);

  private:
    std::array<std::uint64_t, VP_WAIT_BUCKETS> counts_{};
    std::array<std::uint64_t, VP_BYS> by_ns_{};
    bool first_ = true;
};

}  // namespace virtpulse::agent
