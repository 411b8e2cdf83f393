#include "collector/query/status.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "collector/grid/vm_changes.h"

namespace virtpulse::collector {
namespace {

using Json = nlohmann::ordered_json;

Json block_json(const wire::BlockCounters& block) {
    Json ahead = Json::array();
    for (const auto& [who, ns] : block.ahead)
        ahead.push_back({{"who", who}, {"ns", ns}});
    return {{"device", block.device},
            {"under", block.under.empty() ? Json() : Json(block.under)},
            {"read_ops", known(block.read_ops)},
            {"read_bytes", known(block.read_bytes)},
            {"write_ops", known(block.write_ops)},
            {"write_bytes", known(block.write_bytes)},
            {"flush_ops", known(block.flush_ops)},
            {"discard_ops", known(block.discard_ops)},
            {"busy_ns", known(block.busy_ns)},
            {"in_flight", known(block.in_flight)},
            {"read_queue_ns", known(block.read_queue_ns)},
            {"read_device_ns", known(block.read_device_ns)},
            {"write_queue_ns", known(block.write_queue_ns)},
            {"write_device_ns", known(block.write_device_ns)},
            {"flush_ns", known(block.flush_ns)},
            {"discard_ns", known(block.discard_ns)},
            {"untimed_ops", known(block.untimed_ops)},
            {"read_latency", block.read_latency},
            {"write_latency", block.write_latency},
            {"read_p50_ns", known(block.read_p50_ns)},
            {"read_p99_ns", known(block.read_p99_ns)},
            {"write_p50_ns", known(block.write_p50_ns)},
            {"write_p99_ns", known(block.write_p99_ns)},
            {"ahead_ns", known(block.ahead_ns)},
            {"ahead", std::move(ahead)}};
}

Json kvm_json(const wire::KvmCounters& kvm) {
    Json reasons = Json::array();
    for (const auto& [reason, exits, outside_ns] : kvm.reasons)
        reasons.push_back({{"reason", reason}, {"exits", exits}, {"outside_ns", outside_ns}});
    return {{"exits", known(kvm.exits)},
            {"guest_ns", known(kvm.guest_ns)},
            {"outside_ns", known(kvm.outside_ns)},
            {"halt_wait_ns", known(kvm.halt_wait_ns)},
            {"halt_poll_ns", known(kvm.halt_poll_ns)},
            {"halt_poll_wasted_ns", known(kvm.halt_poll_wasted_ns)},
            {"reasons", std::move(reasons)}};
}

Json wait_json(const wire::WaitExt& wait) {
    Json by_ns = Json::object();
    for (std::size_t i = 0; i < wire::wait_classes.size(); ++i)
        by_ns[std::string(wire::wait_classes.at(i))] = wait.by_ns.at(i);
    Json culprits = Json::array();
    for (const auto& culprit : wait.culprits) {
        culprits.push_back({{"who", culprit.who},
                            {"name", culprit.name},
                            {"ns", culprit.ns},
                            {"waits", culprit.waits}});
    }
    return {{"counts", wait.counts},          {"merged", known(wait.merged)},
            {"phantom_ns", wait.phantom_ns},  {"p50_ns", known(wait.p50_ns)},
            {"p99_ns", known(wait.p99_ns)},   {"by_ns", std::move(by_ns)},
            {"culprits", std::move(culprits)}};
}

Json stall_json(const std::optional<wire::Stall>& stall) {
    if (!stall) return nullptr;
    return {{"some", stall->some_us}, {"full", known(stall->full_us)}};
}

Json cgroup_json(const wire::CgroupExt& cgroup) {
    Json pressure = nullptr;
    if (cgroup.pressure) {
        pressure = {{"cpu", stall_json(cgroup.pressure->cpu)},
                    {"memory", stall_json(cgroup.pressure->memory)},
                    {"io", stall_json(cgroup.pressure->io)}};
    }
    return {{"age_ms", cgroup.age_ms},
            {"periods", known(cgroup.periods)},
            {"throttled_periods", known(cgroup.throttled_periods)},
            {"throttled_ns", known(cgroup.throttled_ns)},
            {"pressure_us", std::move(pressure)}};
}

Json role_json(const wire::RoleExt& role) {
    return {{"vcpu_ns", role.vcpu_ns},
            {"emulator_ns", role.emulator_ns},
            {"io_ns", role.io_ns},
            {"vhost_ns", role.vhost_ns}};
}

Json vcpu_json(const wire::VcpuExt& vcpu) {
    return {{"number", vcpu.number},
            {"cpu_ns", vcpu.cpu_ns},
            {"run_delay_ns", vcpu.run_delay_ns},
            {"wait_p50_ns", known(vcpu.wait_p50_ns)},
            {"wait_p99_ns", known(vcpu.wait_p99_ns)}};
}

template <class Value, class ToJson>
Json known_as(const std::optional<Value>& value, const ToJson& to_json) {
    return value ? to_json(*value) : Json(nullptr);
}

template <class Value, class ToJson>
Json all_as(const std::vector<Value>& values, const ToJson& to_json) {
    Json all = Json::array();
    for (const auto& value : values)
        all.push_back(to_json(value));
    return all;
}

}  // namespace

Json status_json(const wire::VmState& state) {
    const auto& vm = state.vm;
    static const wire::VmExt no_ext;
    const auto& ext = vm.ext ? *vm.ext : no_ext;
    const auto blocks_json = [](const auto& blocks) { return all_as(blocks, block_json); };
    return {{"uuid", vm.uuid},
            {"time", state.time},
            {"stale", state.stale},
            {"state", state_name(vm.state)},
            {"cpu_percent", known(vm.cpu)},
            {"ram_kib", known(vm.ram)},
            {"pid", known(ext.pid)},
            {"start_ns", known(ext.start)},
            {"since_ns", known(ext.since)},
            {"threads", known(ext.threads)},
            {"cpu_ns", known(ext.cpu_ns)},
            {"run_delay_ns", known(ext.run_delay_ns)},
            {"switches", known(ext.switches)},
            {"rss_bytes", known(ext.rss_bytes)},
            {"block", known_as(ext.block, blocks_json)},
            {"kvm", known_as(ext.kvm, kvm_json)},
            {"role", known_as(ext.role, role_json)},
            {"wait", known_as(ext.wait, wait_json)},
            {"cpu_moves", known(ext.cpu_moves)},
            {"node_moves", known(ext.node_moves)},
            {"major_faults", known(ext.major_faults)},
            {"cgroup", known_as(ext.cgroup, cgroup_json)},
            {"smt_shared_vcpus_sampled", known(ext.smt_shared_vcpus_sampled)},
            {"vcpu", all_as(ext.vcpu, vcpu_json)}};
}

}  // namespace virtpulse::collector
