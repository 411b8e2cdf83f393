// The viewer: connections, model and faces put together.
#pragma once

#include "viewer/options.h"

namespace virtpulse::viewer {

// Runs until its refreshes are done, a signal ends it, or nobody reads its output any more. Gives
// the exit code: 1 where it was to make a number of refreshes and never received a frame, or where
// its output cannot be written; the reason is then on standard error.
int run_viewer(const Options& options);

}  // namespace virtpulse::viewer
