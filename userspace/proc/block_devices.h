// What the kernel's device numbers are called, and what is on top of them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "userspace/proc/block_stack.h"
#include "userspace/proc/root.h"

namespace virtpulse::agent {

// Both are looked up again now and then, as a number can be given to another disk, and a disk can
// come to be in an array: of a few devices every two seconds, of many some at each reading.
class BlockDevices {
  public:
    explicit BlockDevices(const Root& root) : root_(root) {}

    // At the beginning of each reading: looks some up again.
    void begin(std::chrono::steady_clock::time_point now);

    // The name of a whole disk as the kernel has it ("vda"; "nvme0c1n1" for a path of a multipath
    // drive); "major:minor" for one that has gone.
    const std::string& name_of(std::uint32_t major, std::uint32_t minor);

    // When all of a reading have been named: finds out what is on top of those that are new.
    void find_above();

    // Of the devices on top of one that name_of() has named, those that it has named too, and
    // mirrors: see devices_above().
    [[nodiscard]] const std::vector<DeviceAbove>& above(const std::string& name) const;

  private:
    using Number = std::pair<std::uint32_t, std::uint32_t>;
    struct Device {
        std::string name;
        std::vector<DeviceAbove> above;
        std::chrono::steady_clock::time_point looked_up{};
    };
    [[nodiscard]] std::string look_up(const Number& number) const;

    Root root_;
    std::map<Number, Device> devices_;
    std::set<std::string> names_;  // of all of them
    bool any_new_ = false;
    std::chrono::steady_clock::time_point now_{};
    Number next_{};  // whose turn it is
};

}  // namespace virtpulse::agent
