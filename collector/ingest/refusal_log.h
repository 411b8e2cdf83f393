// Says in the log what was refused, without letting the sender fill the log.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace virtpulse::collector {

// At most one line a second, with how many it stands for and the last reason. For one thread.
class RefusalLog {
  public:
    using Clock = std::chrono::steady_clock;

    // `what` names the things counted: "datagrams that are no frames".
    explicit RefusalLog(std::string what) : what_(std::move(what)) {}

    void note(std::string reason, Clock::time_point now);
    // Writes what is left over, once a second has passed since the last line.
    void flush(Clock::time_point now);

  private:
    std::string what_;
    std::string reason_;
    std::uint64_t count_ = 0;
    Clock::time_point quiet_until_;
};

}  // namespace virtpulse::collector
