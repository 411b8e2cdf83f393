"""8. CPU: a noisy neighbour, found by name

Set: two VMs that may use the same one CPU only: one at 40 %, its neighbour at 90 %.

Expected: the first one waits, and its frames name the neighbour as the one who had the CPU meanwhile:
most of what its vCPU waited for VMs is charged to it.

Why: that a VM waits is seen from its own figures; who makes it wait is not. The two get less than they
want together, so one of them always waits for the other."""

import os


def run(bench):
    cpu = str(max(os.sched_getaffinity(0)))
    first, neighbour = bench.start("first", "neighbour", pin=cpu)
    checks = bench.checks
    if "wait" not in bench.product.vm("ebpf", first.name).get("ext", {}):
        bench.skip("The agent's frames do not say who had the CPU while a VM waited (VM ext.wait).")
    with first.load("cpu 40 1000", 40), neighbour.load("cpu 90 1000", 90):
        before = bench.product.vm("ebpf", first.name)["ext"]
        window = bench.measure(12, first, neighbour)
        after = bench.product.vm("ebpf", first.name)["ext"]
    checks.at_least(
        "first: waited, by eBPF", 10, window.waited(first), "%",
        "It wants 40 % and the neighbour 90 % of one CPU: between them 30 points are missing.",
    )  # fmt: skip
    waited = after["run_delay_ns"] - before["run_delay_ns"]
    by_vms = after["wait"]["by_ns"].get("vm", 0) - before["wait"]["by_ns"].get("vm", 0)
    by_name = charged(after, neighbour.name) - charged(before, neighbour.name)
    checks.note("first: of its waiting, for other VMs", 100 * by_vms / waited, "%")
    checks.at_least(
        "first: of its waiting for VMs, for the neighbour", 90, 100 * by_name / max(1, by_vms), "%",
        "There is no third VM of this scenario; others on this machine are on other CPUs or less "
        "urgent.",
    )  # fmt: skip
    checks.at_least(
        "first: of all its waiting, for the neighbour", 50, 100 * by_name / waited, "%",
        "Both are urgent, so little else gets the CPU while they want it.",
    )  # fmt: skip
    bench.cpu_panel(first)
    bench.cpu_panel(neighbour)


def charged(ext, name):
    return sum(
        culprit["ns"]
        for culprit in ext["wait"].get("culprits", [])
        if culprit["who"] == "vm" and culprit["name"] == name
    )
