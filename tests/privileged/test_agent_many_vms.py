"""A host with 300 VMs: parts of extended samples, and the one datagram of standard ones."""

import contextlib
import time
import unittest

import agent_process
from agent_process import NAME, Agent, Receiver, fake_qemu

COUNT = 300
# Smallest MTU that is common, without the headers of IPv6 and UDP.
LARGEST_PART = 1452
LARGEST_DATAGRAM = 65507
HOST_MEMBERS = {"name", "time", "cpu", "ram", "disk", "cputemp", "mbtemp", "vms"}
VM_MEMBERS = {"name", "uuid", "state", "cpu", "ram", "maxram"}


class ManyVmsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(agent_process.end_class_unpinned)
        cls.names = {f"{NAME}n{number:03}" for number in range(COUNT)}
        fakes = cls.enterClassContext(contextlib.ExitStack())
        for name in cls.names:
            fakes.enter_context(fake_qemu(name, "-smp", "2", "-m", "64"))

    def ours(self, vms):
        return [vm for vm in vms if vm["name"] in self.names]

    def check_standard(self, frame, more=frozenset()):
        self.assertEqual(frame.keys(), HOST_MEMBERS | more)
        for vm in frame["vms"]:
            self.assertEqual(vm.keys(), VM_MEMBERS | more)

    def test_parts(self):
        with Receiver() as receiver, Agent(
            "--libvirt", "none", "--collector", receiver.address, printed=False
        ) as agent:
            started = time.monotonic()
            sample = receiver.samples.first(lambda s: len(self.ours(s.vms)) >= COUNT)
            print(f"all {COUNT} are there after {time.monotonic() - started:.1f} s")
            time.sleep(3)
            self.assertEqual(agent.end()[0], 0)
        samples = receiver.samples.since(sample.time)
        self.assertGreaterEqual(len(samples), 2)
        for each in (sample, *samples):
            names = sorted(vm["name"] for vm in self.ours(each.vms))
            self.assertEqual(names, sorted(self.names), "missing, or twice")
            self.assertEqual(each.host["ext"]["self"]["omitted_vms"], 0)
            self.assertEqual(len({vm["uuid"] for vm in each.vms}), len(each.vms))
        sequence, sizes, frames = zip(*receiver.datagrams)
        parts = [f for f in frames if f["ext"]["sample"] == samples[-1].number]
        cost_ms = samples[-1].host["ext"]["self"]["sample_ns"] / 1e6
        print(
            f"{len(parts)} parts a sample of at most {max(sizes)} bytes; a sample takes "
            f"{cost_ms:.1f} ms"
        )
        self.assertLessEqual(max(sizes), LARGEST_PART)
        self.assertEqual(list(sequence), list(range(sequence[0], sequence[0] + len(sequence))))
        for number, frame in enumerate(parts):
            self.check_standard(frame, {"ext"})
            self.assertEqual(frame["ext"]["part"], [number, len(parts)])
            self.assertEqual("self" in frame["ext"], number == 0)
            for vm in self.ours(frame["vms"]):
                self.assertGreaterEqual(vm["ext"]["cpu_ns"], 0)
                self.assertEqual((vm["state"], vm["maxram"]), (1, 65536))

    def test_standard(self):
        with Receiver() as receiver, Agent(
            *("--libvirt", "none", "--frames", "standard", "--collector", receiver.address),
            printed=False,
        ) as agent:
            deadline = time.monotonic() + 30
            while not any(len(self.ours(d[2]["vms"])) == COUNT for d in receiver.datagrams[-1:]):
                self.assertLess(time.monotonic(), deadline, "not all VMs came")
                time.sleep(0.1)
            taken = len(receiver.datagrams)
            time.sleep(2.5)
            self.assertEqual(agent.end()[0], 0)
        frames = receiver.datagrams[taken:]
        times = [frame["time"] for _, _, frame in frames]
        self.assertEqual(len(set(times)), len(times), "a sample in several datagrams")
        for _, size, frame in frames:
            self.assertLessEqual(size, LARGEST_DATAGRAM)
            self.check_standard(frame)
            self.assertEqual({vm["name"] for vm in self.ours(frame["vms"])}, self.names)
            self.assertTrue(all(isinstance(vm["cpu"], (int, float)) for vm in frame["vms"]))
        print(f"a standard sample of {COUNT} VMs: {frames[-1][1]} bytes")


if __name__ == "__main__":
    agent_process.main(lambda: None)
