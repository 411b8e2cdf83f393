#include "collector/store/writer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
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
    " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET cpus = coalesce(cpus, excluded.cpus),"
    " mem_total_bytes = coalesce(mem_total_bytes, excluded.mem_total_bytes),"
    " agent_cpu_ns = coalesce(agent_cpu_ns, excluded.agent_cpu_ns),"
    " agent_rss_bytes = coalesce(agent_rss_bytes, excluded.agent_rss_bytes),"
    " agent_sample_ns = coalesce(agent_sample_ns, excluded.agent_sample_ns),"
    " agent_send_errors = coalesce(agent_send_errors, excluded.agent_send_errors),"
    " agent_late_samples = coalesce(agent_late_samples, excluded.agent_late_samples),"
    " agent_omitted_vms = coalesce(agent_omitted_vms, excluded.agent_omitted_vms),"
    " agent_update_failures = coalesce(agent_update_failures, excluded.agent_update_failures),"
    " agent_lost_completions = coalesce(agent_lost_completions, excluded.agent_lost_completions),"
    " cpu_pressure_us = coalesce(cpu_pressure_us, excluded.cpu_pressure_us),"
    " memory_pressure_us = coalesce(memory_pressure_us, excluded.memory_pressure_us),"
    " io_pressure_us = coalesce(io_pressure_us, excluded.io_pressure_us),"
    " ksm_saved_bytes = coalesce(ksm_saved_bytes, excluded.ksm_saved_bytes)";
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
    const std::array<std::pair<Statement*, std::string_view>, 4> statements{{
        {&writer.put_host_, put_host},
        {&writer.put_vm_, put_vm},
        {&writer.put_host_sample_, put_host_sample},
        {&writer.put_event_, put_event},
    }};
    for (const auto& [statement, sql] : statements) {
        auto prepared = Statement::prepare(database, sql);
        if (!prepared) return prepared.error();
        *statement = std::move(*prepared);
    }
    auto packs = PackWriter::prepare(database);
    if (!packs) return packs.error();
    writer.packs_ = std::move(*packs);
    auto tables = RollupTables::prepare(database, host_subject);
    if (!tables) return tables.error();
    writer.host_rollups_ = std::move(*tables);
    auto rollups = VmRollups::prepare(database);
    if (!rollups) return rollups.error();
    writer.vm_rollups_ = std::move(*rollups);
    if (auto replayed = writer.replay(); !replayed) return replayed.error();
    return writer;
}

Result<> Writer::write(const Arrival& arrival) {
    const auto& [host, vms] = arrival.frame;
    const auto now_ms = arrival.received_ms;
    auto* const row = host_row(host, now_ms);
    if (row == nullptr) return database_->error();
    const auto time_ms = static_cast<std::int64_t>(std::llround(host.time * 1000));
    const auto now_s = now_ms / 1000;
    // The parts of a sample are of one second.
    const bool begins =
        time_ms != row->time_ms || now_s > row->received_s + 1 || now_s < row->received_s;
    if (begins) {
        row->time_ms = time_ms;
        row->received_s = now_s;
        if (!write_held(*row)) return database_->error();
    }
    const bool is_first_part = !host.ext || !host.ext->part || host.ext->part->index == 0;
    // The others say nothing of the host that is not in its row by then.
    if ((begins || is_first_part) && !write_host_sample(*row, host)) return database_->error();
    if (is_first_part &&
        !host_rollups_.add(row->open, row->id, row->received_s, reading_of(host))) {
        return database_->error();
    }
    for (const auto& vm : vms) {
        auto* const at = vm_row(*row, vm, now_ms);
        if (at == nullptr) return database_->error();
        if (at->stored_ms == time_ms) continue;
        at->stored_ms = time_ms;
        hold(*row, at->id, vm);
        if (!roll_up(*row, *at, row->received_s, reading_of(vm, host.time)))
            return database_->error();
    }
    return {};
}

Result<> Writer::flush() {
    if (write_all_held()) return {};
    return database_->error();
}

bool Writer::write_all_held() {
    for (auto* const host : held_) {
        if (!write_held(*host)) return false;
    }
    held_.clear();
    return true;
}

bool Writer::write_held(HostRow& host) {
    auto& pack = host.pack;
    if (pack.vms.empty()) return true;
    const bool written = packs_.put(host.id, pack, host.key);
    pack.vms.clear();
    pack.blocks.clear();
    return written;
}

void Writer::hold(HostRow& host, std::int64_t vm_id, const wire::Vm& vm) {
    auto& pack = host.pack;
    if (pack.vms.empty()) {
        pack.received_s = host.received_s;
        pack.time_ms = host.time_ms;
        held_.push_back(&host);
    }
    pack.vms.push_back({vm_id, values_of(vm)});
    if (!vm.ext || !vm.ext->block) return;
    for (const auto& block : *vm.ext->block)
        pack.blocks.push_back({vm_id, block.device, block.under, values_of(block)});
}

Result<> Writer::close_ended(std::int64_t now_s) {
    constexpr std::int64_t grace_s = 5;  // most close by themselves, with the next sample
    if (close_begun_before(now_s - tiers[0].step_s - grace_s)) return {};
    return database_->error();
}

bool Writer::close_begun_before(std::int64_t start_s) {
    for (auto& [name, host] : hosts_) {
        if (host.open.start_s < start_s && !host_rollups_.close(host.open, host.id)) return false;
        if (host.vms_start_s < start_s && !close_vms(host)) return false;
    }
    return true;
}

bool Writer::roll_up(HostRow& host, VmRow& vm, std::int64_t received_s, const Reading& reading) {
    const auto start_s = start_of(received_s, tiers[0]);
    if (start_s != host.vms_start_s) {
        if (!close_vms(host)) return false;
        host.vms_start_s = start_s;
    }
    vm.rollup.add(reading);
    return true;
}

bool Writer::close_vms(HostRow& host) {
    if (replaying_ && !forget_stored(host)) return false;
    closing_.clear();
    for (auto& [key, vm] : host.vms) {
        if (vm.rollup.empty()) continue;
        closing_.push_back(rolled(vm.id, vm.rollup));
        vm.rollup.begin();
    }
    return closing_.empty() || vm_rollups_.put(host.id, host.vms_start_s, closing_);
}

bool Writer::forget_stored(HostRow& host) {
    std::vector<std::int64_t> stored;
    if (!vm_rollups_.find_stored(host.id, host.vms_start_s, stored)) return false;
    std::ranges::sort(stored);
    for (auto& [key, vm] : host.vms) {
        if (std::ranges::binary_search(stored, vm.id)) vm.rollup.begin();
    }
    return true;
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
        if (!write_all_held()) return nullptr;
        if (!close_begun_before(std::numeric_limits<std::int64_t>::max())) return nullptr;
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

Writer::VmRow& Writer::find_vm(HostRow& host, const std::string& uuid,
                               std::optional<std::uint64_t> start) {
    // A host names its VMs in the same order again and again.
    if (host.last_vm != nullptr) {
        auto* const next = host.last_vm->next;
        if (next != nullptr && next->uuid == uuid && next->start == start)
            return *(host.last_vm = next);
    }
    const auto [it, is_new] =
        host.vms.try_emplace(start ? uuid + '/' + std::to_string(*start) : uuid);
    auto& row = it->second;
    if (is_new) {
        row.uuid = uuid;
        row.start = start;
        ++known_vms_;
    }
    if (host.last_vm != nullptr) host.last_vm->next = &row;
    host.last_vm = &row;
    return row;
}

Writer::VmRow* Writer::vm_row(HostRow& host, const wire::Vm& vm, std::int64_t now_ms) {
    auto& row = find_vm(host, vm.uuid, vm.ext ? vm.ext->start : std::nullopt);
    if (row.id != 0 && now_ms - row.touched_ms < touch_every_ms && row.name == vm.name) return &row;
    const auto id =
        put_vm_.query(host.id, std::string_view(vm.uuid), vm.ext ? vm.ext->start : std::nullopt,
                      std::string_view(vm.name), now_ms);
    if (!id) return nullptr;
    // A grid is heard of all at once, but is not to be due all at once each minute from then on.
    // VMs of one host are, as their rows are in the same pages.
    row.touched_ms = row.id == 0 ? now_ms - host.id * 1000 % touch_every_ms : now_ms;
    row.id = *id;
    row.name = vm.name;
    return &row;
}

bool Writer::write_host_sample(const HostRow& row, const wire::Host& host) {
    static const wire::HostExt no_ext;
    static const wire::AgentCost no_cost;
    const auto& ext = host.ext ? *host.ext : no_ext;
    const auto& self = ext.self ? *ext.self : no_cost;
    std::optional<std::string_view> source;
    if (ext.source) source = *ext.source;
    const auto pressure = [&](auto resource) { return waited_us(ext.pressure, resource); };
    return put_host_sample_.run(
        row.received_s, row.id, row.time_ms, host.cpu, host.ram, host.disk, host.cputemp,
        host.mbtemp, ext.sample, ext.boot, ext.interval_ms, source, ext.cpus, ext.mem_total_bytes,
        self.cpu_ns, self.rss_bytes, self.sample_ns, self.send_errors, self.late_samples,
        self.omitted_vms, self.update_failures, self.lost_completions,
        pressure(&wire::PressureExt::cpu), pressure(&wire::PressureExt::memory),
        pressure(&wire::PressureExt::io),
        ext.ksm ? std::optional(ext.ksm->saved_bytes) : std::nullopt);
}

}  // namespace virtpulse::collector
