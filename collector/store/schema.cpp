#include "collector/store/schema.h"

#include <spdlog/spdlog.h>

#include "collector/store/rollup_tables.h"
#include "collector/store/vm_packs.h"
#include "collector/store/vm_rollups.h"

namespace virtpulse::collector {
namespace {

// docs/SCHEMA.md says what each table and column means. Samples are keyed by when they came in
// first: rows are then appended, where a key by host or VM first would touch a page for each.
constexpr const char* fixed_tables = R"sql(
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE hosts(
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    machine_id TEXT,
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms INTEGER NOT NULL);  -- to the minute

CREATE TABLE vms(
    id INTEGER PRIMARY KEY,
    host_id INTEGER NOT NULL REFERENCES hosts(id),
    uuid TEXT NOT NULL,
    start_ns INTEGER,
    name TEXT NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms INTEGER NOT NULL);  -- to the minute
-- A VM is the same while uuid and start are; NULLs alone would all be different.
CREATE UNIQUE INDEX vms_by_identity ON vms(host_id, uuid, ifnull(start_ns, -1));

-- By name, so that an event outlives what it is about.
CREATE TABLE events(
    id INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    kind TEXT NOT NULL,
    host TEXT NOT NULL,
    vm_uuid TEXT,
    vm_name TEXT,
    detail TEXT);
CREATE INDEX events_by_time ON events(time_ms);
)sql";

constexpr const char* sample_tables = R"sql(
CREATE TABLE host_samples(
    received_s INTEGER NOT NULL,
    host_id INTEGER NOT NULL REFERENCES hosts(id),
    time_ms INTEGER NOT NULL,
    cpu_percent REAL,
    ram_percent REAL,
    disk_percent REAL,
    cputemp_celsius REAL,
    mbtemp_celsius REAL,
    sample INTEGER,
    boot_ns INTEGER,
    interval_ms INTEGER,
    source TEXT,
    cpus INTEGER,
    mem_total_bytes INTEGER,
    agent_cpu_ns INTEGER,
    agent_rss_bytes INTEGER,
    agent_sample_ns INTEGER,
    agent_send_errors INTEGER,
    agent_late_samples INTEGER,
    agent_omitted_vms INTEGER,
    agent_update_failures INTEGER,
    agent_lost_completions INTEGER,
    PRIMARY KEY(received_s, host_id, time_ms)) WITHOUT ROWID;

CREATE TABLE vm_samples(
    received_s INTEGER NOT NULL,
    vm_id INTEGER NOT NULL REFERENCES vms(id),
    time_ms INTEGER NOT NULL,
    state INTEGER NOT NULL,
    cpu_percent REAL,
    ram_kib INTEGER,
    maxram_kib INTEGER,
    pid INTEGER,
    since_ns INTEGER,
    vcpus INTEGER,
    threads INTEGER,
    cpu_ns INTEGER,
    run_delay_ns INTEGER,
    switches INTEGER,
    rss_bytes INTEGER,
    PRIMARY KEY(received_s, vm_id, time_ms)) WITHOUT ROWID;

CREATE TABLE vm_block_samples(
    received_s INTEGER NOT NULL,
    vm_id INTEGER NOT NULL REFERENCES vms(id),
    time_ms INTEGER NOT NULL,
    device TEXT NOT NULL,
    read_ops INTEGER,
    read_bytes INTEGER,
    write_ops INTEGER,
    write_bytes INTEGER,
    flush_ops INTEGER,
    discard_ops INTEGER,
    busy_ns INTEGER,
    in_flight INTEGER,
    PRIMARY KEY(received_s, vm_id, time_ms, device)) WITHOUT ROWID;
)sql";

// What version 3 has more, at the end of each table: one that is new is made in the same way.
constexpr const char* columns_of_3 = R"sql(
ALTER TABLE host_samples ADD COLUMN cpu_pressure_us INTEGER;
ALTER TABLE host_samples ADD COLUMN memory_pressure_us INTEGER;
ALTER TABLE host_samples ADD COLUMN io_pressure_us INTEGER;
ALTER TABLE host_samples ADD COLUMN ksm_saved_bytes INTEGER;
ALTER TABLE vm_samples ADD COLUMN wait_p50_ns INTEGER;
ALTER TABLE vm_samples ADD COLUMN wait_p99_ns INTEGER;
ALTER TABLE vm_samples ADD COLUMN wait_vm_ns INTEGER;
ALTER TABLE vm_samples ADD COLUMN wait_process_ns INTEGER;
ALTER TABLE vm_samples ADD COLUMN wait_own_ns INTEGER;
ALTER TABLE vm_samples ADD COLUMN wait_quota_ns INTEGER;
ALTER TABLE vm_samples ADD COLUMN kvm_exits INTEGER;
ALTER TABLE vm_samples ADD COLUMN kvm_guest_ns INTEGER;
ALTER TABLE vm_samples ADD COLUMN kvm_halt_poll_ns INTEGER;
ALTER TABLE vm_samples ADD COLUMN major_faults INTEGER;
ALTER TABLE vm_samples ADD COLUMN throttled_ns INTEGER;
ALTER TABLE vm_samples ADD COLUMN memory_pressure_us INTEGER;
ALTER TABLE vm_samples ADD COLUMN io_pressure_us INTEGER;
ALTER TABLE vm_block_samples ADD COLUMN read_queue_ns INTEGER;
ALTER TABLE vm_block_samples ADD COLUMN read_device_ns INTEGER;
ALTER TABLE vm_block_samples ADD COLUMN write_queue_ns INTEGER;
ALTER TABLE vm_block_samples ADD COLUMN write_device_ns INTEGER;
ALTER TABLE vm_block_samples ADD COLUMN read_p99_ns INTEGER;
ALTER TABLE vm_block_samples ADD COLUMN write_p99_ns INTEGER;
ALTER TABLE vm_block_samples ADD COLUMN ahead_ns INTEGER;
)sql";

// Version 4 has samples of VMs in packs. What is there stays where it is until it is too old, so
// that nobody waits for it to be copied; a file that is new has these tables as well, and nothing
// in them.
constexpr const char* old_samples_of_4 = R"sql(
ALTER TABLE vm_samples RENAME TO vm_samples_3;
ALTER TABLE vm_block_samples RENAME TO vm_block_samples_3;
)sql";

std::string version_is(int version) {
    return "PRAGMA user_version = " + std::to_string(version) + ";";
}

std::string all_rollups() {
    return rollup_schema(host_subject) + rollup_schema(vm_subject);
}

Result<> make(Database& database) {
    return database.execute(
        "BEGIN IMMEDIATE;" + std::string(fixed_tables) + sample_tables + columns_of_3 +
        old_samples_of_4 + all_rollups() + move_old_rollups() + pack_schema() +
        rollup_pack_schema() +
        "INSERT INTO meta VALUES('made_by', 'virtpulse-collector " VIRTPULSE_VERSION
        "');"
        "PRAGMA application_id = " +
        std::to_string(application_id) + ";" + version_is(schema_version) + "COMMIT");
}

// Version 1 had no roll-ups, and keys by host and VM first. The roll-ups of what is there are made
// by the writer, as after a kill.
Result<> migrate_from_1(Database& database) {
    std::string sql = "BEGIN IMMEDIATE;";
    for (const std::string table : {"host_samples", "vm_samples", "vm_block_samples"})
        sql.append("ALTER TABLE ")
            .append(table)
            .append(" RENAME TO old_")
            .append(table)
            .append(";");
    sql += sample_tables + all_rollups();
    sql +=
        "INSERT OR IGNORE INTO host_samples SELECT received_ms / 1000, host_id, time_ms,"
        " cpu_percent, ram_percent, disk_percent, cputemp_celsius, mbtemp_celsius, sample, boot_ns,"
        " interval_ms, source, cpus, mem_total_bytes, agent_cpu_ns, agent_rss_bytes,"
        " agent_sample_ns, agent_send_errors, agent_late_samples, agent_omitted_vms,"
        " agent_update_failures, agent_lost_completions FROM old_host_samples ORDER BY 1, 2, 3;"
        "INSERT OR IGNORE INTO vm_samples SELECT received_ms / 1000, vm_id, time_ms, state,"
        " cpu_percent, ram_kib, maxram_kib, pid, since_ns, vcpus, threads, cpu_ns, run_delay_ns,"
        " switches, rss_bytes FROM old_vm_samples ORDER BY 1, 2, 3;"
        "INSERT OR IGNORE INTO vm_block_samples SELECT received_ms / 1000, vm_id, time_ms, device,"
        " read_ops, read_bytes, write_ops, write_bytes, flush_ops, discard_ops, busy_ns, in_flight"
        " FROM old_vm_block_samples ORDER BY 1, 2, 3, 4;"
        "DROP TABLE old_host_samples; DROP TABLE old_vm_samples; DROP TABLE old_vm_block_samples;";
    auto done = database.execute(sql + columns_of_3 + old_samples_of_4 + move_old_rollups() +
                                 pack_schema() + rollup_pack_schema() + version_is(schema_version) +
                                 "COMMIT");
    if (!done) (void)database.execute("ROLLBACK");  // the file is then as it was
    return done;
}

// Version 2 lacked columns; rows that are there have NULL in them. Roll-ups of versions 3 and 4 got
// some until their release. Version 5 has roll-ups of VMs in packs; as of samples, what is there
// stays where it is until it is too old.
Result<> migrate(Database& database, std::int64_t from) {
    auto done = database.execute("BEGIN IMMEDIATE;" + std::string(from < 3 ? columns_of_3 : ""));
    for (const auto* const subject : {&host_subject, &vm_subject}) {
        if (done) done = add_rollup_columns(database, *subject);
    }
    if (done) {
        done = database.execute(move_old_rollups() +
                                (from < 4 ? old_samples_of_4 + pack_schema() : std::string()) +
                                rollup_pack_schema() + version_is(schema_version) + "COMMIT");
    }
    if (!done) (void)database.execute("ROLLBACK");
    return done;
}

}  // namespace

Result<> prepare_schema(Database& database) {
    const auto ask = [&](const char* sql) { return database.query_integer(sql); };
    const auto tables_there = ask("SELECT count(*) FROM sqlite_master");
    if (!tables_there) return tables_there.error();
    const auto id = ask("PRAGMA application_id");
    if (!id) return id.error();
    const auto version = ask("PRAGMA user_version");
    if (!version) return version.error();

    const std::string file = "database " + database.path();
    const bool empty = *tables_there == 0;
    if (!empty && *id != application_id) {
        return Error{file + " is of another program: choose another file with --db"};
    }
    if (!empty && (*version < 1 || *version > schema_version)) {
        return Error{file + " has schema version " + std::to_string(version->value_or(0)) +
                     ", this collector knows 1 to " + std::to_string(schema_version) +
                     ": run a newer collector, or choose another file with --db"};
    }
    // Space that retention frees can then be given back; it must be said before the first table.
    if (empty) {
        if (auto set = database.execute("PRAGMA auto_vacuum = INCREMENTAL"); !set) return set;
    }
    // WAL lets others read while we write, and is kept in the file; NORMAL is safe against a
    // crash of the program, and in WAL mode against corruption by a crash of the machine.
    auto set = database.execute(
        "PRAGMA journal_mode = WAL;"
        "PRAGMA synchronous = NORMAL;"
        "PRAGMA journal_size_limit = 67108864;"
        "PRAGMA cache_size = -65536");
    if (!set) return set;
    if (empty) return make(database);
    if (*version < schema_version) {
        spdlog::info("{}: its schema is being changed from version {} to {}", file, **version,
                     schema_version);
        return *version == 1 ? migrate_from_1(database) : migrate(database, **version);
    }
    // Finds out now whether it can be written, not at the first sample.
    return database.execute("BEGIN IMMEDIATE; COMMIT");
}

}  // namespace virtpulse::collector
