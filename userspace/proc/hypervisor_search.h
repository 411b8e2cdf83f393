// Finds the processes that run virtual machines among all that there are.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "userspace/proc/directory.h"
#include "userspace/proc/root.h"

namespace virtpulse::agent {

class HypervisorSearch {
  public:
    // The error says what this /proc lacks.
    static Result<HypervisorSearch> make(const Root& root);

    // Lists the directory and looks only at processes that are new, or whose turn it is: one may
    // become a qemu at any time (exec), most likely soon after its birth.
    Result<std::vector<pid_t>> search();

  private:
    struct Known {
        std::uint64_t inode;
        std::uint64_t seen_in;  // search
        unsigned looks = 0;
        bool is_hypervisor = false;
    };

    HypervisorSearch(Root root, NumberedDirectory processes)
        : root_(std::move(root)), processes_(std::move(processes)) {}

    Root root_;
    NumberedDirectory processes_;
    std::unordered_map<pid_t, Known> known_;
    std::uint64_t search_ = 0;
    std::vector<NumberedDirectory::Entry> entries_;
};

}  // namespace virtpulse::agent
