#include "viewer/model/rates.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace virtpulse::viewer {
namespace {

using Counter = std::optional<std::uint64_t>;

Counter difference(const Counter& before, const Counter& after) {
    if (!before || !after || *after < *before) return std::nullopt;
    return *after - *before;
}

// The sum over the devices that both readings have; unknown as soon as one of them is.
std::optional<double> rate(const CounterReading& before, const CounterReading& after,
                           Counter wire::BlockCounters::*counter) {
    if (!before.block || !after.block) return std::nullopt;
    double sum = 0;
    bool known = before.block->empty() && after.block->empty();
    for (const auto& now : *after.block) {
        const auto old = std::ranges::find(*before.block, now.device, &wire::BlockCounters::device);
        if (old == before.block->end() || (!((*old).*counter) && !(now.*counter))) continue;
        const auto done = difference((*old).*counter, now.*counter);
        if (!done) return std::nullopt;
        sum += static_cast<double>(*done);
        known = true;
    }
    if (!known) return std::nullopt;
    return sum / (after.time_s - before.time_s);
}

std::optional<double> per_second(const Counter& before, const Counter& after, double elapsed_s) {
    const auto grown = difference(before, after);
    return grown ? std::optional(static_cast<double>(*grown) / elapsed_s) : std::nullopt;
}

// Of a counter of time, `unit_s` long each.
std::optional<double> percent_of(const Counter& before, const Counter& after, double elapsed_s,
                                 double unit_s) {
    const auto rate = per_second(before, after, elapsed_s);
    return rate ? std::optional(100 * *rate * unit_s) : std::nullopt;
}

Counter waited_us(const wire::CgroupExt& cgroup,
                  std::optional<wire::Stall> wire::PressureExt::*resource) {
    if (!cgroup.pressure || !((*cgroup.pressure).*resource)) return std::nullopt;
    return ((*cgroup.pressure).*resource)->some_us;
}

// A frame has only the worst: one that was not among them before has no rate yet.
std::vector<WaitRate> wait_rates(const CounterReading& before, const CounterReading& after) {
    const double elapsed_ns = (after.time_s - before.time_s) * 1e9;
    std::vector<WaitRate> rates;
    for (const auto& now : after.culprits) {
        const auto old = std::ranges::find_if(before.culprits, [&](const wire::Culprit& culprit) {
            return culprit.who == now.who && culprit.name == now.name;
        });
        if (old == before.culprits.end() || now.ns <= old->ns) continue;
        rates.push_back(
            {now.who, now.name, 100.0 * static_cast<double>(now.ns - old->ns) / elapsed_ns});
    }
    std::ranges::sort(rates, std::ranges::greater{}, &WaitRate::percent);
    return rates;
}

}  // namespace

CounterReading reading_of(const wire::Vm& vm, double time_s) {
    CounterReading reading;
    reading.time_s = time_s;
    if (vm.ext) {
        reading.since = vm.ext->since;
        reading.run_delay_ns = vm.ext->run_delay_ns;
        reading.block = vm.ext->block;
        if (vm.ext->wait) reading.culprits = vm.ext->wait->culprits;
        reading.major_faults = vm.ext->major_faults;
        reading.kvm = vm.ext->kvm;
        reading.cgroup = vm.ext->cgroup;
    }
    return reading;
}

VmRates rates_between(const CounterReading& before, const CounterReading& after) {
    const double elapsed_s = after.time_s - before.time_s;
    if (!(elapsed_s > 0) || before.since != after.since) return {};
    VmRates rates;
    if (const auto delay_ns = difference(before.run_delay_ns, after.run_delay_ns)) {
        rates.run_delay_percent = 100.0 * static_cast<double>(*delay_ns) / (elapsed_s * 1e9);
    }
    rates.waits_for = wait_rates(before, after);
    rates.read_ops_s = rate(before, after, &wire::BlockCounters::read_ops);
    rates.write_ops_s = rate(before, after, &wire::BlockCounters::write_ops);
    rates.read_bytes_s = rate(before, after, &wire::BlockCounters::read_bytes);
    rates.write_bytes_s = rate(before, after, &wire::BlockCounters::write_bytes);
    rates.major_faults_s = per_second(before.major_faults, after.major_faults, elapsed_s);
    if (before.kvm && after.kvm) {
        const auto& from = *before.kvm;
        const auto& to = *after.kvm;
        rates.kvm_exits_s = per_second(from.exits, to.exits, elapsed_s);
        rates.kvm_guest_percent = percent_of(from.guest_ns, to.guest_ns, elapsed_s, 1e-9);
        rates.kvm_halt_poll_percent =
            percent_of(from.halt_poll_ns, to.halt_poll_ns, elapsed_s, 1e-9);
    }
    rates.cgroup = cgroup_rates_between(before, after);
    return rates;
}

double CounterReading::cgroup_time_s() const {
    return cgroup ? time_s - static_cast<double>(cgroup->age_ms) / 1000 : 0;
}

CgroupRates cgroup_rates_between(const CounterReading& before, const CounterReading& after) {
    // The age of a reading is told to a millisecond, and no agent reads twice in so short a time.
    constexpr double same_reading_s = 0.05;
    const double elapsed_s = after.cgroup_time_s() - before.cgroup_time_s();
    if (!before.cgroup || !after.cgroup || before.since != after.since ||
        elapsed_s < same_reading_s) {
        return {};
    }
    const auto pressure = [&](auto resource) {
        return percent_of(waited_us(*before.cgroup, resource), waited_us(*after.cgroup, resource),
                          elapsed_s, 1e-6);
    };
    return {percent_of(before.cgroup->throttled_ns, after.cgroup->throttled_ns, elapsed_s, 1e-9),
            pressure(&wire::PressureExt::memory), pressure(&wire::PressureExt::io)};
}

void RateTracker::take(const std::string& key, CounterReading&& reading) {
    const auto [at, is_new] = tracks_.try_emplace(key);
    auto& track = at->second;
    if (!is_new) {
        // Two VMs of one frame that cannot be told apart: the first one's counters stand.
        if (reading.time_s == track.last.time_s) return;
        const auto cgroup = track.rates.cgroup;
        track.rates = rates_between(track.last, reading);
        // Those of the last reading hold until the next.
        track.rates.cgroup = cgroup;
    }
    const auto rates = cgroup_rates_between(track.last_cgroup, reading);
    if (rates != CgroupRates{}) track.rates.cgroup = rates;
    if (!reading.cgroup) track.rates.cgroup = {};
    if (rates != CgroupRates{} || !track.last_cgroup.cgroup ||
        track.last_cgroup.since != reading.since) {
        track.last_cgroup = reading;
    }
    track.last = std::move(reading);
}

VmRates RateTracker::rates(const wire::Vm& vm) const {
    const auto track = tracks_.find(key_of(vm));
    return track == tracks_.end() ? VmRates{} : track->second.rates;
}

void RateTracker::keep_only(std::span<const wire::VmState> vms) {
    std::unordered_set<std::string> known;
    for (const auto& state : vms)
        known.insert(key_of(state.vm));
    std::erase_if(tracks_, [&](const auto& entry) { return !known.contains(entry.first); });
}

std::string RateTracker::key_of(const wire::Vm& vm) {
    const auto start = vm.ext ? vm.ext->start : std::nullopt;
    // Neither a uuid nor a number has a line end in it; the name comes last.
    return vm.uuid + '\n' + (start ? std::to_string(*start) : "") + '\n' + vm.name;
}

}  // namespace virtpulse::viewer
