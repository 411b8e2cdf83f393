// The state of one host, put together from its frames: parts in any order, or some never.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "wire/frame.h"

namespace virtpulse::wire {

struct VmState {
    Vm vm;
    bool stale = false;            // its part of the newest sample did not come
    std::uint64_t generation = 0;  // counts samples as HostState took them in
    double time = 0;               // `time` of the sample that it was last in
};

// Collector and viewer hold one for each host, keyed by the host's name.
class HostState {
  public:
    // Takes in a frame; false where it brings nothing. A frame of a sample older than the newest
    // known is refused, so that a late datagram never makes the picture older; so is a part that
    // is there already. Within one run of an agent samples are ordered by `ext.sample`; standard
    // frames, and those of another run, by `time`. One that is older by more than
    // `reorder_horizon_s` is taken, as the host's clock has then been set back.
    bool apply(const Frame& frame);

    [[nodiscard]] const Host& host() const { return host_; }
    // Sorted by name, then uuid.
    [[nodiscard]] const std::vector<VmState>& vms() const { return vms_; }
    // Parts of the newest sample that have come, of how many.
    [[nodiscard]] std::uint32_t parts_seen() const { return parts_seen_; }
    [[nodiscard]] std::uint32_t parts_expected() const { return parts_expected_; }
    [[nodiscard]] bool complete() const { return parts_seen_ == parts_expected_; }
    // Rises when a VM comes or goes, or its state or the start of its process is another.
    [[nodiscard]] std::uint64_t changes() const { return changes_; }

  private:
    void begin_sample(std::uint64_t sample, std::uint32_t parts);
    void take_host(const Host& host, const Part& part, bool same_run);
    void put(const Vm& vm, double time);
    void update(VmState& state, const Vm& vm, double time);
    [[nodiscard]] bool is_of_sample(const VmState& state) const;

    Host host_;
    std::vector<VmState> vms_;
    std::vector<bool> seen_;
    std::uint64_t sample_ = 0;
    std::uint64_t generation_ = 0;
    std::uint64_t changes_ = 0;
    std::uint32_t parts_seen_ = 0;
    std::uint32_t parts_expected_ = 0;
};

// A VM stays the same VM while these are the same.
bool same_vm(const Vm& a, const Vm& b);

// VMs whose part never comes again are dropped this long after they were last seen.
inline constexpr double forget_stale_vm_after_s = 30;

// Datagrams of one host overtake each other by less than this.
inline constexpr double reorder_horizon_s = 10;

}  // namespace virtpulse::wire
