// Which block devices are on top of which, as sysfs has it.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/proc/root.h"

namespace virtpulse::agent {

// The disk of a partition ("sda" of "sda1"); any other device is its own.
std::string whole_disk(const Root& root, std::string_view name);

// The device that a loop device's file is on, or that it is made of; empty where that is not known,
// as for a file on a network file system. Asks nothing of the file itself, which might block.
std::string device_of_loop(const Root& root, std::string_view loop);

// Of the devices on top of `name` those that are `wanted`, and mirrors (md's RAID 1), which make no
// requests themselves but pass each write to all of their disks; the nearest first. Loop devices
// are only found among those wanted.
struct DeviceAbove {
    std::string name;
    bool is_mirror = false;

    bool operator==(const DeviceAbove&) const = default;
};
std::vector<DeviceAbove> devices_above(const Root& root, std::string_view name,
                                       const std::set<std::string>& wanted);

}  // namespace virtpulse::agent
