// Where the figures of VMs come from: kernel maps or /proc, behind one interface.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "wire/frame.h"

namespace virtpulse::agent {

// A process, told apart from a later one with the same pid by its start.
struct ProcessKey {
    pid_t pid = 0;
    std::uint64_t start_ticks = 0;  // field 22 of /proc/PID/stat: clock ticks since boot

    // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the comparison for a pointer
    auto operator<=>(const ProcessKey&) const = default;
};

struct HashOfProcess {
    std::size_t operator()(const ProcessKey& process) const noexcept {
        return static_cast<std::size_t>(process.pid) + process.start_ticks * 0x9e3779b97f4a7c15;
    }
};

template <class Value>
using ByProcess = std::unordered_map<ProcessKey, Value, HashOfProcess>;

// Whom a device served while requests of a VM waited; see wire::BlockAhead.
struct BlockCulprit {
    enum class Kind : std::uint8_t { vm, host, nobody, others };
    std::string device;
    Kind kind = Kind::host;
    ProcessKey process;  // of a VM
    std::uint64_t ns = 0;
};

// One of those that had the CPU meanwhile. Of another VM only its process is known here.
struct WaitCulprit {
    wire::Culprit culprit;
    std::uint32_t pid = 0;  // of the VM; 0 for all others
};

// What a VM's threads waited for; the culprits of `wait` are filled in when VMs have names.
struct WaitCounters {
    wire::WaitExt wait;
    std::vector<WaitCulprit> culprits;
};

// How often a VM's threads were put on another CPU than before, and on one of another NUMA node.
struct Moves {
    std::uint64_t cpu = 0;
    std::uint64_t node = 0;
};

// Cumulative counters of one VM process.
struct VmCounters {
    ProcessKey process;
    std::uint64_t since_ns = 0;  // when they began, ns since the Unix epoch
    // Whether they count from the birth of the process, so that a first sample already has a rate.
    bool since_birth = false;
    std::uint64_t cpu_ns = 0;
    std::uint64_t run_delay_ns = 0;
    std::uint64_t switches = 0;
    std::uint64_t threads = 0;
    std::optional<std::vector<wire::BlockCounters>> block;  // see wire::VmExt
    std::optional<wire::KvmCounters> kvm;
    std::vector<BlockCulprit> block_ahead;  // since the agent began; the worst first on each device
    std::optional<wire::RoleExt> role;
    std::optional<WaitCounters> wait;
    std::optional<Moves> moves;
    std::vector<wire::VcpuExt> vcpu;
    std::optional<std::uint64_t> smt_shared_vcpus_sampled;
};

struct SourceReport {
    std::vector<VmCounters> vms;
    std::optional<std::uint64_t> update_failures;  // see wire::AgentCost
    std::optional<std::uint64_t> lost_completions;
    std::optional<std::uint64_t> lost_issues;
    std::optional<std::uint64_t> recursion_misses;
    std::vector<wire::ProgramCost> programs;  // likewise
    std::vector<wire::MapUse> maps;
    std::map<std::string, std::string> missing;  // what this source cannot tell, and why
};

class VmSource {
  public:
    virtual ~VmSource() = default;
    VmSource() = default;
    VmSource(const VmSource&) = delete;
    VmSource& operator=(const VmSource&) = delete;

    // "ebpf" or "proc".
    [[nodiscard]] virtual std::string_view name() const = 0;

    // Processes that may be VMs and that the source knows before anybody told it of them. The
    // kernel side sees a qemu begin; /proc has to be searched.
    virtual Result<std::vector<pid_t>> candidates() = 0;

    // Whether what candidates() gives is in ascending order and lives.
    [[nodiscard]] virtual bool candidates_live() const { return false; }

    // Counts these processes, in ascending order, from now on, and no others. Called when the set
    // changes.
    virtual Result<void> watch(std::span<const ProcessKey> processes) = 0;

    // Reads the counters of the watched processes; one that has gone is left out.
    virtual Result<void> read(SourceReport& report) = 0;
};

}  // namespace virtpulse::agent
