// The kernel side, from the plan to programs that count.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "userspace/probe/kernel_probe.h"
#include "userspace/probe/pins.h"
#include "userspace/probe/plan.h"
#include "userspace/proc/root.h"

namespace virtpulse::agent {

struct KernelSide {
    KernelProbe probe;
    ProgramPlan plan;                    // what runs of it, and what the kernel refused
    std::uint64_t boot_to_epoch_ns = 0;  // see vp_agents
    std::size_t continued_vms = 0;       // whose counters were found pinned
};

// Loads the programs, reconciles pinned maps, and attaches the programs. A program that the kernel
// refuses is left out with what cannot work without it, and is logged. An error where it is one of
// the core; then pinned maps are as they were. `pins`: null for maps of this process's own.
Result<KernelSide> bring_up(const Root& root, ProgramPlan plan, const PinDirectory* pins,
                            std::uint32_t most_culprits);

}  // namespace virtpulse::agent
