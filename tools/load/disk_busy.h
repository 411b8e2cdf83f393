// Which disk is below a file, and how long it has been busy.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace virtpulse::load {

// "254:1".
std::string device_number(dev_t device);

// One line of /proc/diskstats: "254 0 vda" and then its counters.
struct DiskLine {
    std::string name;
    std::uint32_t busy_ms = 0;  // field 13, io_ticks; wraps after 49 days
};

// The line of device "254:0" in the text of /proc/diskstats; nothing where there is none.
std::optional<DiskLine> find_disk(std::string_view diskstats, std::string_view device);

// The whole disk of a partition, as a device number, by the directory `sys`/dev/block/M:m; `device`
// itself for anything else (a whole disk, dm, md, loop) and where /sys is not mounted.
std::string whole_disk(const std::string& device, const std::string& sys = "/sys");

// The busy time of one disk, as a counter that only grows.
class DiskBusy {
  public:
    // For the disk below `device` (the st_dev of a file, the st_rdev of a block device). Nothing
    // where the kernel counts none: tmpfs, overlay, network file systems, /proc not mounted.
    static std::optional<DiskBusy> below(dev_t device);

    [[nodiscard]] const std::string& name() const { return name_; }

    // Busy time since this object was made; nothing when the disk has gone.
    std::optional<std::chrono::nanoseconds> read();

  private:
    DiskBusy(std::string device, DiskLine line)
        : device_(std::move(device)), name_(std::move(line.name)), last_ms_(line.busy_ms) {}

    std::string device_;
    std::string name_;
    std::uint32_t last_ms_;
    std::chrono::milliseconds total_{0};
};

}  // namespace virtpulse::load
