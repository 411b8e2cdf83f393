#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "wire/encode_objects.h"
#include "wire/frame_codec.h"

namespace virtpulse::wire {
namespace {

constexpr std::size_t worst_culprits = 3;  // of most_culprits

void write_counts(JsonWriter& json, std::string_view key,
                  const std::vector<std::uint64_t>& counts) {
    if (counts.empty()) return;
    json.key(key);
    json.open('[');
    for (const auto count : counts)
        json.number(count);
    json.close(']');
}

void write_block_times(JsonWriter& json, const BlockCounters& block, Detail detail) {
    json.member("read_queue_ns", block.read_queue_ns);
    json.member("read_device_ns", block.read_device_ns);
    json.member("write_queue_ns", block.write_queue_ns);
    json.member("write_device_ns", block.write_device_ns);
    json.member("flush_ns", block.flush_ns);
    json.member("discard_ns", block.discard_ns);
    json.member("untimed_ops", block.untimed_ops);
    if (detail > Detail::without_histograms) {
        write_counts(json, "read_latency", block.read_latency);
        write_counts(json, "write_latency", block.write_latency);
    }
    json.member("read_p50_ns", block.read_p50_ns);
    json.member("read_p99_ns", block.read_p99_ns);
    json.member("write_p50_ns", block.write_p50_ns);
    json.member("write_p99_ns", block.write_p99_ns);
    json.member("ahead_ns", block.ahead_ns);
    if (block.ahead.empty()) return;
    json.key("ahead");
    json.open('[');
    for (const auto& [who, ns] : block.ahead) {
        json.open('[');
        json.string(who, longest_uuid);
        json.number(ns);
        json.close(']');
    }
    json.close(']');
}

void write_block(JsonWriter& json, const BlockCounters& block, Detail detail) {
    json.open('{');
    json.key("dev");
    json.string(block.device, longest_device);
    if (!block.under.empty()) {
        json.key("under");
        json.string(block.under, longest_device);
    }
    json.member("read_ops", block.read_ops);
    json.member("read_bytes", block.read_bytes);
    json.member("write_ops", block.write_ops);
    json.member("write_bytes", block.write_bytes);
    json.member("flush_ops", block.flush_ops);
    json.member("discard_ops", block.discard_ops);
    json.member("busy_ns", block.busy_ns);
    json.member("in_flight", block.in_flight);
    if (detail > Detail::without_times) write_block_times(json, block, detail);
    json.close('}');
}

void write_kvm(JsonWriter& json, const KvmCounters& kvm, Detail detail) {
    json.key("kvm");
    json.open('{');
    json.member("exits", kvm.exits);
    json.member("guest_ns", kvm.guest_ns);
    json.member("outside_ns", kvm.outside_ns);
    json.member("halt_wait_ns", kvm.halt_wait_ns);
    json.member("halt_poll_ns", kvm.halt_poll_ns);
    json.member("halt_poll_wasted_ns", kvm.halt_poll_wasted_ns);
    if (!kvm.reasons.empty() && detail > Detail::without_reasons) {
        json.key("reasons");
        json.open('[');
        for (const auto& [reason, exits, outside_ns] : kvm.reasons) {
            json.open('[');
            json.string(reason, longest_uuid);
            json.number(exits);
            json.number(outside_ns);
            json.close(']');
        }
        json.close(']');
    }
    json.close('}');
}

void write_wait(JsonWriter& json, const WaitExt& wait, Detail detail) {
    json.key("wait");
    json.open('{');
    if (detail > Detail::without_histograms) {
        json.key("counts");
        json.open('[');
        for (const auto count : wait.counts)
            json.number(count);
        json.close(']');
    }
    json.member("merged", wait.merged);
    if (wait.phantom_ns != 0) json.member("phantom_ns", wait.phantom_ns);
    json.member("p50_ns", wait.p50_ns);
    json.member("p99_ns", wait.p99_ns);
    json.key("by_ns");
    json.open('{');
    for (std::size_t i = 0; i < wait_classes.size(); ++i) {
        if (wait.by_ns[i] != 0) json.member(wait_classes[i], wait.by_ns[i]);
    }
    json.close('}');
    json.key("culprits");
    json.open('[');
    // The worst is the first.
    const auto told = detail > Detail::worst_culprits_only ? most_culprits : worst_culprits;
    for (const auto& culprit :
         std::span(wait.culprits).first(std::min(told, wait.culprits.size()))) {
        json.open('{');
        json.key("who");
        json.string(culprit.who, 16);
        if (!culprit.name.empty()) {
            json.key("name");
            json.string(culprit.name, longest_name);
        }
        json.member("ns", culprit.ns);
        json.member("waits", culprit.waits);
        json.close('}');
    }
    json.close(']');
    json.close('}');
}

void write_role(JsonWriter& json, const RoleExt& role) {
    json.key("role");
    json.open('{');
    json.member("vcpu_ns", role.vcpu_ns);
    json.member("emulator_ns", role.emulator_ns);
    json.member("io_ns", role.io_ns);
    json.member("vhost_ns", role.vhost_ns);
    json.close('}');
}

void write_cgroup(JsonWriter& json, const CgroupExt& cgroup) {
    json.key("cgroup");
    json.open('{');
    json.member("age_ms", cgroup.age_ms);
    json.member("periods", cgroup.periods);
    json.member("throttled_periods", cgroup.throttled_periods);
    json.member("throttled_ns", cgroup.throttled_ns);
    if (cgroup.pressure) write_pressure(json, *cgroup.pressure);
    json.close('}');
}

void write_vcpus(JsonWriter& json, const std::vector<VcpuExt>& vcpus) {
    if (vcpus.empty()) return;
    json.key("vcpu");
    json.open('[');
    for (const auto& vcpu : vcpus) {
        json.open('[');
        json.number(vcpu.number);
        json.number(vcpu.cpu_ns);
        json.number(vcpu.run_delay_ns);
        if (vcpu.wait_p50_ns && vcpu.wait_p99_ns) {
            json.number(*vcpu.wait_p50_ns);
            json.number(*vcpu.wait_p99_ns);
        }
        json.close(']');
    }
    json.close(']');
}

void write_vm_ext(JsonWriter& json, const VmExt& ext, Detail detail) {
    json.key("ext");
    json.open('{');
    json.member("pid", ext.pid);
    json.member("start", ext.start);
    json.member("since", ext.since);
    json.member("vcpus", ext.vcpus);
    json.member("threads", ext.threads);
    json.member("cpu_ns", ext.cpu_ns);
    json.member("run_delay_ns", ext.run_delay_ns);
    json.member("switches", ext.switches);
    json.member("rss_bytes", ext.rss_bytes);
    if (ext.block) {
        json.key("block");
        json.open('[');
        for (const auto& block : *ext.block)
            write_block(json, block, detail);
        json.close(']');
    }
    if (ext.kvm && detail > Detail::worst_culprits_only) write_kvm(json, *ext.kvm, detail);
    if (ext.role && detail > Detail::without_times) write_role(json, *ext.role);
    if (ext.wait && detail > Detail::without_waits) write_wait(json, *ext.wait, detail);
    json.member("cpu_moves", ext.cpu_moves);
    json.member("node_moves", ext.node_moves);
    json.member("major_faults", ext.major_faults);
    if (ext.cgroup && detail > Detail::without_cgroup) write_cgroup(json, *ext.cgroup);
    json.member("smt_shared_vcpus_sampled", ext.smt_shared_vcpus_sampled);
    if (detail > Detail::without_vcpus) write_vcpus(json, ext.vcpu);
    json.close('}');
}

}  // namespace

void write_pressure(JsonWriter& json, const PressureExt& pressure) {
    const auto write = [&](std::string_view name, const std::optional<Stall>& stall) {
        if (!stall) return;
        json.key(name);
        json.open('[');
        json.number(stall->some_us);
        if (stall->full_us) json.number(*stall->full_us);
        json.close(']');
    };
    json.key("pressure_us");
    json.open('{');
    write("cpu", pressure.cpu);
    write("memory", pressure.memory);
    write("io", pressure.io);
    json.close('}');
}

void write_vm(JsonWriter& json, const Vm& vm, Detail detail) {
    json.open('{');
    json.key("name");
    json.string(vm.name, longest_name);
    json.key("uuid");
    json.string(vm.uuid, longest_uuid);
    json.key("state");
    json.number(static_cast<std::uint64_t>(vm.state));
    json.member_or_null("cpu", vm.cpu);
    json.member_or_null("ram", vm.ram);
    json.member_or_null("maxram", vm.maxram);
    if (vm.ext && detail != Detail::standard) write_vm_ext(json, *vm.ext, detail);
    json.close('}');
}

}  // namespace virtpulse::wire
