// This machine's clock as the database has it.
#pragma once

#include <chrono>
#include <cstdint>

namespace virtpulse::collector {

// ms since the Unix epoch.
inline std::int64_t unix_ms() {
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace virtpulse::collector
