// Keeps the calling thread busy for a given share of wall-clock time.
#pragma once

#include <atomic>
#include <chrono>

namespace virtpulse::load {

// Burns `share` (0 to 1) of the time from now to `end`, or until `stop` becomes true. The share is
// held by the thread's own CPU clock (CLOCK_THREAD_CPUTIME_ID), so it is right whatever the CPU's
// speed and whatever other threads do, as long as the machine has the time to give; what it did not
// give is made up for as Duty says. Returns within 20 ms of `stop`.
void hold_cpu(double share, std::chrono::steady_clock::time_point end,
              const std::atomic<bool>& stop);

}  // namespace virtpulse::load
