"""VMs that are not as most: very many vCPUs, a process under another name, one in a container, one
that comes back with its uuid; and a thousand that come and go beside one that stays."""

import contextlib
import os
import pathlib
import subprocess
import time
import unittest
import uuid

import agent_process
from agent_process import (
    FAKE_QEMU,
    MAPS,
    NAME,
    Agent,
    check_growth,
    fake_qemu,
    percent_off,
    schedstats_ns,
    stopped,
    threads_of,
)
from leftovers import failures, left_of, wait_until_nothing_is_left

BOUND_PERCENT = 0.1
ROUNDS, AT_ONCE = 5, 200
TWINS = 40


class OddVmsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(agent_process.end_class_unpinned)
        cls.renamed_name = f"{NAME}before"
        cls.renamed = cls.enterClassContext(
            fake_qemu(f"{cls.renamed_name},process=elsewhere", FAKE_QEMU_LOAD=20))
        cls.agent = cls.enterClassContext(
            Agent("--libvirt", "none", "--source", "ebpf", "--interval", "250ms"))
        cls.agent.samples.first(lambda sample: sample.number > 1)

    def ext(self, name, after=None):
        """Of the next sample that has the VM."""
        sample = self.agent.samples.first(lambda s: s.named(name),
                                          time.time() if after is None else after)
        return sample.vm(name)["ext"]

    def test_128_vcpus(self):
        name = f"{NAME}large"
        with fake_qemu(name, "-smp", "128", FAKE_QEMU_THREADS=140, FAKE_QEMU_LOAD=50) as process:
            self.agent.samples.first(
                lambda s: s.named(name) and s.vm(name)["ext"]["threads"] == 141)
            check_growth(self, self.agent, name, process.pid)
            with stopped(process.pid):
                sample = self.agent.samples.next()
                ext = sample.vm(name)["ext"]
                vcpus_ns = sum(schedstats_ns(process.pid)[tid] for tid in threads_of(process.pid)
                               if self.is_vcpu(process.pid, tid))
            self.assertEqual((ext["vcpus"], ext["threads"]), (128, 141))
            self.assertEqual(ext["role"]["vcpu_ns"], vcpus_ns)
            for each in self.agent.samples.all:
                for vm in each.named(name):
                    if vm["cpu"] is not None:  # one thread of 128 does something
                        self.assertLess(vm["cpu"], 10)

    @staticmethod
    def is_vcpu(pid, tid):
        return pathlib.Path(f"/proc/{pid}/task/{tid}/comm").read_text().startswith("CPU ")

    def test_processes_under_another_name(self):
        later = f"{NAME}later"
        with fake_qemu(f"{later},process=CPUs", FAKE_QEMU_LOAD=20) as process:
            for name, qemu in ((self.renamed_name, self.renamed), (later, process)):
                comm = pathlib.Path(f"/proc/{qemu.pid}/comm").read_text().strip()
                self.assertNotIn("qemu", comm)
                self.assertEqual(self.ext(name)["pid"], qemu.pid)
                check_growth(self, self.agent, name, qemu.pid)

    def test_in_a_container(self):
        name = f"{NAME}boxed"
        box = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", FAKE_QEMU, "-name",
             f"guest={name}", "-smp", "2"], env=os.environ | {"FAKE_QEMU_LOAD": "30"})
        self.addCleanup(box.wait)
        self.addCleanup(box.kill)
        pid = self.ext(name)["pid"]
        children = pathlib.Path(f"/proc/{box.pid}/task/{box.pid}/children").read_text().split()
        self.assertEqual([str(pid)], children)
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        self.assertRegex(status, rf"NSpid:\t{pid}\t1\n")
        check_growth(self, self.agent, name, pid)

    def test_a_uuid_that_comes_back_is_another_run(self):
        name, its_uuid = f"{NAME}again", str(uuid.uuid4())
        runs = []
        for load in (60, 20):
            with fake_qemu(name, "-uuid", its_uuid, FAKE_QEMU_LOAD=load) as process:
                pid = process.pid
                self.agent.samples.first(
                    lambda s: any(vm["ext"].get("pid") == pid for vm in s.named(name)))
                time.sleep(1)
                with stopped(pid):
                    sample = self.agent.samples.next()
                    clock = sum(schedstats_ns(pid).values())
                vm = sample.vm(name)  # one, not two
                self.assertEqual((vm["uuid"], vm["ext"]["pid"]), (its_uuid, pid))
                self.assertLessEqual(abs(percent_off(vm["ext"]["cpu_ns"], clock)), BOUND_PERCENT,
                                     "not this run's own")
                runs.append(vm["ext"])
        first, second = runs
        self.assertNotEqual(first["pid"], second["pid"])
        self.assertGreater(second["start"], first["start"])
        self.assertGreater(second["since"], first["since"])
        for sample in self.agent.samples.all:
            for vm in sample.named(name):
                if vm["cpu"] is not None:
                    self.assertGreaterEqual(vm["cpu"], 0)

    def test_threads_that_end_at_once(self):
        """What each waited for is in the VM's sum, also of the first two, on two CPUs."""
        with contextlib.ExitStack() as fakes:
            pids = {fakes.enter_context(fake_qemu(f"{NAME}twins{each}", FAKE_QEMU_TWINS=1)).pid
                    for each in range(TWINS)}
            fakes.enter_context(stopped(*pids))
            now = time.time()
            sample = self.agent.samples.first(
                lambda s: pids <= {vm["ext"].get("pid") for vm in s.vms}, now)
            for ext in (vm["ext"] for vm in sample.vms if vm["ext"].get("pid") in pids):
                waits = sum(ext["wait"]["counts"]) + ext["wait"]["merged"]
                self.assertEqual(waits, ext["switches"], ext)
                self.assertEqual(sum(ext["wait"]["by_ns"].values()), ext["run_delay_ns"], ext)

    def test_a_thousand_that_come_and_go_leave_nothing(self):
        name = f"{NAME}stays"
        gone = set()
        with fake_qemu(name, FAKE_QEMU_LOAD=20) as stays:
            self.ext(name)
            with stopped(stays.pid):
                before = self.ext(name)["cpu_ns"], sum(schedstats_ns(stays.pid).values())
            for number in range(ROUNDS):
                with contextlib.ExitStack() as fakes:
                    pids = {fakes.enter_context(fake_qemu(f"{NAME}n{number}-{each}")).pid
                            for each in range(AT_ONCE)}
                    self.agent.samples.first(
                        lambda s: pids <= {vm["ext"].get("pid") for vm in s.vms}, timeout=60)
                gone |= pids
            with stopped(stays.pid):
                after = self.ext(name)["cpu_ns"], sum(schedstats_ns(stays.pid).values())
            off = percent_off(after[0] - before[0], after[1] - before[1])
            print(f"while {len(gone)} came and went: {off:+.4f} % off")
            self.assertLessEqual(abs(off), BOUND_PERCENT)
            took = wait_until_nothing_is_left(self, lambda name: left_of(gone, name))
            print(f"nothing is left of them {took:.0f} s after the last")
        self.assertEqual(failures(), {})
        said = self.agent.samples.next().host["ext"]["self"]["update_failures"]
        self.assertEqual(said, 0)


if __name__ == "__main__":
    agent_process.main(lambda: None)
