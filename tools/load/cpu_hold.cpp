#include "tools/load/cpu_hold.h"

#include <ctime>

#include <algorithm>
#include <thread>

#include "tools/load/duty.h"

namespace virtpulse::load {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

// Short beside any interval at which somebody looks (100 ms is the shortest), long beside the cost
// of a wake-up.
constexpr nanoseconds kPeriod = std::chrono::milliseconds(20);

nanoseconds cpu_used() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) + nanoseconds(now.tv_nsec);
}

// Some microseconds of work: the clocks are then a small part of what is burnt, and the overshoot
// of one round is a small part of a period, also under emulation, where this is ten times slower.
void burn() {
    volatile unsigned left = 4000;
    while (left > 0)
        left = left - 1;
}

}  // namespace

void hold_cpu(double share, Clock::time_point end, const std::atomic<bool>& stop) {
    auto now = Clock::now();
    Duty duty(share, cpu_used());
    while (!stop.load(std::memory_order_relaxed) && now < end) {
        const auto period_end = std::min(now + kPeriod, end);
        const auto used = cpu_used();
        const auto enough = used + duty.need(period_end - now, used);
        while (cpu_used() < enough && Clock::now() < period_end)
            burn();
        std::this_thread::sleep_until(period_end);
        // The schedule goes on from where the period should have ended, so that late wake-ups do
        // not add up.
        now = period_end;
    }
}

}  // namespace virtpulse::load
