// How the block devices of a VM add up to what the VM did. An operation on a stack of devices that
// all make requests (a loop device, a request-based multipath device) is counted on each of them; a
// write to a mirror on each of its disks. Totals count both once: see docs/decisions.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

namespace virtpulse::wire {

// What becomes of an operation on a mirror: it goes to one of its disks, or to each.
enum class OnMirror { one, each };

// Whether a device carries out the requests of another one in the list, whose counters then have
// them too. `Device` has members `device` and `under`, as BlockCounters.
template <class Device>
bool is_beneath_another(const std::vector<Device>& devices, const Device& device) {
    return !device.under.empty() &&
           std::ranges::find(devices, device.under, &Device::device) != devices.end();
}

// The total of a counter; nothing where no device knows it. `get` gives a device's, where known. Of
// what goes to each disk of a mirror the disk with most counts: one that has failed lacks some.
template <class Device, class Get>
std::optional<std::uint64_t> block_total(const std::vector<Device>& devices, OnMirror on_mirror,
                                         Get get) {
    std::optional<std::uint64_t> total;
    for (auto device = devices.begin(); device != devices.end(); ++device) {
        if (is_beneath_another(devices, *device)) continue;
        std::optional<std::uint64_t> value = get(*device);
        if (on_mirror == OnMirror::each && !device->under.empty()) {
            const auto is_of_mirror = [&](const Device& other) {
                return other.under == device->under;
            };
            if (std::any_of(devices.begin(), device, is_of_mirror))
                continue;  // it was in the first
            for (auto other = device + 1; other != devices.end(); ++other) {
                if (!is_of_mirror(*other)) continue;
                const std::optional<std::uint64_t> others = get(*other);
                if (others) value = std::max(value.value_or(0), *others);
            }
        }
        if (value) total = total.value_or(0) + *value;
    }
    return total;
}

}  // namespace virtpulse::wire
