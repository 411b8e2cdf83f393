"""What the tests of a boot have in common: what the guest said, and how it is compared."""

import unittest

# Both sides are of the same instant (see init), so that a difference is no matter of time.
CPU_PERCENT = 0.1
IO_PERCENT = 0.5
# Fields of /proc/diskstats after the name (Documentation/admin-guide/iostats.rst).
READS, READ_SECTORS, READ_MS, WRITES, WRITTEN_SECTORS, WRITE_MS, FLUSHES = 0, 2, 3, 4, 6, 7, 15
SECTOR = 512


def figure(what, got, want):
    off = 100 * (got - want) / want if want else 0
    print(f"  {what:42} {got:>14} of {want:>14}  {off:+.4f} %")


class KernelCase(unittest.TestCase):
    boot = None  # what the one run of the guest said

    def near(self, what, got, want, percent):
        figure(what, got, want)
        self.assertGreater(want, 0, what)
        self.assertLessEqual(abs(got - want), want * percent / 100, what)

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
            self.near(f"{name} {key}", self.block_grown(name, disk, one, other, key), want,
                      IO_PERCENT)

    def block_time(self, name, disk, one, other, *keys):
        return sum(self.block_grown(name, disk, one, other, key) for key in keys)
