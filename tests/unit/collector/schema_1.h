// The tables as version 1 of the schema had them, for the test of the change to the next.
#pragma once

inline constexpr const char* schema_1 = R"sql(
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
