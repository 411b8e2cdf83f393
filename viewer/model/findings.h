// What is wrong now, grid-wide, in words, the worst first.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "viewer/model/grid.h"

namespace virtpulse::viewer {

struct Finding {
    double severity;  // as for health; what is 1 is as bad as it gets
    std::string host;
    std::string vm;  // its name; empty where the host itself is meant
    std::string vm_uuid;
    std::string text;  // "waits 38 % of the time for a CPU, 30 % behind db"
};

struct Findings {
    std::vector<Finding> worst;  // by severity, then host
    std::size_t more = 0;        // that were left out
};

inline constexpr double crashed_severity = 0.8;  // one VM is
inline constexpr double stale_severity = 0.5;
inline constexpr double missing_severity = 0.5;  // libvirt says nothing: states may be old
inline constexpr double stale_after_s = 5;       // a lost datagram is no finding yet

// A host's figures that are warn or bad, hosts that are silent or without libvirt; VMs that wait
// for a CPU, crashed, or are heard of no more. At most `most` of them.
Findings findings_of(std::span<const HostView> hosts, std::size_t most);

}  // namespace virtpulse::viewer
