#include "collector/store/metrics.h"

namespace virtpulse::collector {
namespace {

std::optional<double> real(const std::optional<std::uint64_t>& value) {
    if (!value) return std::nullopt;
    return static_cast<double>(*value);
}

void add_up(std::optional<std::uint64_t>& sum, const std::optional<std::uint64_t>& value) {
    if (value) sum = sum.value_or(0) + *value;
}

}  // namespace

Reading reading_of(const wire::Host& host) {
    Reading reading;
    reading.time_s = host.time;
    reading.gauges = {host.cpu, host.ram, host.disk, host.cputemp, host.mbtemp};
    if (!host.ext) return reading;
    reading.since = host.ext->boot;
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
    if (!ext.block) return reading;
    reading.devices = ext.block->size();
    if (ext.block->empty()) {  // known to have used none
        for (std::size_t i = 3; i < counters.size(); ++i)
            counters[i] = 0;
    }
    for (const auto& block : *ext.block) {
        add_up(counters[3], block.read_ops);
        add_up(counters[4], block.read_bytes);
        add_up(counters[5], block.write_ops);
        add_up(counters[6], block.write_bytes);
        add_up(counters[7], block.flush_ops);
        add_up(counters[8], block.discard_ops);
        add_up(counters[9], block.busy_ns);
    }
    return reading;
}

}  // namespace virtpulse::collector
