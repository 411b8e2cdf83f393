// What a writer learns from the rows of the one before it.
#include <spdlog/spdlog.h>

#include "collector/store/writer.h"

namespace virtpulse::collector {
namespace {

// The buckets before the last one were open too if few samples came since, and the last sample
// before the open bucket is what its counters are counted from.
constexpr std::int64_t look_back_s = 2 * 10;
constexpr std::int64_t seen_lags_s = 120;  // last_seen_ms is to the minute
constexpr int rows_in_a_transaction = 20'000;

constexpr std::string_view known =
    "SELECT hosts.name, hosts.id, hosts.last_seen_ms, vms.id, uuid, start_ns, vms.name,"
    " vms.last_seen_ms FROM hosts LEFT JOIN vms ON host_id = hosts.id AND vms.last_seen_ms >= ?1"
    " WHERE hosts.last_seen_ms >= ?1";
constexpr std::string_view host_rows =
    "SELECT host_id, received_s, time_ms, boot_ns, cpu_percent, ram_percent, disk_percent,"
    " cputemp_celsius, mbtemp_celsius, agent_rss_bytes, agent_cpu_ns"
    " FROM host_samples WHERE received_s >= ? ORDER BY received_s, host_id, time_ms";
constexpr std::string_view vm_rows =
    "SELECT s.vm_id, s.received_s, s.time_ms, since_ns, cpu_percent, ram_kib, rss_bytes, cpu_ns,"
    " run_delay_ns, switches, sum(read_ops), sum(read_bytes), sum(write_ops), sum(write_bytes),"
    " sum(flush_ops), sum(discard_ops), sum(busy_ns), count(device)"
    " FROM vm_samples s LEFT JOIN vm_block_samples USING(received_s, vm_id, time_ms)"
    " WHERE s.received_s >= ? GROUP BY s.received_s, s.vm_id, s.time_ms";

Reading read_row(const Statement& row, const Subject& subject) {
    Reading reading;
    reading.time_s = static_cast<double>(row.integer(2)) / 1000;
    reading.since = row.counter(3);
    int column = 4;
    for (std::size_t i = 0; i < subject.gauges.size(); ++i)
        reading.gauges[i] = row.real(column++);
    for (std::size_t i = 0; i < subject.counters.size(); ++i)
        reading.counters[i] = row.counter(column++);
    return reading;
}

}  // namespace

Result<> Writer::replay() {
    const auto last = database_->query_integer(
        "SELECT max(ifnull((SELECT max(received_s) FROM host_samples), -1),"
        " ifnull((SELECT max(received_s) FROM vm_samples), -1))");
    if (!last) return last.error();
    const auto done = database_->query_integer(
        "SELECT max(ifnull((SELECT max(start_s) FROM host_10s), -1),"
        " ifnull((SELECT max(start_s) FROM vm_10s), -1))");
    if (!done) return done.error();
    if (last->value_or(-1) < 0) return {};
    const auto from_s =
        std::max<std::int64_t>(0, std::min(**last - **last % 10, done->value_or(0)) - look_back_s);
    spdlog::debug("database: rolling up what came since {}", from_s);

    auto statement = Statement::prepare(*database_, known);
    if (!statement) return statement.error();
    statement->set(1, (from_s - seen_lags_s) * 1000);
    while (statement->next()) {
        auto& host = hosts_[statement->text(0)];
        host.id = statement->integer(1);
        host.touched_ms = statement->integer(2);
        if (!statement->counter(3)) continue;
        auto& vm = host.vms[vm_key(statement->text(4), statement->counter(5))];
        vm = {statement->integer(3), statement->integer(7), statement->text(6), {}};
        ++known_vms_;
    }
    if (!statement->reset()) return database_->error();

    std::unordered_map<std::int64_t, OpenBucket*> hosts;
    std::unordered_map<std::int64_t, OpenBucket*> vms;
    for (auto& [name, host] : hosts_) {
        hosts[host.id] = &host.open;
        for (auto& [key, vm] : host.vms)
            vms[vm.id] = &vm.open;
    }
    if (auto done_hosts = replay(host_rollups_, host_subject, host_rows, from_s, hosts);
        !done_hosts)
        return done_hosts;
    return replay(vm_rollups_, vm_subject, vm_rows, from_s, vms);
}

Result<> Writer::replay(RollupTables& tables, const Subject& subject, std::string_view sql,
                        std::int64_t from_s,
                        const std::unordered_map<std::int64_t, OpenBucket*>& known_ids) {
    auto rows = Statement::prepare(*database_, sql);
    if (!rows) return rows.error();
    tables.set_replaying(true);
    if (auto begun = database_->execute("BEGIN IMMEDIATE"); !begun) return begun;
    rows->set(1, from_s);
    int count = 0;
    while (rows->next()) {
        const auto found = known_ids.find(rows->integer(0));
        if (found == known_ids.end()) continue;
        auto reading = read_row(*rows, subject);
        if (&subject == &vm_subject) reading.devices = static_cast<std::size_t>(rows->integer(17));
        if (!tables.add(*found->second, found->first, rows->integer(1), reading)) {
            return database_->error();
        }
        if (++count % rows_in_a_transaction != 0) continue;
        if (auto done = database_->execute("COMMIT; BEGIN IMMEDIATE"); !done) return done;
    }
    if (!rows->reset()) return database_->error();
    tables.set_replaying(false);
    return database_->execute("COMMIT");
}

}  // namespace virtpulse::collector
