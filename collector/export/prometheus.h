// What Prometheus scrapes.
#pragma once

#include <string>
#include <string_view>

#include "collector/counters.h"
#include "collector/grid/keeper.h"

namespace virtpulse::collector {

inline constexpr std::string_view prometheus_type = "text/plain; version=0.0.4; charset=utf-8";
// Series are bounded: VMs beyond these are left out, and counted in virtpulse_omitted_domains.
inline constexpr std::size_t most_exported_domains = 10'000;

// The text format of Prometheus. Units are base units. Where a figure means what the libvirt
// exporters mean, it has their name; others begin with virtpulse_. What is unknown has no line.
std::string prometheus_text(SharedGrid& grid, const Counters& counters);

}  // namespace virtpulse::collector
