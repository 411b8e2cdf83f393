// Whether this machine's clock may say what is old enough to be deleted.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace virtpulse::collector {

// A clock that jumps ahead (a bad time server, a machine that was suspended) makes all that is
// stored look old. It is believed again when it is back, or has gone on like that for an hour:
// somebody meant it then. That a clock was set back deletes nothing too early.
class ClockTrust {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::milliseconds jump{60'000};
    static constexpr auto believed_after = std::chrono::hours(1);

    // `now_ms` since the Unix epoch, when the clock that nobody sets said `now`. To be asked more
    // often than twice a minute; the first answer is yes.
    bool trusts(std::int64_t now_ms, Clock::time_point now);

    // How far it is ahead of where it should be, from the jump until it is trusted again.
    [[nodiscard]] std::optional<std::chrono::milliseconds> ahead() const { return ahead_; }

  private:
    std::optional<std::int64_t> epoch_ms_;  // what it said when the other one began
    std::optional<std::chrono::milliseconds> ahead_;
    Clock::time_point jumped_{};
};

}  // namespace virtpulse::collector
