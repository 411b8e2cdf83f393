#include "viewer/screen/order.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "viewer/picture.h"

namespace virtpulse::viewer::screen {
namespace {

constexpr double unknown_rank = -1;  // below every figure
constexpr double crashed_rank = 1e9;

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool has_text(std::string_view name, std::string_view text) {
    const auto is_same = [](char a, char b) { return lower(a) == lower(b); };
    return std::search(name.begin(), name.end(), text.begin(), text.end(), is_same) != name.end() ||
           text.empty();
}

bool passes(const HostView& host, const State& state) {
    if (state.unhealthy_only && host.live && !host.health.unhealthy()) return false;
    return has_text(host.state->host().name, state.filter) ||
           std::ranges::any_of(host.vms, [&](const VmView& vm) {
               return has_text(vm.state->vm.name, state.filter);
           });
}

double in_steps(double value, double step) {
    return std::floor(value / step + 0.5);
}

// The higher, the further up.
double rank_of(const HostView& view, SortKey key) {
    const auto& host = view.state->host();
    switch (key) {
        case SortKey::cpu:
            return host.cpu.value_or(unknown_rank);
        case SortKey::ram:
            return host.ram.value_or(unknown_rank);
        case SortKey::disk:
            return host.disk.value_or(unknown_rank);
        case SortKey::temperature: {
            const auto worst = worst_temperature(host);
            return worst ? worst->value / worst->threshold->critical : unknown_rank;
        }
        case SortKey::vms:
            return static_cast<double>(view.vms.size());
        case SortKey::worst: {
            double severity = view.health.severity.value_or(unknown_rank);
            if (!view.live) severity = std::max(severity, silent_severity);
            return in_steps(severity, calm_step);
        }
        case SortKey::name:
            break;
    }
    return 0;
}

double rank_of(const VmView& view, SortKey key) {
    const auto& vm = view.state->vm;
    switch (key) {
        case SortKey::cpu:
            return vm.cpu.value_or(unknown_rank);
        case SortKey::ram:
            return vm.ram ? static_cast<double>(*vm.ram) : unknown_rank;
        case SortKey::disk:
            return io_bytes_s(*view.rates).value_or(unknown_rank);
        case SortKey::name:
            return 0;
        case SortKey::worst:
        case SortKey::temperature:
        case SortKey::vms:
            break;
    }
    // What waits for a CPU suffers; what uses much makes others wait.
    if (vm.state == wire::DomainState::crashed) return crashed_rank;
    if (!is_running(vm)) return unknown_rank;
    const double delay = in_steps(view.rates->run_delay_percent.value_or(0), 5);
    return delay * 1000 + in_steps(vm.cpu.value_or(unknown_rank), 5);
}

// Highest rank first; the order given, which is by name, where they are equal.
template <class View>
void sort(std::vector<const View*>& views, const State& state) {
    std::vector<std::pair<double, const View*>> ranked;
    ranked.reserve(views.size());
    for (const auto* view : views)
        ranked.emplace_back(rank_of(*view, state.sort), view);
    std::ranges::stable_sort(ranked, std::ranges::greater{}, [](const auto& r) { return r.first; });
    if (state.reversed) std::ranges::reverse(ranked);
    std::ranges::transform(ranked, views.begin(), [](const auto& r) { return r.second; });
}

}  // namespace

std::vector<const HostView*> listed_hosts(const std::vector<HostView>& hosts, const State& state) {
    std::vector<const HostView*> listed;
    for (const auto& host : hosts) {
        if (passes(host, state)) listed.push_back(&host);
    }
    sort(listed, state);
    return listed;
}

std::vector<const VmView*> listed_vms(const HostView& host, const State& state) {
    const bool all = has_text(host.state->host().name, state.filter);
    std::vector<const VmView*> listed;
    for (const auto& vm : host.vms) {
        if (all || has_text(vm.state->vm.name, state.filter)) listed.push_back(&vm);
    }
    sort(listed, state);
    return listed;
}

std::optional<Temperature> worst_temperature(const wire::Host& host) {
    std::optional<Temperature> worst;
    for (const auto& threshold : thresholds) {
        if (threshold.unit == "%") continue;
        const auto& value = host.*threshold.figure;
        if (!value || !std::isfinite(*value)) continue;
        const double part = *value / threshold.critical;
        if (!worst || part > worst->value / worst->threshold->critical) {
            worst = Temperature{&threshold, *value};
        }
    }
    return worst;
}

std::optional<double> io_bytes_s(const VmRates& rates) {
    if (!rates.read_bytes_s) return rates.write_bytes_s;
    return *rates.read_bytes_s + rates.write_bytes_s.value_or(0);
}

}  // namespace virtpulse::viewer::screen
