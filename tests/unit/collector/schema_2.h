// The tables as version 2 of the schema had them, for the test of the change to the next.
#pragma once

inline constexpr const char* schema_2 = R"sql(
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE hosts(
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    machine_id TEXT,
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms INTEGER NOT NULL);
CREATE TABLE vms(
    id INTEGER PRIMARY KEY,
    host_id INTEGER NOT NULL REFERENCES hosts(id),
    uuid TEXT NOT NULL,
    start_ns INTEGER,
    name TEXT NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms INTEGER NOT NULL);
CREATE UNIQUE INDEX vms_by_identity ON vms(host_id, uuid, ifnull(start_ns, -1));
CREATE TABLE events(
    id INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    kind TEXT NOT NULL,
    host TEXT NOT NULL,
    vm_uuid TEXT,
    vm_name TEXT,
    detail TEXT);
CREATE INDEX events_by_time ON events(time_ms);
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
CREATE TABLE host_10s(start_s INTEGER NOT NULL, host_id INTEGER NOT NULL REFERENCES hosts(id),
samples INTEGER NOT NULL, span_ms INTEGER NOT NULL, cpu_percent_min REAL, cpu_percent_mean REAL,
cpu_percent_max REAL, ram_percent_min REAL, ram_percent_mean REAL, ram_percent_max REAL,
disk_percent_min REAL, disk_percent_mean REAL, disk_percent_max REAL, cputemp_celsius_min REAL,
cputemp_celsius_mean REAL, cputemp_celsius_max REAL, mbtemp_celsius_min REAL,
mbtemp_celsius_mean REAL, mbtemp_celsius_max REAL, agent_rss_bytes_min REAL,
agent_rss_bytes_mean REAL, agent_rss_bytes_max REAL, agent_cpu_ns INTEGER, agent_cpu_ns_min
REAL, agent_cpu_ns_max REAL, PRIMARY KEY(start_s, host_id)) WITHOUT ROWID;
CREATE TABLE host_1min(start_s INTEGER NOT NULL, host_id INTEGER NOT NULL REFERENCES hosts(id),
samples INTEGER NOT NULL, span_ms INTEGER NOT NULL, cpu_percent_min REAL, cpu_percent_mean REAL,
cpu_percent_max REAL, ram_percent_min REAL, ram_percent_mean REAL, ram_percent_max REAL,
disk_percent_min REAL, disk_percent_mean REAL, disk_percent_max REAL, cputemp_celsius_min REAL,
cputemp_celsius_mean REAL, cputemp_celsius_max REAL, mbtemp_celsius_min REAL,
mbtemp_celsius_mean REAL, mbtemp_celsius_max REAL, agent_rss_bytes_min REAL,
agent_rss_bytes_mean REAL, agent_rss_bytes_max REAL, agent_cpu_ns INTEGER, agent_cpu_ns_min
REAL, agent_cpu_ns_max REAL, PRIMARY KEY(start_s, host_id)) WITHOUT ROWID;
CREATE TABLE host_1h(start_s INTEGER NOT NULL, host_id INTEGER NOT NULL REFERENCES hosts(id),
samples INTEGER NOT NULL, span_ms INTEGER NOT NULL, cpu_percent_min REAL, cpu_percent_mean REAL,
cpu_percent_max REAL, ram_percent_min REAL, ram_percent_mean REAL, ram_percent_max REAL,
disk_percent_min REAL, disk_percent_mean REAL, disk_percent_max REAL, cputemp_celsius_min REAL,
cputemp_celsius_mean REAL, cputemp_celsius_max REAL, mbtemp_celsius_min REAL,
mbtemp_celsius_mean REAL, mbtemp_celsius_max REAL, agent_rss_bytes_min REAL,
agent_rss_bytes_mean REAL, agent_rss_bytes_max REAL, agent_cpu_ns INTEGER, agent_cpu_ns_min
REAL, agent_cpu_ns_max REAL, PRIMARY KEY(start_s, host_id)) WITHOUT ROWID;
CREATE TABLE vm_10s(start_s INTEGER NOT NULL, vm_id INTEGER NOT NULL REFERENCES vms(id), samples
INTEGER NOT NULL, span_ms INTEGER NOT NULL, cpu_percent_min REAL, cpu_percent_mean REAL,
cpu_percent_max REAL, ram_kib_min REAL, ram_kib_mean REAL, ram_kib_max REAL, rss_bytes_min REAL,
rss_bytes_mean REAL, rss_bytes_max REAL, cpu_ns INTEGER, cpu_ns_min REAL, cpu_ns_max REAL,
run_delay_ns INTEGER, run_delay_ns_min REAL, run_delay_ns_max REAL, switches INTEGER,
switches_min REAL, switches_max REAL, read_ops INTEGER, read_ops_min REAL, read_ops_max REAL,
read_bytes INTEGER, read_bytes_min REAL, read_bytes_max REAL, write_ops INTEGER, write_ops_min
REAL, write_ops_max REAL, write_bytes INTEGER, write_bytes_min REAL, write_bytes_max REAL,
flush_ops INTEGER, flush_ops_min REAL, flush_ops_max REAL, discard_ops INTEGER, discard_ops_min
REAL, discard_ops_max REAL, busy_ns INTEGER, busy_ns_min REAL, busy_ns_max REAL, PRIMARY
KEY(start_s, vm_id)) WITHOUT ROWID;
CREATE TABLE vm_1min(start_s INTEGER NOT NULL, vm_id INTEGER NOT NULL REFERENCES vms(id),
samples INTEGER NOT NULL, span_ms INTEGER NOT NULL, cpu_percent_min REAL, cpu_percent_mean REAL,
cpu_percent_max REAL, ram_kib_min REAL, ram_kib_mean REAL, ram_kib_max REAL, rss_bytes_min REAL,
rss_bytes_mean REAL, rss_bytes_max REAL, cpu_ns INTEGER, cpu_ns_min REAL, cpu_ns_max REAL,
run_delay_ns INTEGER, run_delay_ns_min REAL, run_delay_ns_max REAL, switches INTEGER,
switches_min REAL, switches_max REAL, read_ops INTEGER, read_ops_min REAL, read_ops_max REAL,
read_bytes INTEGER, read_bytes_min REAL, read_bytes_max REAL, write_ops INTEGER, write_ops_min
REAL, write_ops_max REAL, write_bytes INTEGER, write_bytes_min REAL, write_bytes_max REAL,
flush_ops INTEGER, flush_ops_min REAL, flush_ops_max REAL, discard_ops INTEGER, discard_ops_min
REAL, discard_ops_max REAL, busy_ns INTEGER, busy_ns_min REAL, busy_ns_max REAL, PRIMARY
KEY(start_s, vm_id)) WITHOUT ROWID;
CREATE TABLE vm_1h(start_s INTEGER NOT NULL, vm_id INTEGER NOT NULL REFERENCES vms(id), samples
INTEGER NOT NULL, span_ms INTEGER NOT NULL, cpu_percent_min REAL, cpu_percent_mean REAL,
cpu_percent_max REAL, ram_kib_min REAL, ram_kib_mean REAL, ram_kib_max REAL, rss_bytes_min REAL,
rss_bytes_mean REAL, rss_bytes_max REAL, cpu_ns INTEGER, cpu_ns_min REAL, cpu_ns_max REAL,
run_delay_ns INTEGER, run_delay_ns_min REAL, run_delay_ns_max REAL, switches INTEGER,
switches_min REAL, switches_max REAL, read_ops INTEGER, read_ops_min REAL, read_ops_max REAL,
read_bytes INTEGER, read_bytes_min REAL, read_bytes_max REAL, write_ops INTEGER, write_ops_min
REAL, write_ops_max REAL, write_bytes INTEGER, write_bytes_min REAL, write_bytes_max REAL,
flush_ops INTEGER, flush_ops_min REAL, flush_ops_max REAL, discard_ops INTEGER, discard_ops_min
REAL, discard_ops_max REAL, busy_ns INTEGER, busy_ns_min REAL, busy_ns_max REAL, PRIMARY
KEY(start_s, vm_id)) WITHOUT ROWID;
)sql";
