#include "collector/store/writer.h"

#include <array>
#include <cmath>
#include <tuple>

namespace virtpulse::collector {
namespace {

constexpr std::int64_t touch_every_ms = 60'000;  // last_seen_ms
constexpr std::size_t most_known_vms = 200'000;

constexpr std::string_view put_host =
    "INSERT INTO hosts(name, machine_id, first_seen_ms, last_seen_ms) VALUES(?1, ?2, ?3, ?3)"
    " ON CONFLICT(name) DO UPDATE SET last_seen_ms = excluded.last_seen_ms,"
    " machine_id = coalesce(excluded.machine_id, machine_id) RETURNING id";
constexpr std::string_view put_vm =
    "INSERT INTO vms(host_id, uuid, start_ns, name, first_seen_ms, last_seen_ms)"
    " VALUES(?1, ?2, ?3, ?4, ?5, ?5)"
    " ON CONFLICT(host_id, uuid, ifnull(start_ns, -1)) DO UPDATE SET name = excluded.name,"
    " last_seen_ms = excluded.last_seen_ms RETURNING id";
constexpr std::string_view put_host_sample =
    // Parts of a sample come in any order, and only the first says what concerns the agent.
    "INSERT INTO host_samples"
    " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET cpus = coalesce(cpus, excluded.cpus),"
    " mem_total_bytes = coalesce(mem_total_bytes, excluded.mem_total_bytes),"
    " agent_cpu_ns = coalesce(agent_cpu_ns, excluded.agent_cpu_ns),"
    " agent_rss_bytes = coalesce(agent_rss_bytes, excluded.agent_rss_bytes),"
    " agent_sample_ns = coalesce(agent_sample_ns, excluded.agent_sample_ns),"
    " agent_send_errors = coalesce(agent_send_errors, excluded.agent_send_errors),"
    " agent_late_samples = coalesce(agent_late_samples, excluded.agent_late_samples),"
    " agent_omitted_vms = coalesce(agent_omitted_vms, excluded.agent_omitted_vms),"
    " agent_update_failures = coalesce(agent_update_failures, excluded.agent_update_failures),"
    " agent_lost_completions = coalesce(agent_lost_completions, excluded.agent_lost_completions)";
constexpr std::string_view put_vm_sample =
    "INSERT OR IGNORE INTO vm_samples VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr std::string_view put_block =
    "INSERT OR IGNORE INTO vm_block_samples VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr std::string_view put_event =
    "INSERT INTO events(time_ms, kind, host, vm_uuid, vm_name, detail)"
    " VALUES(?, ?, ?, nullif(?, ''), nullif(?, ''), nullif(?, ''))";

}  // namespace

std::size_t rows_of(const wire::Frame& frame) {
    std::size_t rows = 1 + frame.vms.size();
    for (const auto& vm : frame.vms) {
        if (vm.ext && vm.ext->block) rows += vm.ext->block->size();
    }
    return rows;
}

Result<Writer> Writer::prepare(Database& database) {
    Writer writer(database);
    const std::array<std::pair<Statement*, std::string_view>, 6> statements{{
        {&writer.put_host_, put_host},
        {&writer.put_vm_, put_vm},
        {&writer.put_host_sample_, put_host_sample},
        {&writer.put_vm_sample_, put_vm_sample},
        {&writer.put_block_, put_block},
        {&writer.put_event_, put_event},
    }};
    for (const auto& [statement, sql] : statements) {
        auto prepared = Statement::prepare(database, sql);
        if (!prepared) return prepared.error();
        *statement = std::move(*prepared);
    }
    return writer;
}

Result<> Writer::write(const Arrival& arrival) {
    const auto& [host, vms] = arrival.frame;
    const auto now_ms = arrival.received_ms;
    const auto time_ms = static_cast<std::int64_t>(std::llround(host.time * 1000));
    auto* const row = host_row(host, now_ms);
    if (row == nullptr) return database_->error();
    if (!write_host_sample(row->id, host, time_ms, now_ms)) return database_->error();
    for (const auto& vm : vms) {
        const auto id = vm_id(*row, vm, now_ms);
        if (!id || !write_vm_sample(*id, vm, time_ms, now_ms)) return database_->error();
    }
    return {};
}

Result<> Writer::write(const Event& event) {
    if (!put_event_.run(event.time_ms, event_name(event.kind), std::string_view(event.host),
                        std::string_view(event.vm_uuid), std::string_view(event.vm_name),
                        std::string_view(event.detail))) {
        return database_->error();
    }
    return {};
}

Writer::HostRow* Writer::host_row(const wire::Host& host, std::int64_t now_ms) {
    if (known_vms_ > most_known_vms) {  // VMs that have gone are in there too
        hosts_.clear();
        known_vms_ = 0;
    }
    auto& row = hosts_[host.name];
    if (row.id != 0 && now_ms - row.touched_ms < touch_every_ms) return &row;
    std::optional<std::string_view> machine_id;
    if (host.ext && host.ext->id) machine_id = *host.ext->id;
    const auto id = put_host_.query(std::string_view(host.name), machine_id, now_ms);
    if (!id) return nullptr;
    row.id = *id;
    row.touched_ms = now_ms;
    return &row;
}

std::optional<std::int64_t> Writer::vm_id(HostRow& host, const wire::Vm& vm, std::int64_t now_ms) {
    const auto start = vm.ext ? vm.ext->start : std::nullopt;
    const auto key = vm.uuid + (start ? '/' + std::to_string(*start) : std::string());
    const auto [it, is_new] = host.vms.try_emplace(key);
    auto& row = it->second;
    if (is_new) ++known_vms_;
    if (row.id != 0 && now_ms - row.touched_ms < touch_every_ms && row.name == vm.name) {
        return row.id;
    }
    const auto id =
        put_vm_.query(host.id, std::string_view(vm.uuid), start, std::string_view(vm.name), now_ms);
    if (id) row = {*id, now_ms, vm.name};
    return id;
}

bool Writer::write_host_sample(std::int64_t id, const wire::Host& host, std::int64_t time_ms,
                               std::int64_t received_ms) {
    static const wire::HostExt no_ext;
    static const wire::AgentCost no_cost;
    const auto& ext = host.ext ? *host.ext : no_ext;
    const auto& self = ext.self ? *ext.self : no_cost;
    std::optional<std::string_view> source;
    if (ext.source) source = *ext.source;
    return put_host_sample_.run(id, time_ms, received_ms, host.cpu, host.ram, host.disk,
                                host.cputemp, host.mbtemp, ext.sample, ext.boot, ext.interval_ms,
                                source, ext.cpus, ext.mem_total_bytes, self.cpu_ns, self.rss_bytes,
                                self.sample_ns, self.send_errors, self.late_samples,
                                self.omitted_vms, self.update_failures, self.lost_completions);
}

bool Writer::write_vm_sample(std::int64_t id, const wire::Vm& vm, std::int64_t time_ms,
                             std::int64_t received_ms) {
    static const wire::VmExt no_ext;
    const auto& ext = vm.ext ? *vm.ext : no_ext;
    if (!put_vm_sample_.run(id, time_ms, received_ms, static_cast<std::int64_t>(vm.state), vm.cpu,
                            vm.ram, vm.maxram, ext.pid, ext.since, ext.vcpus, ext.threads,
                            ext.cpu_ns, ext.run_delay_ns, ext.switches, ext.rss_bytes)) {
        return false;
    }
    if (!ext.block) return true;
    for (const auto& block : *ext.block) {
        if (!put_block_.run(id, time_ms, std::string_view(block.device), received_ms,
                            block.read_ops, block.read_bytes, block.write_ops, block.write_bytes,
                            block.flush_ops, block.discard_ops, block.busy_ns, block.in_flight)) {
            return false;
        }
    }
    return true;
}

}  // namespace virtpulse::collector
