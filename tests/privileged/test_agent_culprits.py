"""More pairs of a VM and who had its CPU than the map has room for: what the frame says of each goes
on when its row makes room for others, and what found no room at all is counted."""

import ctypes
import os
import signal
import time
import unittest

import agent_process
from agent_process import NAME, Agent, fake_qemu, process_clock_ns, stopped
from cpu_group import CpuGroup, pin
from waiting import charged_rows, in_ms, watchers

CPU = os.cpu_count() - 1
ROOM = 64
INTERVAL_S = 0.2
# Of each host process that comes by itself: the most of any in some interval, also where others use
# the machine, as a frame has the worst alone.
BUSY_NS = 60_000_000
BURST_NS = 1_000_000  # and of each of those that come at once
PR_SET_NAME = 15
LIBC = ctypes.CDLL(None)


class HostProcess:
    """Burns so much CPU time under a name of its own, once let go, and waits to be ended."""

    def __init__(self, name, group, spend_ns):
        self._begin_read, begin = os.pipe()
        self._end_read, end = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            LIBC.prctl(PR_SET_NAME, name.encode())
            os.sched_setaffinity(0, {CPU})
            os.read(self._begin_read, 1)
            until = time.process_time_ns() + spend_ns
            while time.process_time_ns() < until:
                pass
            os.write(end, b".")
            signal.pause()
        self._begin, self._end = begin, end
        self._before = 0
        group.take(self.pid)

    def let_go(self):
        self._before = process_clock_ns(self.pid)
        os.write(self._begin, b".")

    def wait(self):
        os.read(self._end_read, 1)

    def kill(self):
        """What it used since it was let go, to its very end."""
        os.kill(self.pid, signal.SIGKILL)
        _, _, usage = os.wait4(self.pid, 0)
        for fd in (self._begin_read, self._begin, self._end_read, self._end):
            os.close(fd)
        return int(1e9 * (usage.ru_utime + usage.ru_stime)) - self._before


class CulpritsTest(unittest.TestCase):
    def setUp(self):
        self.addCleanup(agent_process.end_class_unpinned)
        self.agent = self.enterContext(Agent(
            "--libvirt", "none", "--source", "ebpf", "--interval", f"{INTERVAL_S}s",
            "--most-culprits", ROOM))
        if self.agent.samples.next().vms:
            self.skipTest("other VMs run on this machine, whose pairs need room too")
        alone = self.enterContext(CpuGroup(f"{NAME}culprits"))
        watchers(self, alone, self.agent)
        self.group = self.enterContext(CpuGroup("loads", alone))
        self.vms = {}
        for name in (f"{NAME}one", f"{NAME}two"):
            process = self.enterContext(fake_qemu(name, FAKE_QEMU_LOAD=100))
            self.agent.samples.first(lambda s, name=name: s.named(name))
            self.group.take(process.pid)
            pin(process.pid, CPU)
            self.vms[name] = process

    def one_after_the_other(self, names):
        """What each used, in ns."""
        used = {}
        for name in names:
            process = HostProcess(name, self.group, BUSY_NS)
            try:
                process.let_go()
                process.wait()
            finally:
                used[name] = process.kill()
        return used

    def told(self):
        """{(VM, culprit of ours): most ns that any sample said so far}; and that it never fell."""
        most = {}
        for sample in self.agent.samples.since(0):
            for vm in sample.vms:
                if vm["name"] not in self.vms:
                    continue
                for row in vm["ext"]["wait"]["culprits"]:
                    pair = vm["name"], row.get("name", "")
                    if not pair[1].startswith(NAME):
                        continue  # more of those than are remembered may have come and gone
                    self.assertGreaterEqual(row["ns"], most.get(pair, 0), pair)
                    most[pair] = row["ns"]
        return most

    def snapshot(self):
        """A sample of a moment in which the VMs stand still."""
        with stopped(*(process.pid for process in self.vms.values())):
            return self.agent.samples.next()

    def rows_of_vms(self):
        return {vm: charged_rows(process.pid) for vm, process in self.vms.items()}

    def check_charged(self, begin, end):
        """All waiting is charged, whatever became of the pairs."""
        for name in self.vms:
            before, after = (sample.vm(name)["ext"] for sample in (begin, end))
            delay = after["run_delay_ns"] - before["run_delay_ns"]
            by = {who: ns - before["wait"]["by_ns"].get(who, 0)
                  for who, ns in after["wait"]["by_ns"].items()}
            print(f"  {name} waited {delay / 1e6:.3f} ms, charged {in_ms(by)}")
            self.assertLessEqual(abs(sum(by.values()) - delay), delay / 1000 + 1000)

    def test_pairs_that_make_room_go_on_and_those_that_find_none_are_counted(self):
        names = [f"{NAME}p{number}" for number in range(40)]
        begin = self.snapshot()
        used = self.one_after_the_other(names)
        first = self.told()
        rows = self.rows_of_vms()
        gone = [(vm, name) for vm in self.vms for name in names if name not in rows[vm]]
        print(f"  {2 * len(names)} pairs with host processes, rows for {ROOM}: {len(gone)} pairs "
              "have none by now")
        self.assertGreaterEqual(len(gone), 2 * len(names) - ROOM)

        # Those whose rows were taken out are charged again: their figures go on from where they were.
        again = [name for name in dict.fromkeys(name for _, name in gone)
                 if all((vm, name) in first for vm in self.vms)][:8]
        self.assertGreater(len(again), 4)
        for name, ns in self.one_after_the_other(again).items():
            used[name] += ns
        end = self.snapshot()
        told = self.told()
        for name in again:
            for vm in self.vms:
                self.assertGreaterEqual(told[vm, name] - first[vm, name], BUSY_NS / 2, (vm, name))
        for vm in self.vms:
            seen = [name for name in names if (vm, name) in told]
            charged, truth = sum(told[vm, name] for name in seen), sum(used[name] for name in seen)
            print(f"  {vm} was told to have waited {charged / 1e6:.1f} ms for {len(seen)} host "
                  f"processes, which used {truth / 1e6:.1f} ms")
            self.assertGreater(len(seen), 0.8 * len(names))
            self.assertLessEqual(charged, 1.05 * truth)
            # What it used at its end may be too little to be among the worst of that interval.
            self.assertGreaterEqual(charged, 0.9 * truth)
        self.check_charged(begin, end)

        self.many_at_once(end)

    def many_at_once(self, begin):
        before = begin.host["ext"]["self"]["update_failures"]
        burst = [HostProcess(f"{NAME}b{number}", self.group, BURST_NS) for number in range(2 * ROOM)]
        try:
            for process in burst:
                process.let_go()
            for process in burst:
                process.wait()
        finally:
            for process in burst:
                process.kill()
        end = self.snapshot()
        own = end.host["ext"]["self"]
        lost = own["update_failures"] - before
        print(f"  {len(burst)} host processes at once: {lost} times a pair found no room; {own['maps']}")
        self.assertGreater(lost, 0)
        self.assertLessEqual(own["maps"]["culprits"][0], ROOM)
        self.assertEqual(own["maps"]["culprits"][1], ROOM)
        self.check_charged(begin, end)

        # The pair that was there all along is told whole.
        told = self.told()
        for vm, other in zip(self.vms, reversed(self.vms)):
            in_all = end.vm(vm)["ext"]["wait"]["by_ns"]["vm"]
            print(f"  {vm} waited {in_all / 1e6:.1f} ms for VMs, {told[vm, other] / 1e6:.1f} ms of "
                  f"it for {other}")
            self.assertLessEqual(abs(told[vm, other] - in_all), in_all / 100)

        # And there is room again for who comes later.
        late = f"{NAME}late"
        self.one_after_the_other([late])
        self.agent.samples.first(lambda sample: any(
            row.get("name") == late
            for row in sample.vm(f"{NAME}one")["ext"]["wait"]["culprits"]), after=end.time)


if __name__ == "__main__":
    agent_process.main()
