// From the kernel's records of vCPUs to the counters of a frame. No I/O.
#pragma once

#include <cstdint>
#include <vector>

#include "bpf/records.h"
#include "wire/frame.h"

namespace virtpulse::agent {

// What the vCPUs of one VM have counted, summed up.
class ExitSums {
  public:
    void clear();

    // A record that the kernel may write meanwhile.
    void add(const vp_vcpu& vcpu);

    // The reasons with most time outside; those without exits are left out.
    [[nodiscard]] wire::KvmCounters counters() const;

  private:
    struct Reason {
        std::uint16_t isa;
        std::uint16_t reason;
        std::uint64_t exits;
        std::uint64_t outside_ns;
    };

    Reason& at(std::uint16_t isa, std::uint16_t reason);

    wire::KvmCounters sums_;  // without reasons
    std::vector<Reason> reasons_;
};

// Adds to the record of a vCPU that has ended what another one of its VM, ended as well, has
// counted. False, and nothing is added, where it has no room for the other's reasons.
bool merge_ended(vp_vcpu& into, const vp_vcpu& from);

}  // namespace virtpulse::agent
