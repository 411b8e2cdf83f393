#include "viewer/picture.h"

#include <algorithm>
#include <utility>

namespace virtpulse::viewer {

bool is_running(const wire::Vm& vm) {
    return vm.state == wire::DomainState::running || vm.state == wire::DomainState::blocked;
}

std::size_t count_running(const HostView& host) {
    return static_cast<std::size_t>(
        std::ranges::count_if(host.vms, [](const VmView& vm) { return is_running(vm.state->vm); }));
}

std::string_view state_name(wire::DomainState state) {
    switch (state) {
        case wire::DomainState::running:
            return "running";
        case wire::DomainState::blocked:
            return "blocked";
        case wire::DomainState::paused:
            return "paused";
        case wire::DomainState::shutting_down:
            return "stopping";
        case wire::DomainState::shut_off:
            return "shut off";
        case wire::DomainState::crashed:
            return "crashed";
        case wire::DomainState::suspended:
            return "suspended";
        case wire::DomainState::none:
            break;
    }
    return "no state";
}

Picture picture_of(const Grid& grid, std::vector<const LinkStatus*> links, bool unhealthy_only,
                   Clock::time_point now) {
    Picture picture;
    picture.now = now;
    picture.links = std::move(links);
    picture.unhealthy_only = unhealthy_only;
    picture.hosts = grid.view(now);
    auto& totals = picture.totals;
    totals.hosts = picture.hosts.size();
    for (const auto& host : picture.hosts) {
        totals.good += host.health.level == Level::good ? 1 : 0;
        totals.warn += host.health.level == Level::warn ? 1 : 0;
        totals.bad += host.health.level == Level::bad ? 1 : 0;
        totals.silent += host.live ? 0 : 1;
        totals.vms += host.vms.size();
        totals.running_vms += count_running(host);
    }
    if (unhealthy_only) keep_unhealthy(picture.hosts);
    return picture;
}

}  // namespace virtpulse::viewer
