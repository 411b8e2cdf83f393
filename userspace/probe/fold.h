// From the kernel's records to one row of counters for each VM. No I/O.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "userspace/probe/kernel_probe.h"

namespace virtpulse::agent {

// What a thread has used in its life.
struct ThreadUse {
    std::uint64_t run_ns = 0;
    std::uint64_t run_delay_ns = 0;
    std::uint64_t switches = 0;
};

struct VmUse {
    std::uint32_t tgid = 0;
    vp_vm vm{};
    ThreadUse use;                                  // since vm.since_ns
    std::array<std::uint64_t, VP_ROLES> role_ns{};  // use.run_ns by VP_ROLE_*
    std::uint64_t threads = 0;
};

// One living vCPU thread of a VM.
struct VcpuUse {
    std::uint32_t tgid = 0;
    std::uint32_t tid = 0;
    std::uint32_t place = 0;  // in the records of threads
    std::uint32_t vm = 0;     // its VM's place in what fold() gave
    ThreadUse use;            // in its whole life
};

// A thread that is on a CPU, or may be, so that its record is as old as its last switch.
struct RunningThread {
    std::uint32_t tgid = 0;  // of its VM, also where it is a kernel thread
    std::uint32_t tid = 0;
    std::uint64_t start_ns = 0;
    std::uint32_t on_cpu = 0;  // as in vp_thread
    std::uint32_t role = 0;    // VP_ROLE_*
};

// Asked how long it has run in its life by now (ns). Nothing where it has gone.
using AskRunning = std::function<std::optional<std::uint64_t>(const RunningThread&)>;

// A thread that has a record, and its VM's place in what fold() gave.
struct UsedPlace {
    std::uint32_t place = 0;  // in `threads`
    std::uint32_t tid = 0;
    std::uint32_t use = 0;
    bool on_cpu = false;  // after the others below were read
    std::uint64_t run_ns = 0;
    std::uint64_t run_delay_ns = 0;
    std::uint64_t switches = 0;
};

class Fold {
  public:
    // `vms` must have been read before `threads` are: a thread that ends between the two is then
    // missed for one sample and not counted twice. Valid until the next call.
    std::span<const VmUse> fold(std::span<const VmRow> vms, std::span<const vp_thread> threads,
                                const AskRunning& ask_running);

    // Whose threads are where. The table, most of which is free, is searched only where the VMs
    // have other threads than at the last call, and at every `scan_every`th.
    [[nodiscard]] std::span<const UsedPlace> places() const { return places_; }

    // The vCPUs that the last call of fold() found, by place.
    [[nodiscard]] std::span<const VcpuUse> vcpus() const { return vcpus_; }

    // The place of a VM in what the last call of fold() gave.
    [[nodiscard]] std::optional<std::size_t> place_of_vm(std::uint32_t tgid) const;

    // Whether there were other VMs at the call before.
    [[nodiscard]] bool vms_changed() const { return vms_changed_; }

    static constexpr unsigned scan_every = 16;

  private:
    void begin_uses(std::span<const VmRow> vms);
    bool places_hold(std::span<const vp_thread> threads);
    void scan(std::span<const vp_thread> threads);

    std::vector<VmUse> uses_;
    std::vector<UsedPlace> places_;
    std::vector<UsedPlace> old_places_;
    std::unordered_map<std::uint32_t, std::size_t> by_tgid_;
    std::vector<VcpuUse> vcpus_;
    std::vector<std::uint32_t> found_;  // threads by VM
    unsigned folds_ = 0;
    bool vms_changed_ = false;
};

// What an agent has to put right in pinned maps, when it starts, about the time without one.
struct Takeover {
    std::vector<VmRow> vms;                // rows with what ended threads used added
    std::vector<std::uint32_t> gone_vms;   // tgids of processes that have ended
    std::vector<std::size_t> free_places;  // in `threads`
    // Of those the places of threads that ended while their VM went on, with its tgid.
    std::vector<std::pair<std::uint32_t, std::size_t>> ended_places;
};

using IsAlive = std::function<bool(std::uint32_t tgid, std::uint32_t tid, std::uint64_t start_ns)>;

// A thread that ended meanwhile leaves to its VM what it had used when last seen.
Takeover take_over(std::span<const VmRow> vms, std::span<const vp_thread> threads,
                   const IsAlive& is_alive);

// Block counters as of `now_ns` (CLOCK_MONOTONIC): the busy time that still runs is added.
std::uint64_t busy_until(const vp_block& block, std::uint64_t now_ns);
std::uint64_t in_flight(const vp_block& block);

}  // namespace virtpulse::agent
