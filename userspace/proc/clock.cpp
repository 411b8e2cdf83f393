#include "userspace/proc/clock.h"

#include <ctime>

namespace virtpulse::agent {

std::chrono::nanoseconds since_boot() {
    timespec time{};
    clock_gettime(CLOCK_BOOTTIME, &time);  // cannot fail: the clock is there since Linux 2.6.39
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace virtpulse::agent
