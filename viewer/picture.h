// What is to be shown, at one moment: the same for the list and for JSON.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "link/status.h"
#include "viewer/model/grid.h"

namespace virtpulse::viewer {

using link::LinkState;
using link::LinkStatus;

struct Totals {
    std::size_t hosts = 0;
    std::size_t good = 0;
    std::size_t warn = 0;
    std::size_t bad = 0;
    std::size_t silent = 0;  // fading; also counted by their health
    std::size_t vms = 0;
    std::size_t running_vms = 0;
};

struct Picture {
    Clock::time_point now;
    double time_s = 0;       // the same moment, s since the Unix epoch
    std::string clock_text;  // and for a person, in local time
    std::vector<const LinkStatus*> links;
    Totals totals;  // of all hosts, shown or not
    bool unhealthy_only = false;
    std::vector<HostView> hosts;  // those to show, in order
};

// Counts all hosts of the grid, then keeps those to show.
Picture picture_of(const Grid& grid, std::vector<const LinkStatus*> links, bool unhealthy_only,
                   Clock::time_point now);

// Whether its vCPUs may run: running, or blocked on a resource.
bool is_running(const wire::Vm& vm);
std::size_t count_running(const HostView& host);

// "running", "shut off": virDomainState in a word or two.
std::string_view state_name(wire::DomainState state);

}  // namespace virtpulse::viewer
