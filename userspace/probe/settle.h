// What an agent does, before it attaches, about pinned maps that an agent before it filled.
#pragma once

#include <cstddef>

#include "base/result.h"
#include "userspace/probe/kernel_probe.h"
#include "userspace/proc/root.h"

namespace virtpulse::agent {

// Puts right what changed while no agent ran: threads and VMs that ended, requests whose end was
// not seen. Before attaching: nobody else writes. Gives how many VMs' counters go on.
Result<std::size_t> settle_pinned(KernelProbe& probe, const Root& root);

}  // namespace virtpulse::agent
