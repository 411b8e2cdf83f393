"""6. Disk: one VM loads its disk, another is watched

Set: 200 writes of 16 KiB a second in one of two VMs that are alike; the other does nothing.

Expected: all of it is charged to the first, operation by operation, and nothing to the other, although
both disks are files on the same disk of the host.

Why: each request carries the control group of the VM that made it. A figure taken from the host's
diskstats could not tell the two apart."""

RATE, BYTES, SECONDS = 200, 16384, 12


def run(bench):
    busy, idle = bench.start("busy", "idle", cache="none", io="native")
    checks = bench.checks
    with bench.counted() as window:
        bench.set("busy MB/s", RATE * BYTES / 1e6)
        said = busy.run(f"io write {RATE} {BYTES} {RATE * SECONDS}")
        bench.set("busy MB/s", 0)
    checks.between(
        "busy: its pace", 0.7 * RATE, 1.05 * RATE, said["ops"] / said["seconds"], "writes/s",
        "A write that comes late is not made up for, and here each may wait for the host.",
    )  # fmt: skip
    for way in ("ebpf", "libvirt"):
        checks.near(
            f"busy: writes by {way}, beside the guest", said["ops"],
            window.block(busy, way, "write_ops"), max(2, 0.005 * said["ops"]), "",
            "Half a per cent: this machine's kernel does not report every completion.",
        )  # fmt: skip
        checks.near(
            f"busy: written by {way}, beside the guest", said["bytes"] / 1e6,
            window.block(busy, way, "write_bytes") / 1e6, 0.005 * said["bytes"] / 1e6, "MB",
            "As above.",
        )  # fmt: skip
        for column in ("write_ops", "read_ops"):
            grown = window.block(idle, way, column)
            # Without an entry in the database the VM is known to have used no device.
            checks.near(
                f"idle: {column.replace('_ops', 's')} by {way}", 0, grown or 0, 0, "",
                "It did nothing, and the disk's other user is not to be seen in its figures.",
            )  # fmt: skip
    bench.write_panel(busy, "busy: written")
    bench.write_panel(idle, "idle: written")
