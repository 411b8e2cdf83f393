#include "userspace/proc/disk_busy.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/text.h"

namespace virtpulse::agent {

std::optional<DiskTicks> parse_diskstats_line(std::string_view line) {
    take_field(line);  // major
    take_field(line);  // minor
    DiskTicks disk;
    disk.name = take_field(line);
    if (disk.name.empty()) return std::nullopt;
    constexpr int io_ticks_field = 10;
    std::string_view field;
    for (int i = 0; i < io_ticks_field; ++i)
        field = take_field(line);
    const auto ticks = parse_number<std::uint32_t>(field);
    if (!ticks) return std::nullopt;
    disk.io_ticks_ms = *ticks;
    return disk;
}

std::optional<double> disk_busy_percent(std::uint32_t before_ms, std::uint32_t now_ms,
                                        std::chrono::nanoseconds elapsed) {
    // Modulo 2^32, so that the counter's wrap is an ordinary step. A step of more than half of that
    // (25 days) is one backwards.
    const std::uint32_t step_ms = now_ms - before_ms;
    if (elapsed.count() <= 0 || step_ms > UINT32_MAX / 2) return std::nullopt;
    const double elapsed_ms = std::chrono::duration<double, std::milli>(elapsed).count();
    return std::min(100.0, 100 * step_ms / elapsed_ms);
}

bool is_whole_disk(const Root& root, std::string_view name) {
    for (const std::string_view memory : {"loop", "ram", "zram"}) {
        if (name.starts_with(memory)) return false;
    }
    std::string entry(name);
    std::ranges::replace(entry, '/', '!');  // as sysfs writes "cciss/c0d0"
    const std::filesystem::path directory = root.sysfs + "/block/" + entry;
    std::error_code error;
    if (!std::filesystem::is_directory(directory, error)) return false;
    const std::filesystem::directory_iterator beneath(directory / "slaves", error);
    return error || beneath == std::filesystem::directory_iterator();
}

Result<std::optional<double>> DiskBusy::read(std::chrono::steady_clock::time_point now) {
    auto text = file_.read();
    if (!text) return text.error();
    ++reading_;
    std::optional<double> busiest;
    for (auto rest = *text; !rest.empty();) {
        const auto ticks = parse_diskstats_line(take_until(rest, '\n'));
        if (!ticks) continue;
        auto disk = disks_.find(ticks->name);
        if (disk == disks_.end()) {
            disks_.emplace(ticks->name,
                           Disk{is_whole_disk(root_, ticks->name), ticks->io_ticks_ms, reading_});
            continue;
        }
        if (disk->second.counts && last_) {
            const auto busy =
                disk_busy_percent(disk->second.io_ticks_ms, ticks->io_ticks_ms, now - *last_);
            busiest = std::max(busiest, busy);  // nothing is less than any number
        }
        disk->second.io_ticks_ms = ticks->io_ticks_ms;
        disk->second.seen_in = reading_;
    }
    std::erase_if(disks_, [this](const auto& disk) { return disk.second.seen_in != reading_; });
    last_ = now;
    return busiest;
}

}  // namespace virtpulse::agent
