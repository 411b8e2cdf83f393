// What a VM does per second, from the difference of two readings of its cumulative counters.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "wire/frame.h"
#include "wire/host_state.h"

namespace virtpulse::viewer {

// Who had the CPU while a VM waited for it.
struct WaitRate {
    std::string who;     // as wire::Culprit
    std::string name;    // likewise
    double percent = 0;  // of the elapsed time

    bool operator==(const WaitRate&) const = default;
};

// What the VM's cgroup lacked, between the last two readings of it: not every frame brings one.
struct CgroupRates {
    std::optional<double> throttled_percent;        // over 100 where several CPUs were denied
    std::optional<double> memory_pressure_percent;  // some task waited for memory
    std::optional<double> io_pressure_percent;      // likewise

    bool operator==(const CgroupRates&) const = default;
};

struct VmRates {
    std::optional<double> run_delay_percent;  // of the elapsed time; over 100 where threads queue
    std::vector<WaitRate> waits_for;          // the worst first; those that cost it nothing are not
    std::optional<double> read_ops_s;         // over all devices, as are the next three
    std::optional<double> write_ops_s;
    std::optional<double> read_bytes_s;
    std::optional<double> write_bytes_s;
    std::optional<double> major_faults_s;
    std::optional<double> kvm_exits_s;            // over all vCPUs, as are the next two
    std::optional<double> kvm_guest_percent;      // of the elapsed time, in the guest
    std::optional<double> kvm_halt_poll_percent;  // of it, polling for a wake-up
    CgroupRates cgroup;

    bool operator==(const VmRates&) const = default;
};

// Of what the VM waits for, what costs it most and can be named; null where it is not known, or is
// so little of all its waiting that it explains nothing.
const WaitRate* worst_wait(const VmRates& rates);

// Of wire::BlockCounters, what rates are made of.
struct BlockReading {
    std::string device;
    std::string under;
    std::optional<std::uint64_t> read_ops;
    std::optional<std::uint64_t> write_ops;
    std::optional<std::uint64_t> read_bytes;
    std::optional<std::uint64_t> write_bytes;
};

struct CounterReading {
    double time_s = 0;  // the frame's `time`
    std::optional<std::uint64_t> since;
    std::optional<std::uint64_t> run_delay_ns;
    std::optional<std::vector<BlockReading>> block;
    std::vector<wire::Culprit> culprits;
    std::optional<std::uint64_t> major_faults;
    std::optional<std::uint64_t> kvm_exits;
    std::optional<std::uint64_t> kvm_guest_ns;
    std::optional<std::uint64_t> kvm_halt_poll_ns;
    std::optional<wire::CgroupExt> cgroup;

    // When `cgroup` was read.
    [[nodiscard]] double cgroup_time_s() const;
};

// What `vm` had counted at the time of its frame. The second one takes the place of another, whose
// memory it uses again: there are many of these a second.
CounterReading reading_of(const wire::Vm& vm, double time_s);
void read_counters(const wire::Vm& vm, double time_s, CounterReading& out);

// Unknown where a counter is missing in one of them or ran backwards, where the counters began
// anew between them, and where no time passed. A device that one of them lacks takes no part. Where
// both know that there is none, nothing was done: 0.
VmRates rates_between(const CounterReading& before, const CounterReading& after);

// Of the cgroup alone; unknown where both say the same reading of it.
CgroupRates cgroup_rates_between(const CounterReading& before, const CounterReading& after);

// Rates of the VMs of one host.
class RateTracker {
  public:
    // Takes in the VMs of the host as they are after a frame, in the order of HostState::vms();
    // those that the frame did not bring are told by their time. Call it after each frame that
    // counts. True where the VMs are not the same as before, one by one.
    bool follow(std::span<const wire::VmState> vms);
    // Of the VM at that place among those followed last; unknown where it has fewer than two
    // readings. Holds until the next call of follow().
    [[nodiscard]] const VmRates& rates(std::size_t at) const { return tracks_[at].rates; }

  private:
    // A VM that starts again, or another of the same uuid, has counters of its own.
    struct Track {
        std::string name;
        std::string uuid;
        std::optional<std::uint64_t> start;
        std::optional<CounterReading> last;
        CounterReading last_cgroup;  // that had a new reading of it; only of the cgroup
        VmRates rates;
    };
    static bool is_of(const Track& track, const wire::Vm& vm);
    void take(Track& track, const wire::Vm& vm, double time_s);
    bool arrange(std::span<const wire::VmState> vms);

    std::vector<Track> tracks_;  // one a VM, in their order, so that nothing has to be looked up
    CounterReading reading_;     // the one before a VM's last, whose memory is used again
};

}  // namespace virtpulse::viewer
