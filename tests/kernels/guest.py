"""One run of the agent on another kernel: boots the guest of `init`, and reads what it printed."""

import json
import os
import pathlib
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

from console import complaints
from lab import LabError
from lab.core import CACHE
from lab.daemons import program
from lab.initramfs import Archive
from lab.kernel import cloud_kernel

DISKS = 8  # vda and so on; on the last, the guest leaves what the agents printed
SLOW_DISK = 6  # vdg: 4096 bytes take four seconds
DISK_BYTES = 64 << 20
# KVM's nested guest wants an AMD CPU, and on one of these the kernel believes that two CPUs are of
# one core only with "topoext", which the emulator has not got, or says it has not.
CPU = "max,+topoext,x-force-features=on,xlevel=0x8000001e"
BINARIES = pathlib.Path(os.environ.get("VIRTPULSE_BIN", "build/release/bin"))
# The BPF programs as another compiler makes them; where there is one.
OTHER_PROGRAMS = BINARIES.parent / "bpf/virtpulse_other_bpf.bpf.o"
# One thread for both CPUs: with a thread each, an emulator before qemu 8.1 may run a breakpoint that the
# kernel has just taken out of its own code (it puts them there while it rewrites a jump, as for a tracepoint
# whose first or last program comes or goes), and the kernel dies of it. It is faster as well.
ACCELERATOR = "tcg,thread=single"
# It takes 160 to 270 s where two run at a time.
PATIENCE_S = 720
# Of the console and of the results, when it ends too soon: a kernel's oops and what was before it.
LAST_LINES = 100
LAST_RESULTS = 5


@dataclass
class Machine:
    """A virtual machine at a mark, as the kernel counts it."""

    pid: int
    threads: int
    cgroup_us: int  # CPU time of all its threads, also of ended ones, since it is in its cgroup
    run_ns: int  # of its living threads, as are the next two
    run_delay_ns: int
    switches: int
    other_delay_ns: int  # run_delay_ns without that of the thread that ran most


@dataclass
class Run:
    """What one boot said."""

    kernel: str
    machines: dict = field(default_factory=dict)  # [mark][virtual machine]
    # [mark]: periods, throttled ones, us throttled; before the frame in `seen` was made, and after
    quota: dict = field(default_factory=dict)
    quota_after: dict = field(default_factory=dict)
    cpus_ns: dict = field(default_factory=dict)  # [mark]: for how long tasks ran on CPU 0, on CPU 1
    placed: dict = field(default_factory=dict)  # [virtual machine]: CPUs
    disks: dict = field(default_factory=dict)  # [mark][disk]: numbers of /proc/diskstats
    kvm: dict = field(default_factory=dict)  # [mark]: exits, ns polled well, in vain, ns asleep
    frames: dict = field(default_factory=dict)  # [run of the agent]: all its frames
    seen: dict = field(default_factory=dict)  # [mark]: the frame last printed at that time
    said: dict = field(default_factory=dict)  # [virtual machine]: totals of guest-io
    logs: dict = field(default_factory=dict)  # [run of the agent]
    words: dict = field(default_factory=dict)  # all other lines, by their first word
    others: dict = field(default_factory=dict)  # [program of another compiler's]: why it was refused, or ""
    killed: list = field(default_factory=list)  # (signal, how far it was) of each agent of the storm
    complaints: list = field(default_factory=list)  # what the kernel said and should not have

    def vm(self, mark, name):
        """The VM in the agent's frame at a mark."""
        pid = self.machines[mark][name].pid
        return next(vm for vm in self.seen[mark]["vms"] if vm["ext"]["pid"] == pid)

    def block(self, mark, name, device):
        """The VM's block counters for a disk, in the agent's frame at a mark."""
        found = self.vm(mark, name)["ext"].get("block", [])
        return next(block for block in found if block["dev"] == device)


def boot(wanted, stages="all", options="", say=print):
    """Boots that kernel (see lab.kernel) with the agent in it, and waits until it powers off. `stages`: see
    `init`. `options`: more of the kernel's command line."""
    qemu = program("qemu-system-x86_64", "qemu-system-x86")
    kernel = cloud_kernel(CACHE, say, wanted)
    fixtures = BINARIES.parent / "fixtures"
    archive = Archive()
    archive.basis(pathlib.Path(__file__).parent / "init", kernel,
                  ("virtio_pci", "virtio_blk", "kvm_amd", "vhost_net", "dm_crypt", "ecb", "xts",
                   "raid1"))
    archive.program("bin/virtpulse-agent", BINARIES / "virtpulse-agent")
    archive.program("lib/refuse-programs.so", fixtures / "refuse-programs.so")
    archive.program("bin/verify", BINARIES / "verify")
    if OTHER_PROGRAMS.exists():
        archive.file("other.bpf.o", OTHER_PROGRAMS.read_bytes())
    archive.program("bin/dmsetup", program("dmsetup", "dmsetup"))
    archive.program("bin/qemu-system-x86_64", fixtures / "qemu-system-x86_64")
    # To the agent it is its executable's name that makes it a virtual machine.
    archive.program("io/qemu-system-x86_64", BINARIES / "guest-io")
    archive.program("kvm/qemu-system-x86_64", fixtures / "kvm-guest")
    with tempfile.TemporaryDirectory(prefix="virtpulse-kernel-") as name:
        directory = pathlib.Path(name)
        (directory / "initramfs").write_bytes(archive.finish())
        command = [qemu, "-machine", "q35", "-accel", ACCELERATOR, "-cpu", CPU,
                   "-smp", "2,sockets=1,cores=1,threads=2", "-m", "1024", "-display",
                   "none", "-monitor", "none", "-no-reboot", "-nic", "none", "-kernel", kernel.image,
                   "-initrd", directory / "initramfs",
                   # All that the kernel says, a backtrace too, and at once; and nothing is said between.
                   "-append", f"console=ttyS0 ignore_loglevel panic=-1 stages={stages} {options}"]
        console, results = (BINARIES.parent / f"kernel-{wanted}.{kind}" for kind in ("console", "log"))
        for file in (console, results):
            file.unlink(missing_ok=True)
            command += ["-serial", f"file:{file}"]
        for number in range(DISKS):
            disk = directory / f"disk{number}"
            with open(disk, "wb") as file:
                file.truncate(DISK_BYTES)
            slow = ",throttling.bps-total=1024" if number == SLOW_DISK else ""
            command += ["-drive", f"file={disk},format=raw,if=virtio,cache=writeback{slow}"]
        started = time.monotonic()
        try:
            subprocess.run(command, stdin=subprocess.DEVNULL, timeout=PATIENCE_S, check=False)
        except subprocess.TimeoutExpired:
            pass  # what it printed says more
        with open(results, "ab") as log, open(directory / f"disk{DISKS - 1}", "rb") as disk:
            log.write(disk.read().partition(b"\0")[0])
    said, text = (file.read_text(errors="replace").replace("\r", "") for file in (console, results))
    if "\ndone in " not in text:
        last = "\n".join(said.splitlines()[-LAST_LINES:] + text.splitlines()[-LAST_RESULTS:])
        raise LabError(f"the guest did not come to its end; {console} and {results} have what it "
                       f"printed, last:\n{last}")
    run = read(kernel.release, text)
    run.complaints = complaints(said)
    say(f"{kernel.release} booted {run.words['booted'].partition(' ')[2]} and was done "
        f"{run.words['done']}; with qemu's start {time.monotonic() - started:.1f} s")
    return run


def read(kernel, text):
    """What the guest printed, taken apart."""
    run = Run(kernel)
    counts = {}
    section = None
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        words = rest.split()
        if section:
            if line == f"end {section}":
                section = None
            elif section.endswith(".log"):
                run.logs[section.removesuffix(".log")] += line + "\n"
            else:
                run.frames[section].append(json.loads(line))
        elif word == "begin":
            section = rest
            run.logs.setdefault(section.removesuffix(".log"), "")
            run.frames.setdefault(section.removesuffix(".log"), [])
        elif word == "mark":
            numbers = [int(text) for text in words[2:]]
            threads = list(zip(numbers[3::3], numbers[4::3], numbers[5::3]))
            sums = [sum(column) for column in zip(*threads)]
            run.machines.setdefault(words[0], {})[words[1]] = Machine(
                *numbers[:3], *sums, sums[1] - max(threads)[1])
        elif word in ("quota", "quota-after"):
            of = run.quota if word == "quota" else run.quota_after
            of[words[0]] = [int(text) for text in words[1:]]
        elif word == "cpus":
            run.cpus_ns[words[0]] = [int(text) for text in words[1:]]
        elif word == "placed":
            run.placed[words[0]] = words[1]
        elif word == "disks":
            lines = [words[i : i + 20] for i in range(1, len(words), 20)]
            run.disks[words[0]] = {disk[2]: [int(text) for text in disk[3:]] for disk in lines}
        elif word == "kvm":
            run.kvm[words[0]] = [int(text) for text in words[1:]]
        elif word == "agent":
            counts[words[0]] = (words[1], int(words[2]))
        elif word == "said":
            pairs = (pair.split("=") for pair in words[1:])
            run.said[words[0]] = {key: float(value) for key, value in pairs}
        elif word in ("taken", "refused"):
            run.others[words[0]] = " ".join(words[1:])
        elif word == "killed":
            run.killed.append(tuple(words))
        elif word:
            run.words[word] = rest
    if "done" in run.words:
        for mark, (of_run, count) in counts.items():
            run.seen[mark] = run.frames[of_run][count - 1]
    return run
