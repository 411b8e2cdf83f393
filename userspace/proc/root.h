// Where /proc and /sys are: the real ones, or a tree that a test or a container made.
#pragma once

#include <string>

namespace virtpulse::agent {

struct Root {
    std::string procfs = "/proc";
    std::string sysfs = "/sys";
};

}  // namespace virtpulse::agent
