// How long to wait before the next attempt.
#pragma once

#include <algorithm>
#include <chrono>

namespace virtpulse {

inline constexpr auto first_wait = std::chrono::milliseconds(500);
inline constexpr auto longest_wait = std::chrono::milliseconds(30'000);

// Doubles from half a second to half a minute. Each wait is drawn from the upper half of its span,
// so that those who lost one peer together do not return together.
class Backoff {
  public:
    // `random` is from 0 to 1.
    std::chrono::milliseconds next(double random) {
        const auto span = static_cast<double>(span_.count());
        span_ = std::min(span_ * 2, longest_wait);
        return std::chrono::milliseconds(static_cast<long>(span * (0.5 + 0.5 * random)));
    }
    // The peer has proved itself.
    void reset() { span_ = first_wait; }

  private:
    std::chrono::milliseconds span_ = first_wait;
};

}  // namespace virtpulse
