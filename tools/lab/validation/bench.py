"""What a scenario works with: guests, loads, windows of time, and what everybody said about them."""

import contextlib
import dataclasses
import os
import pathlib
import signal
import time

from ..domain import Guest
from ..errors import LabError
from ..running import make_urgent
from .checks import Checks
from .database import MARGIN_S, Database, growth, rates
from .machine import total_memory_bytes
from .plot import Line, Panel
from .product import WAYS

# A window begins when what was set has taken hold: a new load is there within one interval of the
# agents, and the sample that still has some of the old one is the next.
SETTLE_S = 2.0
QUIET_S = 1.5
LABELS = {"ebpf": "agent (eBPF)", "proc": "agent (/proc)", "libvirt": "libvirt"}


class NotPresent(Exception):
    """The scenario needs something that this product or machine does not have; not a miss."""


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a VM had used at a moment: by itself, and by the kernel's clocks of its threads."""

    time: float
    guest_uptime_s: float
    guest_idle_s: float
    guest_memory: dict  # KiB, by name
    total_ns: int  # CPU time of the process, also of threads that ended
    vcpu_ns: int
    vcpu_waited_ns: int


class Vm:
    """A guest of a scenario. `label` is its name there; on the machine it has a prefix, since
    names of guests are the machine's."""

    def __init__(self, bench, label, guest):
        self._bench = bench
        self.label = label
        self.guest = guest
        self.name = guest.name
        self.pid = guest.pid
        self._clock_ns = 0

    def run(self, order, timeout=120):
        """Gives an order, waits, and returns its figures."""
        return self.guest.run(order, timeout)

    @contextlib.contextmanager
    def load(self, order, set_value=None, series=None):
        """Under a load until the block ends; `set_value` is what the plot shows as set. Yields a
        dictionary that has the load's own figures afterwards."""
        number = self.guest.send(order)
        if set_value is not None:
            self._bench.set(series or self.label, set_value)
        said = {}
        try:
            yield said
        finally:
            if self.guest.pid is not None:  # else the scenario has ended it
                self.guest.run("stop")
                said.update(self.guest.wait(number))
            if set_value is not None:
                self._bench.set(series or self.label, 0)

    def reading(self):
        said = self.guest.run("usage")
        memory = {key: value for key, value in said.items() if key.startswith("mem_")}
        # Of one moment: on a busy machine this program may lose its CPU between the three.
        for _ in range(20):
            begun = time.time()
            (vcpu_ns, waited_ns), total_ns = _vcpus(self.pid), process_clock_ns(self.pid)
            ended = time.time()
            if ended - begun < 0.002:
                break
        moment = (begun + ended) / 2
        return Reading(
            moment, said["uptime_s"], said["idle_s"], memory, total_ns, vcpu_ns, waited_ns
        )

    @property
    def vcpus(self):
        return self.guest.guest.vcpus

    def clock_ns(self):
        """CPU time of the process so far; of one that has ended, as it was last seen."""
        with contextlib.suppress(OSError):
            self._clock_ns = process_clock_ns(self.pid)
        return self._clock_ns


class Window:
    """A stretch of time in which a load was steady, and all that was measured in it. Figures are
    None where they are not known."""

    def __init__(self, bench, since, until, first, last):
        self.since, self.until = since, until
        self._bench = bench
        self._first, self._last = first, last  # Readings by label

    @property
    def seconds(self):
        return self.until - self.since

    # --- what the product stored, and libvirt

    def cpu(self, vm, way):
        """Per cent of one CPU by "ebpf", "proc" or "libvirt"."""
        rows, column = self._bench.cpu_rows(vm, way, self.since, self.until)
        return self._per_second(rows, column, 1e-7, vm)

    def waited(self, vm, way="ebpf"):
        """Per cent of one CPU that its threads were runnable and did not run."""
        rows = self._bench.vm_rows(vm, way, self.since, self.until)
        return self._per_second(rows, "run_delay_ns", 1e-7, vm)

    def block(self, vm, way, column):
        """How much a counter of its disk grew."""
        rows, column = self._bench.block_rows(vm, way, column, self.since, self.until)
        return growth(rows, column, self.since, self.until)

    def host_cpu(self, way):
        """(by the agent, by this machine's /proc/stat in the same time), per cent of all CPUs."""
        return self._host(way, "cpu_percent", lambda a, b: self._machine.share("busy_s", a, b))

    def host_disk(self, way):
        """(by the agent, by this machine's /proc/diskstats), per cent of the time."""

        def busy(since, until):
            rows = self._machine.rows(since - 1, until + 1)
            grown = growth(rows, "disk_busy_s", since, until)
            return None if grown is None else 100 * grown / (until - since)

        return self._host(way, "disk_percent", busy)

    def host_ram(self, way):
        """(by the agent, by this machine's /proc/meminfo), per cent; means over the window."""

        def mean(since, until):
            values = [row["ram_percent"] for row in self._machine.rows(since, until)]
            return sum(values) / len(values) if values else None

        return self._host(way, "ram_percent", mean)

    def newest(self, vm, way, column):
        """A figure of the last sample in the window, such as rss_bytes."""
        rows = self._bench.database.vm(way, vm.name, self.since, self.until)
        return rows[-1][column] if rows else None

    def samples(self, vm, way):
        return self._bench.database.vm(way, vm.name, self.since, self.until)

    # --- what the guest says, and the kernel's clocks of its threads

    def guest_cpu(self, vm):
        """Per cent of one CPU that the guest itself was not idle, over all its CPUs."""
        first, last = self._first[vm.label], self._last[vm.label]
        uptime = last.guest_uptime_s - first.guest_uptime_s
        idle = last.guest_idle_s - first.guest_idle_s
        return 100 * (uptime * vm.vcpus - idle) / uptime

    def last_reading(self, vm):
        return self._last[vm.label]

    def vcpu_cpu(self, vm):
        return self._clock(vm, lambda reading: reading.vcpu_ns)

    def emulator_cpu(self, vm):
        """Of all of qemu's threads that are no vCPU."""
        return self._clock(vm, lambda reading: reading.total_ns - reading.vcpu_ns)

    def vcpu_waited(self, vm):
        return self._clock(vm, lambda reading: reading.vcpu_waited_ns)

    def _clock(self, vm, figure):
        first, last = self._first[vm.label], self._last[vm.label]
        return (figure(last) - figure(first)) / (last.time - first.time) / 1e7

    def _per_second(self, rows, column, scale, vm):
        # Between the readings of this very VM: with several, they are not all of one moment.
        first, last = self._first.get(vm.label), self._last.get(vm.label)
        since = first.time if first else self.since
        until = last.time if last else self.until
        grown = growth(rows, column, since, until)
        return None if grown is None else scale * grown / (until - since)

    @property
    def _machine(self):
        return self._bench.machine

    def _host(self, way, column, own):
        rows = self._bench.database.host(way, self.since, self.until)
        rows = [row for row in rows if row[column] is not None]
        if len(rows) < 2:
            return None, None
        # A sample speaks for the time since the one before it.
        weights = [(b["time"] - a["time"], b[column]) for a, b in zip(rows, rows[1:])]
        whole = sum(weight for weight, _ in weights)
        mean = sum(weight * value for weight, value in weights) / whole
        return mean, own(rows[0]["time"], rows[-1]["time"])


class Bench:
    """One scenario's. `session` is the run's: lab, product, libvirt, machine."""

    def __init__(self, session, number, say):
        self.machine = session.machine
        self.product = session.product
        self.lab = session.lab
        self.database = Database(session.product.database)
        self.checks = Checks(say)
        self.panels = []
        self.started = time.time()
        self.ended = None
        self._libvirt = session.libvirt
        self._prefix = f"{session.prefix}{number:02}-"
        self._say = say
        self._vms = []
        self._product_ns = self._product_clock_ns()
        self._sets = {}  # series -> [(time, value)]
        self._extra = []  # programs on the host

    # --- what is set

    def start(self, *labels, **options):
        """Starts guests with the same options, waits until both agents know them, and returns
        them. They go before what else the machine runs (see running.make_urgent)."""
        fixed = {"network": True, "urgent": True}
        started = [
            self.lab.start(Guest(self._prefix + label, **fixed, **options)) for label in labels
        ]
        vms = []
        for label, guest in zip(labels, started):
            guest.wait_booted()
            vms.append(Vm(self, label, guest))
        self._vms += vms
        deadline = time.monotonic() + 30
        while not all(self._known(vm) for vm in vms):
            if time.monotonic() > deadline:
                raise LabError("the agents do not know the guests after 30 s")
            time.sleep(0.2)
        return vms

    def _known(self, vm):
        now = time.time()
        return all(
            any(row["pid"] == vm.pid for row in self.database.vm(way, vm.name, now - 5, now))
            for way in WAYS
        )

    def set(self, series, value):
        """Notes for the plot what is set from now on."""
        self._sets.setdefault(series, []).append((time.time(), value))

    @contextlib.contextmanager
    def on_host(self, program, *words, set_value=None, series="host", urgent=False):
        """A load generator on the machine itself; yields a dictionary that has its `pid`, and its
        figures afterwards."""
        command = [str(self.lab.binaries / program), *map(str, words)]
        # Among the lab's processes, so that it ends with them after a crash too.
        process = self.lab.start_inside(f"host-{program}", *command)
        self._extra.append(process)
        if urgent:
            make_urgent(process.pid)
        if set_value is not None:
            self.set(series, set_value)
        said = {"pid": process.pid}
        try:
            yield said
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(30)
            if set_value is not None:
                self.set(series, 0)
            said.update(self._last_words(f"host-{program}"))

    def _last_words(self, name):
        log = self.lab.log(name)
        line = (log.read_text(errors="replace").strip().splitlines() or [""])[-1]
        pairs = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if not pairs:
            raise LabError(f"{name}: {line or 'it said nothing'}")
        return pairs

    def measure(self, seconds, *vms, settle=SETTLE_S, libvirt=True):
        """Lets what is set go on for `settle` + `seconds`; returns the Window of the latter once
        all of it is stored. `libvirt` says whether libvirt is to be waited for too."""
        time.sleep(settle)
        since = time.time()
        first = {vm.label: vm.reading() for vm in vms}
        time.sleep(seconds)
        last = {vm.label: vm.reading() for vm in vms}
        until = time.time()
        self.settled(libvirt)
        return Window(self, since, until, first, last)

    def window_between(self, vm, first, last):
        """The Window between two readings of a VM."""
        self.settled()
        return Window(self, first.time, last.time, {vm.label: first}, {vm.label: last})

    @contextlib.contextmanager
    def counted(self):
        """Yields a Window from before to after the block, at whose ends nothing is under way, so
        that counters have grown by just what was done in it. Good once the block has ended."""
        # On either side of an end there is then a sample that has the same count.
        time.sleep(QUIET_S)
        window = Window(self, time.time(), None, {}, {})
        time.sleep(QUIET_S)
        yield window
        time.sleep(QUIET_S)
        window.until = time.time()
        time.sleep(QUIET_S)
        self.settled()

    def settled(self, libvirt=True):
        """Waits until all that was measured so far is stored, and libvirt was asked once more."""
        now = time.time()
        self.database.wait_for(WAYS, now)
        if libvirt:
            self._libvirt.wait_for(now, 5)

    def wait_until(self, condition, what, seconds=60):
        """Waits until `condition()` is true; `what` names it where that takes too long."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise LabError(f"{what}: not within {seconds} s")
            time.sleep(0.2)

    def check_cpu(self, what, vm, window, within):
        """Holds the VM's CPU by eBPF against what the guest and the emulator's threads used."""
        most = window.guest_cpu(vm) + window.emulator_cpu(vm)
        least = most - window.vcpu_waited(vm)
        self.checks.between(
            what, least - within, most + within, window.cpu(vm, "ebpf"), "%",
            "The guest's own figure and the emulator's share; less what the vCPU waited, as the "
            f"guest takes some of that for its own work. Give or take {within:g}: halting and waking "
            "up is idle time for the guest, and the windows are not quite the same.",
        )  # fmt: skip

    def skip(self, reason):
        raise NotPresent(reason)

    def say(self, text):
        self._say(f"    {text}")

    # --- what was measured

    def vm_rows(self, vm, way, since, until):
        return self.database.vm(way, vm.name, since - MARGIN_S, until + MARGIN_S)

    def cpu_rows(self, vm, way, since, until):
        """(rows, column) of its CPU time in ns."""
        if way == "libvirt":
            rows = self._libvirt.rows(vm.name, since - MARGIN_S, until + MARGIN_S)
            return rows, "cpu.time"
        return self.vm_rows(vm, way, since, until), "cpu_ns"

    def block_rows(self, vm, way, column, since, until):
        if way == "libvirt":
            names = {
                "read_ops": "block.0.rd.reqs", "read_bytes": "block.0.rd.bytes",
                "write_ops": "block.0.wr.reqs", "write_bytes": "block.0.wr.bytes",
                "flush_ops": "block.0.fl.reqs",
            }  # fmt: skip
            rows = self._libvirt.rows(vm.name, since - MARGIN_S, until + MARGIN_S)
            return rows, names[column]
        return self.database.block(way, vm.name, since - MARGIN_S, until + MARGIN_S), column

    def libvirt_rows(self, vm, since, until):
        return self._libvirt.rows(vm.name, since, until)

    def all_samples(self, vm, way):
        """Its samples since the scenario began that know its memory."""
        rows = self.database.vm(way, vm.name, self.started, time.time())
        return [row for row in rows if row["rss_bytes"] is not None]

    def own_rows(self, since=None, until=None):
        """This machine's own figures, a few a second; since the scenario began unless told."""
        return self.machine.rows(since or self.started, until or time.time())

    @property
    def total_memory_bytes(self):
        return total_memory_bytes()

    # --- the plot

    def panel(self, title, unit, lines):
        """A panel of the scenario's plot; `lines` are plot.Line."""
        self.panels.append(Panel(title, unit, lines))

    def line(self, label, style, points):
        return Line(label, style, points)

    def set_line(self, series, label="set"):
        points = [(self.started, 0), *self._sets.get(series, []), (time.time(), None)]
        if points[-2][1] is not None:
            points[-1] = (points[-1][0], points[-2][1])
        return Line(label, "set", points)

    def cpu_panel(self, vm, title=None):
        """Its CPU by all three ways, beside what was set."""
        self.settled()
        until = time.time()
        lines = [self.set_line(vm.label)]
        for way in ("proc", "libvirt", "ebpf"):
            rows, column = self.cpu_rows(vm, way, self.started, until)
            lines.append(Line(LABELS[way], way, rates(rows, column, 1e-7)))
        self.panel(title or f"{vm.label}: CPU", "% of one CPU", lines)

    def write_panel(self, vm, title=None):
        """What its disk was written, by all three ways."""
        self.settled()
        until = time.time()
        lines = [self.set_line(f"{vm.label} MB/s")] if f"{vm.label} MB/s" in self._sets else []
        for way in ("proc", "libvirt", "ebpf"):
            rows, column = self.block_rows(vm, way, "write_bytes", self.started, until)
            lines.append(Line(LABELS[way], way, rates(rows, column, 1e-6)))
        self.panel(title or f"{vm.label}: written", "MB/s", lines)

    def busy_panel(self, vm, title, set_series=None):
        """For what share of the time its requests kept the host's disk busy."""
        self.settled()
        rows = self.block_rows(vm, "ebpf", "busy_ns", self.started, time.time())[0]
        lines = [self.set_line(set_series)] if set_series else []
        busy = Line(LABELS["ebpf"], "ebpf", rates(rows, "busy_ns", 1e-7))
        self.panel(title, "% of the time", [*lines, busy])

    def host_panel(self, title, unit, column, own, set_series=None, of=lambda value: value):
        """A figure of the host by both agents, beside this machine's own, [(time, value)]; `of`
        makes one of the agents' into one of the panel's unit."""
        self.settled()
        until = time.time()
        lines = [self.set_line(set_series)] if set_series else []
        lines.append(Line("own reading of /proc", "own", own))
        for way in ("proc", "ebpf"):
            rows = self.database.host(way, self.started, until)
            points = [(row["time"], of(row[column])) for row in rows if row[column] is not None]
            lines.append(Line(LABELS[way], way, points))
        self.panel(title, unit, lines)

    def host_cpu_own(self):
        """[(time, per cent)] of all CPUs by this machine's /proc/stat, once a second."""
        rows = self.machine.rows(self.started, time.time())[::5]
        return [
            (b["time"], 100 * (b["busy_s"] - a["busy_s"]) / (b["total_s"] - a["total_s"]))
            for a, b in zip(rows, rows[1:])
            if b["total_s"] > a["total_s"]
        ]

    def host_disk_own(self):
        """[(time, per cent)] of the disk by this machine's /proc/diskstats, once a second."""
        rows = self.machine.rows(self.started, time.time())[::5]
        return rates(rows, "disk_busy_s", 100)

    # --- its end

    def noise(self):
        """What else went on on this machine since the scenario began, as {what: per cent of all
        CPUs}; unknown is None."""
        since, until = self.started, time.time()
        scale = 1e-7 / (until - since) / os.cpu_count()
        guests = scale * sum(vm.clock_ns() for vm in self._vms)
        product = scale * (self._product_clock_ns() - self._product_ns)
        busy = self.machine.share("busy_s", since, until - 0.5)
        return {
            "busy": busy,
            "steal": self.machine.share("steal_s", since, until - 0.5),
            "guests": guests,
            "virtpulse": product,
            "other": None if busy is None else max(0.0, busy - guests - product),
        }

    def _product_clock_ns(self):
        return sum(process_clock_ns(pid) for pid in self.product.pids().values())

    def close(self):
        """Ends what is left of the scenario's guests and programs."""
        self.ended = time.time()
        for process in self._extra:
            if process.poll() is None:
                process.kill()
                process.wait()
        for name in [name for name in self.lab.guests if name.startswith(self._prefix)]:
            self.lab.remove(name)


def process_clock_ns(pid):
    """CPU time of all threads of a process, also of those that ended (clock_getcpuclockid(3))."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def _vcpus(pid):
    """(CPU time, time runnable and not running) of a qemu's vCPU threads, in ns."""
    used = waited = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            # "CPU 0/TCG", "CPU 0/KVM": libvirt has qemu name its threads.
            if (task / "comm").read_text().startswith("CPU "):
                fields = (task / "schedstat").read_text().split()
                used += int(fields[0])
                waited += int(fields[1])
    return used, waited
