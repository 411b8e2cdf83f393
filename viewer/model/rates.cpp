#include "viewer/model/rates.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "wire/block_total.h"

namespace virtpulse::viewer {
namespace {

using Counter = std::optional<std::uint64_t>;

Counter difference(const Counter& before, const Counter& after) {
    if (!before || !after || *after < *before) return std::nullopt;
    return *after - *before;
}

std::optional<std::uint64_t> start_of(const wire::Vm& vm) {
    return vm.ext ? vm.ext->start : std::nullopt;
}

// The total over the devices that both readings have; unknown as soon as one of them is.
std::optional<double> rate(const CounterReading& before, const CounterReading& after,
                           Counter BlockReading::*counter, wire::OnMirror on_mirror) {
    if (!before.block || !after.block) return std::nullopt;
    bool any_unknown = false;
    const auto total =
        wire::block_total(*after.block, on_mirror, [&](const BlockReading& now) -> Counter {
            const auto old = std::ranges::find(*before.block, now.device, &BlockReading::device);
            if (old == before.block->end() || (!((*old).*counter) && !(now.*counter))) return {};
            const auto done = difference((*old).*counter, now.*counter);
            if (!done) any_unknown = true;
            return done;
        });
    const bool is_none = before.block->empty() && after.block->empty();
    if (any_unknown || (!total && !is_none)) return std::nullopt;
    return static_cast<double>(total.value_or(0)) / (after.time_s - before.time_s);
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
    read_counters(vm, time_s, reading);
    return reading;
}

void read_counters(const wire::Vm& vm, double time_s, CounterReading& out) {
    static const wire::VmExt nothing;
    const auto& ext = vm.ext ? *vm.ext : nothing;
    out.time_s = time_s;
    out.since = ext.since;
    out.run_delay_ns = ext.run_delay_ns;
    if (ext.block) {
        if (!out.block) out.block.emplace();
        out.block->resize(ext.block->size());
        std::ranges::transform(*ext.block, out.block->begin(), [](const auto& block) {
            return BlockReading{block.device,    block.under,      block.read_ops,
                                block.write_ops, block.read_bytes, block.write_bytes};
        });
    } else {
        out.block.reset();
    }
    if (ext.wait) {
        out.culprits = ext.wait->culprits;
    } else {
        out.culprits.clear();
    }
    out.major_faults = ext.major_faults;
    const bool has_kvm = ext.kvm.has_value();
    out.kvm_exits = has_kvm ? ext.kvm->exits : std::nullopt;
    out.kvm_guest_ns = has_kvm ? ext.kvm->guest_ns : std::nullopt;
    out.kvm_halt_poll_ns = has_kvm ? ext.kvm->halt_poll_ns : std::nullopt;
    out.cgroup = ext.cgroup;
}

VmRates rates_between(const CounterReading& before, const CounterReading& after) {
    const double elapsed_s = after.time_s - before.time_s;
    if (!(elapsed_s > 0) || before.since != after.since) return {};
    VmRates rates;
    if (const auto delay_ns = difference(before.run_delay_ns, after.run_delay_ns)) {
        rates.run_delay_percent = 100.0 * static_cast<double>(*delay_ns) / (elapsed_s * 1e9);
    }
    rates.waits_for = wait_rates(before, after);
    rates.read_ops_s = rate(before, after, &BlockReading::read_ops, wire::OnMirror::one);
    rates.write_ops_s = rate(before, after, &BlockReading::write_ops, wire::OnMirror::each);
    rates.read_bytes_s = rate(before, after, &BlockReading::read_bytes, wire::OnMirror::one);
    rates.write_bytes_s = rate(before, after, &BlockReading::write_bytes, wire::OnMirror::each);
    rates.major_faults_s = per_second(before.major_faults, after.major_faults, elapsed_s);
    rates.kvm_exits_s = per_second(before.kvm_exits, after.kvm_exits, elapsed_s);
    rates.kvm_guest_percent = percent_of(before.kvm_guest_ns, after.kvm_guest_ns, elapsed_s, 1e-9);
    rates.kvm_halt_poll_percent =
        percent_of(before.kvm_halt_poll_ns, after.kvm_halt_poll_ns, elapsed_s, 1e-9);
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

const WaitRate* worst_wait(const VmRates& rates) {
    constexpr double least_share = 0.1;
    const double least_percent = rates.run_delay_percent.value_or(0) * least_share;
    const auto worst = std::ranges::find_if(
        rates.waits_for, [](const WaitRate& wait) { return wait.who != "unknown"; });
    return worst != rates.waits_for.end() && worst->percent >= least_percent ? &*worst : nullptr;
}

bool RateTracker::follow(std::span<const wire::VmState> vms) {
    const bool is_changed = arrange(vms);
    for (std::size_t at = 0; at < vms.size(); ++at) {
        auto& track = tracks_[at];
        const auto& [vm, stale, generation, time] = vms[at];
        const bool is_known = track.last && track.last->time_s == time;
        if (!is_known) take(track, vm, time);
    }
    return is_changed;
}

bool RateTracker::arrange(std::span<const wire::VmState> vms) {
    const auto is_in_place = [&] {
        return std::ranges::equal(tracks_, vms, is_of, {}, &wire::VmState::vm);
    };
    if (is_in_place()) return false;
    std::vector<Track> arranged;
    arranged.reserve(vms.size());
    auto known = tracks_.begin();
    for (const auto& [vm, stale, generation, time] : vms) {
        const auto comes_before = [&vm = vm](const Track& track) {
            return std::tie(track.name, track.uuid) < std::tie(vm.name, vm.uuid);
        };
        // Both are sorted by name, then uuid.
        while (known != tracks_.end() && comes_before(*known))
            ++known;
        if (known != tracks_.end() && is_of(*known, vm)) {
            arranged.push_back(std::move(*known++));
        } else {
            arranged.push_back({vm.name, vm.uuid, start_of(vm), {}, {}, {}});
        }
    }
    tracks_ = std::move(arranged);
    return true;
}

bool RateTracker::is_of(const Track& track, const wire::Vm& vm) {
    return track.uuid == vm.uuid && track.name == vm.name && track.start == start_of(vm);
}

void RateTracker::take(Track& track, const wire::Vm& vm, double time_s) {
    auto& reading = reading_;
    read_counters(vm, time_s, reading);
    const auto cgroup = track.rates.cgroup;
    track.rates = track.last ? rates_between(*track.last, reading) : VmRates{};
    // Those of the last reading hold until the next.
    track.rates.cgroup = reading.cgroup ? cgroup : CgroupRates{};
    if (reading.cgroup) {
        const auto rates = cgroup_rates_between(track.last_cgroup, reading);
        if (rates != CgroupRates{}) track.rates.cgroup = rates;
        if (rates != CgroupRates{} || !track.last_cgroup.cgroup ||
            track.last_cgroup.since != reading.since) {
            track.last_cgroup.time_s = reading.time_s;
            track.last_cgroup.since = reading.since;
            track.last_cgroup.cgroup = reading.cgroup;
        }
    }
    if (!track.last) track.last.emplace();
    std::swap(*track.last, reading);
}

}  // namespace virtpulse::viewer
