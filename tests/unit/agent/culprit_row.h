// Rows of the map `culprits`, as tests make them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "userspace/probe/kernel_probe.h"

namespace virtpulse::agent {

// Of two waits.
inline CulpritRow culprit_row(std::uint32_t victim, std::uint32_t tgid, std::string_view name,
                              std::uint64_t ns) {
    CulpritRow made{};
    made.key.victim = victim;
    made.key.tgid = tgid;
    std::ranges::copy(name, made.key.comm);
    made.culprit.ns = ns;
    made.culprit.waits = 2;
    return made;
}

}  // namespace virtpulse::agent
