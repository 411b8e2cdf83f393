// What libvirt said of all its domains at one time.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "wire/frame.h"

namespace virtpulse::agent {

struct LibvirtDomain {
    std::string name;
    std::string uuid;
    wire::DomainState state = wire::DomainState::none;
    std::optional<std::uint64_t> vcpus;
    std::optional<std::uint64_t> ram_kib;      // now
    std::optional<std::uint64_t> max_ram_kib;  // at most
    std::optional<std::uint64_t> cpu_ns;       // since the domain began
    std::vector<wire::BlockCounters> block;    // since the domain began; device: the guest's disk

    bool operator==(const LibvirtDomain&) const = default;
};

struct LibvirtSnapshot {
    std::vector<LibvirtDomain> domains;  // also those that do not run
    // When libvirt was asked. What happened later is not in here.
    std::chrono::steady_clock::time_point taken;
    std::chrono::nanoseconds taken_since_boot{};  // the same on CLOCK_BOOTTIME
};

}  // namespace virtpulse::agent
