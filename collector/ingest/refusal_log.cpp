#include "collector/ingest/refusal_log.h"

#include <spdlog/spdlog.h>

namespace virtpulse::collector {

void RefusalLog::note(std::string reason, Clock::time_point now) {
    ++count_;
    reason_ = std::move(reason);
    flush(now);
}

void RefusalLog::flush(Clock::time_point now) {
    if (count_ == 0 || now < quiet_until_) return;
    spdlog::warn("refused {} {}, the last one: {}", count_, what_, reason_);
    count_ = 0;
    quiet_until_ = now + std::chrono::seconds(1);
}

}  // namespace virtpulse::collector
