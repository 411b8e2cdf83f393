#include <array>
#include <utility>

#include "wire/frame.h"

namespace virtpulse::wire {

std::string culprit_text(std::string_view who, std::string_view name) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 7> words{{
        {"unknown", "unknown"},
        {"quota", "its own CPU quota"},
        {"own_vcpu", "its own vCPUs"},
        {"own_emulator", "its own emulator threads"},
        {"own_io", "its own I/O threads"},
        {"kernel", "kernel threads"},
        {"idle", "a sleeping CPU"},
    }};
    if (who == "vm") return std::string(name);
    if (who == "process") return std::string(name) + " (process)";
    for (const auto& [known, text] : words) {
        if (who == known) return std::string(text);
    }
    return std::string(who);
}

}  // namespace virtpulse::wire
