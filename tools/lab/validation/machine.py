"""What this machine says of itself: its CPUs, memory and disk while a scenario runs, and what it is."""

import os
import pathlib
import re
import subprocess
import threading
import time

from ..core import TREE
from ..daemons import program
from .database import growth

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
SECTOR_BYTES = 512  # of /proc/diskstats, whatever the disk's own are


class MachineWatch(threading.Thread):
    """Reads /proc several times a second, so that there is a reading beside each sample of an
    agent. Its rows are like the database's."""

    def __init__(self, directory, every_s=0.2):
        """`directory` is on the disk that is watched."""
        super().__init__(daemon=True)
        self.disk = disk_of(directory)
        self._every_s = every_s
        self._rows = []
        self._ended = threading.Event()
        self.start()

    def run(self):
        while not self._ended.wait(self._every_s):
            self._rows.append(
                {"time": time.time(), **_cpu_times(), **_memory(), **_disk(self.disk)}
            )

    def end(self):
        self._ended.set()
        self.join()

    def rows(self, since, until):
        return [row for row in list(self._rows) if since <= row["time"] <= until]

    def share(self, column, since, until):
        """Per cent of all CPUs' time that went to `busy_s` or `steal_s`."""
        rows = self.rows(since - 1, until + 1)
        part, whole = growth(rows, column, since, until), growth(rows, "total_s", since, until)
        return 100 * part / whole if part is not None and whole else None


def _cpu_times():
    # user nice system idle iowait irq softirq steal; guest time is in user already.
    line = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0]
    ticks = [int(word) / TICKS_PER_S for word in line.split()[1:9]]
    return {
        "total_s": sum(ticks),
        "busy_s": sum(ticks) - ticks[3] - ticks[4],
        "steal_s": ticks[7],
    }


def _memory():
    text = pathlib.Path("/proc/meminfo").read_text()
    kib = {name: int(value) for name, value in re.findall(r"^(\w+): +(\d+) kB", text, re.M)}
    used = kib["MemTotal"] - kib["MemFree"] - kib["Buffers"] - kib["Cached"]
    return {
        "used_bytes": 1024 * used,
        # Counted apart from free memory: programs' own, and the kernel's for them.
        "taken_bytes": 1024 * sum(kib[n] for n in ("AnonPages", "Slab", "PageTables", "KernelStack")),
        "ram_percent": 100 * used / kib["MemTotal"],
    }


def _disk(name):
    for line in pathlib.Path("/proc/diskstats").read_text().splitlines():
        field = line.split()
        if field[2] == name:
            return {
                "read_bytes": int(field[5]) * SECTOR_BYTES,
                "write_bytes": int(field[9]) * SECTOR_BYTES,
                "disk_busy_s": int(field[12]) / 1000,
            }
    return {}


def disk_of(path):
    """The whole disk that `path` is on, as /proc/diskstats names it; None where there is none."""
    device = os.stat(path).st_dev
    block = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    if not block.exists():
        return None
    block = block.resolve()
    return block.parent.name if (block / "partition").exists() else block.name


def total_memory_bytes():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def description(directory):
    """[(what, text)] of this machine, for a report."""
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", cpuinfo, re.M)
    flags = re.search(r"^flags\s*:.*\bhypervisor\b", cpuinfo, re.M)
    kernel = os.uname()
    disk = disk_of(directory)
    lines = [
        ("processor", f"{model.group(1) if model else 'unknown'}, {os.cpu_count()} CPUs online"),
        ("memory", f"{total_memory_bytes() / 2**30:.1f} GiB"),
        ("kernel", f"{kernel.sysname} {kernel.release} {kernel.machine}"),
        ("virtual", "yes, it runs under a hypervisor" if flags else "no sign of a hypervisor"),
        ("disk", f"{disk}, scheduler {_scheduler(disk)}" if disk else "not a block device"),
        ("system", _os_name()),
        ("qemu", _first_line("qemu-system-x86_64", "--version")),
        ("libvirt", _first_line("libvirtd", "--version")),
        ("guests", "emulated (TCG), Debian 6.1 cloud kernel"),
        ("virtpulse", _commit()),
    ]
    return lines


def _scheduler(disk):
    try:
        text = pathlib.Path(f"/sys/block/{disk}/queue/scheduler").read_text()
    except OSError:
        return "unknown"
    found = re.search(r"\[(.*)\]", text)
    return found.group(1) if found else text.strip()


def _os_name():
    try:
        text = pathlib.Path("/etc/os-release").read_text()
    except OSError:
        return "unknown"
    found = re.search(r'^PRETTY_NAME="?([^"\n]*)', text, re.M)
    return found.group(1) if found else "unknown"


def _first_line(name, *options):
    done = subprocess.run(
        [program(name, name), *options], capture_output=True, text=True, check=False
    )
    return (done.stdout.splitlines() or ["unknown"])[0]


def _commit():
    def git(*words):
        return subprocess.run(
            ["git", "-C", str(TREE), *words], capture_output=True, text=True, check=False
        ).stdout.strip()

    commit = git("rev-parse", "HEAD")
    if not commit:
        return "of no commit (the sources are not in git)"
    changed = git("status", "--porcelain")
    return f"commit {commit}" + (", with changes on top that are not committed" if changed else "")
