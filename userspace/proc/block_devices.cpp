#include "userspace/proc/block_devices.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/text.h"
#include "userspace/proc/file.h"

namespace virtpulse::agent {
namespace {

using namespace std::chrono_literals;

constexpr auto known_for = 2s;
constexpr std::size_t most_at_once = 8;  // in one reading; each takes some 20 us

// The name in /proc/diskstats: there are also disks that sysfs has no number of, as the paths of a
// multipath NVMe drive. Empty where there is none.
std::string name_in_diskstats(const Root& root, std::uint32_t major, std::uint32_t minor) {
    std::string buffer;
    const auto text = read_file(root.procfs + "/diskstats", buffer);
    if (!text) return {};
    for (auto rest = *text; !rest.empty();) {
        auto line = take_until(rest, '\n');
        const auto of_major = parse_number<std::uint32_t>(take_field(line));
        const auto of_minor = parse_number<std::uint32_t>(take_field(line));
        if (of_major == major && of_minor == minor) return std::string(take_field(line));
    }
    return {};
}

}  // namespace

std::string BlockDevices::look_up(const Number& number) const {
    const auto text = std::to_string(number.first) + ":" + std::to_string(number.second);
    std::error_code error;
    const auto target = std::filesystem::read_symlink(root_.sysfs + "/dev/block/" + text, error);
    if (!error) return target.filename().string();
    auto name = name_in_diskstats(root_, number.first, number.second);
    return name.empty() ? text : name;
}

void BlockDevices::begin(std::chrono::steady_clock::time_point now) {
    now_ = now;
    const auto due = [&](const Device& device) { return now >= device.looked_up + known_for; };
    std::size_t left = std::min(most_at_once, devices_.size());
    std::vector<Device*> looked_up;
    for (auto device = devices_.lower_bound(next_); left > 0; --left, ++device) {
        if (device == devices_.end()) device = devices_.begin();
        next_ = {device->first.first, device->first.second + 1};
        if (!due(device->second)) continue;
        device->second.name = look_up(device->first);
        device->second.looked_up = now;
        looked_up.push_back(&device->second);
    }
    if (looked_up.empty()) return;
    names_.clear();
    for (const auto& [number, device] : devices_)
        names_.insert(device.name);
    for (Device* const device : looked_up)
        device->above = devices_above(root_, device->name, names_);
}

const std::string& BlockDevices::name_of(std::uint32_t major, std::uint32_t minor) {
    const Number number{major, minor};
    const auto [found, is_new] = devices_.try_emplace(number);
    if (is_new) {
        found->second.name = look_up(number);
        names_.insert(found->second.name);
        found->second.looked_up = now_;
        any_new_ = true;
    }
    return found->second.name;
}

// What is new can be on top of any that was known before.
void BlockDevices::find_above() {
    if (!std::exchange(any_new_, false)) return;
    for (auto& [number, device] : devices_)
        device.above = devices_above(root_, device.name, names_);
}

const std::vector<DeviceAbove>& BlockDevices::above(const std::string& name) const {
    static const std::vector<DeviceAbove> none;
    const auto found = std::ranges::find_if(
        devices_, [&](const auto& entry) { return entry.second.name == name; });
    return found == devices_.end() ? none : found->second.above;
}

}  // namespace virtpulse::agent
