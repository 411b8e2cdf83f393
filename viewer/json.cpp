#include "viewer/json.h"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string_view>

#include "wire/frame_codec.h"

namespace virtpulse::viewer {
namespace {

constexpr std::size_t longest_text = 4096;  // bytes of a reason

// What the viewer worked out itself is not known to more digits than this.
std::optional<double> rounded(const std::optional<double>& value) {
    if (!value) return std::nullopt;
    return std::round(*value * 1000) / 1000;
}

std::optional<double> seconds(Clock::duration duration) {
    return rounded(std::chrono::duration<double>(duration).count());
}

// JSON may hold U+0080 to U+009F as they are, but some are commands to a terminal, and a terminal
// is where a line may end up. Outside of strings JSON has no such bytes.
void escape_terminal_commands(std::string& json, std::size_t begin) {
    constexpr char lead = '\xC2';
    for (auto at = json.find(lead, begin); at != std::string::npos; at = json.find(lead, at + 1)) {
        const auto code = at + 1 < json.size() ? static_cast<unsigned char>(json[at + 1]) : 0U;
        if (code < 0x80 || code > 0x9F) continue;
        char escaped[8];
        (void)std::snprintf(escaped, sizeof escaped, "\\u%04x", code);
        json.replace(at, 2, escaped);
    }
}

void write_text(wire::JsonWriter& json, std::string_view name, std::string_view text) {
    json.key(name);
    json.string(text, longest_text);
}

void write_text_or_null(wire::JsonWriter& json, std::string_view name, std::string_view text) {
    json.key(name);
    if (text.empty()) {
        json.null();
    } else {
        json.string(text, longest_text);
    }
}

}  // namespace

void write_link(wire::JsonWriter& json, const LinkStatus& link, Clock::time_point now) {
    const bool waiting = link.state == LinkState::waiting;
    json.open('{');
    write_text(json, "address", link.address);
    write_text(json, "state", link_state_name(link.state));
    write_text_or_null(json, "reason", link.reason);
    json.member_or_null("since_s", seconds(now - link.since));
    json.member_or_null("next_attempt_s",
                        waiting ? seconds(link.next_attempt - now) : std::nullopt);
    json.member("frames", link.frames);
    json.member("bad_frames", link.bad_frames);
    json.close('}');
}

namespace {

// Of each disk that the VM used, latencies of the last interval and whom it waited for.
void write_disks(wire::JsonWriter& json, const wire::VmExt& ext) {
    json.key("disks");
    if (!ext.block) return json.null();
    json.open('[');
    for (const auto& block : *ext.block) {
        json.open('{');
        write_text(json, "dev", block.device);
        json.member_or_null("read_p50_ns", block.read_p50_ns);
        json.member_or_null("read_p99_ns", block.read_p99_ns);
        json.member_or_null("write_p50_ns", block.write_p50_ns);
        json.member_or_null("write_p99_ns", block.write_p99_ns);
        json.member_or_null("ahead_ns", block.ahead_ns);
        json.key("ahead");
        json.open('[');
        for (const auto& [who, ns] : block.ahead) {
            json.open('{');
            write_text(json, "who", who);
            json.member("ns", ns);
            json.close('}');
        }
        json.close(']');
        json.close('}');
    }
    json.close(']');
}

void write_waits_for(wire::JsonWriter& json, const std::vector<WaitRate>& waits) {
    json.key("waits_for");
    json.open('[');
    for (const auto& wait : waits) {
        json.open('{');
        write_text(json, "who", wait.who);
        write_text_or_null(json, "name", wait.name);
        json.member_or_null("percent", rounded(wait.percent));
        json.close('}');
    }
    json.close(']');
}

// What all its waiting for a CPU is charged to, cumulative.
void write_wait_classes(wire::JsonWriter& json, const wire::VmExt& ext) {
    json.key("wait_by_ns");
    if (!ext.wait) return json.null();
    json.open('{');
    for (std::size_t i = 0; i < wire::wait_classes.size(); ++i)
        json.member(wire::wait_classes.at(i), ext.wait->by_ns.at(i));
    json.close('}');
}

void write_vcpus(wire::JsonWriter& json, const std::vector<wire::VcpuExt>& vcpus) {
    json.key("vcpu");
    if (vcpus.empty()) return json.null();
    json.open('[');
    for (const auto& vcpu : vcpus) {
        json.open('{');
        json.member("number", vcpu.number);
        json.member("cpu_ns", vcpu.cpu_ns);
        json.member("run_delay_ns", vcpu.run_delay_ns);
        json.member_or_null("wait_p50_ns", vcpu.wait_p50_ns);
        json.member_or_null("wait_p99_ns", vcpu.wait_p99_ns);
        json.close('}');
    }
    json.close(']');
}

void write_vm(wire::JsonWriter& json, const VmView& view) {
    const auto& vm = view.state->vm;
    const auto& rates = *view.rates;
    const auto ext = vm.ext.value_or(wire::VmExt{});
    json.open('{');
    write_text(json, "name", vm.name);
    write_text(json, "uuid", vm.uuid);
    json.member("state", static_cast<std::uint64_t>(vm.state));
    write_text(json, "state_name", state_name(vm.state));
    json.key("stale");
    json.boolean(view.state->stale);
    json.member_or_null("cpu", vm.cpu);
    json.member_or_null("ram", vm.ram);
    json.member_or_null("maxram", vm.maxram);
    json.member_or_null("vcpus", ext.vcpus);
    json.member_or_null("pid", ext.pid);
    json.member_or_null("rss_bytes", ext.rss_bytes);
    json.member_or_null("run_delay_percent", rounded(rates.run_delay_percent));
    json.member_or_null("wait_p50_ns", ext.wait ? ext.wait->p50_ns : std::nullopt);
    json.member_or_null("wait_p99_ns", ext.wait ? ext.wait->p99_ns : std::nullopt);
    write_waits_for(json, rates.waits_for);
    json.member_or_null("read_ops_s", rounded(rates.read_ops_s));
    json.member_or_null("write_ops_s", rounded(rates.write_ops_s));
    json.member_or_null("read_bytes_s", rounded(rates.read_bytes_s));
    json.member_or_null("write_bytes_s", rounded(rates.write_bytes_s));
    write_disks(json, ext);
    json.member_or_null("major_faults_s", rounded(rates.major_faults_s));
    json.member_or_null("throttled_percent", rounded(rates.cgroup.throttled_percent));
    json.member_or_null("memory_pressure_percent", rounded(rates.cgroup.memory_pressure_percent));
    json.member_or_null("io_pressure_percent", rounded(rates.cgroup.io_pressure_percent));
    json.member_or_null("kvm_exits_s", rounded(rates.kvm_exits_s));
    json.member_or_null("kvm_guest_percent", rounded(rates.kvm_guest_percent));
    json.member_or_null("kvm_halt_poll_percent", rounded(rates.kvm_halt_poll_percent));
    json.member_or_null("smt_shared_vcpus_sampled", ext.smt_shared_vcpus_sampled);
    write_wait_classes(json, ext);
    write_vcpus(json, ext.vcpu);
    json.close('}');
}

// How long some task of the host waited for each, since it booted.
void write_host_extras(wire::JsonWriter& json, const wire::HostExt& ext) {
    const auto stall = [&](std::string_view name, auto resource) {
        const auto& pressure = ext.pressure;
        json.member_or_null(name, pressure && (*pressure).*resource
                                      ? std::optional(((*pressure).*resource)->some_us)
                                      : std::nullopt);
    };
    stall("cpu_pressure_us", &wire::PressureExt::cpu);
    stall("memory_pressure_us", &wire::PressureExt::memory);
    stall("io_pressure_us", &wire::PressureExt::io);
    json.member_or_null("ksm_saved_bytes",
                        ext.ksm ? std::optional(ext.ksm->saved_bytes) : std::nullopt);
}

void write_health(wire::JsonWriter& json, const Health& health) {
    json.member_or_null("health", rounded(health.severity));
    write_text(json, "level", level_name(health.level));
    json.key("reasons");
    json.open('[');
    for (const auto& reason : health.reasons)
        json.string(reason, longest_text);
    json.close(']');
}

}  // namespace

void write_host(wire::JsonWriter& json, const HostView& view) {
    const auto& host = view.state->host();
    json.open('{');
    write_text(json, "name", host.name);
    json.key("time");
    json.number(host.time);
    json.member_or_null("age_s", rounded(view.age_s));
    json.key("live");
    json.boolean(view.live);
    write_health(json, view.health);
    json.member_or_null("cpu", host.cpu);
    json.member_or_null("ram", host.ram);
    json.member_or_null("disk", host.disk);
    json.member_or_null("cputemp", host.cputemp);
    json.member_or_null("mbtemp", host.mbtemp);
    write_text_or_null(json, "source", host.ext && host.ext->source ? *host.ext->source : "");
    json.key("missing");
    json.open('{');
    if (host.ext) {
        for (const auto& [source, reason] : host.ext->missing) {
            json.text_key(source, wire::longest_name);
            json.string(reason, longest_text);
        }
    }
    json.close('}');
    write_host_extras(json, host.ext.value_or(wire::HostExt{}));
    json.key("vms");
    json.open('[');
    for (const auto& vm : view.vms)
        write_vm(json, vm);
    json.close(']');
    json.close('}');
}

void append_json_line(const Picture& picture, std::string& out) {
    const std::size_t begin = out.size();
    wire::JsonWriter json(out);
    json.open('{');
    json.key("time");
    json.number(picture.time_s);
    json.key("collectors");
    json.open('[');
    for (const auto* link : picture.links)
        write_link(json, *link, picture.now);
    json.close(']');
    json.key("hosts");
    json.open('[');
    for (const auto& host : picture.hosts)
        write_host(json, host);
    json.close(']');
    json.close('}');
    escape_terminal_commands(out, begin);
    out += '\n';
}

}  // namespace virtpulse::viewer
