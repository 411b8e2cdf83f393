#include "wire/parse_vm.h"

#include <cstdint>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace virtpulse::wire {
namespace {

constexpr std::size_t most_blocks = 256;  // of one VM
constexpr std::size_t most_ahead = 64;
constexpr std::size_t most_reasons = 64;

constexpr MemberNames vm_names("name", "uuid", "state", "cpu", "ram", "maxram", "ext");
constexpr MemberNames vm_ext_names("pid", "start", "since", "vcpus", "threads", "cpu_ns",
                                   "run_delay_ns", "switches", "rss_bytes", "kvm", "cpu_moves",
                                   "node_moves", "major_faults", "cgroup", "role", "wait",
                                   "smt_shared_vcpus_sampled", "vcpu", "block");
constexpr MemberNames cgroup_names("age_ms", "periods", "throttled_periods", "throttled_ns",
                                   "pressure_us");
constexpr MemberNames kvm_names("exits", "guest_ns", "outside_ns", "halt_wait_ns", "halt_poll_ns",
                                "halt_poll_wasted_ns", "reasons");
constexpr MemberNames role_names("vcpu_ns", "emulator_ns", "io_ns", "vhost_ns");
constexpr MemberNames wait_names("merged", "phantom_ns", "p50_ns", "p99_ns", "counts", "by_ns",
                                 "culprits");
constexpr auto by_names =
    std::apply([](auto... classes) { return MemberNames(classes...); }, wait_classes);
constexpr MemberNames culprit_names("who", "name", "ns", "waits");
constexpr MemberNames block_names("dev", "under", "read_ops", "read_bytes", "write_ops",
                                  "write_bytes", "flush_ops", "discard_ops", "busy_ns", "in_flight",
                                  "read_queue_ns", "read_device_ns", "write_queue_ns",
                                  "write_device_ns", "flush_ns", "discard_ns", "untimed_ops",
                                  "read_latency", "write_latency", "read_p50_ns", "read_p99_ns",
                                  "write_p50_ns", "write_p99_ns", "ahead_ns", "ahead");
constexpr MemberNames pressure_names("cpu", "memory", "io");

// [some] or [some, full]
template <class Object>
void stall(MemberReader& in, const Object& object, typename Object::Name key,
           std::optional<Stall>& out) {
    out.reset();
    dom::array times;
    if (!in.array(object, key, Need::nothing, times)) return;
    std::uint64_t full_us = 0;
    out.emplace();
    if (times.size() == 0 || times.size() > 2 ||
        times.at(0).get(out->some_us) != simdjson::SUCCESS ||
        (times.size() == 2 && times.at(1).get(full_us) != simdjson::SUCCESS)) {
        return in.fail(FrameFault::wrong_type, key.text);
    }
    if (times.size() == 2) out->full_us = full_us;
}

void read_cgroup(MemberReader& in, dom::object json, CgroupExt& out) {
    const Members<cgroup_names> object(json);
    out.age_ms = in.counter(object, "age_ms").value_or(0);
    out.periods = in.counter(object, "periods");
    out.throttled_periods = in.counter(object, "throttled_periods");
    out.throttled_ns = in.counter(object, "throttled_ns");
    in.part_of(object, "pressure_us", out.pressure, read_pressure);
}

// [number, cpu_ns, run_delay_ns] or with p50_ns and p99_ns after them
void read_vcpus(MemberReader& in, const Members<vm_ext_names>& object, std::vector<VcpuExt>& out) {
    out.clear();
    dom::array vcpus;
    if (!in.array(object, "vcpu", Need::nothing, vcpus)) return;
    if (vcpus.size() > most_vcpus_told) return in.fail(FrameFault::out_of_range, "vcpu");
    for (const auto element : vcpus) {
        dom::array row;
        VcpuExt vcpu;
        if (element.get(row) != simdjson::SUCCESS || (row.size() != 3 && row.size() != 5) ||
            row.at(0).get(vcpu.number) != simdjson::SUCCESS ||
            row.at(1).get(vcpu.cpu_ns) != simdjson::SUCCESS ||
            row.at(2).get(vcpu.run_delay_ns) != simdjson::SUCCESS) {
            return in.fail(FrameFault::wrong_type, "vcpu");
        }
        if (row.size() == 5 && (row.at(3).get(vcpu.wait_p50_ns.emplace()) != simdjson::SUCCESS ||
                                row.at(4).get(vcpu.wait_p99_ns.emplace()) != simdjson::SUCCESS)) {
            return in.fail(FrameFault::wrong_type, "vcpu");
        }
        out.push_back(vcpu);
    }
}

void read_kvm(MemberReader& in, dom::object json, KvmCounters& out) {
    const Members<kvm_names> object(json);
    out.exits = in.counter(object, "exits");
    out.guest_ns = in.counter(object, "guest_ns");
    out.outside_ns = in.counter(object, "outside_ns");
    out.halt_wait_ns = in.counter(object, "halt_wait_ns");
    out.halt_poll_ns = in.counter(object, "halt_poll_ns");
    out.halt_poll_wasted_ns = in.counter(object, "halt_poll_wasted_ns");
    out.reasons.clear();
    dom::array reasons;
    if (!in.array(object, "reasons", Need::nothing, reasons)) return;
    if (reasons.size() > most_reasons) return in.fail(FrameFault::out_of_range, "reasons");
    for (const auto element : reasons) {
        dom::array three;
        std::string_view reason;
        KvmExits exits;
        if (element.get(three) != simdjson::SUCCESS || three.size() != 3 ||
            three.at(0).get(reason) != simdjson::SUCCESS || reason.size() > longest_uuid ||
            three.at(1).get(exits.exits) != simdjson::SUCCESS ||
            three.at(2).get(exits.outside_ns) != simdjson::SUCCESS) {
            return in.fail(FrameFault::wrong_type, "reasons");
        }
        exits.reason = reason;
        out.reasons.push_back(std::move(exits));
    }
}

void read_role(MemberReader& in, dom::object json, RoleExt& out) {
    const Members<role_names> object(json);
    out.vcpu_ns = in.counter(object, "vcpu_ns").value_or(0);
    out.emulator_ns = in.counter(object, "emulator_ns").value_or(0);
    out.io_ns = in.counter(object, "io_ns").value_or(0);
    out.vhost_ns = in.counter(object, "vhost_ns").value_or(0);
}

void read_wait(MemberReader& in, dom::object json, WaitExt& out) {
    const Members<wait_names> object(json);
    out.merged = in.counter(object, "merged");
    out.phantom_ns = in.counter(object, "phantom_ns").value_or(0);
    out.p50_ns = in.counter(object, "p50_ns");
    out.p99_ns = in.counter(object, "p99_ns");
    in.counts(object, "counts", wait_buckets, out.counts);
    out.by_ns.fill(0);
    if (dom::object json_by; in.sub_object(object, "by_ns", json_by)) {
        const Members<by_names> by(json_by);
        using Class = Members<by_names>::Name;
        for (std::size_t i = 0; i < wait_classes.size(); ++i)
            out.by_ns[i] = in.counter(by, Class(i)).value_or(0);
    }
    out.culprits.clear();
    dom::array culprits;
    if (!in.array(object, "culprits", Need::nothing, culprits)) return;
    if (culprits.size() > most_culprits) return in.fail(FrameFault::out_of_range, "culprits");
    for (const auto element : culprits) {
        dom::object json_culprit;
        if (element.get(json_culprit) != simdjson::SUCCESS) {
            return in.fail(FrameFault::wrong_type, "culprits");
        }
        const Members<culprit_names> culprit(json_culprit);
        auto& read = out.culprits.emplace_back();
        in.name(culprit, "who", 16, read.who);
        in.text(culprit, "name", Need::nothing, longest_name, read.name);
        read.ns = in.counter(culprit, "ns").value_or(0);
        read.waits = in.counter(culprit, "waits").value_or(0);
    }
}

void block_times(MemberReader& in, const Members<block_names>& object, BlockCounters& out) {
    out.read_queue_ns = in.counter(object, "read_queue_ns");
    out.read_device_ns = in.counter(object, "read_device_ns");
    out.write_queue_ns = in.counter(object, "write_queue_ns");
    out.write_device_ns = in.counter(object, "write_device_ns");
    out.flush_ns = in.counter(object, "flush_ns");
    out.discard_ns = in.counter(object, "discard_ns");
    out.untimed_ops = in.counter(object, "untimed_ops");
    in.counts(object, "read_latency", block_latency_scale.buckets, out.read_latency);
    in.counts(object, "write_latency", block_latency_scale.buckets, out.write_latency);
    out.read_p50_ns = in.counter(object, "read_p50_ns");
    out.read_p99_ns = in.counter(object, "read_p99_ns");
    out.write_p50_ns = in.counter(object, "write_p50_ns");
    out.write_p99_ns = in.counter(object, "write_p99_ns");
    out.ahead_ns = in.counter(object, "ahead_ns");
    out.ahead.clear();
    dom::array ahead;
    if (!in.array(object, "ahead", Need::nothing, ahead)) return;
    if (ahead.size() > most_ahead) return in.fail(FrameFault::out_of_range, "ahead");
    for (const auto element : ahead) {
        dom::array pair;
        std::string_view who;
        std::uint64_t ns = 0;
        if (element.get(pair) != simdjson::SUCCESS || pair.size() != 2 ||
            pair.at(0).get(who) != simdjson::SUCCESS || pair.at(1).get(ns) != simdjson::SUCCESS ||
            who.size() > longest_uuid) {
            return in.fail(FrameFault::wrong_type, "ahead");
        }
        out.ahead.push_back({std::string(who), ns});
    }
}

void read_block(MemberReader& in, dom::element element, BlockCounters& out) {
    dom::object json;
    if (element.get(json) != simdjson::SUCCESS) return in.fail(FrameFault::wrong_type, "block");
    const Members<block_names> object(json);
    in.name(object, "dev", longest_device, out.device);
    if (!in.text(object, "under", Need::nothing, longest_device, out.under)) out.under.clear();
    out.read_ops = in.counter(object, "read_ops");
    out.read_bytes = in.counter(object, "read_bytes");
    out.write_ops = in.counter(object, "write_ops");
    out.write_bytes = in.counter(object, "write_bytes");
    out.flush_ops = in.counter(object, "flush_ops");
    out.discard_ops = in.counter(object, "discard_ops");
    out.busy_ns = in.counter(object, "busy_ns");
    out.in_flight = in.counter(object, "in_flight");
    block_times(in, object, out);
}

void read_vm_ext(MemberReader& in, dom::object json, VmExt& out) {
    const Members<vm_ext_names> object(json);
    out.pid = in.counter(object, "pid");
    out.start = in.counter(object, "start");
    out.since = in.counter(object, "since");
    out.vcpus = in.counter(object, "vcpus");
    out.threads = in.counter(object, "threads");
    out.cpu_ns = in.counter(object, "cpu_ns");
    out.run_delay_ns = in.counter(object, "run_delay_ns");
    out.switches = in.counter(object, "switches");
    out.rss_bytes = in.counter(object, "rss_bytes");
    in.part_of(object, "kvm", out.kvm, read_kvm);
    out.cpu_moves = in.counter(object, "cpu_moves");
    out.node_moves = in.counter(object, "node_moves");
    out.major_faults = in.counter(object, "major_faults");
    in.part_of(object, "cgroup", out.cgroup, read_cgroup);
    in.part_of(object, "role", out.role, read_role);
    in.part_of(object, "wait", out.wait, read_wait);
    out.smt_shared_vcpus_sampled = in.counter(object, "smt_shared_vcpus_sampled");
    read_vcpus(in, object, out.vcpu);
    dom::array blocks;
    if (!in.array(object, "block", Need::nothing, blocks)) return out.block.reset();
    if (blocks.size() > most_blocks) return in.fail(FrameFault::out_of_range, "block");
    in.each(blocks, kept(out.block), read_block);
}

}  // namespace

void read_pressure(MemberReader& in, dom::object json, PressureExt& out) {
    const Members<pressure_names> object(json);
    stall(in, object, "cpu", out.cpu);
    stall(in, object, "memory", out.memory);
    stall(in, object, "io", out.io);
}

void read_vm(MemberReader& in, dom::element element, Vm& out) {
    dom::object json;
    if (element.get(json) != simdjson::SUCCESS) return in.fail(FrameFault::wrong_type, "vms");
    const Members<vm_names> object(json);
    in.name(object, "name", longest_name, out.name);
    in.name(object, "uuid", longest_uuid, out.uuid);
    if (const auto state = in.count(object, "state", Need::value)) {
        if (*state > highest_domain_state) return in.fail(FrameFault::out_of_range, "state");
        out.state = static_cast<DomainState>(*state);
    }
    out.cpu = in.percent(object, "cpu");
    out.ram = in.count(object, "ram", Need::member_or_null);
    out.maxram = in.count(object, "maxram", Need::member_or_null);
    in.part_of(object, "ext", out.ext, read_vm_ext);
}

}  // namespace virtpulse::wire
