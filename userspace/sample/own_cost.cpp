#include "userspace/sample/own_cost.h"

#include <unistd.h>
#include <ctime>

#include "userspace/proc/process_files.h"

namespace virtpulse::agent {
namespace {

std::optional<std::uint64_t> read_clock(clockid_t clock) {
    timespec time{};
    if (clock_gettime(clock, &time) != 0) return std::nullopt;
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(time.tv_nsec);
}

}  // namespace

std::optional<std::uint64_t> OwnCost::cpu_ns() {
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}
std::optional<std::uint64_t> OwnCost::thread_cpu_ns() {
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

std::optional<std::uint64_t> OwnCost::rss_bytes() {
    const auto stat = and_then(stat_.read_one_short(), parse_process_stat);
    if (!stat) return std::nullopt;
    return stat->rss_pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace virtpulse::agent
