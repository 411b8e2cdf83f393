// From the kernel's records of threads to the figures of single vCPUs. No I/O.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "userspace/probe/fold.h"
#include "userspace/probe/shared_cores.h"
#include "wire/frame.h"

namespace virtpulse::agent {

// The number in a vCPU thread's name as qemu gives it: 3 of "CPU 3/KVM".
std::optional<std::uint64_t> vcpu_number(std::string_view comm);

// Asked for the number of a thread whose record has no such name: one born while it was watched has
// that of the thread that made it.
using AskVcpuNumber =
    std::function<std::optional<std::uint64_t>(std::uint32_t tgid, std::uint32_t tid)>;

class VcpuFigures {
  public:
    struct Result {
        // Of each VM that fold() gave, by number. Valid until the next call.
        std::span<const std::vector<wire::VcpuExt>> by_vm;
        std::vector<VcpuPlace> ran;  // those that ran since the last call, or are new
    };

    // `vcpus` is what Fold found of `vms` VMs, by place in `threads` and `waits`. At most
    // `most_asked` threads are asked for at a call; the others have to wait for the next.
    Result advance(std::span<const VcpuUse> vcpus, std::size_t vms,
                   std::span<const vp_thread> threads, std::span<const vp_wait> waits,
                   const AskVcpuNumber& ask);

    static constexpr std::size_t most_asked = 64;

  private:
    struct Known {
        std::uint32_t place = 0;
        std::uint32_t tid = 0;
        bool is_new = true;
        std::optional<std::uint64_t> number;
        std::uint64_t run_ns = 0;
        std::uint64_t switches = 0;
        std::array<std::uint64_t, VP_WAIT_BUCKETS> counts{};
    };
    void match(std::span<const VcpuUse> vcpus);
    static void take_waits(Known& known, const vp_wait& wait, wire::VcpuExt& told);

    std::vector<Known> known_;  // by place
    std::vector<Known> next_;
    std::vector<std::vector<wire::VcpuExt>> by_vm_;
};

}  // namespace virtpulse::agent
