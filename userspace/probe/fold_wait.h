// From the kernel's records of waits to those of each VM. No I/O.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "userspace/probe/kernel_probe.h"
#include "userspace/sample/source.h"
#include "wire/histogram.h"

namespace virtpulse::agent {

// See VP_WAIT_BUCKETS.
inline constexpr wire::Log2Scale wait_scale{1024, VP_WAIT_BUCKETS};

// Adds what one thread waited for to a sum.
void add_history(vp_history& to, const vp_history& from);

// The waits of each VM's threads, living and ended. The kernel writes while we look: each number is
// whole, and one that is not in this sample yet is in the next.
std::unordered_map<std::uint32_t, vp_history> fold_waits(std::span<const vp_thread> threads,
                                                         std::span<const vp_wait> waits,
                                                         std::span<const EndedWaitsRow> ended);

// What one VM's waits were when it was last looked at, to tell what is new of them.
class WaitMemory {
  public:
    // `culprits` are the rows with this VM as victim.
    WaitCounters advance(const vp_history& now, std::span<const CulpritRow> culprits);

  private:
    std::array<std::uint64_t, VP_WAIT_BUCKETS> counts_{};
    // By class, tgid and name.
    std::map<std::tuple<std::uint32_t, std::uint32_t, std::string>, std::uint64_t> charged_;
    bool first_ = true;
};

}  // namespace virtpulse::agent
