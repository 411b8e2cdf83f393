// How busy the host's busiest disk is: /proc/diskstats.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "userspace/proc/file.h"
#include "userspace/proc/root.h"

namespace virtpulse::agent {

struct DiskTicks {
    std::string_view name;          // into the line
    std::uint32_t io_ticks_ms = 0;  // with at least one request in flight; wraps at 2^32
};
// One line of /proc/diskstats; its 10th counter is what the standard asks for.
std::optional<DiskTicks> parse_diskstats_line(std::string_view line);

// Percent of `elapsed`, at most 100. Nothing where no time passed or the counter went back, as it
// does when another disk gets the name.
std::optional<double> disk_busy_percent(std::uint32_t before_ms, std::uint32_t now_ms,
                                        std::chrono::nanoseconds elapsed);

// Whether a block device counts: one that SYSFS/block lists (partitions are not) and that holds its
// data itself. Left out are loop, ram and zram devices, which are files or memory, and those with
// `slaves` (device mapper, md), whose requests are counted at the disks beneath.
bool is_whole_disk(const Root& root, std::string_view name);

// Remembers the last reading of each disk.
class DiskBusy {
  public:
    explicit DiskBusy(const Root& root) : root_(root), file_(root.procfs + "/diskstats") {}

    // Percent of the time since the last call during which the busiest disk was busy; nothing at
    // the first call and where no disk was there at both. Disks may come and go.
    Result<std::optional<double>> read(std::chrono::steady_clock::time_point now);

  private:
    struct Disk {
        bool counts;
        std::uint32_t io_ticks_ms;
        std::uint64_t seen_in;  // reading
    };

    Root root_;
    ReusedFile file_;
    std::map<std::string, Disk, std::less<>> disks_;
    std::optional<std::chrono::steady_clock::time_point> last_;
    std::uint64_t reading_ = 0;
};

}  // namespace virtpulse::agent
