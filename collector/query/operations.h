// What can be asked.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace virtpulse::collector {

inline constexpr std::array<std::string_view, 9> operations{
    "about", "hosts", "host", "domain", "status", "stats", "history", "events", "snapshot"};

inline bool knows_operation(std::string_view operation) {
    return std::ranges::find(operations, operation) != operations.end();
}

}  // namespace virtpulse::collector
