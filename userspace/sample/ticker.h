// When samples are due, and when to end.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/fd.h"
#include "base/result.h"

namespace virtpulse::agent {

// Ticks on a fixed grid, so that samples do not drift, and tells of SIGTERM, SIGINT and SIGHUP,
// which it blocks for the thread that makes it and those that this thread makes later.
class Ticker {
  public:
    static Result<Ticker> make(std::chrono::milliseconds interval);

    enum class Event { tick, end, hangup };
    // Waits for the next tick or a signal. Ticks that were missed are left out.
    Event wait();

    // Ticks that began over half an interval late, or not at all.
    [[nodiscard]] std::uint64_t late() const { return late_; }

  private:
    Ticker(Fd timer, Fd signals, std::chrono::milliseconds interval)
        : timer_(std::move(timer)), signals_(std::move(signals)), interval_(interval) {}

    Fd timer_;
    Fd signals_;
    std::chrono::milliseconds interval_;
    std::chrono::steady_clock::time_point due_ = std::chrono::steady_clock::now();
    std::uint64_t late_ = 0;
};

}  // namespace virtpulse::agent
