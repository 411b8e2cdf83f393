#include "collector/store/metrics.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "wire/block_total.h"

namespace virtpulse::collector {
namespace {

std::optional<double> real(const std::optional<std::uint64_t>& value) {
    if (!value) return std::nullopt;
    return static_cast<double>(*value);
}

void take_worst(std::optional<double>& worst, const std::optional<std::uint64_t>& value) {
    if (value) worst = std::max(worst.value_or(0), static_cast<double>(*value));
}

std::optional<std::uint64_t> sum_of(const std::optional<std::uint64_t>& a,
                                    const std::optional<std::uint64_t>& b) {
    return a && b ? std::optional(*a + *b) : std::nullopt;
}

}  // namespace

void take_blocks(const std::vector<wire::BlockCounters>& blocks, Reading& reading) {
    constexpr std::size_t first = 3;
    constexpr std::size_t last = 11;
    constexpr std::size_t ahead = 23;
    auto& counters = reading.counters;
    reading.devices = blocks.size();
    if (blocks.empty()) {  // known to have used none
        for (auto i = first; i <= last; ++i)
            counters.at(i) = 0;
        counters[ahead] = 0;
        return;
    }
    const auto sum = [&](wire::OnMirror on_mirror, auto get) {
        return wire::block_total(blocks, on_mirror, get);
    };
    using enum wire::OnMirror;
    using Block = wire::BlockCounters;
    counters[3] = sum(one, std::mem_fn(&Block::read_ops));
    counters[4] = sum(one, std::mem_fn(&Block::read_bytes));
    counters[5] = sum(each, std::mem_fn(&Block::write_ops));
    counters[6] = sum(each, std::mem_fn(&Block::write_bytes));
    counters[7] = sum(each, std::mem_fn(&Block::flush_ops));
    counters[8] = sum(each, std::mem_fn(&Block::discard_ops));
    counters[9] = sum(one, std::mem_fn(&Block::busy_ns));
    counters[10] = sum(
        one, [](const Block& block) { return sum_of(block.read_queue_ns, block.read_device_ns); });
    counters[last] = sum(each, [](const Block& block) {
        return sum_of(block.write_queue_ns, block.write_device_ns);
    });
    counters[ahead] = sum(one, std::mem_fn(&Block::ahead_ns));
    for (const auto& block : blocks) {
        if (wire::is_beneath_another(blocks, block)) continue;
        take_worst(reading.gauges[4], block.read_p99_ns);
        take_worst(reading.gauges[5], block.write_p99_ns);
    }
}

std::optional<std::uint64_t> waited_us(const std::optional<wire::PressureExt>& pressure,
                                       std::optional<wire::Stall> wire::PressureExt::*resource) {
    if (!pressure || !((*pressure).*resource)) return std::nullopt;
    return ((*pressure).*resource)->some_us;
}

const wire::CgroupExt& read_now(const std::optional<wire::CgroupExt>& cgroup) {
    static const wire::CgroupExt none;
    return cgroup && cgroup->age_ms == 0 ? *cgroup : none;
}

std::optional<std::uint64_t> waited_for(const std::optional<wire::WaitExt>& wait,
                                        std::size_t wait_class) {
    return wait ? std::optional(wait->by_ns.at(wait_class)) : std::nullopt;
}

std::optional<std::uint64_t> waited_for_own(const std::optional<wire::WaitExt>& wait) {
    if (!wait) return std::nullopt;
    return *waited_for(wait, wait_class("own_vcpu")) +
           *waited_for(wait, wait_class("own_emulator")) + *waited_for(wait, wait_class("own_io"));
}

Reading reading_of(const wire::Host& host) {
    Reading reading;
    reading.time_s = host.time;
    reading.gauges = {host.cpu, host.ram, host.disk, host.cputemp, host.mbtemp};
    if (!host.ext) return reading;
    reading.since = host.ext->boot;
    if (host.ext->ksm) reading.gauges[6] = static_cast<double>(host.ext->ksm->saved_bytes);
    reading.counters[1] = waited_us(host.ext->pressure, &wire::PressureExt::cpu);
    reading.counters[2] = waited_us(host.ext->pressure, &wire::PressureExt::memory);
    reading.counters[3] = waited_us(host.ext->pressure, &wire::PressureExt::io);
    if (!host.ext->self) return reading;
    reading.gauges[5] = real(host.ext->self->rss_bytes);
    reading.counters[0] = host.ext->self->cpu_ns;
    return reading;
}

Reading reading_of(const wire::Vm& vm, double time_s) {
    Reading reading;
    reading.time_s = time_s;
    reading.gauges = {vm.cpu, real(vm.ram)};
    if (!vm.ext) return reading;
    const auto& ext = *vm.ext;
    reading.since = ext.since;
    reading.gauges[2] = real(ext.rss_bytes);
    auto& counters = reading.counters;
    counters[0] = ext.cpu_ns;
    counters[1] = ext.run_delay_ns;
    counters[2] = ext.switches;
    counters[12] = waited_for(ext.wait, wait_class("vm"));
    counters[13] = waited_for(ext.wait, wait_class("process"));
    counters[14] = waited_for(ext.wait, wait_class("quota"));
    counters[17] = ext.major_faults;
    counters[21] = waited_for_own(ext.wait);
    if (ext.wait) reading.gauges[3] = real(ext.wait->p99_ns);
    if (ext.kvm) {
        counters[15] = ext.kvm->exits;
        counters[16] = ext.kvm->halt_poll_ns;
        counters[22] = ext.kvm->guest_ns;
    }
    const auto& cgroup = read_now(ext.cgroup);
    counters[18] = cgroup.throttled_ns;
    counters[19] = waited_us(cgroup.pressure, &wire::PressureExt::memory);
    counters[20] = waited_us(cgroup.pressure, &wire::PressureExt::io);
    if (ext.block) take_blocks(*ext.block, reading);
    return reading;
}

}  // namespace virtpulse::collector
