// What a frame says: one sample of a hypervisor and of the virtual machines on it.
//
// The members outside `ext` are the standard of 2011 and never change. Whatever could not be had is
// absent (std::nullopt, an empty list), never 0.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wire/histogram.h"

namespace virtpulse::wire {

// libvirt's virDomainState, as the standard sends it.
enum class DomainState : std::uint8_t {
    none = 0,
    running = 1,
    blocked = 2,
    paused = 3,
    shutting_down = 4,
    shut_off = 5,
    crashed = 6,
    suspended = 7,
};
inline constexpr int highest_domain_state = 7;

// Buckets of BlockCounters' latencies in ns: below 4.1 us, and so on doubling to 17 s and more.
inline constexpr Log2Scale block_latency_scale{4096, 24};

// Whom the device served while requests of a VM waited.
struct BlockAhead {
    std::string who;  // uuid of another VM; "host"; "nobody": write-back and flushes of no one;
                      // "others": VMs that are gone, or too many to name
    std::uint64_t ns = 0;

    bool operator==(const BlockAhead&) const = default;
};

// Block I/O of one VM on one device. Cumulative since VmExt::since, but for `in_flight`.
struct BlockCounters {
    std::string device;  // of the host as the kernel names it ("vda"), or the guest's disk target
    // The device whose requests this one carries out: another one of the VM's, or a mirror that
    // makes no requests itself; empty where there is none. wire/block_total.h says what follows.
    std::string under;
    std::optional<std::uint64_t> read_ops;
    std::optional<std::uint64_t> read_bytes;
    std::optional<std::uint64_t> write_ops;
    std::optional<std::uint64_t> write_bytes;
    std::optional<std::uint64_t> flush_ops;
    std::optional<std::uint64_t> discard_ops;
    std::optional<std::uint64_t> busy_ns;    // time with at least one request in flight
    std::optional<std::uint64_t> in_flight;  // requests now at the device
    // Sums over the operations: from where the block layer made the request to where the driver got
    // it, and from there to its end. Of flushes (without data) and discards both together.
    std::optional<std::uint64_t> read_queue_ns;
    std::optional<std::uint64_t> read_device_ns;
    std::optional<std::uint64_t> write_queue_ns;
    std::optional<std::uint64_t> write_device_ns;
    std::optional<std::uint64_t> flush_ns;
    std::optional<std::uint64_t> discard_ns;
    std::optional<std::uint64_t> untimed_ops;  // operations of which a part of that is not known
    // Counts of queue and device time together, by block_latency_scale, without zeros at the end;
    // and quantiles of them in the last interval, absent where none ended in it.
    std::vector<std::uint64_t> read_latency;
    std::vector<std::uint64_t> write_latency;
    std::optional<std::uint64_t> read_p50_ns;
    std::optional<std::uint64_t> read_p99_ns;
    std::optional<std::uint64_t> write_p50_ns;
    std::optional<std::uint64_t> write_p99_ns;
    // Of the operations' time, what the device gave to others meanwhile; and to whom, the worst
    // first: shares of the same, but since HostExt::boot.
    std::optional<std::uint64_t> ahead_ns;
    std::vector<BlockAhead> ahead;

    bool operator==(const BlockCounters&) const = default;
};

// Exits of a VM's vCPUs for one reason.
struct KvmExits {
    std::string reason;  // as the CPU's maker names it: "hlt", "npf"; "svm-0x3ff": without a name
    std::uint64_t exits = 0;
    std::uint64_t outside_ns = 0;

    bool operator==(const KvmExits&) const = default;
};

// What KVM counts for a VM, over all its vCPUs. Cumulative since VmExt::since.
struct KvmCounters {
    std::optional<std::uint64_t> exits;
    std::optional<std::uint64_t> guest_ns;             // in the guest
    std::optional<std::uint64_t> outside_ns;           // from exits to entries, asleep or not
    std::optional<std::uint64_t> halt_wait_ns;         // of that, asleep until a wake-up
    std::optional<std::uint64_t> halt_poll_ns;         // of that, polling for one
    std::optional<std::uint64_t> halt_poll_wasted_ns;  // of the polling, in vain
    std::vector<KvmExits> reasons;                     // those with most time; not all

    bool operator==(const KvmCounters&) const = default;
};

// One of those that had the CPU while a VM waited for it.
struct Culprit {
    std::string who;   // "vm", "process", or one of wait_classes
    std::string name;  // of the VM or the process
    std::uint64_t ns = 0;
    std::uint64_t waits = 0;  // of which it had a part

    bool operator==(const Culprit&) const = default;
};

// What waiting for a CPU is charged to, in the order of WaitExt::by_ns.
inline constexpr std::array<std::string_view, 9> wait_classes{
    "unknown", "quota", "own_vcpu", "own_emulator", "own_io", "kernel", "idle", "process", "vm"};

// The waits for a CPU of one VM's threads. Cumulative, but for the quantiles.
struct WaitExt {
    // By length: under 2^10 ns; bucket k from 2^(9+k) to under 2^(10+k) ns; the last of
    // wait_buckets 2^32 ns and over. Zeros at the end are left out.
    std::vector<std::uint64_t> counts;
    std::optional<std::uint64_t> merged;   // waits whose own length was not seen
    std::uint64_t phantom_ns = 0;          // slept, which the kernel counts as waited; not in by_ns
    std::optional<std::uint64_t> p50_ns;   // of the waits of the last interval
    std::optional<std::uint64_t> p99_ns;   // likewise
    std::array<std::uint64_t, 9> by_ns{};  // by wait_classes; the sum is that of all waits
    std::vector<Culprit> culprits;         // the worst, of the last interval before all

    bool operator==(const WaitExt&) const = default;
};
// For a person: "web3", "cc1plus (process)", "its own CPU quota".
std::string culprit_text(std::string_view who, std::string_view name);

inline constexpr std::size_t wait_buckets = 24;
inline constexpr std::size_t most_culprits = 5;

// CPU time by what the VM's threads are for. Cumulative; sums up to VmExt::cpu_ns.
struct RoleExt {
    std::uint64_t vcpu_ns = 0;
    std::uint64_t emulator_ns = 0;
    std::uint64_t io_ns = 0;
    std::uint64_t vhost_ns = 0;

    bool operator==(const RoleExt&) const = default;
};

// How long a resource was lacking, as the kernel's PSI counts it. Cumulative.
struct Stall {
    std::uint64_t some_us = 0;             // at least one task waited for it
    std::optional<std::uint64_t> full_us;  // all did, so that nothing ran

    bool operator==(const Stall&) const = default;
};

struct PressureExt {
    std::optional<Stall> cpu;
    std::optional<Stall> memory;
    std::optional<Stall> io;

    bool operator==(const PressureExt&) const = default;
};

// What the VM's own cgroup says of it. Cumulative since that was made.
struct CgroupExt {
    std::uint64_t age_ms = 0;  // since this was read: on large hosts a VM is read in its turn
    std::optional<std::uint64_t> periods;  // of CPU quotas, in which it ran
    std::optional<std::uint64_t> throttled_periods;
    std::optional<std::uint64_t> throttled_ns;  // over all CPUs and directories of the VM
    std::optional<PressureExt> pressure;

    bool operator==(const CgroupExt&) const = default;
};

// One vCPU: its thread's whole life, but for the quantiles.
struct VcpuExt {
    std::uint64_t number = 0;
    std::uint64_t cpu_ns = 0;
    std::uint64_t run_delay_ns = 0;
    std::optional<std::uint64_t> wait_p50_ns;  // of its waits for a CPU in the last interval
    std::optional<std::uint64_t> wait_p99_ns;

    bool operator==(const VcpuExt&) const = default;
};
inline constexpr std::size_t most_vcpus_told = 1024;

struct VmExt {
    std::optional<std::uint64_t> pid;
    std::optional<std::uint64_t> start;  // start of the process, ns since the host booted
    std::optional<std::uint64_t> since;  // when the counters began, ns since the Unix epoch
    std::optional<std::uint64_t> vcpus;
    std::optional<std::uint64_t> threads;
    std::optional<std::uint64_t> cpu_ns;        // all threads of the process, also ended ones
    std::optional<std::uint64_t> run_delay_ns;  // runnable but waiting for a CPU
    std::optional<std::uint64_t> switches;      // times a thread was put on a CPU
    std::optional<std::uint64_t> rss_bytes;
    // One for each device that the VM used; empty where it is known to have used none.
    std::optional<std::vector<BlockCounters>> block;
    std::optional<KvmCounters> kvm;  // absent for a VM that had no exit
    std::optional<RoleExt> role;
    std::optional<WaitExt> wait;
    std::optional<std::uint64_t> cpu_moves;     // times a thread came onto another CPU than before
    std::optional<std::uint64_t> node_moves;    // and onto one of another NUMA node
    std::optional<std::uint64_t> major_faults;  // in the process's whole life, all its threads
    std::optional<CgroupExt> cgroup;  // absent where it has none to itself, or was not read yet

    // Of the vCPUs that ran in the last interval, those whose CPU was the sibling (SMT) of one that
    // another VM's ran on; both as last seen. Absent where no CPU has a sibling.
    std::optional<std::uint64_t> smt_shared_vcpus_sampled;
    std::vector<VcpuExt> vcpu;  // by number; empty where it is not known

    bool operator==(const VmExt&) const = default;
};

struct Vm {
    std::string name;
    std::string uuid;
    DomainState state = DomainState::none;
    std::optional<double> cpu;            // % of its vCPUs
    std::optional<std::uint64_t> ram;     // KiB now allocated to the guest
    std::optional<std::uint64_t> maxram;  // KiB it can be given
    std::optional<VmExt> ext;

    bool operator==(const Vm&) const = default;
};

// What one of our BPF programs has cost since it was loaded, as the kernel counts it.
struct ProgramCost {
    std::string name;
    std::uint64_t runs = 0;
    std::uint64_t ns = 0;

    bool operator==(const ProgramCost&) const = default;
};

// How full one of our BPF maps is.
struct MapUse {
    std::string name;
    std::uint64_t used = 0;
    std::uint64_t most = 0;

    bool operator==(const MapUse&) const = default;
};
inline constexpr std::size_t most_programs_or_maps = 64;

// What the agent itself costs and what it failed to do. Cumulative since HostExt::boot.
struct AgentCost {
    std::optional<std::uint64_t> cpu_ns;            // of the whole agent process
    std::optional<std::uint64_t> rss_bytes;         // now
    std::optional<std::uint64_t> sample_ns;         // wall time that the last sample took
    std::optional<std::uint64_t> send_errors;       // datagrams that a collector was not sent
    std::optional<std::uint64_t> late_samples;      // samples begun over half an interval late
    std::optional<std::uint64_t> omitted_vms;       // VMs left out because they did not fit
    std::optional<std::uint64_t> update_failures;   // kernel records that found no place
    std::optional<std::uint64_t> lost_completions;  // block requests whose end was never seen
    std::optional<std::uint64_t> lost_issues;       // those never seen to go to their device
    std::optional<std::uint64_t> recursion_misses;  // events that the kernel kept from our programs
    std::vector<ProgramCost> programs;              // empty unless the agent was asked to measure
    std::vector<MapUse> maps;

    bool operator==(const AgentCost&) const = default;
};

// Which of the datagrams of one sample this is: `index` of `count`, from 0.
struct Part {
    std::uint32_t index = 0;
    std::uint32_t count = 1;

    bool operator==(const Part&) const = default;
};

// Kernel samepage merging: memory that VMs share because it is the same.
struct KsmExt {
    std::uint64_t run = 0;           // 0: stopped, 1: runs, 2: stopped, and all unmerged
    std::uint64_t shared_bytes = 0;  // kept once for several
    std::uint64_t saved_bytes = 0;   // what it would take besides if it were not

    bool operator==(const KsmExt&) const = default;
};

struct HostExt {
    std::optional<std::string> id;      // machine id
    std::optional<std::uint64_t> boot;  // start of the agent, ns since the Unix epoch
    std::optional<std::uint64_t> interval_ms;
    std::optional<std::string> source;           // "ebpf" or "proc"
    std::optional<std::uint64_t> sample;         // one number for all parts of a sample
    std::optional<Part> part;                    // absent where the sample is one datagram
    std::map<std::string, std::string> missing;  // source -> why it says nothing
    std::optional<std::uint64_t> cpus;           // online
    std::optional<std::uint64_t> mem_total_bytes;
    std::optional<PressureExt> pressure;
    std::optional<KsmExt> ksm;
    std::optional<AgentCost> self;

    bool operator==(const HostExt&) const = default;
};

struct Host {
    std::string name;
    double time = 0;                // s since the Unix epoch, taken before any call that can block
    std::optional<double> cpu;      // %, over all CPUs
    std::optional<double> ram;      // %
    std::optional<double> disk;     // %, busiest whole disk
    std::optional<double> cputemp;  // °C
    std::optional<double> mbtemp;   // °C
    std::optional<HostExt> ext;

    bool operator==(const Host&) const = default;
};

struct Frame {
    Host host;
    std::vector<Vm> vms;

    bool operator==(const Frame&) const = default;
};

}  // namespace virtpulse::wire
