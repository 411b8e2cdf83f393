"""2. CPU: several VMs rise together, the host follows

Set: 15, then 30, then 45 % of one CPU in each of three VMs at once.

Expected: each VM's figure rises with its load, and the host has at no step less than its VMs use.

Why: what the VMs use is part of what the host's CPUs did. What else the machine runs comes on top of
it, so the host's figure has only a lower bound; that it is right is held against /proc/stat."""

import contextlib
import os

CPUS = os.cpu_count()


def run(bench):
    vms = bench.start("one", "two", "three")
    checks = bench.checks
    before = None
    for percent in (15, 30, 45):
        with contextlib.ExitStack() as loads:
            for vm in vms:
                loads.enter_context(vm.load(f"cpu {percent} 1000", percent))
            window = bench.measure(8, *vms)
        used = waiting = 0
        for vm in vms:
            measured = window.cpu(vm, "ebpf")
            used += measured
            waiting += window.vcpu_waited(vm)
            bench.check_cpu(f"{vm.label} at {percent} %, by eBPF", vm, window, 1.5)
        host, stat = window.host_cpu("ebpf")
        checks.near(
            f"host with all at {percent} %", stat, host, 3, "% of all CPUs",
            "Both read /proc/stat, not at the same moment; it counts in ticks of 10 ms.",
        )  # fmt: skip
        checks.host_sees(
            f"host with all at {percent} %, beside its VMs", used / CPUS, host
        )
        if before is not None:
            checks.between(
                f"all VMs together rise to {percent} % each", 45 - 9 - waiting,
                45 + 9 + before_waiting, used - before, "%",
                "Three times 15 points more were set, give or take three each for the guests' own "
                "work; less what they had to wait for now, more what they had to wait for before.",
            )  # fmt: skip
        before, before_waiting = used, waiting
    for vm in vms:
        bench.cpu_panel(vm)
    bench.host_panel("the host", "% of all CPUs", "cpu_percent", bench.host_cpu_own())
