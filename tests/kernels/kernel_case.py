"""What the tests of a boot have in common: what the guest said, and how it is compared."""

import unittest

# Both sides are of the same instant (see init), so that a difference is no matter of time.
CPU_PERCENT = 0.1
IO_PERCENT = 0.5
WORKER_NS = 5e6  # of CPU time, that each short-lived thread of `churn` uses
# Fields of /proc/diskstats after the name (Documentation/admin-guide/iostats.rst).
READS, READ_SECTORS, READ_MS, WRITES, WRITTEN_SECTORS, WRITE_MS, FLUSHES = 0, 2, 3, 4, 6, 7, 15
SECTOR = 512


def figure(what, got, want):
    off = 100 * (got - want) / want if want else 0
    print(f"  {what:42} {got:>14} of {want:>14}  {off:+.4f} %")


class KernelCase(unittest.TestCase):
    boot = None  # what the one run of the guest said

    def near(self, what, got, want, percent, events=0):
        """`events`: of how many `want` is the sum. Of those the kernel may have kept as many from the agent as the
        agent says that it did."""
        figure(what, got, want)
        self.assertGreater(want, 0, what)
        most = want * percent / 100
        if events:
            most += want / events * self.kept_from_the_agent()
        self.assertLessEqual(abs(got - want), most, what)

    def kept_from_the_agent(self):
        """Kernels that preempt (7.2 and 7.3 do) keep an event from a program that is at work on the same CPU."""
        return sum(max((frame["ext"]["self"].get("recursion_misses", 0)
                        for frame in self.boot.frames[run]), default=0)
                   for run in ("first", "again"))

    def grown(self, of, one, other, *path):
        """How much a counter of the agent grew for a VM between two marks."""
        values = []
        for mark in (one, other):
            value = self.boot.vm(mark, of)["ext"]
            for key in path:
                value = value[key]
            values.append(value)
        return values[1] - values[0]

    def kernel_grown(self, of, one, other, attribute):
        machines = self.boot.machines
        return getattr(machines[other][of], attribute) - getattr(machines[one][of], attribute)

    def disk(self, disk, one, other, field):
        return self.boot.disks[other][disk][field] - self.boot.disks[one][disk][field]

    def block_grown(self, name, disk, one, other, key):
        before, after = (self.boot.block(mark, name, disk)[key] for mark in (one, other))
        return after - before

    def check_block(self, name, disk, one, other, **wanted):
        for key, want in wanted.items():
            ops = self.block_grown(name, disk, one, other, f"{key.partition('_')[0]}_ops")
            self.near(f"{name} {key}", self.block_grown(name, disk, one, other, key), want,
                      IO_PERCENT, events=ops)

    def block_time(self, name, disk, one, other, *keys):
        return sum(self.block_grown(name, disk, one, other, key) for key in keys)
