#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/terminal_text.h"
#include "userspace/compare/compare.h"

namespace virtpulse::agent {
namespace {

constexpr std::size_t cell_columns = 9;

std::string head(std::string_view text) {
    return " " + fitted(text, cell_columns, Align::right);
}

std::string cell(std::optional<double> value, int decimals) {
    return head(value ? fmt::format("{:.{}f}", *value, decimals) : "—");
}

std::string signed_cell(std::optional<double> value) {
    return head(value ? fmt::format("{:+.2f}", *value) : "—");
}

// How far `b` is from `a`, in percent of `a`.
std::optional<double> off_by(std::optional<double> a, std::optional<double> b) {
    if (!a || !b || *a == 0) return std::nullopt;
    return 100 * (*b - *a) / *a;
}

template <typename Number>
nlohmann::json or_null(std::optional<Number> value) {
    return value ? nlohmann::json(*value) : nlohmann::json();
}

}  // namespace

std::string comparison_as_table(const Comparison& comparison) {
    constexpr std::size_t name_columns = 20;
    std::string text = fitted("", name_columns, Align::left) + "   CPU, % of one" +
                       "                           off by, %" + "            block I/O a second\n";
    text += fitted("vm", name_columns, Align::left) + head("eBPF") + head("/proc") +
            head("libvirt") + head("/proc") + head("libvirt") + head("reads") + head("libvirt") +
            head("writes") + head("libvirt") + head("KiB") + head("libvirt") + '\n';
    const auto kib = [](std::optional<double> bytes) {
        return bytes ? std::optional(*bytes / 1024) : std::nullopt;
    };
    for (const auto& vm : comparison.vms) {
        text += fitted(sanitised(vm.name), name_columns, Align::left) + cell(vm.ebpf_cpu, 2) +
                cell(vm.proc_cpu, 2) + cell(vm.libvirt_cpu, 2) +
                signed_cell(off_by(vm.ebpf_cpu, vm.proc_cpu)) +
                signed_cell(off_by(vm.ebpf_cpu, vm.libvirt_cpu)) + cell(vm.ebpf_reads, 1) +
                cell(vm.libvirt_reads, 1) + cell(vm.ebpf_writes, 1) + cell(vm.libvirt_writes, 1) +
                cell(kib(vm.ebpf_bytes), 0) + cell(kib(vm.libvirt_bytes), 0) + '\n';
    }
    text += "CPU time of one sample: eBPF" + cell(comparison.ebpf_cost_us, 0) + " µs, /proc" +
            cell(comparison.proc_cost_us, 0) + " µs, libvirt" +
            cell(comparison.libvirt_cost_us, 0) + " µs and what libvirtd uses\n";
    if (comparison.libvirt_missing) {
        text += "no libvirt: " + sanitised(*comparison.libvirt_missing) + '\n';
    }
    return text + '\n';
}

std::string comparison_as_json(const Comparison& comparison) {
    nlohmann::json vms = nlohmann::json::array();
    for (const auto& vm : comparison.vms) {
        vms.push_back({{"name", vm.name},
                       {"cpu_percent",
                        {{"ebpf", or_null(vm.ebpf_cpu)},
                         {"proc", or_null(vm.proc_cpu)},
                         {"libvirt", or_null(vm.libvirt_cpu)}}},
                       {"cpu_ns",
                        {{"ebpf", or_null(vm.ebpf_cpu_ns)},
                         {"proc", or_null(vm.proc_cpu_ns)},
                         {"libvirt", or_null(vm.libvirt_cpu_ns)}}},
                       {"block_per_s",
                        {{"ebpf",
                          {{"reads", or_null(vm.ebpf_reads)},
                           {"writes", or_null(vm.ebpf_writes)},
                           {"bytes", or_null(vm.ebpf_bytes)}}},
                         {"libvirt",
                          {{"reads", or_null(vm.libvirt_reads)},
                           {"writes", or_null(vm.libvirt_writes)},
                           {"bytes", or_null(vm.libvirt_bytes)}}}}}});
    }
    nlohmann::json document = {{"vms", vms},
                               {"cost_us",
                                {{"ebpf", comparison.ebpf_cost_us},
                                 {"proc", comparison.proc_cost_us},
                                 {"libvirt", or_null(comparison.libvirt_cost_us)}}}};
    if (comparison.libvirt_missing) document["missing"]["libvirt"] = *comparison.libvirt_missing;
    // Names can hold anything: what is no UTF-8 is replaced.
    return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

}  // namespace virtpulse::agent
