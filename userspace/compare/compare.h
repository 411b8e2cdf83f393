// The same VMs by eBPF, by /proc and by libvirt at once, and what each way costs.
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "base/result.h"
#include "userspace/options.h"

namespace virtpulse::agent {

// One VM over one interval, by each way: absent where that way knows nothing of it.
struct ComparedVm {
    std::string name;
    std::optional<double> ebpf_cpu;  // % of one CPU
    std::optional<double> proc_cpu;
    std::optional<double> libvirt_cpu;
    // CPU time that each way has counted, ns. Each began to at a time of its own: only what they
    // grow by can be compared.
    std::optional<std::uint64_t> ebpf_cpu_ns;
    std::optional<std::uint64_t> proc_cpu_ns;
    std::optional<std::uint64_t> libvirt_cpu_ns;
    std::optional<double> ebpf_reads;  // requests a second at the host's devices
    std::optional<double> ebpf_writes;
    std::optional<double> ebpf_bytes;     // a second, both directions
    std::optional<double> libvirt_reads;  // requests a second of the guest's disks
    std::optional<double> libvirt_writes;
    std::optional<double> libvirt_bytes;
};

struct Comparison {
    std::vector<ComparedVm> vms;
    // CPU time that one sample took this process, µs. libvirt's does not hold what libvirtd used.
    double ebpf_cost_us = 0;
    double proc_cost_us = 0;
    std::optional<double> libvirt_cost_us;
    std::optional<std::string> libvirt_missing;
};

std::string comparison_as_table(const Comparison& comparison);
std::string comparison_as_json(const Comparison& comparison);

// Runs until `options.count` comparisons were printed, a signal comes, or nobody reads `out`. Its
// kernel counters are its own: an agent that runs is not disturbed.
Result<void> compare_sources(const Options& options, std::ostream& out);

}  // namespace virtpulse::agent
