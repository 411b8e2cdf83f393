#include "wire/metrics.h"

#include <algorithm>
#include <optional>

namespace virtpulse::wire {
namespace {

using Value = std::optional<double>;

Value real(const std::optional<std::uint64_t>& value, double unit = 1) {
    if (!value) return std::nullopt;
    return static_cast<double>(*value) * unit;
}

Value ext(const Vm& vm, std::optional<std::uint64_t> VmExt::*member, double unit = 1) {
    return vm.ext ? real((*vm.ext).*member, unit) : std::nullopt;
}

Value share(const std::optional<double>& percent) {
    return percent ? Value(*percent / 100) : std::nullopt;
}

Value self(const MetricHost& host, std::optional<std::uint64_t> AgentCost::*member,
           double unit = 1) {
    const auto& ext = host.host->ext;
    return ext && ext->self ? real((*ext->self).*member, unit) : std::nullopt;
}

template <class Of>
struct Figure {
    MetricFamily family;
    Value (*value)(const Of&);
};

constexpr auto gauge = MetricType::gauge;
constexpr auto counter = MetricType::counter;

constexpr Figure<MetricHost> host_figures[] = {
    {{"virtpulse_host_last_sample_timestamp_seconds", gauge,
      "When its newest sample was taken, by its own clock."},
     [](const MetricHost& h) { return Value(h.host->time); }},
    {{"virtpulse_host_cpu_ratio", gauge, "Share of all CPUs that was busy."},
     [](const MetricHost& h) { return share(h.host->cpu); }},
    {{"virtpulse_host_memory_ratio", gauge, "Share of memory in use."},
     [](const MetricHost& h) { return share(h.host->ram); }},
    {{"virtpulse_host_disk_ratio", gauge, "Share of time the busiest disk did I/O."},
     [](const MetricHost& h) { return share(h.host->disk); }},
    {{"virtpulse_host_cpu_temperature_celsius", gauge, "Temperature of the CPU."},
     [](const MetricHost& h) { return h.host->cputemp; }},
    {{"virtpulse_host_board_temperature_celsius", gauge, "Temperature of the board."},
     [](const MetricHost& h) { return h.host->mbtemp; }},
    {{"virtpulse_host_ksm_saved_bytes", gauge, "Memory that samepage merging saves."},
     [](const MetricHost& h) {
         const auto& ext = h.host->ext;
         return ext && ext->ksm ? real(ext->ksm->saved_bytes) : std::nullopt;
     }},
    {{"virtpulse_host_domains", gauge, "VMs of the host."},
     [](const MetricHost& h) { return Value(static_cast<double>(h.vms)); }},
    {{"virtpulse_agent_cpu_seconds_total", counter, "CPU time of the host's agent."},
     [](const MetricHost& h) { return self(h, &AgentCost::cpu_ns, 1e-9); }},
    {{"virtpulse_agent_resident_memory_bytes", gauge, "Its resident memory."},
     [](const MetricHost& h) { return self(h, &AgentCost::rss_bytes); }},
    {{"virtpulse_agent_sample_duration_seconds", gauge, "Time that its newest sample took."},
     [](const MetricHost& h) { return self(h, &AgentCost::sample_ns, 1e-9); }},
    {{"virtpulse_agent_send_errors_total", counter, "Datagrams that a collector was not sent."},
     [](const MetricHost& h) { return self(h, &AgentCost::send_errors); }},
    {{"virtpulse_agent_late_samples_total", counter,
      "Samples begun over half an interval too late."},
     [](const MetricHost& h) { return self(h, &AgentCost::late_samples); }},
    {{"virtpulse_agent_omitted_domains_total", counter, "VMs left out of frames, over all."},
     [](const MetricHost& h) { return self(h, &AgentCost::omitted_vms); }},
    {{"virtpulse_agent_update_failures_total", counter,
      "Records that found no place in the kernel's maps."},
     [](const MetricHost& h) { return self(h, &AgentCost::update_failures); }},
    {{"virtpulse_agent_lost_completions_total", counter,
      "Block requests whose end was never seen."},
     [](const MetricHost& h) { return self(h, &AgentCost::lost_completions); }},
    {{"virtpulse_agent_lost_issues_total", counter,
      "Block requests that were never seen to go to their device."},
     [](const MetricHost& h) { return self(h, &AgentCost::lost_issues); }},
    {{"virtpulse_agent_recursion_misses_total", counter,
      "Events that the kernel kept from the agent's programs, as one was at work on that CPU."},
     [](const MetricHost& h) { return self(h, &AgentCost::recursion_misses); }},
};

template <class Part>
Value of(const Vm& vm, std::optional<Part> VmExt::*part, std::optional<std::uint64_t> Part::*member,
         double unit = 1) {
    if (!vm.ext || !((*vm.ext).*part)) return std::nullopt;
    return real((*((*vm.ext).*part)).*member, unit);
}

constexpr Figure<Vm> vm_figures[] = {
    {{"libvirt_domain_info_vstate", gauge,
      "State: 0 none, 1 running, 2 blocked, 3 paused, 4 shutting down, 5 shut off, 6 crashed,"
      " 7 suspended."},
     [](const Vm& vm) { return Value(static_cast<double>(vm.state)); }},
    {{"libvirt_domain_info_cpu_time_seconds_total", counter, "CPU time of the VM's process."},
     [](const Vm& vm) { return ext(vm, &VmExt::cpu_ns, 1e-9); }},
    {{"libvirt_domain_info_virtual_cpus", gauge, "Virtual CPUs."},
     [](const Vm& vm) { return ext(vm, &VmExt::vcpus); }},
    {{"libvirt_domain_info_memory_usage_bytes", gauge, "Memory allocated to the guest."},
     [](const Vm& vm) { return real(vm.ram, 1024); }},
    {{"libvirt_domain_info_maximum_memory_bytes", gauge, "Memory it can be given."},
     [](const Vm& vm) { return real(vm.maxram, 1024); }},
    {{"libvirt_domain_memory_stats_rss_bytes", gauge, "Resident memory of the VM's process."},
     [](const Vm& vm) { return ext(vm, &VmExt::rss_bytes); }},
    {{"virtpulse_domain_cpu_ratio", gauge, "Share of its vCPUs that was busy."},
     [](const Vm& vm) { return share(vm.cpu); }},
    {{"virtpulse_domain_run_delay_seconds_total", counter,
      "Time its threads were runnable and waited for a CPU."},
     [](const Vm& vm) { return ext(vm, &VmExt::run_delay_ns, 1e-9); }},
    {{"virtpulse_domain_context_switches_total", counter,
      "Times one of its threads was put on a CPU."},
     [](const Vm& vm) { return ext(vm, &VmExt::switches); }},
    {{"virtpulse_domain_wait_p99_seconds", gauge,
      "99 of 100 waits for a CPU in the last interval were not longer."},
     [](const Vm& vm) { return of(vm, &VmExt::wait, &WaitExt::p99_ns, 1e-9); }},
    {{"virtpulse_domain_major_faults_total", counter, "Page faults that waited for a disk."},
     [](const Vm& vm) { return ext(vm, &VmExt::major_faults); }},
    {{"virtpulse_domain_throttled_seconds_total", counter,
      "Time that CPU quotas kept it from running, over all CPUs."},
     [](const Vm& vm) { return of(vm, &VmExt::cgroup, &CgroupExt::throttled_ns, 1e-9); }},
    {{"virtpulse_domain_kvm_exits_total", counter, "Exits of its vCPUs."},
     [](const Vm& vm) { return of(vm, &VmExt::kvm, &KvmCounters::exits); }},
    {{"virtpulse_domain_kvm_guest_seconds_total", counter, "Time of its vCPUs in the guest."},
     [](const Vm& vm) { return of(vm, &VmExt::kvm, &KvmCounters::guest_ns, 1e-9); }},
    {{"virtpulse_domain_kvm_halt_poll_seconds_total", counter,
      "CPU time that its vCPUs polled for a wake-up."},
     [](const Vm& vm) { return of(vm, &VmExt::kvm, &KvmCounters::halt_poll_ns, 1e-9); }},
};

constexpr MetricFamily waiting{"virtpulse_domain_wait_seconds_total", counter,
                               "Waiting for a CPU, by what it is charged to."};
constexpr MetricFamily domain_pressure{"virtpulse_domain_pressure_seconds_total", counter,
                                       "Time in which a task of its cgroup waited for it (PSI)."};
constexpr MetricFamily host_pressure{"virtpulse_host_pressure_seconds_total", counter,
                                     "Time in which a task of the host waited for it (PSI)."};

struct Resource {
    std::string_view name;
    std::optional<Stall> PressureExt::*stall;
};
constexpr Resource resources[] = {
    {"cpu", &PressureExt::cpu}, {"memory", &PressureExt::memory}, {"io", &PressureExt::io}};

Value waited(const std::optional<PressureExt>& pressure, const Resource& resource) {
    if (!pressure || !((*pressure).*(resource.stall))) return std::nullopt;
    return real(((*pressure).*(resource.stall))->some_us, 1e-6);
}

// At most wait_classes series a VM; one that never was charged with anything has none.
void put_waiting(MetricSink& sink, const MetricDomain& domain) {
    const auto& [host, vm] = domain;
    if (!vm->ext || !vm->ext->wait) return;
    for (std::size_t i = 0; i < wait_classes.size(); ++i) {
        if (vm->ext->wait->by_ns[i] == 0) continue;
        const MetricLabel labels[] = {
            {"by", wait_classes[i]}, {"domain", vm->name}, {"host", host}, {"uuid", vm->uuid}};
        sink.sample(labels, static_cast<double>(vm->ext->wait->by_ns[i]) * 1e-9);
    }
}

void put_pressure(MetricSink& sink, const MetricDomain& domain) {
    const auto& [host, vm] = domain;
    if (!vm->ext || !vm->ext->cgroup) return;
    for (const auto& resource : resources) {
        const MetricLabel labels[] = {
            {"domain", vm->name}, {"host", host}, {"resource", resource.name}, {"uuid", vm->uuid}};
        const auto value = waited(vm->ext->cgroup->pressure, resource);
        if (value) sink.sample(labels, *value);
    }
}

// Not libvirt_domain_block_stats_*: those are requests of the guest to one of its disks. With eBPF
// these are requests to a device of the host, for whatever the VM did there, and some are merged.
constexpr Figure<BlockCounters> block_figures[] = {
    {{"virtpulse_domain_block_read_bytes_total", counter, "Bytes read."},
     [](const BlockCounters& b) { return real(b.read_bytes); }},
    {{"virtpulse_domain_block_read_requests_total", counter, "Reads."},
     [](const BlockCounters& b) { return real(b.read_ops); }},
    {{"virtpulse_domain_block_write_bytes_total", counter, "Bytes written."},
     [](const BlockCounters& b) { return real(b.write_bytes); }},
    {{"virtpulse_domain_block_write_requests_total", counter, "Writes."},
     [](const BlockCounters& b) { return real(b.write_ops); }},
    {{"virtpulse_domain_block_flush_requests_total", counter, "Flushes."},
     [](const BlockCounters& b) { return real(b.flush_ops); }},
    {{"virtpulse_domain_block_discard_requests_total", counter, "Discards."},
     [](const BlockCounters& b) { return real(b.discard_ops); }},
    {{"virtpulse_domain_block_busy_seconds_total", counter, "Time with a request in flight."},
     [](const BlockCounters& b) { return real(b.busy_ns, 1e-9); }},
    {{"virtpulse_domain_block_read_queue_seconds_total", counter,
      "Time of reads before the driver got them."},
     [](const BlockCounters& b) { return real(b.read_queue_ns, 1e-9); }},
    {{"virtpulse_domain_block_read_device_seconds_total", counter, "Time of reads at the device."},
     [](const BlockCounters& b) { return real(b.read_device_ns, 1e-9); }},
    {{"virtpulse_domain_block_write_queue_seconds_total", counter,
      "Time of writes before the driver got them."},
     [](const BlockCounters& b) { return real(b.write_queue_ns, 1e-9); }},
    {{"virtpulse_domain_block_write_device_seconds_total", counter,
      "Time of writes at the device."},
     [](const BlockCounters& b) { return real(b.write_device_ns, 1e-9); }},
    {{"virtpulse_domain_block_ahead_seconds_total", counter,
      "Of the time of its requests, what the device gave to others."},
     [](const BlockCounters& b) { return real(b.ahead_ns, 1e-9); }},
};

void put_blocks(MetricSink& sink, const Figure<BlockCounters>& figure, const MetricDomain& domain) {
    if (!domain.vm->ext || !domain.vm->ext->block) return;
    const std::span blocks(*domain.vm->ext->block);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        const auto value = figure.value(blocks[i]);
        if (!value) continue;
        // A frame may say anything; a store refuses all of a message for one series that is double.
        const bool was_there = std::ranges::any_of(
            blocks.first(i), [&](const auto& other) { return other.device == blocks[i].device; });
        if (was_there) continue;
        const MetricLabel labels[] = {{"device", blocks[i].device},
                                      {"domain", domain.vm->name},
                                      {"host", domain.host},
                                      {"uuid", domain.vm->uuid}};
        sink.sample(labels, *value);
    }
}

}  // namespace

void put_host_metrics(MetricSink& sink, std::span<const MetricHost> hosts) {
    for (const auto& figure : host_figures) {
        sink.family(figure.family);
        for (const auto& host : hosts) {
            const MetricLabel labels[] = {{"host", host.host->name}};
            if (const auto value = figure.value(host)) sink.sample(labels, *value);
        }
    }
    sink.family(host_pressure);
    for (const auto& [host, vms] : hosts) {
        for (const auto& resource : resources) {
            const MetricLabel labels[] = {{"host", host->name}, {"resource", resource.name}};
            const auto value = host->ext ? waited(host->ext->pressure, resource) : std::nullopt;
            if (value) sink.sample(labels, *value);
        }
    }
}

void put_domain_metrics(MetricSink& sink, std::span<const MetricDomain> domains) {
    for (const auto& figure : vm_figures) {
        sink.family(figure.family);
        for (const auto& [host, vm] : domains) {
            const MetricLabel labels[] = {{"domain", vm->name}, {"host", host}, {"uuid", vm->uuid}};
            if (const auto value = figure.value(*vm)) sink.sample(labels, *value);
        }
    }
    sink.family(waiting);
    for (const auto& domain : domains)
        put_waiting(sink, domain);
    sink.family(domain_pressure);
    for (const auto& domain : domains)
        put_pressure(sink, domain);
    for (const auto& figure : block_figures) {
        sink.family(figure.family);
        for (const auto& domain : domains)
            put_blocks(sink, figure, domain);
    }
}

}  // namespace virtpulse::wire
