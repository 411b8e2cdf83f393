"""An ordinary user who runs and forks programs with a hypervisor's name a thousand times a second, or
with very many threads, or whose threads run the program again: VMs beside them are counted as ever,
and no record is left of any of them. VIRTPULSE_FLOOD_S sets for how long the flood goes on (20 s)."""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import unittest

import agent_process
from agent_process import (
    BINARIES,
    NAME,
    Agent,
    fake_qemu,
    percent_off,
    process_clock_ns,
    rows_of,
    schedstats_ns,
    stopped,
    threads_of,
)
from cpu_group import CpuGroup
from leftovers import failures, gone_in_maps, left_of, wait_until_nothing_is_left
from waiting import watchers

SECONDS = float(os.environ.get("VIRTPULSE_FLOOD_S", 20))
RATE = 1000
EXECS = 3000
BOUND_PERCENT = 0.1
AS_NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]
ROOM = 4096  # rows in `vms`


class FloodTest(unittest.TestCase):
    def setUp(self):
        self.addCleanup(agent_process.end_class_unpinned)
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        directory.chmod(0o755)
        self.kvm, self.flood = directory / "kvm", directory / "flood"
        for program in (self.kvm, self.flood):
            shutil.copy(BINARIES.parent / "fixtures/flood", program)
        self.agent = self.enterContext(Agent("--libvirt", "none", "--source", "ebpf"))
        self.agent.samples.next()
        alone = self.enterContext(CpuGroup(f"{NAME}flood"))
        watchers(self, alone, self.agent)
        self.group = self.enterContext(CpuGroup("loads", alone))
        self.vms = {}

    def begin_vm(self, name):
        self.vms[name] = self.enterContext(fake_qemu(name, "-smp", "2", FAKE_QEMU_THREADS=2,
                                                     FAKE_QEMU_LOAD=20))
        self.group.take(self.vms[name].pid)
        return self.vms[name]

    def as_nobody(self, *words):
        process = subprocess.Popen([*AS_NOBODY, *map(str, words)], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.group.take(process.pid)
        return process

    def at_rest(self):
        """{name: (ext, CPU time by schedstat)} while the VMs stand still."""
        with stopped(*(vm.pid for vm in self.vms.values())):
            sample = self.agent.samples.first(lambda s: all(s.named(name) for name in self.vms),
                                              time.time())
            return {name: (sample.vm(name)["ext"], sum(schedstats_ns(vm.pid).values()))
                    for name, vm in self.vms.items()}

    def wait_until_nothing_is_left(self):
        gone = gone_in_maps()
        took = wait_until_nothing_is_left(self, lambda name: left_of(gone, name))
        print(f"  of {len(gone)} processes that are gone nothing is left after {took:.0f} s")

    def check_nothing_is_left(self):
        self.wait_until_nothing_is_left()
        for vm in self.vms.values():
            (row,) = [row["value"] for row in rows_of("vms") if row["key"] == vm.pid]
            self.assertEqual(row["threads"], len(threads_of(vm.pid)))
            self.assertEqual(left_of({vm.pid}, "threads"), len(threads_of(vm.pid)))
        self.assertEqual(failures(), {})

    def test_programs_that_are_run_and_forked(self):
        for name in (f"{NAME}one", f"{NAME}two"):
            self.begin_vm(name)
        before = self.at_rest()
        flood = self.as_nobody(self.flood, "run", self.kvm, RATE, SECONDS)
        started = time.monotonic()
        # By then there were as many as `vms` has room for.
        time.sleep(max(SECONDS / 2, 5))
        late = f"{NAME}late"
        late_vm = self.begin_vm(late)
        self.agent.samples.first(lambda s: s.named(late), timeout=15)
        self.assertIsNone(flood.poll(), "the flood ended before the VM was seen")
        out, _ = flood.communicate(timeout=SECONDS + 30)
        took = time.monotonic() - started
        executed, forked = (int(re.search(rf"(\d+) {what}", out)[1])
                            for what in ("executed", "forked"))
        print(f"  {executed} times executed and {forked} times forked in {took:.0f} s")
        self.assertGreater(executed + forked, ROOM)
        after = self.at_rest()
        for name, (ext, clock) in after.items():
            ext_before, clock_before = before.get(name, ({"cpu_ns": 0}, 0))
            agent_ns = ext["cpu_ns"] - ext_before["cpu_ns"]
            off = percent_off(agent_ns, clock - clock_before)
            print(f"  {name}: {agent_ns / 1e6:.3f} ms by the agent, "
                  f"{(clock - clock_before) / 1e6:.3f} ms by schedstat ({off:+.4f} %)")
            self.assertLessEqual(abs(off), BOUND_PERCENT)
        # The last one is counted from its birth on.
        (row,) = [row["value"] for row in rows_of("vms") if row["key"] == late_vm.pid]
        self.assertEqual(row["since_ns"], row["start_ns"])
        self.check_nothing_is_left()

    def test_a_process_with_very_many_threads(self):
        self.begin_vm(f"{NAME}beside")
        limit = int(pathlib.Path("/proc/sys/kernel/threads-max").read_text())
        count = min(10000, limit // 4)
        many = self.as_nobody(self.kvm, "threads", count)
        begun = int(re.search(r"(\d+) threads", many.stdout.readline())[1])
        own = self.agent.samples.next().host["ext"]["self"]["maps"]["threads"]
        print(f"  of {begun} threads and a VM's {own[0]} of {own[1]} records are used")
        self.assertGreater(begun, 4096)
        self.assertLessEqual(own[0], 4096 + 100)
        late = f"{NAME}late"
        late_vm = self.begin_vm(late)
        figures = self.at_rest()
        for name, (ext, clock) in figures.items():
            if name == late:
                self.assertLessEqual(abs(percent_off(ext["cpu_ns"], clock)), BOUND_PERCENT)
        self.assertEqual(left_of({late_vm.pid}, "threads"), len(threads_of(late_vm.pid)))
        many.kill()
        many.wait()
        self.wait_until_nothing_is_left()

    def test_threads_that_are_not_the_first_run_the_program_again(self):
        self.begin_vm(f"{NAME}beside")
        again = self.as_nobody(self.kvm, "exec", EXECS)
        pid = again.pid
        most = 0
        while again.poll() is None:
            with contextlib.suppress(AssertionError):  # bpftool while the map changes
                most = max(most, left_of({pid}, "threads"))
        self.assertEqual(again.wait(), 0)
        print(f"  {EXECS} times: {most} records at once at the most")
        self.assertLessEqual(most, 4)
        self.check_nothing_is_left()


if __name__ == "__main__":
    agent_process.main()
