// The clock of process starts: since the host booted, time asleep included.
#pragma once

#include <chrono>

namespace virtpulse::agent {

std::chrono::nanoseconds since_boot();

}  // namespace virtpulse::agent
