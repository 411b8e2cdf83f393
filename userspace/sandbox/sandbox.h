// What the agent gives up once everything is loaded and attached.
#pragma once

#include "base/result.h"
#include "userspace/sandbox/capabilities.h"

namespace virtpulse::agent {

// Drops all capabilities that `reads` does not need, for good. Then refuses system calls by a
// seccomp filter: running programs, looking into processes or at their memory, new BPF programs,
// modules, mounts, clocks, and any change to a file system; what is open stays usable. For the
// calling thread and those it makes later: to be called before there are others.
Result<void> enter_sandbox(Reads reads);

}  // namespace virtpulse::agent
