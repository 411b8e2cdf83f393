"""Block requests that take long, and those whose end no event tells of."""

import struct
import time
import unittest

import agent_process
from agent_process import Agent, bpftool, pinned, rows_of, stopped
from cgroup_io import group_of_a_vm
from loop_disk import FreezableDisk, block_of, diskstats, why_not

# The agent looks for them each second while any request is in flight, else each ten.
ENDED_WITHIN_S = 30


class RequestsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(agent_process.end_class_unpinned)
        cls.disk = cls.enterClassContext(FreezableDisk())
        cls.agent = cls.enterClassContext(
            Agent("--libvirt", "none", "--source", "ebpf", "--interval", "250ms"))
        cls.agent.samples.first(lambda sample: sample.number > 1)

    def sample(self, process, wanted=lambda block: True):
        """The first sample after now in which the VM has such counters on the disk: the sample, the counters,
        and how many completions were lost so far."""
        def block(sample):
            return block_of(sample, process.pid, self.disk.disk)

        sample = self.agent.samples.first(
            lambda sample: block(sample) is not None and wanted(block(sample)), time.time())
        return sample, block(sample), sample.host["ext"]["self"]["lost_completions"]

    def first_stuck(self, process):
        """The first sample with a request in flight that is also in flight in the next one."""
        before, done = None, None
        while True:
            sample, block, _ = self.sample(process, lambda block: block["in_flight"] == 1)
            if done == block["write_ops"]:
                return before
            before, done = sample, block["write_ops"]

    def test_a_slow_request_stays_in_flight_until_it_ends(self):
        with self.disk.io(self.disk.machine, "write", 50, 4096, 0) as process:
            _, before, lost_before = self.sample(process)
            with self.disk.frozen():
                seen = self.first_stuck(process)
                time.sleep(4)
                _, during, lost = self.sample(process)
                self.assertEqual(during["in_flight"], 1)
                self.assertEqual(lost, lost_before)
                frozen_s = time.time() - seen.arrived
            _, after, lost = self.sample(
                process, lambda block: block["write_ops"] > during["write_ops"])
        spent_s, busy_s = ((sum(after[key] for key in keys) - sum(before[key] for key in keys)) / 1e9
                           for keys in (("write_queue_ns", "write_device_ns"), ("busy_ns",)))
        print(f"a write that was in flight for {frozen_s:.2f} s at least: {spent_s:.2f} s in the VM's "
              f"writes, its disk busy for {busy_s:.2f} s")
        self.assertGreaterEqual(spent_s, frozen_s)
        self.assertGreaterEqual(busy_s, frozen_s)
        self.assertEqual(lost, lost_before)
        self.assertNotIn("untimed_ops", after)

    def test_requests_whose_end_was_not_seen_are_ended(self):
        """Entries that no event will ever end are put into the map: one that seems to be at the disk, at an
        address where the kernel has no request; and two that were never issued."""
        with self.disk.io(self.disk.machine, "read", 100, 4096, 0) as process:
            self.sample(process)
            with stopped(process.pid):
                time.sleep(0.05)  # what is at the disk ends
                _, before, lost_before = self.sample(process)
                key = next(row["key"] for row in rows_of("vm_block")
                           if row["key"]["tgid"] == process.pid)
                owner = key["start_ns"], 0, 0, key["tgid"], key["dev"], 0, 4096
                at_device, never, not_due = 0x1000, 0x2000, 0x3000
                now_ns = time.monotonic_ns()
                self.put(at_device, now_ns - 5 * 10**9, now_ns - 5 * 10**9, *owner)
                self.put(never, now_ns - 31 * 10**9, 0, *owner)
                self.put(not_due, now_ns + 60 * 10**9, 0, *owner)
                while {at_device, never} & self.requests():
                    self.assertLess(time.monotonic_ns(), now_ns + ENDED_WITHIN_S * 10**9)
                    time.sleep(0.1)
                print(f"ended after {time.monotonic() - now_ns / 1e9:.1f} s")
                self.assertIn(not_due, self.requests())
                _, after, lost = self.sample(process)
        self.assertEqual(lost - lost_before, 1)
        self.assertEqual(after["untimed_ops"] - before.get("untimed_ops", 0), 1)
        self.assertEqual(after["read_ops"] - before["read_ops"], 1)
        self.assertEqual(after["in_flight"], 0)

    def test_a_request_that_was_not_seen_to_be_issued_is_counted(self):
        """Of a request at the disk the note is made to say that it was queued and no more, as it is where the
        event of its issue was lost."""
        def forget_issue(entry):
            note = entry["value"]
            self.put(entry["key"], note["queued_ns"], 0,
                     *(note[key] for key in ("start_ns", "device_before_ns", "own_before_ns", "tgid", "dev", "op",
                                             "bytes")))

        self.check_lost_issue(forget_issue)

    def test_a_request_of_which_nothing_was_seen_but_its_end_is_counted(self):
        """As where the event of its issue was lost, and it was not noted before: the VM's cgroup tells whose it is."""
        with group_of_a_vm() as group:
            self.check_lost_issue(lambda entry: bpftool(
                "map", "delete", "pinned", pinned()["requests"], "key", *struct.pack("<Q", entry["key"])), group)

    def check_lost_issue(self, lose, group=None):
        begun = diskstats(self.disk.disk)["write_ops"]
        with self.disk.io(self.disk.machine, "write", 50, 4096, 0, group=group) as process:
            first, before, _ = self.sample(process, lambda block: block["write_ops"] > 20)
            with self.disk.frozen():
                self.first_stuck(process)
                entry, = (row for row in rows_of("requests")
                          if row["value"]["tgid"] == process.pid and row["value"]["issued_ns"])
                lose(entry)
            self.sample(process, lambda block: block["write_ops"] > before["write_ops"] + 20)
            with stopped(process.pid):
                time.sleep(0.05)  # what is at the disk ends
                last, after, _ = self.sample(process)
                done = diskstats(self.disk.disk)["write_ops"] - begun
        print(f"of {done} writes {after['write_ops']} are counted, {after.get('untimed_ops')} untimed")
        self.assertEqual(after["write_ops"], done)
        self.assertEqual(after["untimed_ops"] - before.get("untimed_ops", 0), 1)
        grown = [sample.host["ext"]["self"]["lost_issues"] for sample in (first, last)]
        self.assertEqual(grown[1] - grown[0], 1)
        self.assertGreaterEqual(last.host["ext"]["self"]["recursion_misses"], 0)

    @staticmethod
    def requests():
        """The keys of the map of requests."""
        return {row["key"] for row in rows_of("requests")}

    @staticmethod
    def put(address, queued_ns, issued_ns, *rest):
        """A struct vp_request, see bpf/records.h."""
        key = struct.pack("<Q", address)
        value = struct.pack("<QQQQQIIII", queued_ns, issued_ns, *rest)
        bpftool("map", "update", "pinned", pinned()["requests"], "key", *key, "value", *value)


if __name__ == "__main__":
    agent_process.main(why_not)
