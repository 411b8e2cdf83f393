// From cumulative counters to the percentage that a frame says. No I/O.
#pragma once

#include <chrono>
#include <optional>
#include <span>

#include "userspace/sample/source.h"

namespace virtpulse::agent {

class VmRates {
  public:
    // Takes in a sample read `elapsed` after the one before; nothing of a first sample has a rate.
    void advance(std::span<const VmCounters> vms, std::optional<std::chrono::nanoseconds> elapsed);

    // 100 x CPU time / (elapsed x vCPUs). It counts the emulator's threads too, so it can pass 100.
    // Nothing where the VM was not in the sample before, unless its counters began with the process
    // since then, or where a counter went back.
    [[nodiscard]] std::optional<double> cpu_percent(const ProcessKey& process,
                                                    std::uint64_t vcpus) const;

  private:
    struct Use {
        std::uint64_t cpu_ns = 0;
        std::optional<std::uint64_t> grown_ns;
        std::uint64_t sample = 0;  // that it was in last
    };
    ByProcess<Use> uses_;
    std::uint64_t sample_ = 0;
    std::optional<std::chrono::nanoseconds> elapsed_;
};

}  // namespace virtpulse::agent
