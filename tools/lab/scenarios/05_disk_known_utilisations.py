"""5. Disk: known utilisations, checked against diskstats

Set: a VM's disk busy for 20, 50 and 80 % of the time, as the guest counts it; then the host's own disk
for 50 %.

Expected: what the VM wrote is the same by eBPF, by libvirt and by the guest's own count, byte for byte
but for half a per cent. The host's utilisation is that of /proc/diskstats, and what was set.

Why: the guest's disk passes the page cache by (cache=none), so each of its writes is one of the host's
disk at once. The guest's utilisation counts a request from when the guest's driver has it, the
host's share of it only while the host's disk works on it: the latter is noted, and is smaller."""


def run(bench):
    (vm,) = bench.start("vm", cache="none", io="native")
    checks = bench.checks
    for percent in (20, 50, 80):
        with bench.counted() as whole, vm.load(f"disk {percent} 1000", percent) as said:
            window = bench.measure(8, settle=2)
        at = f"VM at {percent} %"
        checks.near(
            f"{at}: the guest's diskstats", percent, said["measured_percent"], 3, "%",
            "Held by feedback; the kernel of the guest counts busy time in ticks of 4 ms.",
        )  # fmt: skip
        written = said["write_ops"] * said["block_bytes"] / 1e6
        for way in ("ebpf", "libvirt"):
            measured = whole.block(vm, way, "write_bytes")
            checks.near(
                f"{at}: written by {way}, beside the guest", written,
                None if measured is None else measured / 1e6, max(0.005 * written, 0.2), "MB",
                "Half a per cent: this machine's kernel does not report every completion. Before "
                "and after, the guest reads and writes nothing.",
            )  # fmt: skip
        busy = window.block(vm, "ebpf", "busy_ns")
        checks.note(
            f"{at}: its share of the host's disk, by eBPF", per_cent(busy, window), "%",
            "Only while the host's disk worked on its requests.",
        )  # fmt: skip
    bench.write_panel(vm, "the VM's disk, written")
    bench.busy_panel(vm, "the VM's disk, busy", "vm")

    file = bench.lab.directory / "images" / "host-load"
    with bench.on_host("disk-load", 50, 1000, "--file", file, set_value=50, urgent=True) as said:
        window = bench.measure(12, settle=4)
    checks.near(
        "host at 50 %: its generator", 50, float(said["measured_percent"]), 3, "%",
        "Held by feedback against /proc/diskstats; what others do on the disk counts.",
    )  # fmt: skip
    for way in ("ebpf", "proc"):
        measured, own = window.host_disk(way)
        checks.near(
            f"host at 50 %: agent ({way}), beside diskstats", own, measured, 3, "%",
            "Both read /proc/diskstats, not at the same moment.",
        )  # fmt: skip
        checks.near(
            f"host at 50 %: agent ({way}), beside what is set", 50, measured, 5, "%",
            "A window of some seconds, of a load that is held over all of its length.",
        )  # fmt: skip
    bench.host_panel(
        "the host's disk, busy", "% of the time", "disk_percent", bench.host_disk_own(), "host"
    )


def per_cent(busy_ns, window):
    return None if busy_ns is None else busy_ns / window.seconds / 1e7
