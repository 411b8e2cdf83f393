"""9. libvirt hangs while a VM is under load

Set: 40 % of one CPU in a VM; then libvirtd is stopped (SIGSTOP) for some seconds, and goes on.

Expected: libvirt answers nobody. Both agents send on, each second; the VM's figure stays right, and the
frames say that libvirt does not answer, until it does again.

Why: a libvirt that hangs is the moment when an operator looks. Figures that come from the kernel do not
need it, and a gap that is not explained would look like a dead host."""

import os
import signal
import time

from lab import LabError


def run(bench):
    (vm,) = bench.start("vm")
    checks = bench.checks
    libvirtd = bench.lab.libvirtd_pid
    with vm.load("cpu 40 1000", 40):
        before = bench.measure(5, vm)
        os.kill(libvirtd, signal.SIGSTOP)
        try:
            hung = bench.measure(8, vm, libvirt=False)
            said = waits_for(bench, lambda missing: "libvirt" in missing)
        finally:
            os.kill(libvirtd, signal.SIGCONT)
        again = waits_for(bench, lambda missing: "libvirt" not in missing)
    for name, window in (("before", before), ("while it hangs", hung)):
        bench.check_cpu(f"{name}: the VM by eBPF", vm, window, 2)
    for way in ("ebpf", "proc"):
        samples = len(hung.samples(vm, way))
        checks.at_least(
            f"while it hangs: samples of agent ({way}), in {hung.seconds:.1f} s",
            int(hung.seconds / 2), samples, "",
            "One a second, but for those that a machine with much to do is late with; an agent that "
            "waited for libvirt would have none.",
        )  # fmt: skip
    checks.near(
        "while it hangs: answers of libvirt",
        0, len(bench.libvirt_rows(vm, hung.since, hung.until)), 0, "",
        "Else it did not hang, and nothing is shown.",
    )  # fmt: skip
    checks.holds(
        "while it hangs: the frame", "says why libvirt is missing", said or "says nothing",
        said is not None, "ext.missing names what could not be asked, and the reason.",
    )  # fmt: skip
    checks.holds(
        "afterwards: the frame", "libvirt is there", "it is" if again is not None else "it is not",
        again is not None, "The agent finds back by itself.",
    )  # fmt: skip
    bench.cpu_panel(vm, "the VM's CPU; libvirt's dots stop while it hangs")


def waits_for(bench, wanted, seconds=30):
    """The newest frame's word about libvirt, as soon as its `missing` is as wanted; None after so
    many seconds. "" where there is nothing to say."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            missing = bench.product.frame("ebpf")["ext"].get("missing", {})
        except LabError:
            return None
        if wanted(missing):
            return missing.get("libvirt", "")
        time.sleep(0.5)
    return None
