// The live state and the collector's own counters, as metrics.
#pragma once

#include <string>
#include <vector>

#include "collector/counters.h"
#include "collector/grid/keeper.h"
#include "wire/exposition.h"

namespace virtpulse::collector {

// A page that is scraped is bounded: VMs beyond these are left out of it, and counted in
// virtpulse_omitted_domains. Remote write has all.
inline constexpr std::size_t most_exported_domains = 10'000;

struct HostView {
    HostReport report;
    std::vector<wire::VmState> vms;  // none of a host that does not live
};
// All hosts, still without their VMs.
std::vector<HostView> view_hosts(SharedGrid& grid);
// Adds the VMs. Of two with one name and uuid it is the one seen last.
void view_vms(SharedGrid& grid, HostView& host);

void put_metrics(wire::MetricSink& sink, std::span<const HostView> hosts);
void put_own_metrics(wire::MetricSink& sink, const Counters& counters, std::size_t omitted_domains);

// The page at /metrics.
std::string metrics_text(SharedGrid& grid, const Counters& counters, wire::ExpositionFormat format);

}  // namespace virtpulse::collector
