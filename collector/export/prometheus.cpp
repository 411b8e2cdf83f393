#include "collector/export/prometheus.h"

#include <charconv>
#include <functional>
#include <optional>
#include <vector>

namespace virtpulse::collector {
namespace {

using Value = std::optional<double>;

std::string quoted(std::string_view label) {
    std::string text = "\"";
    for (const char c : label) {
        if (c == '\\' || c == '"') text += '\\';
        if (c == '\n') {
            text += "\\n";
        } else {
            text += c;
        }
    }
    return text + '"';
}

class Text {
  public:
    void family(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        text_ += "# HELP " + name_ + ' ' + std::string(help) + "\n# TYPE " + name_ + ' ' +
                 std::string(type) + '\n';
    }
    void line(const std::string& labels, double value) {
        char number[32];
        const auto [end, error] = std::to_chars(number, number + sizeof number, value);
        text_ += name_;
        if (!labels.empty()) text_ += '{' + labels + '}';
        text_ += ' ';
        text_.append(number, end);
        text_ += '\n';
    }
    std::string take() { return std::move(text_); }

  private:
    std::string name_;
    std::string text_;
};

struct HostRow {
    std::string labels;
    HostReport report;
};
struct DomainRow {
    std::string labels;
    wire::Vm vm;
};

Value real(const std::optional<std::uint64_t>& value, double unit = 1) {
    if (!value) return std::nullopt;
    return static_cast<double>(*value) * unit;
}

Value ext(const wire::Vm& vm, std::optional<std::uint64_t> wire::VmExt::*member, double unit = 1) {
    return vm.ext ? real((*vm.ext).*member, unit) : std::nullopt;
}

Value share(const std::optional<double>& percent) {
    return percent ? Value(*percent / 100) : std::nullopt;
}

template <class Row>
struct Family {
    std::string_view name;
    std::string_view type;
    std::string_view help;
    std::function<Value(const Row&)> value;
};

template <class Row>
void put(Text& text, const std::vector<Family<Row>>& families, const std::vector<Row>& rows) {
    for (const auto& family : families) {
        text.family(family.name, family.type, family.help);
        for (const auto& row : rows) {
            if (const auto value = family.value(row)) text.line(row.labels, *value);
        }
    }
}

void put_hosts(Text& text, const std::vector<HostRow>& rows) {
    using R = const HostRow&;
    const std::vector<Family<HostRow>> families{
        {"virtpulse_host_up", "gauge", "1 where the host sent a frame within 30 s.",
         [](R r) { return Value(r.report.live ? 1 : 0); }},
        {"virtpulse_host_last_sample_timestamp_seconds", "gauge",
         "When its newest sample was taken, by its own clock.",
         [](R r) { return Value(r.report.figures.time); }},
        {"virtpulse_host_cpu_ratio", "gauge", "Share of all CPUs that was busy.",
         [](R r) { return share(r.report.figures.cpu); }},
        {"virtpulse_host_memory_ratio", "gauge", "Share of memory in use.",
         [](R r) { return share(r.report.figures.ram); }},
        {"virtpulse_host_disk_ratio", "gauge", "Share of time the busiest disk did I/O.",
         [](R r) { return share(r.report.figures.disk); }},
        {"virtpulse_host_cpu_temperature_celsius", "gauge", "Temperature of the CPU.",
         [](R r) { return r.report.figures.cputemp; }},
        {"virtpulse_host_board_temperature_celsius", "gauge", "Temperature of the board.",
         [](R r) { return r.report.figures.mbtemp; }},
        {"virtpulse_host_domains", "gauge", "VMs of the host.",
         [](R r) { return Value(static_cast<double>(r.report.vms)); }},
        {"virtpulse_host_frames_total", "counter", "Frames of the host that came.",
         [](R r) { return Value(static_cast<double>(r.report.sequence.received)); }},
        {"virtpulse_host_lost_frames", "gauge",
         "Frames that did not come so far; one that comes late is taken off again.",
         [](R r) { return Value(static_cast<double>(r.report.sequence.lost)); }},
    };
    put(text, families, rows);
}

void put_domains(Text& text, const std::vector<DomainRow>& rows) {
    using R = const DomainRow&;
    const std::vector<Family<DomainRow>> families{
        {"libvirt_domain_info_vstate", "gauge",
         "State: 0 none, 1 running, 2 blocked, 3 paused, 4 shutting down, 5 shut off, 6 crashed,"
         " 7 suspended.",
         [](R r) { return Value(static_cast<double>(r.vm.state)); }},
        {"libvirt_domain_info_cpu_time_seconds_total", "counter", "CPU time of the VM's process.",
         [](R r) { return ext(r.vm, &wire::VmExt::cpu_ns, 1e-9); }},
        {"libvirt_domain_info_virtual_cpus", "gauge", "Virtual CPUs.",
         [](R r) { return ext(r.vm, &wire::VmExt::vcpus); }},
        {"libvirt_domain_info_memory_usage_bytes", "gauge", "Memory allocated to the guest.",
         [](R r) { return real(r.vm.ram, 1024); }},
        {"libvirt_domain_info_maximum_memory_bytes", "gauge", "Memory it can be given.",
         [](R r) { return real(r.vm.maxram, 1024); }},
        {"virtpulse_domain_cpu_ratio", "gauge", "Share of its vCPUs that was busy.",
         [](R r) { return share(r.vm.cpu); }},
        {"virtpulse_domain_run_delay_seconds_total", "counter",
         "Time its threads were runnable and waited for a CPU.",
         [](R r) { return ext(r.vm, &wire::VmExt::run_delay_ns, 1e-9); }},
        {"virtpulse_domain_context_switches_total", "counter",
         "Times one of its threads was put on a CPU.",
         [](R r) { return ext(r.vm, &wire::VmExt::switches); }},
        {"virtpulse_domain_resident_memory_bytes", "gauge", "Resident memory of the process.",
         [](R r) { return ext(r.vm, &wire::VmExt::rss_bytes); }},
    };
    put(text, families, rows);
}

struct BlockFamily {
    std::string_view name;
    std::string_view help;
    std::optional<std::uint64_t> wire::BlockCounters::*member;
    double unit;
};

void put_blocks(Text& text, const std::vector<DomainRow>& rows) {
    using B = wire::BlockCounters;
    const BlockFamily families[] = {
        {"libvirt_domain_block_stats_read_bytes_total", "Bytes read.", &B::read_bytes, 1},
        {"libvirt_domain_block_stats_read_requests_total", "Reads.", &B::read_ops, 1},
        {"libvirt_domain_block_stats_write_bytes_total", "Bytes written.", &B::write_bytes, 1},
        {"libvirt_domain_block_stats_write_requests_total", "Writes.", &B::write_ops, 1},
        {"libvirt_domain_block_stats_flush_requests_total", "Flushes.", &B::flush_ops, 1},
        {"virtpulse_domain_block_discard_requests_total", "Discards.", &B::discard_ops, 1},
        {"virtpulse_domain_block_busy_seconds_total", "Time with a request in flight.", &B::busy_ns,
         1e-9},
    };
    for (const auto& family : families) {
        text.family(family.name, "counter", family.help);
        for (const auto& row : rows) {
            if (!row.vm.ext || !row.vm.ext->block) continue;
            for (const auto& block : *row.vm.ext->block) {
                const auto value = real(block.*family.member, family.unit);
                if (value) text.line(row.labels + ",target_device=" + quoted(block.device), *value);
            }
        }
    }
}

void put_own(Text& text, const Counters& counters, std::size_t omitted) {
    const auto one = [&](std::string_view name, std::string_view type, std::string_view help,
                         double value) {
        text.family(name, type, help);
        text.line({}, value);
    };
    const auto count = [&](std::string_view name, std::string_view help, const Count& value) {
        one(name, "counter", help, static_cast<double>(value.load()));
    };
    count("virtpulse_datagrams_total", "Datagrams received.", counters.datagrams);
    count("virtpulse_datagram_bytes_total", "Bytes of them.", counters.datagram_bytes);
    count("virtpulse_kernel_drops_total", "Datagrams that found the socket's buffer full.",
          counters.kernel_drops);
    count("virtpulse_frames_total", "Frames taken in.", counters.frames);
    text.family("virtpulse_dropped_datagrams_total", "counter",
                "Datagrams that were not taken in, by reason.");
    for (std::size_t i = 0; i < counters.faults.size(); ++i)
        text.line("reason=" + quoted(wire::fault_name(static_cast<wire::FrameFault>(i))),
                  static_cast<double>(counters.faults[i].load()));
    for (std::size_t i = 0; i < counters.refusals.size(); ++i)
        text.line("reason=" + quoted(refusal_name(static_cast<Refusal>(i))),
                  static_cast<double>(counters.refusals[i].load()));
    count("virtpulse_stored_rows_total", "Rows written to the database.", counters.stored_rows);
    count("virtpulse_store_dropped_rows_total", "Rows it could not take in time.",
          counters.store_dropped_rows);
    one("virtpulse_store_queued_rows", "gauge", "Rows that wait for the database.",
        static_cast<double>(counters.store_queued_rows.load()));
    one("virtpulse_store_failing", "gauge", "1 while the database cannot be written.",
        counters.store_failing.load() ? 1 : 0);
    one("virtpulse_viewers", "gauge", "Viewers that are connected.",
        static_cast<double>(counters.viewers.load()));
    count("virtpulse_viewers_refused_total", "Viewers that found all places taken.",
          counters.viewers_refused);
    count("virtpulse_failed_handshakes_total", "Viewers that failed in the TLS handshake.",
          counters.failed_handshakes);
    count("virtpulse_relayed_messages_total", "Frames sent to viewers.", counters.relayed_messages);
    count("virtpulse_skipped_messages_total", "Frames that a slow viewer was not sent.",
          counters.skipped_messages);
    one("virtpulse_omitted_domains", "gauge", "VMs that are left out here, as there are too many.",
        static_cast<double>(omitted));
}

}  // namespace

std::string prometheus_text(SharedGrid& grid, const Counters& counters) {
    const auto now = std::chrono::steady_clock::now();
    auto reports = grid.with([&](const Grid& g) { return g.report("", most_hosts, now); });
    std::vector<HostRow> hosts;
    std::vector<DomainRow> domains;
    std::size_t omitted = 0;
    for (auto& report : reports) {
        const auto host = "host=" + quoted(report.name);
        // One host at a time, so that what comes in does not wait.
        auto vms = grid.with([&](const Grid& g) {
            const auto* const state = g.state(report.name);
            return state != nullptr && report.live ? state->vms() : std::vector<wire::VmState>();
        });
        for (auto& [vm, stale, generation, time] : vms) {
            if (domains.size() >= most_exported_domains) {
                ++omitted;
                continue;
            }
            auto labels = host + ",domain=" + quoted(vm.name) + ",uuid=" + quoted(vm.uuid);
            domains.push_back({std::move(labels), std::move(vm)});
        }
        hosts.push_back({host, std::move(report)});
    }
    Text text;
    put_own(text, counters, omitted);
    put_hosts(text, hosts);
    put_domains(text, domains);
    put_blocks(text, domains);
    return text.take();
}

}  // namespace virtpulse::collector
