#include "tools/load/disk_busy.h"

#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/text.h"
#include "tools/load/kernel_file.h"

namespace virtpulse::load {

std::string device_number(dev_t device) {
    return std::to_string(major(device)) + ":" + std::to_string(minor(device));
}

std::optional<DiskLine> find_disk(std::string_view diskstats, std::string_view device) {
    const auto wanted_major = take_until(device, ':');
    const auto wanted_minor = device;
    while (!diskstats.empty()) {
        auto line = take_until(diskstats, '\n');
        const bool found = take_field(line) == wanted_major && take_field(line) == wanted_minor;
        if (!found) continue;
        const auto name = take_field(line);
        // Nine counters come before io_ticks (Documentation/admin-guide/iostats.rst).
        for (int i = 0; i < 9; ++i)
            take_field(line);
        const auto busy = parse_number<std::uint32_t>(take_field(line));
        if (busy) return DiskLine{std::string(name), *busy};
    }
    return std::nullopt;
}

std::string whole_disk(const std::string& device, const std::string& sys) {
    const auto directory = sys + "/dev/block/" + device;
    if (access((directory + "/partition").c_str(), F_OK) != 0) return device;
    // A partition's directory is in that of its disk.
    const auto disk = kernel_text(directory + "/../dev");
    return disk.empty() ? device : std::string(trim(disk));
}

std::optional<DiskBusy> DiskBusy::below(dev_t device) {
    auto disk = whole_disk(device_number(device));
    auto line = find_disk(kernel_text("/proc/diskstats"), disk);
    if (!line) return std::nullopt;
    return DiskBusy(std::move(disk), std::move(*line));
}

std::optional<std::chrono::nanoseconds> DiskBusy::read() {
    const auto line = find_disk(kernel_text("/proc/diskstats"), device_);
    if (!line) return std::nullopt;
    total_ += std::chrono::milliseconds(line->busy_ms - last_ms_);  // modulo 2^32, as it wraps
    last_ms_ = line->busy_ms;
    return total_;
}

}  // namespace virtpulse::load
