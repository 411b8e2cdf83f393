"""7. Disk: one VM at half speed, then another at full speed

Set: the first VM writes 16 KiB at a time at half the pace that it reaches alone; after a while the
second one writes as fast as it can.

Expected: what is charged to the first remains what the first itself counts, and so for the second.
Whether the first one's share of the disk rises is an answer, not an expectation: it is noted, with the
time that one of its writes keeps the disk.

Why: the thesis asked whether a figure of one VM rises when another one is busy. Its figure came from
/proc/diskstats of a whole disk, which is the same for both; ours is of each VM's own requests. Its
operations and bytes must not rise. The time that they take may: that is the neighbour's influence, and
worth seeing."""

BYTES = 16384


def run(bench):
    first, second = bench.start("first", "second", cache="none", io="native")
    checks = bench.checks
    alone = first.run(f"io write 0 {BYTES} 1500")
    rate = max(20, round(alone["ops"] / alone["seconds"] / 2))
    checks.note("first: most writes alone", alone["ops"] / alone["seconds"], "writes/s")

    phases = {}
    with bench.counted() as whole:
        said_first, said_second = side_by_side(bench, first, second, rate, phases)
    for vm, said in ((first, said_first), (second, said_second)):
        for way in ("ebpf", "libvirt"):
            checks.near(
                f"{vm.label}: writes by {way}, beside the guest", said["ops"],
                whole.block(vm, way, "write_ops"), max(2, 0.005 * said["ops"]), "",
                "Half a per cent: this machine's kernel does not report every completion.",
            )  # fmt: skip
    pace = {}
    for name, window in phases.items():
        ops, busy = (window.block(first, "ebpf", c) for c in ("write_ops", "busy_ns"))
        pace[name] = ops / window.seconds
        checks.note(f"first, {name}: writes by eBPF", pace[name], "writes/s")
        checks.note(f"first, {name}: share of the disk by eBPF", busy / window.seconds / 1e7, "%")
        checks.note(f"first, {name}: the disk's time for one write", busy / ops / 1000, "µs")
    checks.at_most(
        "first: writes beside the second", 1.05 * pace["alone"], pace["beside"], "writes/s",
        "None of the second one's writes are charged to it. It may well get fewer done.",
    )  # fmt: skip
    checks.between(
        "first: its pace, alone", 0.5 * rate, 1.05 * rate, pace["alone"], "writes/s",
        "A write that comes late is not made up for, and here each may wait for the host.",
    )  # fmt: skip
    bench.write_panel(first, "first: written")
    bench.write_panel(second, "second: written")
    bench.busy_panel(first, "first: its disk busy")


def side_by_side(bench, first, second, rate, phases):
    """Puts the window of each phase into `phases`; returns what both guests counted."""
    number = first.guest.send(f"io write {rate} {BYTES} 0")
    bench.set("first MB/s", rate * BYTES / 1e6)
    phases["alone"] = bench.measure(8, settle=2)
    other = second.guest.send(f"io write 0 {BYTES} 0")
    phases["beside"] = bench.measure(8, settle=2)
    second.run("stop")
    said_second = second.guest.wait(other)
    first.run("stop")
    bench.set("first MB/s", 0)
    return first.guest.wait(number), said_second
