// What a store says to a remote write.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace virtpulse::collector {

enum class WriteVerdict : std::uint8_t {
    taken,
    again,   // it may work later: 429 and 5xx
    refused  // it would be refused again: any other, redirections as well
};
WriteVerdict write_verdict(unsigned status);

inline constexpr std::chrono::seconds longest_retry_after{300};

// The header Retry-After where it is a number of seconds, but no more than longest_retry_after.
std::optional<std::chrono::seconds> retry_after(std::string_view header);

}  // namespace virtpulse::collector
