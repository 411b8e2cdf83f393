#include "userspace/proc/hypervisor_search.h"

#include <utility>

#include "userspace/proc/executable.h"

namespace virtpulse::agent {
namespace {

// A process is looked at in each of its first searches, and then in one of many.
constexpr unsigned eager_looks = 10;
constexpr std::uint64_t searches_between_looks = 16;

}  // namespace

Result<HypervisorSearch> HypervisorSearch::make(const Root& root) {
    auto processes = NumberedDirectory::open(root.procfs);
    if (!processes) return processes.error();
    return HypervisorSearch(root, std::move(*processes));
}

Result<std::vector<pid_t>> HypervisorSearch::search() {
    if (auto listed = processes_.list(entries_); !listed) return listed.error();
    ++search_;
    std::vector<pid_t> found;
    for (const auto& [pid, inode] : entries_) {
        // The kernel gives the directory of each new process another inode number.
        auto& known = known_.try_emplace(pid, Known{inode, search_}).first->second;
        if (known.inode != inode) known = {inode, search_};
        known.seen_in = search_;
        const bool look = known.looks < eager_looks ||
                          (search_ + static_cast<std::uint64_t>(pid)) % searches_between_looks == 0;
        if (!known.is_hypervisor && look) {
            ++known.looks;
            known.is_hypervisor = runs_hypervisor(root_, pid);
        }
        if (known.is_hypervisor) found.push_back(pid);
    }
    std::erase_if(known_, [this](const auto& known) { return known.second.seen_in != search_; });
    return found;
}

}  // namespace virtpulse::agent
