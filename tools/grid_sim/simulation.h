// Runs a simulated grid.
#pragma once

#include "base/result.h"
#include "tools/grid_sim/options.h"

namespace virtpulse::sim {

// Prints at the end what was sent, as one line of JSON. SIGINT and SIGTERM end it early.
Result<> simulate(const Options& options);

}  // namespace virtpulse::sim
