#include "collector/export/write_answer.h"

#include <algorithm>

#include "base/text.h"

namespace virtpulse::collector {

WriteVerdict write_verdict(unsigned status) {
    if (status >= 200 && status < 300) return WriteVerdict::taken;
    if (status == 429 || status >= 500) return WriteVerdict::again;
    return WriteVerdict::refused;
}

std::optional<std::chrono::seconds> retry_after(std::string_view header) {
    const auto seconds = parse_number<std::uint32_t>(trim(header));
    if (!seconds) return std::nullopt;
    return std::min(std::chrono::seconds(*seconds), longest_retry_after);
}

}  // namespace virtpulse::collector
