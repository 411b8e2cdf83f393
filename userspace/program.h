// The agent: source, inventory, sampler and senders put together.
#pragma once

#include "userspace/options.h"

namespace virtpulse::agent {

// Does what the options ask until it is done or told to end. Gives the exit code; what failed is
// said on standard error in one line.
int run_agent(const Options& options);

}  // namespace virtpulse::agent
