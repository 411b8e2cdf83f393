"""CPU control groups for tests: shares and quotas, of either version."""

import contextlib
import os
import pathlib
import unittest


def _cpu_mount():
    """(directory, version) of the hierarchy that has the cpu controller."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split()
        where = pathlib.Path(before.split()[4])
        if kind == "cgroup" and "cpu" in options.split(","):
            return where, 1
        if kind == "cgroup2" and "cpu" in (where / "cgroup.controllers").read_text().split():
            return where, 2
    raise unittest.SkipTest("no cgroup here has the cpu controller")


class CpuGroup:
    """A group below another one, or a top one that has nearly all of a CPU when it wants it: what
    else runs on the machine then hardly disturbs."""

    def __init__(self, name, parent=None, shares=None, quota_percent=None):
        top, self._version = _cpu_mount()
        self.path = (parent.path if parent else top) / name
        self.path.mkdir()
        if self._version == 2 and not parent:
            (top / "cgroup.subtree_control").write_text("+cpu")
            (self.path / "cgroup.subtree_control").write_text("+cpu")
        shares = shares or (1024 if parent else 65536)
        if self._version == 1:
            (self.path / "cpu.shares").write_text(str(shares))
        else:
            (self.path / "cpu.weight").write_text(str(min(10000, shares * 100 // 1024)))
        if quota_percent and self._version == 1:
            (self.path / "cpu.cfs_period_us").write_text("100000")
            (self.path / "cpu.cfs_quota_us").write_text(str(1000 * quota_percent))
        elif quota_percent:
            (self.path / "cpu.max").write_text(f"{1000 * quota_percent} 100000")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        outside = self.path.parent
        while self._version == 2 and (outside / "cpu.max").exists():
            outside = outside.parent
        for pid in (self.path / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (outside / "cgroup.procs").write_text(pid)
        self.path.rmdir()

    @property
    def version(self):
        return self._version

    def take(self, pid):
        """Moves a process here."""
        (self.path / "cgroup.procs").write_text(str(pid))

    def throttled_ns(self):
        """For how long the quota kept its tasks from running, as the kernel counts it."""
        stat = dict(line.split() for line in (self.path / "cpu.stat").read_text().splitlines())
        if self._version == 1:
            return int(stat["throttled_time"])
        return 1000 * int(stat["throttled_usec"])


def pin(pid, cpu):
    """All threads of a process on one CPU."""
    for tid in map(int, os.listdir(f"/proc/{pid}/task")):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(tid, {cpu})
