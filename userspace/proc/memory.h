// How much of the host's memory is taken: /proc/meminfo.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace virtpulse::agent {

struct Memory {
    std::uint64_t total_bytes = 0;
    double used_percent = 0;  // 100 * (MemTotal - MemFree - Buffers - Cached) / MemTotal; 0 to 100
};

// Reads the text of /proc/meminfo.
Result<Memory> parse_memory(std::string_view text);

}  // namespace virtpulse::agent
