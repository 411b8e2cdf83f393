// The files that /proc has for each process and thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "userspace/proc/root.h"

namespace virtpulse::agent {

// /proc/PID/task/TID/schedstat: what one thread has used in its life. The kernel brings the first
// up to date at each switch and tick, so that of a running thread it is some milliseconds old.
struct Schedstat {
    std::uint64_t run_ns = 0;
    std::uint64_t run_delay_ns = 0;  // runnable, waiting for a CPU
    std::uint64_t switches = 0;      // times put on a CPU

    Schedstat& operator+=(const Schedstat& other);
    Schedstat& operator-=(const Schedstat& other);
    bool operator==(const Schedstat&) const = default;
};
Result<Schedstat> parse_schedstat(std::string_view text);

// /proc/PID/stat, as far as it is needed.
struct ProcessStat {
    std::string_view comm;  // into the text; may hold blanks and brackets
    char state = '?';       // as proc(5) has it
    std::uint64_t threads = 0;
    std::uint64_t start_ticks = 0;  // since the host booted
    std::uint64_t rss_pages = 0;
    std::uint64_t major_faults = 0;  // of all its threads, also ended ones

    // Ended, and waiting for its parent to take notice.
    [[nodiscard]] bool is_dead() const { return state == 'Z' || state == 'X' || state == 'x'; }
};
Result<ProcessStat> parse_process_stat(std::string_view text);

// /proc/PID/io: what reached the storage layer, over all threads, also ended ones.
struct ProcessIo {
    std::uint64_t read_bytes = 0;
    std::uint64_t write_bytes = 0;
};
Result<ProcessIo> parse_process_io(std::string_view text);

// How long the host has run, suspended time included: the clock of start_ticks.
Result<std::uint64_t> parse_uptime_ns(std::string_view text);

// Clock ticks since boot, as start_ticks has them, in nanoseconds.
std::uint64_t ticks_to_ns(std::uint64_t ticks);
// The other way round: what /proc says of a start of which the kernel's records have nanoseconds.
std::uint64_t ns_to_ticks(std::uint64_t ns);

// /proc/PID/task/TID/name.
std::string task_file(const Root& root, std::uint32_t pid, std::uint32_t tid,
                      std::string_view name);

}  // namespace virtpulse::agent
