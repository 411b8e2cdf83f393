// What a writer learns from the rows of the one before it.
#include "collector/store/replay.h"

#include <spdlog/spdlog.h>

#include "collector/clock.h"
#include "collector/store/vm_packs.h"
#include "collector/store/writer.h"

namespace virtpulse::collector {
namespace {

// The buckets before the last one were open too if few samples came since, and the last sample
// before the open bucket is what its counters are counted from.
constexpr std::int64_t look_back_s = 20;
constexpr std::int64_t seen_lags_s = 120;  // last_seen_ms is to the minute
constexpr int rows_a_commit = 20'000;

constexpr std::string_view known_vms =
    "SELECT hosts.name, hosts.id, hosts.last_seen_ms, vms.id, uuid, start_ns, vms.name,"
    " vms.last_seen_ms FROM hosts LEFT JOIN vms ON host_id = hosts.id AND vms.last_seen_ms >= ?1"
    " WHERE hosts.last_seen_ms >= ?1";
constexpr std::string_view host_columns =
    "host_id, received_s, time_ms, boot_ns, cpu_percent, ram_percent, disk_percent,"
    " cputemp_celsius, mbtemp_celsius, agent_rss_bytes, ksm_saved_bytes, agent_cpu_ns,"
    " cpu_pressure_us, memory_pressure_us, io_pressure_us";
// Of the tables of version 3.
constexpr std::string_view vm_columns_3 =
    "v.vm_id, v.received_s, v.time_ms, since_ns, cpu_percent, ram_kib, rss_bytes, wait_p99_ns,"
    " max(read_p99_ns), max(write_p99_ns), cpu_ns, run_delay_ns, switches, sum(read_ops),"
    " sum(read_bytes), sum(write_ops), sum(write_bytes), sum(flush_ops), sum(discard_ops),"
    " sum(busy_ns), sum(read_queue_ns + read_device_ns), sum(write_queue_ns + write_device_ns),"
    " wait_vm_ns, wait_process_ns, wait_quota_ns, kvm_exits, kvm_halt_poll_ns, major_faults,"
    " throttled_ns, memory_pressure_us, io_pressure_us, wait_own_ns, kvm_guest_ns, sum(ahead_ns),"
    " count(device)";
constexpr std::string_view vm_join =
    " LEFT JOIN vm_block_samples_3 b ON b.received_s = v.received_s AND b.vm_id = v.vm_id"
    " AND b.time_ms = v.time_ms";

std::string samples_since(const Subject& subject) {
    if (&subject == &host_subject) {
        return "SELECT " + std::string(host_columns) +
               " FROM host_samples WHERE received_s >= ?"
               " ORDER BY received_s, host_id, time_ms";
    }
    return "SELECT " + std::string(vm_columns_3) + " FROM vm_samples_3 v" + std::string(vm_join) +
           " WHERE v.received_s >= ? GROUP BY v.received_s, v.vm_id, v.time_ms";
}

}  // namespace

std::string samples_of_one(const Subject& subject) {
    if (&subject == &host_subject) {
        return "SELECT " + std::string(host_columns) +
               " FROM t CROSS JOIN host_samples ON received_s = s AND host_id = ?3"
               " ORDER BY received_s, time_ms";
    }
    return "SELECT " + std::string(vm_columns_3) +
           " FROM t CROSS JOIN vm_samples_3 v ON v.received_s = s AND v.vm_id = ?3" +
           std::string(vm_join) + " GROUP BY v.received_s, v.time_ms";
}

Reading read_sample(const Statement& row, const Subject& subject) {
    Reading reading;
    reading.time_s = static_cast<double>(row.integer(2)) / 1000;
    reading.since = row.counter(3);
    int column = 4;
    for (std::size_t i = 0; i < subject.gauges.size(); ++i)
        reading.gauges[i] = row.real(column++);
    for (std::size_t i = 0; i < subject.counters.size(); ++i)
        reading.counters[i] = row.counter(column++);
    if (&subject == &vm_subject) reading.devices = static_cast<std::size_t>(row.integer(column));
    return reading;
}

Result<> Writer::replay() {
    // What a clock that ran ahead has left says nothing of where we are, unless there is no other.
    using Table = std::pair<std::string, std::string>;  // and a condition
    const auto newest = [&](const std::string& time, const std::vector<Table>& tables) {
        std::string sql = "SELECT max(-1";
        for (const auto& [table, condition] : tables) {
            auto any = "(SELECT max(" + time + ") FROM " + table;
            any.append(" WHERE ").append(condition);
            sql.append(", coalesce(").append(any).append(" AND ").append(time);
            sql.append(" <= ").append(std::to_string(unix_ms() / 1000)).append("), ");
            sql.append(any).append("), -1)");
        }
        return database_->query_integer(sql + ")");
    };
    const auto last = newest("received_s", {{"host_samples", "true"}, {"vm_packs", "true"}});
    if (!last) return last.error();
    const auto done =
        newest("start_s", {{"host_10s", "true"},
                           {old_rollup_table(tiers[0]), "true"},
                           {"vm_rollup_packs", "step_s = " + std::to_string(tiers[0].step_s)}});
    if (!done) return done.error();
    if (last->value_or(-1) < 0) return {};
    const auto from_s =
        std::max<std::int64_t>(0, std::min(**last - **last % 10, done->value_or(0)) - look_back_s);
    spdlog::debug("database: rolling up what came since {}", from_s);

    auto statement = Statement::prepare(*database_, known_vms);
    if (!statement) return statement.error();
    statement->set(1, (from_s - seen_lags_s) * 1000);
    while (statement->next()) {
        auto& host = hosts_[statement->text(0)];
        host.id = statement->integer(1);
        host.touched_ms = statement->integer(2);
        if (!statement->counter(3)) continue;
        auto& vm = find_vm(host, statement->text(4), statement->counter(5));
        vm.id = statement->integer(3);
        vm.name = statement->text(6);
        vm.touched_ms = statement->integer(7);
    }
    if (!statement->reset()) return database_->error();

    replaying_ = true;
    host_rollups_.set_replaying(true);
    if (auto hosts = replay_hosts(from_s); !hosts) return hosts;
    if (auto vms = replay_vms(from_s, **last + 1); !vms) return vms;
    for (auto& [name, host] : hosts_) {
        if (!host_rollups_.forget_stored(host.open, host.id) || !forget_stored(host))
            return database_->error();
    }
    replaying_ = false;
    host_rollups_.set_replaying(false);
    return {};
}

Result<> Writer::replay_hosts(std::int64_t from_s) {
    std::unordered_map<std::int64_t, HostRow*> hosts;
    for (auto& [name, host] : hosts_)
        hosts[host.id] = &host;
    return replay_rows(host_subject, from_s, [&](const Statement& row) {
        const auto found = hosts.find(row.integer(0));
        return found == hosts.end() ||
               host_rollups_.add(found->second->open, found->first, row.integer(1),
                                 read_sample(row, host_subject));
    });
}

Result<> Writer::replay_vms(std::int64_t from_s, std::int64_t to_s) {
    std::unordered_map<std::int64_t, std::pair<HostRow*, VmRow*>> vms;
    for (auto& [name, host] : hosts_) {
        for (auto& [key, vm] : host.vms)
            vms[vm.id] = {&host, &vm};
    }
    const auto add = [&](std::int64_t id, std::int64_t received_s, const auto& read) {
        const auto found = vms.find(id);
        return found == vms.end() ||
               roll_up(*found->second.first, *found->second.second, received_s, read());
    };
    auto done = replay_rows(vm_subject, from_s, [&](const Statement& row) {
        return add(row.integer(0), row.integer(1), [&] { return read_sample(row, vm_subject); });
    });
    if (!done) return done;
    auto packs = PackReader::prepare(*database_);
    if (!packs) return packs.error();
    for (const auto& [name, host] : hosts_) {
        if (auto begun = database_->execute("BEGIN IMMEDIATE"); !begun) return begun;
        packs->begin(host.id, from_s, to_s);
        while (packs->next()) {
            for (std::size_t i = 0; i < packs->members().vms.size(); ++i) {
                if (!add(packs->members().vms[i].id, packs->received_s(),
                         [&] { return packs->reading(i); })) {
                    return database_->error();
                }
            }
        }
        if (auto read = packs->end(); !read) return read;
        if (auto committed = database_->execute("COMMIT"); !committed) return committed;
    }
    return {};
}

Result<> Writer::replay_rows(const Subject& subject, std::int64_t from_s,
                             const std::function<bool(const Statement& row)>& add) {
    auto rows = Statement::prepare(*database_, samples_since(subject));
    if (!rows) return rows.error();
    if (auto begun = database_->execute("BEGIN IMMEDIATE"); !begun) return begun;
    rows->set(1, from_s);
    int count = 0;
    while (rows->next()) {
        if (!add(*rows)) return database_->error();
        if (++count % rows_a_commit != 0) continue;
        if (auto done = database_->execute("COMMIT; BEGIN IMMEDIATE"); !done) return done;
    }
    if (!rows->reset()) return database_->error();
    return database_->execute("COMMIT");
}

}  // namespace virtpulse::collector
