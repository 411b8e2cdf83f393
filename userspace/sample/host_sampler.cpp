#include "userspace/sample/host_sampler.h"

#include "userspace/proc/cgroup_stat.h"
#include "userspace/proc/memory.h"

namespace virtpulse::agent {

HostSampler::HostSampler(const Root& root)
    : stat_(root.procfs + "/stat"),
      meminfo_(root.procfs + "/meminfo"),
      disk_(root),
      temperatures_(root),
      ksm_(root),
      cpu_pressure_(root.procfs + "/pressure/cpu"),
      memory_pressure_(root.procfs + "/pressure/memory"),
      io_pressure_(root.procfs + "/pressure/io") {}

// Nothing where the kernel has no PSI, or was started without.
std::optional<wire::PressureExt> HostSampler::read_pressure() {
    const auto read = [](ReusedFile& file) {
        const auto stall = and_then(file.read_one_short(), parse_pressure);
        return stall ? std::optional(*stall) : std::nullopt;
    };
    wire::PressureExt pressure{read(cpu_pressure_), read(memory_pressure_), read(io_pressure_)};
    // Of a whole host that means nothing, and is always 0.
    if (pressure.cpu) pressure.cpu->full_us.reset();
    if (pressure == wire::PressureExt{}) return std::nullopt;
    return pressure;
}

void HostSampler::sample(wire::Host& host, std::chrono::steady_clock::time_point now) {
    auto& ext = *host.ext;
    const auto cpu = and_then(stat_.read_one_short(), parse_cpu_times);
    if (cpu) {
        if (last_) host.cpu = cpu_percent(*last_, *cpu);
        last_ = *cpu;
        ext.cpus = cpu->online_cpus;
    } else {
        ext.missing["cpu"] = cpu.error().message;
    }

    const auto memory = and_then(meminfo_.read_one_short(), parse_memory);
    if (memory) {
        host.ram = memory->used_percent;
        ext.mem_total_bytes = memory->total_bytes;
    } else {
        ext.missing["ram"] = memory.error().message;
    }

    ext.pressure = read_pressure();
    ext.ksm = ksm_.read();

    const auto disk = disk_.read(now);
    if (disk) {
        host.disk = *disk;
    } else {
        ext.missing["disk"] = disk.error().message;
    }

    const auto temperatures = temperatures_.read(now);
    host.cputemp = temperatures.cpu_celsius;
    host.mbtemp = temperatures.board_celsius;
}

}  // namespace virtpulse::agent
