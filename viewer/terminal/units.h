// Numbers as people read them, in few columns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace virtpulse::viewer {

inline constexpr std::string_view unknown_mark = "—";

// "12.3", "100.0"; from 1000 on without the decimal.
std::string percent_text(std::optional<double> value);
// "41", in whole degrees.
std::string degrees_text(std::optional<double> value);
// "0", "3.2", "845", "12.3k", "4.5M": at most five columns below a thousand million.
std::string rate_text(std::optional<double> value);
// "0", "512 B", "1.2 MiB".
std::string bytes_text(std::optional<double> value);
// The same a second: "0", "512 B/s", "1.2 MiB/s".
std::string bytes_rate_text(std::optional<double> value);
// KiB of the guest's memory, and of what it can be given, in the unit that suits the latter:
// "1.0/2.0 GiB".
std::string memory_text(std::optional<std::uint64_t> now_kib, std::optional<std::uint64_t> max_kib);
// "1 host", "3 hosts".
std::string counted(std::size_t count, std::string_view noun);
// "4 s", "3 min", "5 h", "2 d".
std::string duration_text(double seconds);

}  // namespace virtpulse::viewer
