"""1. CPU: known loads in a VM and on the host

Set: 30, 60 and 90 % of one CPU, first in a VM of one vCPU, then on the host itself.

Expected: the VM uses what its guest says it used and, apart from that, what qemu's own threads used;
eBPF, /proc and libvirt agree. The host's figure is that of /proc/stat in the same time.

Why: the guest knows when its CPU was not idle, and the kernel knows what qemu's other threads took.
A guest that has to wait for a CPU takes the waiting for work of its own, so this one goes before what
else the machine runs, and what it waited all the same is said. What is left between the two sides is what the vCPU thread spends on
halting and waking up."""

import os

CPUS = os.cpu_count()


def run(bench):
    (vm,) = bench.start("vm")
    checks = bench.checks
    for percent in (30, 60, 90):
        with vm.load(f"cpu {percent} 1000", percent) as said:
            window = bench.measure(15, vm)
        guest, emulator = window.guest_cpu(vm), window.emulator_cpu(vm)
        at = f"VM at {percent} %"
        checks.near(
            f"{at}: its generator", percent, said["measured_percent"], 1, "%",
            "The generator holds its load by its own CPU clock, in the guest.",
        )  # fmt: skip
        checks.note(f"{at}: the guest's own figure", guest, "%")
        checks.note(f"{at}: the emulator's share", emulator, "%")
        checks.note(f"{at}: its vCPU waited for a CPU", window.vcpu_waited(vm), "%")
        bench.check_cpu(f"{at}: by eBPF, beside guest and emulator", vm, window, 1)
        checks.note(
            f"{at}: by eBPF, more than guest and emulator",
            window.cpu(vm, "ebpf") - guest - emulator, "%",
        )  # fmt: skip
        for way, within in (("proc", 0.5), ("libvirt", 1)):
            checks.near(
                f"{at}: by {way}, beside eBPF", window.cpu(vm, "ebpf"), window.cpu(vm, way),
                within, "%",
                "All count the same threads; their samples are not of one moment. When libvirt read "
                "its figure is known only to some hundredths of a second.",
            )  # fmt: skip
    bench.cpu_panel(vm, "the VM's CPU")

    for percent in (30, 60, 90):
        with bench.on_host(
            "cpu-load", percent, 1000, set_value=percent / CPUS, urgent=True
        ) as said:
            window = bench.measure(10)
        own = float(said["measured_percent"])
        at = f"host at {percent} % of one CPU"
        checks.near(
            f"{at}: its generator", percent, own, 1, "%",
            "It goes before all else on the machine, as the VM did.",
        )  # fmt: skip
        for way in ("ebpf", "proc"):
            measured, stat = window.host_cpu(way)
            checks.near(
                f"{at}: agent ({way}), beside /proc/stat", stat, measured, 1, "% of all CPUs",
                "Both read /proc/stat, not at the same moment; it counts in ticks of 10 ms.",
            )  # fmt: skip
            checks.host_sees(
                f"{at}: agent ({way}), beside the load alone", own / CPUS, measured
            )
    bench.host_panel(
        "the host's CPU, the load and all else", "% of all CPUs", "cpu_percent",
        bench.host_cpu_own(), "host",
    )  # fmt: skip

