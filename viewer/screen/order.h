// Which hosts and VMs are listed, and in what order.
#pragma once

#include <vector>

#include "viewer/model/grid.h"
#include "viewer/screen/state.h"

namespace virtpulse::viewer::screen {

// The severities of hosts are compared in steps of this, and equals stand by name: so the list
// stays calm while figures waver.
inline constexpr double calm_step = 0.05;

// Those that the state's filters let through: with the text, in whatever case of ASCII, in its name
// or in the name of one of its VMs.
std::vector<const HostView*> listed_hosts(const std::vector<HostView>& hosts, const State& state);

// The VMs of one host. Where its own name has the filter's text all of them, else those that do.
std::vector<const VmView*> listed_vms(const HostView& host, const State& state);

// The temperature to show where there is room for one: the worse one, and its threshold.
struct Temperature {
    const Threshold* threshold;
    double value;
};
std::optional<Temperature> worst_temperature(const wire::Host& host);

// Read and written; absent where neither is known.
std::optional<double> io_bytes_s(const VmRates& rates);

}  // namespace virtpulse::viewer::screen
