#include "viewer/csv.h"

#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

#include "base/terminal_text.h"

namespace virtpulse::viewer {
namespace {

constexpr std::string_view header =
    "time,kind,host,vm,uuid,state,level,health,reasons,cpu_percent,ram_percent,disk_percent,"
    "cputemp_celsius,mbtemp_celsius,vms,vms_running,ram_kib,maxram_kib,vcpus,rss_bytes,"
    "run_delay_percent,read_ops_s,write_ops_s,read_bytes_s,write_bytes_s,"
    "wait_p99_ns,major_faults_s,throttled_percent,memory_pressure_percent,io_pressure_percent,"
    "kvm_exits_s\n";

// One row; its fields in the order of the header.
class CsvRow {
  public:
    explicit CsvRow(std::string& out) : out_(out) {}
    CsvRow(const CsvRow&) = delete;
    CsvRow& operator=(const CsvRow&) = delete;
    ~CsvRow() { out_ += '\n'; }

    // Quoted only where it has to be (RFC 4180).
    void text(std::string_view value) {
        separate();
        const auto harmless = sanitised(value);
        if (harmless.find_first_of(",\"") == std::string::npos) {
            out_ += harmless;
            return;
        }
        out_ += '"';
        for (const char c : harmless) {
            if (c == '"') out_ += '"';
            out_ += c;
        }
        out_ += '"';
    }
    // As short as it can be without becoming another number.
    template <class Number>
    void number(Number value) {
        separate();
        char digits[32];
        const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
        out_.append(digits, end);
    }
    template <class Number>
    void number(const std::optional<Number>& value) {
        if (value) {
            number(*value);
        } else {
            separate();
        }
    }
    // What the viewer worked out itself is not known to more digits than this.
    void worked_out(const std::optional<double>& value) {
        number(value ? std::optional(std::round(*value * 1000) / 1000) : std::nullopt);
    }
    void skip(int fields) {
        for (; fields > 0; --fields)
            separate();
    }

  private:
    void separate() {
        if (!std::exchange(is_first_, false)) out_ += ',';
    }
    std::string& out_;
    bool is_first_ = true;
};

std::string joined(const std::vector<std::string>& reasons) {
    std::string text;
    for (const auto& reason : reasons)
        text += (text.empty() ? "" : "; ") + reason;
    return text;
}

void append_host(const HostView& view, std::string& out) {
    const auto& host = view.state->host();
    CsvRow row(out);
    row.number(host.time);
    row.text("host");
    row.text(host.name);
    row.skip(3);  // vm, uuid, state
    row.text(level_name(view.health.level));
    row.worked_out(view.health.severity);
    row.text(joined(view.health.reasons));
    row.number(host.cpu);
    row.number(host.ram);
    row.number(host.disk);
    row.number(host.cputemp);
    row.number(host.mbtemp);
    row.number(view.vms.size());
    row.number(count_running(view));
    row.skip(15);  // what only a VM has
}

void append_vm(const HostView& view, const VmView& vm_view, std::string& out) {
    const auto& vm = vm_view.state->vm;
    const auto ext = vm.ext.value_or(wire::VmExt{});
    CsvRow row(out);
    row.number(vm_view.state->time);
    row.text("vm");
    row.text(view.state->host().name);
    row.text(vm.name);
    row.text(vm.uuid);
    row.text(state_name(vm.state));
    row.skip(3);  // level, health, reasons
    row.number(vm.cpu);
    row.skip(6);  // what only a host has
    row.number(vm.ram);
    row.number(vm.maxram);
    row.number(ext.vcpus);
    row.number(ext.rss_bytes);
    row.worked_out(vm_view.rates->run_delay_percent);
    row.worked_out(vm_view.rates->read_ops_s);
    row.worked_out(vm_view.rates->write_ops_s);
    row.worked_out(vm_view.rates->read_bytes_s);
    row.worked_out(vm_view.rates->write_bytes_s);
    row.number(ext.wait ? ext.wait->p99_ns : std::nullopt);
    row.worked_out(vm_view.rates->major_faults_s);
    row.worked_out(vm_view.rates->cgroup.throttled_percent);
    row.worked_out(vm_view.rates->cgroup.memory_pressure_percent);
    row.worked_out(vm_view.rates->cgroup.io_pressure_percent);
    row.worked_out(vm_view.rates->kvm_exits_s);
}

}  // namespace

void CsvWriter::append(const Picture& picture, std::string& out) {
    if (!std::exchange(has_header_, true)) out += header;
    std::unordered_map<std::string, double> seen;
    for (const auto& host : picture.hosts) {
        const auto& name = host.state->host().name;
        const double time = host.state->host().time;
        const auto before = written_.find(name);
        const bool is_new = before == written_.end() || before->second != time;
        seen.emplace(name, time);
        if (!is_new) continue;
        append_host(host, out);
        for (const auto& vm : host.vms) {
            if (!vm.state->stale) append_vm(host, vm, out);
        }
    }
    written_ = std::move(seen);  // no host is remembered longer than the grid remembers it
}

}  // namespace virtpulse::viewer
