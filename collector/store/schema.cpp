#include "collector/store/schema.h"

namespace virtpulse::collector {
namespace {

// Names end in their unit. Times in ms and ns are since the Unix epoch: `time_ms` is the host's own
// clock when it took the sample, `received_ms` and the rest are the collector's. Only `start_ns` is
// since the host booted. NULL means unknown. Counters (`*_ns`, `*_ops`, `*_bytes`, switches) are
// cumulative since `since_ns`; `rss_bytes` and `in_flight` are not. The parts of a sample share
// their time, and the first key column keeps the samples of one host or VM together.
constexpr const char* tables = R"sql(
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

CREATE TABLE host_samples(
    host_id INTEGER NOT NULL REFERENCES hosts(id),
    time_ms INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
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
    PRIMARY KEY(host_id, time_ms)) WITHOUT ROWID;

CREATE TABLE vm_samples(
    vm_id INTEGER NOT NULL REFERENCES vms(id),
    time_ms INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
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
    PRIMARY KEY(vm_id, time_ms)) WITHOUT ROWID;

CREATE TABLE vm_block_samples(
    vm_id INTEGER NOT NULL REFERENCES vms(id),
    time_ms INTEGER NOT NULL,
    device TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    read_ops INTEGER,
    read_bytes INTEGER,
    write_ops INTEGER,
    write_bytes INTEGER,
    flush_ops INTEGER,
    discard_ops INTEGER,
    busy_ns INTEGER,
    in_flight INTEGER,
    PRIMARY KEY(vm_id, time_ms, device)) WITHOUT ROWID;

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

Result<> make(Database& database) {
    const auto number = [](int value) { return std::to_string(value); };
    return database.execute(
        "BEGIN IMMEDIATE;" + std::string(tables) +
        "INSERT INTO meta VALUES('made_by', 'virtpulse-collector " VIRTPULSE_VERSION
        "');"
        "PRAGMA application_id = " +
        number(application_id) +
        ";"
        "PRAGMA user_version = " +
        number(schema_version) +
        ";"
        "COMMIT");
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
    if (!empty && *version != schema_version) {
        return Error{file + " has schema version " + std::to_string(version->value_or(0)) +
                     ", this collector knows " + std::to_string(schema_version) +
                     ": run a newer collector, or choose another file with --db"};
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
    // Finds out now whether it can be written, not at the first sample.
    return database.execute("BEGIN IMMEDIATE; ROLLBACK");
}

}  // namespace virtpulse::collector
