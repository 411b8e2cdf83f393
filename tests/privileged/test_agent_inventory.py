"""Which VMs there are and in what state, whatever libvirt does meanwhile."""

import contextlib
import os
import signal
import subprocess
import time
import unittest

import agent_process
import lab
from agent_process import (
    CRASHED,
    LABS,
    NAME,
    PAUSED,
    RUNNING,
    SHUT_OFF,
    Agent,
    Receiver,
    fake_qemu,
)
from lab import Guest, Lab
from patience import UNHELD_S

# "The frame after next": of those taken after the event, the second has it right.
FRAMES = 2
STANDS_STILL_S = 15


def is_state(*states):
    return lambda vm: vm and vm["state"] in states


def is_off(*states):
    return lambda vm: vm and vm["state"] in states and "pid" not in vm["ext"]


class InventoryTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(agent_process.end_class_unpinned)
        cls.lab = cls.enterClassContext(Lab(LABS / "inventory", agent_process.BINARIES))
        cls.busy = cls.lab.start(Guest(f"{NAME}busy", duty_percent=30)).wait_booted()
        cls.other = cls.lab.start(Guest(f"{NAME}other")).wait_booted()
        cls.defined = cls.lab.define(Guest(f"{NAME}defined"))

    def setUp(self):
        self.receiver = self.enterContext(Receiver())

    def run_agent(self, libvirt=None):
        agent = self.enterContext(
            Agent(
                *("--libvirt", libvirt or self.lab.uri, "--collector", self.receiver.address),
                printed=False,
            )
        )
        if libvirt is None:
            self.receiver.samples.first(lambda s: s.vms and not s.missing)
        return agent

    def tearDown(self):
        for sample in self.receiver.samples.all:
            self.check_no_ghosts(sample)

    def check_no_ghosts(self, sample):
        uuids = [vm["uuid"] for vm in sample.vms]
        self.assertEqual(len(set(uuids)), len(uuids), f"a VM is there twice: {sample.vms}")
        pids = [vm["ext"]["pid"] for vm in sample.vms if "pid" in vm["ext"]]
        self.assertEqual(len(set(pids)), len(pids), f"a process is there twice: {sample.vms}")
        for vm in sample.vms:
            if vm["name"].startswith(NAME) and vm["state"] in (RUNNING, PAUSED):
                self.assertIn("pid", vm["ext"], f"runs without a process: {vm}")

    def frames_until(self, what, name, right, event=None):
        """How many samples taken after `event` (now) it took until `right`, which is given the VM
        or None."""
        event = event or time.time()

        def is_right(sample):
            return bool(right((sample.named(name) or [None])[0]))

        found = self.receiver.samples.first(is_right, event)
        later = self.receiver.samples.since(event)
        count = 1 + later.index(found)
        print(f"{what}: right in frame {count} after it, {found.time - event:.2f} s")
        self.assertLessEqual(count, FRAMES, what)
        self.receiver.samples.next(self.receiver.samples.next().time)
        for sample in self.receiver.samples.since(found.time):
            self.assertTrue(is_right(sample), f"{what}: right, and wrong again: {sample}")

    def test_states(self):
        self.run_agent()
        guest = self.lab.start(Guest(f"{NAME}states"))
        name = guest.name

        def runs(vm):
            return vm and vm["state"] == RUNNING and vm["ext"].get("pid") == guest.pid

        self.frames_until("started", name, runs)
        self.lab.virsh("suspend", name)
        self.frames_until("paused", name, is_state(PAUSED))
        self.lab.virsh("resume", name)
        self.frames_until("resumed", name, is_state(RUNNING))
        os.kill(guest.pid, signal.SIGKILL)
        self.frames_until("killed", name, is_off(SHUT_OFF, CRASHED))
        guest.close()
        self.lab.start(name)
        self.frames_until("started again", name, runs)
        self.lab.virsh("destroy", name)
        self.frames_until("destroyed", name, is_off(SHUT_OFF))
        guest.close()
        self.lab.start(name).wait_booted()
        self.frames_until("started once more", name, runs)
        with contextlib.suppress(ProcessLookupError):
            os.kill(guest.pid, signal.SIGTERM)  # qemu's own orderly end
        while guest.pid is not None:
            time.sleep(0.01)
        self.frames_until("shut off", name, is_off(SHUT_OFF))
        for sample in self.receiver.samples.all:
            if "libvirt" in sample.missing and not sample.named(self.defined.name):
                continue  # it had not answered yet, and the sample says so
            never = sample.vm(self.defined.name)
            self.assertEqual((never["state"], never["cpu"]), (SHUT_OFF, 0))
            self.assertNotIn("pid", never["ext"])
            self.assertEqual(never["uuid"], self.defined.guest.uuid)
        self.lab.virsh("undefine", name)
        self.frames_until("undefined", name, lambda vm: vm is None)

    def test_states_changed_just_before_a_sample(self):
        self.run_agent()
        name = self.other.name
        for ahead_s in (0.3, 0.15, 0.05):
            for order, state in (("suspend", PAUSED), ("resume", RUNNING)):
                last = self.receiver.samples.next()
                time.sleep(max(0, last.time + 1 - ahead_s - time.time()))
                self.lab.virsh(order, name)
                self.frames_until(f"{order} {ahead_s} s ahead of a sample", name, is_state(state))
        for ahead_s in (0.05, 0.01):
            guest = self.lab.start(Guest(f"{NAME}phase{int(100 * ahead_s)}"))
            self.receiver.samples.first(lambda s: s.named(guest.name))
            last = self.receiver.samples.next()
            pid = guest.pid
            time.sleep(max(0, last.time + 1 - ahead_s - time.time()))
            os.kill(pid, signal.SIGKILL)
            what = f"killed {ahead_s} s ahead of a sample"
            self.frames_until(what, guest.name, is_off(SHUT_OFF, CRASHED))
            guest.close()

    def test_a_qemu_that_is_asked_what_it_can_do_is_no_vm(self):
        self.run_agent()
        # As libvirtd asks; with the real program, and longer than it takes.
        probe = subprocess.Popen(
            ["qemu-system-x86_64", "-S", "-no-user-config", "-nodefaults", "-nographic"]
            + ["-machine", "none,accel=tcg", "-qmp", "stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.addCleanup(probe.communicate)
        self.addCleanup(probe.kill)
        self.assertIn(b"QMP", probe.stdout.readline())
        sample = self.receiver.samples.next()
        sample = self.receiver.samples.next(sample.time)
        self.assertNotIn(probe.pid, [vm["ext"].get("pid") for vm in sample.vms])

    def test_libvirtd_that_stands_still(self):
        self.run_agent()
        pid = self.lab.libvirtd_pid
        before = self.receiver.samples.next()
        os.kill(pid, signal.SIGSTOP)
        stopped_at = time.time()
        try:
            time.sleep(STANDS_STILL_S)
        finally:
            os.kill(pid, signal.SIGCONT)
        continued_at = time.time()
        healed = self.receiver.samples.first(lambda s: not s.missing, continued_at)
        print(f"libvirtd answered again {healed.time - continued_at:.1f} s after SIGCONT")
        self.lab.virsh("suspend", self.other.name)
        self.frames_until("paused after all that", self.other.name, is_state(PAUSED))
        self.lab.virsh("resume", self.other.name)
        self.frames_until("resumed", self.other.name, is_state(RUNNING))

        samples = self.receiver.samples.since(before.time - 0.001)
        gaps = [b.time - a.time for a, b in zip(samples, samples[1:])]
        arrivals = [b.arrived - a.arrived for a, b in zip(samples, samples[1:])]
        print(
            f"longest gap between two of {len(samples)} frames: {max(gaps):.3f} s by their time, "
            f"{max(arrivals):.3f} s at the collector"
        )
        # Who waited for libvirtd would be silent for all of that time.
        self.assertLess(max(gaps), STANDS_STILL_S / 3)
        self.assertLess(max(arrivals), STANDS_STILL_S / 3)
        during = [s for s in samples if stopped_at < s.time < continued_at]
        self.assertGreater(len(during), STANDS_STILL_S / 2)
        for name in (self.busy.name, self.other.name):
            used = [s.vm(name)["ext"]["cpu_ns"] for s in during]
            self.assertTrue(all(a < b for a, b in zip(used, used[1:])), f"{name}: {used}")
            self.assertEqual({s.vm(name)["state"] for s in during}, {RUNNING})
        said = [s.missing.get("libvirt") for s in during]
        silent_s = next(s.time - stopped_at for s in during if "libvirt" in s.missing)
        first_said = next(filter(None, said))
        print(f"{silent_s:.1f} s after SIGSTOP: {first_said!r}; at the end: {said[-1]!r}")
        self.assertRegex(said[-1], r"^no answer for \d+ s$")

    def test_what_ends_and_begins_while_libvirtd_stands_still(self):
        self.run_agent()
        guest = self.lab.start(Guest(f"{NAME}ends"))
        self.receiver.samples.first(
            lambda s: s.named(guest.name) and "pid" in s.vm(guest.name)["ext"]
        )
        victim, name = guest.pid, f"{NAME}begins"
        os.kill(self.lab.libvirtd_pid, signal.SIGSTOP)
        try:
            time.sleep(1)
            os.kill(victim, signal.SIGKILL)
            self.frames_until(
                "killed while libvirtd stands still",
                guest.name,
                is_off(SHUT_OFF, CRASHED),
            )
            with fake_qemu(name):
                self.frames_until(
                    "begun while libvirtd stands still", name, is_state(RUNNING)
                )
        finally:
            os.kill(self.lab.libvirtd_pid, signal.SIGCONT)
        self.receiver.samples.first(lambda s: not s.missing and not s.named(name), time.time())
        guest.close()

    def test_the_end_while_libvirtd_stands_still(self):
        seconds = []
        for _ in range(3):
            agent = self.run_agent()
            os.kill(self.lab.libvirtd_pid, signal.SIGSTOP)
            try:
                time.sleep(1.5)  # it waits for an answer by now
                code, took = agent.end()
            finally:
                os.kill(self.lab.libvirtd_pid, signal.SIGCONT)
            self.assertEqual(code, 0, agent.log)
            seconds.append(took)
            self.receiver.samples.all.clear()
        print(
            "SIGTERM while libvirtd stands still: ends within "
            f"{', '.join(f'{each * 1000:.0f}' for each in seconds)} ms"
        )
        self.assertLessEqual(max(seconds), UNHELD_S)

    def test_without_libvirtd(self):
        self.lab.stop_libvirtd()
        self.addCleanup(self.lab.start_libvirtd)
        for uri in (self.lab.uri, "none"):
            with self.subTest(uri=uri):
                self.receiver.samples.all.clear()
                agent = self.run_agent(uri)
                sample = self.receiver.samples.first(
                    lambda s: s.missing if uri != "none" else s.named(self.busy.name), time.time()
                )
                sample = self.receiver.samples.next(sample.time)
                for guest in (self.busy, self.other):
                    vm = sample.vm(guest.name)
                    self.assertEqual(vm["uuid"], guest.guest.uuid)
                    self.assertEqual((vm["state"], vm["ext"]["pid"]), (RUNNING, guest.pid))
                    self.assertEqual((vm["maxram"], vm["ext"]["vcpus"]), (128 * 1024, 1))
                    self.assertGreaterEqual(vm["cpu"], 0)
                self.assertGreater(sample.vm(self.busy.name)["cpu"], 0)
                self.assertFalse(sample.named(self.defined.name))
                self.assertEqual("libvirt" in sample.missing, uri != "none", sample.missing)
                print(f"--libvirt {'of a stopped one' if uri != 'none' else uri}: {sample.missing}")
                self.assertEqual(agent.end()[0], 0)

    def test_libvirtd_that_comes_later(self):
        self.lab.stop_libvirtd()
        try:
            self.run_agent(self.lab.uri)
            self.receiver.samples.first(
                lambda s: "libvirt" in s.missing and s.named(self.busy.name)
            )
        finally:
            self.lab.start_libvirtd()
        started = time.time()
        sample = self.receiver.samples.first(lambda s: not s.missing, started)
        print(f"a libvirtd that comes later is heard after {sample.time - started:.1f} s")
        self.assertEqual(sample.vm(self.defined.name)["state"], SHUT_OFF)
        self.assertEqual(sample.vm(self.busy.name)["ext"]["pid"], self.busy.pid)


if __name__ == "__main__":
    agent_process.main(lab.why_not)
