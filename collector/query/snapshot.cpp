#include "collector/query/snapshot.h"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <utility>

#include "collector/store/vm_packs.h"

namespace virtpulse::collector {
namespace {

constexpr std::int64_t seen_is_rounded_by_ms = 60'000;  // last_seen_ms

constexpr std::string_view find_hosts =
    "SELECT id, name FROM hosts WHERE name > ?1 AND first_seen_ms < ?2 AND last_seen_ms >= ?3"
    " ORDER BY name LIMIT ?4";
constexpr std::string_view find_samples =
    "WITH RECURSIVE t(s) AS (VALUES(?1) UNION ALL SELECT s - 1 FROM t WHERE s > ?2)"
    " SELECT received_s, time_ms, cpu_percent, ram_percent, disk_percent, cputemp_celsius,"
    " mbtemp_celsius, sample, boot_ns, interval_ms, source, cpus, mem_total_bytes"
    " FROM t CROSS JOIN host_samples ON received_s = s AND host_id = ?3"
    " ORDER BY received_s DESC, time_ms DESC LIMIT 2";
constexpr std::string_view find_known_vms =
    "SELECT id, uuid, name, start_ns FROM vms"
    " WHERE host_id = ?1 AND first_seen_ms < ?2 AND last_seen_ms >= ?3";
// Of version 3.
constexpr std::string_view find_vms_of_3 =
    "SELECT id, uuid, name, start_ns, state, cpu_percent, ram_kib, maxram_kib, pid, since_ns,"
    " vcpus, threads, cpu_ns, run_delay_ns, switches, rss_bytes"
    " FROM vms CROSS JOIN vm_samples_3 ON received_s = ?2 AND vm_id = id AND time_ms = ?3"
    " WHERE host_id = ?1 AND first_seen_ms < ?4 AND last_seen_ms >= ?5";
constexpr std::string_view find_blocks =
    "SELECT device, read_ops, read_bytes, write_ops, write_bytes, flush_ops, discard_ops, busy_ns,"
    " in_flight FROM vm_block_samples_3 WHERE received_s = ?1 AND vm_id = ?2 AND time_ms = ?3";

class Reader {
  public:
    Reader(Database& database, std::int64_t at_s) : database_(database), at_s_(at_s) {}

    Result<Snapshot> read(std::string_view after) {
        const std::pair<Statement*, std::string_view> statements[] = {{&hosts_, find_hosts},
                                                                      {&samples_, find_samples},
                                                                      {&known_, find_known_vms},
                                                                      {&vms_, find_vms_of_3},
                                                                      {&blocks_, find_blocks}};
        for (const auto& [statement, sql] : statements) {
            auto prepared = Statement::prepare(database_, sql);
            if (!prepared) return prepared.error();
            *statement = std::move(*prepared);
        }
        auto packs = PackReader::prepare(database_);
        if (!packs) return packs.error();
        packs_.emplace(std::move(*packs));
        Snapshot snapshot;
        hosts_.set(1, after);
        set_span(hosts_, 2);
        hosts_.set(4, static_cast<std::int64_t>(snapshot_hosts));
        std::string last;
        std::size_t looked_at = 0;
        bool is_full = false;
        while (!is_full && hosts_.next()) {
            last = hosts_.text(1);
            HostThen host;
            if (!read_samples(hosts_.integer(0), last, host)) return database_.error();
            if (!host.frames.empty()) snapshot.hosts.push_back(std::move(host));
            is_full = ++looked_at >= snapshot_hosts || vm_rows_ >= snapshot_vm_rows;
        }
        if (is_full) snapshot.next = std::move(last);
        if (!hosts_.reset()) return database_.error();
        return snapshot;
    }

  private:
    void set_span(Statement& statement, int column) const {
        statement.set(column, (at_s_ + 1) * 1000);
        statement.set(column + 1, (at_s_ - snapshot_reach_s) * 1000 - seen_is_rounded_by_ms);
    }

    // False where the database failed.
    bool read_samples(std::int64_t host_id, const std::string& name, HostThen& out) {
        samples_.set(1, at_s_);
        samples_.set(2, at_s_ - snapshot_reach_s - snapshot_before_s);
        samples_.set(3, host_id);
        while (samples_.next()) {
            if (out.frames.empty()) out.received_s = samples_.integer(0);
            if (out.received_s < at_s_ - snapshot_reach_s) break;
            auto& frame = out.frames.emplace_back();
            frame.host.name = name;
            read_host(samples_, frame.host);
            if (!read_packs(host_id, samples_.integer(0), samples_.integer(1), frame.vms) ||
                !read_vms(host_id, samples_.integer(0), samples_.integer(1), frame.vms)) {
                return false;
            }
        }
        std::ranges::reverse(out.frames);
        return samples_.reset();
    }

    static void read_host(const Statement& row, wire::Host& host) {
        host.time = static_cast<double>(row.integer(1)) / 1000;
        host.cpu = row.real(2);
        host.ram = row.real(3);
        host.disk = row.real(4);
        host.cputemp = row.real(5);
        host.mbtemp = row.real(6);
        wire::HostExt ext;
        ext.sample = row.counter(7);
        ext.boot = row.counter(8);
        ext.interval_ms = row.counter(9);
        if (auto source = row.text(10); !source.empty()) ext.source = std::move(source);
        ext.cpus = row.counter(11);
        ext.mem_total_bytes = row.counter(12);
        if (ext != wire::HostExt{}) host.ext = std::move(ext);
    }

    struct Known {
        std::string uuid, name;
        std::optional<std::uint64_t> start;
    };

    bool read_packs(std::int64_t host_id, std::int64_t received_s, std::int64_t time_ms,
                    std::vector<wire::Vm>& out) {
        if (!read_known(host_id)) return false;
        packs_->begin(host_id, received_s, received_s + 1);
        while (packs_->next()) {
            if (packs_->time_ms() != time_ms) continue;
            const auto& vms = packs_->members().vms;
            for (std::size_t i = 0; i < vms.size(); ++i) {
                const auto known = known_vms_.find(vms[i].id);
                if (known == known_vms_.end()) continue;
                ++vm_rows_;
                out.push_back(vm_of(known->second, packs_->vm(i), packs_->blocks(vms[i].id)));
            }
        }
        return packs_->end().has_value();
    }

    bool read_known(std::int64_t host_id) {
        if (known_of_ == host_id) return true;
        known_of_ = host_id;
        known_vms_.clear();
        known_.set(1, host_id);
        set_span(known_, 2);
        while (known_.next()) {
            known_vms_[known_.integer(0)] = {known_.text(1), known_.text(2), known_.counter(3)};
        }
        return known_.reset();
    }

    static wire::Vm vm_of(const Known& known_vm, const VmValues& values,
                          std::vector<wire::BlockCounters> blocks) {
        wire::Vm vm;
        vm.uuid = known_vm.uuid;
        vm.name = known_vm.name;
        vm.state = static_cast<wire::DomainState>(
            std::clamp<std::int64_t>(values[0], 0, wire::highest_domain_state));
        if (values[cpu_percent_column] != unknown_value)
            vm.cpu = static_cast<double>(values[cpu_percent_column]) / percent_units;
        vm.ram = known_value(values[2]);
        vm.maxram = known_value(values[3]);
        wire::VmExt ext;
        ext.start = known_vm.start;
        std::size_t column = 4;
        for (auto* const counter : counters_of(ext))
            *counter = known_value(values.at(column++));
        if (!blocks.empty()) ext.block = std::move(blocks);
        if (ext != wire::VmExt{}) vm.ext = std::move(ext);
        return vm;
    }

    // Those that a snapshot has, in the order of the columns.
    static std::array<std::optional<std::uint64_t>*, 8> counters_of(wire::VmExt& ext) {
        return {&ext.pid,    &ext.since,        &ext.vcpus,    &ext.threads,
                &ext.cpu_ns, &ext.run_delay_ns, &ext.switches, &ext.rss_bytes};
    }

    bool read_vms(std::int64_t host_id, std::int64_t received_s, std::int64_t time_ms,
                  std::vector<wire::Vm>& out) {
        vms_.set(1, host_id);
        vms_.set(2, received_s);
        vms_.set(3, time_ms);
        set_span(vms_, 4);
        while (vms_.next()) {
            ++vm_rows_;
            auto& vm = out.emplace_back();
            vm.uuid = vms_.text(1);
            vm.name = vms_.text(2);
            vm.state = static_cast<wire::DomainState>(
                std::clamp<std::int64_t>(vms_.integer(4), 0, wire::highest_domain_state));
            vm.cpu = vms_.real(5);
            vm.ram = vms_.counter(6);
            vm.maxram = vms_.counter(7);
            wire::VmExt ext;
            ext.start = vms_.counter(3);
            int column = 8;
            for (auto* const counter : counters_of(ext))
                *counter = vms_.counter(column++);
            if (!read_blocks(received_s, vms_.integer(0), time_ms, ext)) return false;
            if (ext != wire::VmExt{}) vm.ext = std::move(ext);
        }
        return vms_.reset();
    }

    bool read_blocks(std::int64_t received_s, std::int64_t vm_id, std::int64_t time_ms,
                     wire::VmExt& out) {
        blocks_.set(1, received_s);
        blocks_.set(2, vm_id);
        blocks_.set(3, time_ms);
        while (blocks_.next()) {
            if (!out.block) out.block.emplace();
            auto& block = out.block->emplace_back();
            block.device = blocks_.text(0);
            std::optional<std::uint64_t>* const counters[] = {
                &block.read_ops,  &block.read_bytes,  &block.write_ops, &block.write_bytes,
                &block.flush_ops, &block.discard_ops, &block.busy_ns,   &block.in_flight};
            int column = 1;
            for (auto* const counter : counters)
                *counter = blocks_.counter(column++);
        }
        return blocks_.reset();
    }

    Database& database_;
    std::int64_t at_s_;
    std::size_t vm_rows_ = 0;
    Statement hosts_, samples_, known_, vms_, blocks_;
    std::optional<PackReader> packs_;
    std::int64_t known_of_ = 0;
    std::unordered_map<std::int64_t, Known> known_vms_;
};

}  // namespace

Result<Snapshot> read_snapshot(Database& database, std::int64_t at_s, std::string_view after) {
    return Reader(database, at_s).read(after);
}

}  // namespace virtpulse::collector
