// From the kernel's records of waits to those of each VM. No I/O.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "userspace/probe/culprit_table.h"
#include "userspace/probe/fold.h"
#include "userspace/probe/kernel_probe.h"
#include "userspace/sample/source.h"
#include "wire/histogram.h"

namespace virtpulse::agent {

// See VP_WAIT_BUCKETS.
inline constexpr wire::Log2Scale wait_scale{1 << VP_WAIT_FIRST_SHIFT, VP_WAIT_BUCKETS};

// Adds what one thread waited for to a sum.
void add_history(vp_history& to, const vp_history& from);

// The waits of each VM's threads, living and ended. Most threads sleep: what one waited for is read
// again only where it came onto a CPU or waited since, as its figures in `places` tell, and the
// sums get what is new. The kernel writes while we look: each number is whole, and one that is not
// in this sample yet is in the next.
class WaitSums {
  public:
    // Whether threads ended since advance() was called last, so that `ended` must be read anew
    // (after `uses` were).
    [[nodiscard]] bool needs_ended(std::span<const VmUse> uses) const;

    // One sum for each of `uses`, valid until the next call. `ended`: nothing where it was not
    // needed.
    std::span<const vp_history> advance(std::span<const VmUse> uses,
                                        std::span<const UsedPlace> places,
                                        std::span<const vp_thread> threads,
                                        std::span<const vp_wait> waits,
                                        std::optional<std::span<const EndedWaitsRow>> ended);

    // What the threads of a VM had waited for another one by the last call, and what is in no row
    // of `culprits` yet. Rows that were read before `places` were do not have it either.
    [[nodiscard]] vp_share pending(std::uint32_t victim, std::uint32_t culprit) const;

  private:
    struct Vm {
        std::uint32_t tgid = 0;
        std::uint64_t start_ns = 0;
        std::uint64_t ended_switches = 0;
        vp_history ended{};  // as added to its sum
    };
    struct Thread {
        std::uint32_t place = 0;
        std::uint32_t tid = 0;
        std::uint32_t use = 0;
        bool settled = false;  // it was on no CPU, so that all of its last wait was charged
        std::uint64_t run_delay_ns = 0;
        std::uint64_t switches = 0;
        std::unique_ptr<vp_history> added;  // to its VM's sum
        vp_pending pending{};               // likewise
    };
    [[nodiscard]] bool are_known(std::span<const VmUse> uses) const;
    void begin_anew(std::span<const VmUse> uses);
    void match(std::span<const UsedPlace> places);
    void drop(Thread& thread);
    void renew_pending(Thread& thread, const vp_pending& now);

    std::vector<vp_history> sums_;
    std::vector<Vm> vms_;          // of each sum
    std::vector<Thread> threads_;  // by place
    std::vector<Thread> next_;
    std::unordered_map<std::uint64_t, vp_share> pending_;  // by victim << 32 | culprit
};

// What one VM's waits were when it was last looked at, to tell what is new of them.
class WaitMemory {
  public:
    // The waits by now. No counter goes back, though a thread that ended meanwhile can be missing
    // from one sample.
    const vp_history& advance(const vp_history& now);

    // What is new since the advance() before. `culprits` are the rows with this VM as victim.
    // Writes over all of `result`.
    void report(std::span<const ChargedRow> culprits, WaitCounters& result) const;

  private:
    vp_history before_{};
    vp_history now_{};
    unsigned looks_ = 0;  // up to 2
};

}  // namespace virtpulse::agent
