// Reads the named values that libvirt's domain statistics consist of.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

#include "userspace/inventory/libvirt_snapshot.h"

namespace virtpulse::agent {

using StatValue = std::variant<std::uint64_t, std::string_view>;

// Takes one value, such as "balloon.current" or "block.0.rd.reqs", into `domain`. What is not
// needed or has the wrong type changes nothing. Once all are in, call finish_stats().
void read_stat(std::string_view field, const StatValue& value, LibvirtDomain& domain);

// Drops disks that were never named.
void finish_stats(LibvirtDomain& domain);

}  // namespace virtpulse::agent
