#include "viewer/model/grid.h"

#include <algorithm>
#include <utility>

namespace virtpulse::viewer {
namespace {

// How often the host sends: as it says itself, else as far apart as its last two samples were.
Clock::duration interval_of(const wire::Host& host, double last_time_s, Clock::duration known) {
    constexpr double longest_s = std::chrono::duration<double>(forget_after).count();
    double seconds = host.time - last_time_s;
    if (host.ext && host.ext->interval_ms) {
        seconds = static_cast<double>(*host.ext->interval_ms) / 1e3;
    } else if (!(seconds > 0 && seconds < longest_s)) {
        return known;
    }
    return std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double>(std::clamp(seconds, 0.0, longest_s)));
}

}  // namespace

bool Grid::take(wire::Frame&& frame, std::size_t source, Clock::time_point now) {
    auto at = hosts_.find(frame.host.name);
    if (at == hosts_.end()) {
        if (hosts_.size() >= most_hosts) {
            ++refused_;
            return false;
        }
        at = hosts_.try_emplace(frame.host.name).first;
    } else if (!brings_news(at->second, frame.host, source, now)) {
        return false;
    }
    auto& record = at->second;
    if (record.state.vms().size() >= most_vms) {
        ++refused_;
        return false;
    }

    const bool is_first = record.state.parts_expected() == 0;
    const double last_time_s = is_first ? frame.host.time : record.state.host().time;
    if (!record.state.apply(frame)) {
        if (is_first) hosts_.erase(at);
        return false;
    }
    if (record.rates.follow(record.state.vms()) || is_first) record.naming = ++last_naming_;
    record.interval = interval_of(record.state.host(), last_time_s, record.interval);
    record.arrived = now;
    record.source = source;
    return true;
}

bool Grid::brings_news(const Record& record, const wire::Host& host, std::size_t source,
                       Clock::time_point now) {
    const auto& known = record.state.host();
    const bool numbered = host.ext && host.ext->sample;
    // Two collectors relay the same frame, and each sends its newest when it is connected to
    // again. Samples that carry a number are told apart by the host's state.
    if (!numbered && host.time == known.time) return false;
    // One collector may have lost the host long ago. Its old frame must not pass for the host's
    // clock having been set back while another collector still has the host live.
    return source == record.source || host.time >= known.time || !is_live(record, now);
}

Clock::duration Grid::patience(const Record& record) {
    return std::max<Clock::duration>(least_fading, missed_before_fading * record.interval);
}

bool Grid::is_live(const Record& record, Clock::time_point now) {
    return now - record.arrived < patience(record);
}

void Grid::forget(Clock::time_point now) {
    std::erase_if(hosts_,
                  [now](const auto& entry) { return now - entry.second.arrived >= forget_after; });
}

HostView Grid::view_of(const Record& record, Clock::time_point now) {
    using Seconds = std::chrono::duration<double>;
    const auto age = now - record.arrived;
    HostView host{&record.state, {}, Seconds(age).count(), is_live(record, now), {}};
    host.naming = record.naming;
    host.vms.reserve(record.state.vms().size());
    std::optional<std::size_t> worst;
    double delay_of_worst = 0;
    for (std::size_t at = 0; at < record.state.vms().size(); ++at) {
        const auto& vm = record.state.vms()[at];
        const auto& rates = record.rates.rates(at);
        const auto& view = host.vms.emplace_back(VmView{&vm, &rates, delay_per_vcpu(vm.vm, rates)});
        const auto delay = vm.stale ? std::nullopt : view.vcpu_delay_percent;
        if (delay && (!worst || *delay > delay_of_worst)) {
            worst = at;
            delay_of_worst = *delay;
        }
    }
    std::optional<WorstVm> run_delay;
    if (worst) {
        const auto* wait = worst_wait(*host.vms[*worst].rates);
        run_delay = {host.vms[*worst].state->vm.name, delay_of_worst,
                     wait ? wire::culprit_text(wait->who, wait->name) : ""};
    }
    host.health = health_of(record.state.host(), run_delay);
    if (!host.live) {
        const Seconds fading = forget_after - patience(record);
        // An interval so long that the host would be forgotten before it fades.
        const double gone = fading.count() > 0 ? (age - patience(record)) / fading : 1;
        host.presence = std::clamp(1 - gone, 0.0, 1.0);
    }
    return host;
}

std::vector<HostView> Grid::view(Clock::time_point now) const {
    std::vector<HostView> hosts;
    hosts.reserve(hosts_.size());
    for (const auto& [name, record] : hosts_)
        hosts.push_back(view_of(record, now));
    return hosts;
}

std::optional<HostView> Grid::view_of(std::string_view name, Clock::time_point now) const {
    const auto at = hosts_.find(name);
    if (at == hosts_.end()) return std::nullopt;
    return view_of(at->second, now);
}

std::optional<std::size_t> Grid::source_of(std::string_view name) const {
    const auto at = hosts_.find(name);
    if (at == hosts_.end()) return std::nullopt;
    return at->second.source;
}

std::optional<double> delay_per_vcpu(const wire::Vm& vm, const VmRates& rates) {
    if (!vm.ext || vm.ext->vcpus.value_or(0) == 0 || !rates.run_delay_percent) return std::nullopt;
    return *rates.run_delay_percent / static_cast<double>(*vm.ext->vcpus);
}

void keep_unhealthy(std::vector<HostView>& hosts) {
    std::erase_if(hosts, [](const HostView& host) { return !host.health.unhealthy(); });
    std::ranges::stable_sort(hosts, std::ranges::greater{},
                             [](const HostView& host) { return host.health.severity.value_or(0); });
}

}  // namespace virtpulse::viewer
