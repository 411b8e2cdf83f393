"""10. A VM crashes under load

Set: 50 % of one CPU in one VM, 30 % in another; then the first one's qemu is killed (SIGKILL).

Expected: within five seconds the database has the VM as no longer running, without a process, and an
event that says so. The other VM's figure stays right all the while, and no sample is missing.

Why: a crash is the end of a process, at any moment, also in the middle of a sample. What was counted
for it is over; nobody else's figures may suffer."""

import os
import signal
import time


def run(bench):
    victim, other = bench.start("victim", "other")
    checks = bench.checks
    with victim.load("cpu 50 1000", 50), other.load("cpu 30 1000", 30):
        window = bench.measure(5, victim)
        bench.check_cpu("victim, before: by eBPF", victim, window, 2)
        first = other.reading()
        victim.clock_ns()
        killed = time.time()
        os.kill(victim.pid, signal.SIGKILL)
        bench.set("victim", 0)
        ends = {way: ended(bench, victim, way, killed) for way in ("ebpf", "proc")}
        after = bench.measure(4, other, settle=1)
    across = bench.window_between(other, first, after.last_reading(other))
    for way, end in ends.items():
        checks.at_most(
            f"victim: no longer running, by agent ({way})", 5, end and end["time"] - killed,
            "s after",
            "One interval for the agent, one for libvirt to notice, the rest for a machine with much "
            "to do.",
        )  # fmt: skip
        state = end and {5: "shut off", 6: "crashed"}.get(end["state"], f"state {end['state']}")
        checks.holds(
            f"victim: its state, by agent ({way})", "shut off or crashed", state or "unknown",
            state in ("shut off", "crashed"),
            "libvirt's word for a qemu that is gone.",
        )  # fmt: skip
        events = bench.database.events(way, victim.name, killed, time.time())
        checks.at_least(
            f"victim: events, by agent ({way})", 1, len(events), "",
            "The collector writes down each change of state: "
            + "; ".join(f"{event['kind']} {event['detail'] or ''}".strip() for event in events),
        )  # fmt: skip
        gaps = [
            b["time"] - a["time"]
            for rows in [bench.database.host(way, killed - 4, killed + 5)]
            for a, b in zip(rows, rows[1:])
        ]
        checks.at_most(
            f"host: longest time between samples, agent ({way})", 2.9, max(gaps, default=None), "s",
            "One a second; on a machine with much to do one may be late.",
        )  # fmt: skip
    bench.check_cpu("other, all the while: by eBPF", other, across, 2)
    bench.cpu_panel(victim)
    bench.cpu_panel(other)


def ended(bench, vm, way, since, seconds=15):
    """The first sample after `since` in which the VM does not run; None after so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for row in bench.database.vm(way, vm.name, since, time.time() + 1):
            if row["pid"] is None and row["state"] != 1:
                return row
        time.sleep(0.2)
    return None
