// Rows and records of processes and threads that ended unseen, found by holding them against /proc,
// a few VMs a sample.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "userspace/probe/fold.h"
#include "userspace/probe/kernel_probe.h"
#include "userspace/proc/directory.h"
#include "userspace/proc/root.h"

namespace virtpulse::agent {

// What is wrong with a VM's row and its threads' records.
struct Repair {
    std::uint32_t tgid = 0;
    std::uint64_t start_ns = 0;
    bool is_gone = false;              // the process
    std::vector<vp_lost_thread> lost;  // records of threads that have gone
    std::uint32_t threads_told = 0;    // by the row
    std::uint32_t threads_found = 0;   // records, with the lost ones
};

class Reconciler {
  public:
    using Time = std::chrono::steady_clock::time_point;

    explicit Reconciler(Root root) : root_(std::move(root)) {}

    // Looks at some of the VMs, all in their turn. `uses` and `places` are what a Fold gave.
    //
    // A thread is gone from /proc shortly before its last switch, which retires its record; one
    // that begins has a record before the row counts it. So only what was wrong in the same way at
    // an earlier look too, `twice_after` before at least, is given back.
    [[nodiscard]] std::vector<Repair> look(std::span<const VmUse> uses,
                                           std::span<const UsedPlace> places,
                                           std::span<const vp_thread> threads, Time now);

    // Records of processes that have no row, by a look at the whole table: those that were there at
    // the call before too. `has_row` is asked for each.
    [[nodiscard]] std::vector<vp_lost_thread> find_orphans(
        std::span<const vp_thread> threads, const std::function<bool(std::uint32_t)>& has_row);

    static constexpr std::chrono::seconds twice_after{3};
    // VMs a look: a row of a thousand VMs has its turn once in a minute.
    static constexpr std::size_t least_in_turn = 4;
    static constexpr std::size_t turns = 64;

  private:
    struct Suspect {
        Repair repair;
        Time seen_at;
    };

    [[nodiscard]] std::optional<Repair> examine(const VmUse& vm,
                                                std::span<const vp_lost_thread> records);
    [[nodiscard]] std::optional<std::uint64_t> start_ticks(std::uint32_t tgid, std::uint32_t tid);
    [[nodiscard]] bool lives(const VmUse& vm, const vp_lost_thread& record, bool look_closely);

    Root root_;
    std::size_t turn_ = 0;
    std::unordered_map<std::uint32_t, Suspect> suspects_;  // by tgid
    std::vector<vp_lost_thread> orphans_;                  // by place
    std::vector<NumberedDirectory::Entry> tasks_;          // of the process looked at
    std::string buffer_;
};

// Of two looks at a VM what is wrong in the same way in both; nothing where that is nothing.
std::optional<Repair> in_both(const Repair& before, const Repair& now);

// Puts it right, as far as it has not changed since.
Result<void> apply(KernelProbe& probe, const Repair& repair);

}  // namespace virtpulse::agent
