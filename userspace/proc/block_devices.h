// What the kernel's device numbers are called.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "userspace/proc/root.h"

namespace virtpulse::agent {

class BlockDevices {
  public:
    explicit BlockDevices(const Root& root) : root_(root) {}

    // The name of a whole disk ("vda"), by SYSFS/dev/block; "major:minor" for one that has gone.
    // Looked up once: a number given to another disk later keeps the first one's name until
    // forget() is called.
    const std::string& name_of(std::uint32_t major, std::uint32_t minor);
    void forget() { names_.clear(); }

  private:
    Root root_;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::string> names_;
};

}  // namespace virtpulse::agent
