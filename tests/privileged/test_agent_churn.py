"""VMs that come and go on two CPUs that all of them want: nothing overflows, and nothing is left of
them. VIRTPULSE_CHURN_S sets for how long (40 s)."""

import heapq
import os
import random
import subprocess
import time
import unittest

import agent_process
from agent_process import FAKE_QEMU, NAME, Agent, fake_qemu, threads_of
from cpu_group import CpuGroup
from leftovers import failures, left_of, wait_until_nothing_is_left
from waiting import watchers

SECONDS = float(os.environ.get("VIRTPULSE_CHURN_S", 40))
AT_ONCE = 40
LIFE_S = 1, 3
THREADS = 1, 8
CPUS = "0,1"


def begin(number, chance):
    count = chance.randint(*THREADS)
    environment = {"FAKE_QEMU_THREADS": count, "FAKE_QEMU_LOADED": count, "FAKE_QEMU_LOAD": 100}
    return subprocess.Popen(
        ["taskset", "--cpu-list", CPUS, FAKE_QEMU, "-name", f"guest={NAME}churn{number}", "-smp",
         str(count)],
        stdin=subprocess.DEVNULL,
        env=os.environ | {key: str(value) for key, value in environment.items()},
    )


class ChurnTest(unittest.TestCase):
    def setUp(self):
        self.addCleanup(agent_process.end_class_unpinned)
        self.agent = self.enterContext(Agent("--libvirt", "none", "--source", "ebpf"))
        self.agent.samples.next()
        alone = self.enterContext(CpuGroup(f"{NAME}churn"))
        watchers(self, alone, self.agent)
        self.group = self.enterContext(CpuGroup("loads", alone))

    def churn(self):
        """The pids of all that lived."""
        chance = random.Random(7)
        pids = set()
        living = []  # (when it ends, its number, process)
        ending = []  # it takes them a while, as they have to wait for a CPU
        end = time.monotonic() + SECONDS
        try:
            while time.monotonic() < end:
                while len(living) < AT_ONCE:
                    number = len(pids)
                    process = begin(number, chance)
                    pids.add(process.pid)
                    self.group.take(process.pid)
                    ends = time.monotonic() + chance.uniform(*LIFE_S)
                    heapq.heappush(living, (ends, number, process))
                time.sleep(max(0.0, living[0][0] - time.monotonic()))
                _, _, process = heapq.heappop(living)
                process.kill()
                ending = [each for each in (*ending, process) if each.poll() is None]
        finally:
            for _, _, process in living:
                process.kill()
            for process in (*ending, *(process for _, _, process in living)):
                process.wait()
        return pids

    def test_vms_that_come_and_go_overflow_nothing_and_leave_nothing(self):
        stays = self.enterContext(fake_qemu(f"{NAME}stays", FAKE_QEMU_LOAD=20))
        self.agent.samples.first(lambda s: s.named(f"{NAME}stays"))
        started = time.time()
        gone = self.churn()
        samples = self.agent.samples.since(started)
        most = {name: max(s.host["ext"]["self"]["maps"][name][0] for s in samples)
                for name in samples[-1].host["ext"]["self"]["maps"]}
        cost_ms = [s.host["ext"]["self"]["sample_ns"] / 1e6 for s in samples]
        print(f"  {len(gone)} VMs in {SECONDS:.0f} s; most rows {most}; a sample took "
              f"{sorted(cost_ms)[len(cost_ms) // 2]:.1f} ms, {max(cost_ms):.1f} ms at the most")
        self.assertEqual(failures(), {})
        self.assertEqual(samples[-1].host["ext"]["self"]["update_failures"], 0)
        took = wait_until_nothing_is_left(self, lambda name: left_of(gone, name))
        print(f"  nothing is left of them {took:.0f} s after the last")
        (row,) = [row for row in agent_process.rows_of("vms") if row["key"] == stays.pid]
        self.assertEqual(row["value"]["threads"], len(threads_of(stays.pid)))


if __name__ == "__main__":
    agent_process.main()
