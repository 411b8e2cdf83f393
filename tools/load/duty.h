// How much work the next period needs so that a share of all time is spent at work.
#pragma once

#include <algorithm>
#include <chrono>

namespace virtpulse::load {

// Feedback for a load of `share` (0 to 1) of wall-clock time, held against a counter of time spent
// at work, whatever counts it: a thread's CPU clock, a disk's busy time.
class Duty {
  public:
    // `used` is what the counter says now.
    Duty(double share, std::chrono::nanoseconds used) : share_(share), due_(used) {}

    // What the counter should grow by during the coming `period`, given what it says now; never
    // negative, and more than `period` where something is to be made up for. What could not be
    // worked is made up later, but never more than half a second of it: a stall is not followed by
    // a long spell at full load. Nor is a surplus (others that use the same disk) held against the
    // time after it for longer than that.
    [[nodiscard]] std::chrono::nanoseconds need(std::chrono::nanoseconds period,
                                                std::chrono::nanoseconds used) {
        using std::chrono::nanoseconds;
        due_ += nanoseconds(
            static_cast<nanoseconds::rep>(share_ * static_cast<double>(period.count())));
        due_ = std::clamp(due_, used - kMostDebt, used + kMostDebt);
        return std::max(due_ - used, nanoseconds(0));
    }

  private:
    static constexpr std::chrono::nanoseconds kMostDebt = std::chrono::milliseconds(500);

    double share_;
    std::chrono::nanoseconds due_;
};

}  // namespace virtpulse::load
