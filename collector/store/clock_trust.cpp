#include "collector/store/clock_trust.h"

namespace virtpulse::collector {

bool ClockTrust::trusts(std::int64_t now_ms, Clock::time_point now) {
    using std::chrono::milliseconds;
    const auto epoch_ms =
        now_ms - std::chrono::duration_cast<milliseconds>(now.time_since_epoch()).count();
    const milliseconds ahead(epoch_ms - epoch_ms_.value_or(epoch_ms));
    if (ahead > jump) {
        if (!ahead_) jumped_ = now;
        ahead_ = ahead;
        if (now - jumped_ < believed_after) return false;
    }
    ahead_.reset();
    epoch_ms_ = epoch_ms;
    return true;
}

}  // namespace virtpulse::collector
