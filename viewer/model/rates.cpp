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
    CounterReading reading{time_s, {}, {}, {}, {}};
    if (vm.ext) {
        reading.since = vm.ext->since;
        reading.run_delay_ns = vm.ext->run_delay_ns;
        reading.block = vm.ext->block;
        if (vm.ext->wait) reading.culprits = vm.ext->wait->culprits;
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
    return rates;
}

void RateTracker::take(const std::string& key, CounterReading&& reading) {
    const auto [at, is_new] = tracks_.try_emplace(key);
    auto& track = at->second;
    if (!is_new) {
        // Two VMs of one frame that cannot be told apart: the first one's counters stand.
        if (reading.time_s == track.last.time_s) return;
        track.rates = rates_between(track.last, reading);
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
