// The kernel side, loaded and attached: programs and maps with one owner.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "bpf/records.h"
#include "userspace/probe/pins.h"
#include "userspace/probe/plan.h"
#include "userspace/probe/refusal.h"
#include "wire/frame.h"

namespace virtpulse::agent {

struct VmRow {
    std::uint32_t tgid;
    vp_vm vm;
};

struct BlockRow {
    vp_block_key key;
    vp_block block;
};

struct DeviceRow {
    std::uint32_t dev;  // as in vp_block_key
    vp_device device;
};

struct EndedWaitsRow {
    std::uint32_t tgid;
    vp_history history;
};

struct RequestRow {
    std::uint64_t key;  // as in vp_expiry
    vp_request request;
};

struct CulpritRow {
    vp_culprit_key key;
    vp_culprit culprit;
};

class KernelProbe {
  public:
    // Loads what `plan` says; nothing is attached yet. With `pins` the maps are the pinned ones,
    // created where there are none; without, they are this process's own. Pinned maps of another
    // shape than ours are left alone and ours created beside them, see replace_pins().
    static OrRefusal<KernelProbe> load(const ProgramPlan& plan, const PinDirectory* pins,
                                       std::uint32_t most_culprits = VP_MAX_CULPRITS);

    KernelProbe(KernelProbe&&) noexcept;
    KernelProbe& operator=(KernelProbe&&) noexcept;
    ~KernelProbe();

    // From here on the programs run; they stop when this object or the process ends. After a
    // refusal some do: this object is then of no more use.
    OrRefusal<> attach();

    // Pins the maps that load() created beside pinned ones of another shape, in place of those:
    // `culprits` where --most-culprits changed, or all of them.
    Result<void> replace_pins(const PinDirectory& pins);

    // All rows as they are now. `rows` is reused.
    Result<void> read_vms(std::vector<VmRow>& rows);
    Result<void> read_block(std::vector<BlockRow>& rows);
    void read_devices(std::vector<DeviceRow>& rows) const;
    Result<void> read_ended_waits(std::vector<EndedWaitsRow>& rows);
    Result<void> read_culprits(std::vector<CulpritRow>& rows);
    // The next rows of them, from where the last call ended; `rows` gets an eighth of what the map
    // has room for, and some 500 more, at most. All have had their turn after eight calls, after
    // one on a host with few.
    Result<void> read_next_culprits(std::vector<CulpritRow>& rows);
    Result<vp_failures> read_failures();
    // What the first agent said that used these maps; `if_none` is said where none was.
    Result<vp_agents> agree(const vp_agents& if_none);

    // Memory that the kernel writes while we read: each member is whole, a record need not be.
    [[nodiscard]] std::span<vp_thread, VP_MAX_THREADS> threads() const;

    // Of the threads at the same places, likewise.
    [[nodiscard]] std::span<vp_wait, VP_MAX_THREADS> waits() const;

    // Of vCPUs; none where the programs for KVM are not loaded.
    [[nodiscard]] std::span<vp_vcpu> vcpus() const;
    // Grows when a vCPU's record begins.
    [[nodiscard]] std::uint64_t vcpus_begun() const;

    // False where there was one already, which then stays.
    Result<bool> add_vm(std::uint32_t tgid, const vp_vm& vm);
    // Before attach(): nobody else writes.
    Result<void> replace_vm(std::uint32_t tgid, const vp_vm& vm);
    void remove_vm(std::uint32_t tgid);
    // As of now.
    [[nodiscard]] std::optional<vp_vm> find_vm(std::uint32_t tgid) const;
    [[nodiscard]] bool has_vm(std::uint32_t tgid) const { return find_vm(tgid).has_value(); }
    // Says that a process is a VM, and how many records it has where that is not what its row says.
    // False where its row has gone.
    Result<bool> confirm_vm(vp_confirmation confirmation);
    // Ends the record of a thread that has gone, unless it is another's by now; nothing where the
    // kernel refused the program for it.
    Result<void> retire_lost(vp_lost_thread lost);
    // How much there is of processes that are not confirmed.
    Result<void> set_unconfirmed(const vp_unconfirmed& counts);
    Result<void> replace_ended_waits(const EndedWaitsRow& row);
    void remove_ended_waits(std::uint32_t tgid);
    void remove_culprit(const vp_culprit_key& key);
    // Removes it and says what it had in the end; nothing where there is none. A program that found
    // the row just before adds the one slice it is at to a row that is gone, or that is another
    // pair's by then: at most one on each CPU. The VM's sums by class have it.
    std::optional<vp_culprit> take_out_culprit(const vp_culprit_key& key);
    // Adds to its pair what a thread of `victim` has pending. Only while no program runs.
    Result<void> add_pending(std::uint32_t victim, const vp_pending& pending);
    // Before attach(): says of which NUMA node a CPU is.
    Result<void> set_node(std::uint32_t cpu, std::uint32_t node);
    void remove_block(const vp_block_key& key);
    Result<void> replace_block(const BlockRow& row);
    Result<void> set_cgroup_owner(std::uint64_t cgroup_id, const vp_owner& owner);
    void remove_cgroup(std::uint64_t cgroup_id);
    // What an agent before this one left: its requests ended unseen, its cgroups are looked up
    // anew.
    void clear_transient();

    // From here on, and as long as this object lives, the kernel measures what every BPF program on
    // the machine costs; some 50 ns a run.
    Result<void> measure_programs();
    struct ProgramUse {
        std::vector<wire::ProgramCost> costs;  // only what was measured counts
        // Events that were kept from them: the kernel runs none that is at work on the CPU already.
        // Since 5.11; 0 before.
        std::uint64_t recursion_misses = 0;
        std::uint64_t missed_births = 0;  // of these, of processes and threads
    };
    // Of our programs, since they were loaded.
    [[nodiscard]] ProgramUse program_use() const;
    // How many entries a map has room for, by its name; 0 where there is no such map.
    [[nodiscard]] std::uint64_t room_of(std::string_view map) const;

    // Gives every thread of every VM its record.
    Result<void> adopt_threads();
    // Ends requests whose completion was not seen, and forgets those that were never issued.
    Result<void> expire_requests();

  private:
    struct Impl;
    explicit KernelProbe(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace virtpulse::agent
