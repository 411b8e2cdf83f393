#include "userspace/proc/memory.h"

#include <array>
#include <optional>
#include <string>

#include "base/text.h"

namespace virtpulse::agent {

Result<Memory> parse_memory(std::string_view text) {
    struct Line {
        std::string_view name;
        std::optional<std::uint64_t> kib;
    };
    std::array<Line, 4> lines{{{"MemTotal", {}}, {"MemFree", {}}, {"Buffers", {}}, {"Cached", {}}}};
    while (!text.empty()) {
        auto rest = take_until(text, '\n');
        const auto name = take_until(rest, ':');
        for (auto& line : lines) {
            if (line.name == name) line.kib = parse_number<std::uint64_t>(take_field(rest));
        }
    }
    for (const auto& line : lines) {
        if (!line.kib) {
            return Error{"/proc/meminfo: no line '" + std::string(line.name) + "' with a number"};
        }
    }
    const auto total = *lines[0].kib;
    // The lines are not taken at one instant, so that the sum can pass the total for a moment.
    const auto free = *lines[1].kib + *lines[2].kib + *lines[3].kib;
    if (total == 0) return Error{"/proc/meminfo: MemTotal is 0"};
    const auto used = free < total ? total - free : 0;
    return Memory{total * 1024, 100 * static_cast<double>(used) / static_cast<double>(total)};
}

}  // namespace virtpulse::agent
