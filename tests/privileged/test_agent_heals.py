"""Rows and records that went wrong: the agent puts them right, whatever did it."""

import ctypes
import os
import pathlib
import re
import struct
import threading
import time
import unittest

import agent_process
from agent_process import (
    NAME,
    Agent,
    bpftool,
    check_growth,
    fake_qemu,
    pinned,
    rows_of,
    stopped,
    threads_of,
)
from leftovers import failures, left_of, wait_until_nothing_is_left

MAX_THREADS = 32768
INTERVAL_S = 0.25
SYS_BPF = 321 if os.uname().machine == "x86_64" else 280
BPF_LINK_GET_FD_BY_ID, BPF_ITER_CREATE = 30, 33
LIBC = ctypes.CDLL(None, use_errno=True)


def bpf(command, *words):
    """bpf(2) with an attribute of 32-bit words; a file descriptor."""
    attributes = struct.pack(f"{len(words)}I", *words).ljust(128, b"\0")
    got = LIBC.syscall(SYS_BPF, command, attributes, len(attributes))
    if got < 0:
        raise OSError(ctypes.get_errno(), "bpf(2)")
    return got


def as_bytes(number, size):
    return [f"{byte:#04x}" for byte in number.to_bytes(size, "little")]


def a_dead_pid():
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(pid, 0)
    return pid


class Iterator:
    """The agent's own that gives threads their records, run by us as often as we like."""

    def __init__(self, agent):
        (link,) = [re.search(r"link_id:\s*(\d+)", text)[1]
                   for text in (path.read_text() for path in
                                pathlib.Path(f"/proc/{agent.pid}/fdinfo").iterdir())
                   if re.search(r"link_type:\s*iter", text)]
        self._link = bpf(BPF_LINK_GET_FD_BY_ID, int(link))

    def run(self):
        iterator = bpf(BPF_ITER_CREATE, self._link, 0)
        try:
            while os.read(iterator, 64):
                pass
        finally:
            os.close(iterator)

    def close(self):
        os.close(self._link)


class HealsTest(unittest.TestCase):
    def setUp(self):
        self.addCleanup(agent_process.end_class_unpinned)
        self.agent = self.enterContext(Agent(
            "--libvirt", "none", "--source", "ebpf", "--interval", f"{INTERVAL_S}s"))
        self.agent.samples.next()

    def row(self, pid):
        return next((row["value"] for row in rows_of("vms") if row["key"] == pid), None)

    def records(self, pid):
        return left_of({pid}, "threads")

    def wait_for(self, what, timeout=30):
        deadline = time.monotonic() + timeout
        while not what():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(INTERVAL_S)

    def check_whole(self, pid):
        """The kernel's threads are those that have records, and those that are counted."""
        self.wait_for(lambda: self.row(pid) and
                      self.row(pid)["threads"] == self.records(pid) == len(threads_of(pid)))

    def test_a_row_that_was_removed_comes_back(self):
        name = f"{NAME}lost"
        process = self.enterContext(fake_qemu(name, "-smp", "2", FAKE_QEMU_THREADS=4,
                                              FAKE_QEMU_LOAD=30))
        before = self.agent.samples.first(lambda s: s.named(name)).vm(name)["ext"]
        time.sleep(1)
        bpftool("map", "delete", "pinned", pinned()["vms"], "key", *as_bytes(process.pid, 4))
        after = self.agent.samples.first(
            lambda s: s.named(name) and s.vm(name)["ext"].get("since", 0) > before["since"],
            timeout=10)
        ext = after.vm(name)["ext"]
        print(f"  begun again with {ext['cpu_ns'] / 1e6:.1f} ms, {before['cpu_ns'] / 1e6:.1f} ms before")
        self.assertEqual(ext["start"], before["start"])
        check_growth(self, self.agent, name, process.pid)
        self.check_whole(process.pid)
        last = 0
        for sample in self.agent.samples.since(after.time - 0.001):  # counters since then
            for vm in sample.named(name):
                self.assertGreaterEqual(vm["ext"]["cpu_ns"], last)
                last = vm["ext"]["cpu_ns"]
        process.kill()
        process.wait()
        wait_until_nothing_is_left(self, lambda each: left_of({process.pid}, each))
        self.assertEqual(failures(), {})

    def write_record(self, tgid, tid, start_ns, run_ns):
        """As of a thread that ended unseen."""
        used = {row["key"] for row in rows_of("threads") if row["value"]["tid"]}
        place = next(place for place in range(MAX_THREADS) if place not in used)
        record = [*as_bytes(tid, 4), *as_bytes(tgid, 4), *as_bytes(start_ns, 8),
                  *as_bytes(run_ns, 8), *as_bytes(0, 40)]
        bpftool("map", "update", "pinned", pinned()["threads"], "key", *as_bytes(place, 4), "value",
                *record)

    def test_a_record_without_a_thread_is_retired_and_the_count_put_right(self):
        name = f"{NAME}record"
        process = self.enterContext(fake_qemu(name, FAKE_QEMU_LOAD=30))
        self.agent.samples.first(lambda s: s.named(name))
        ran_ns = 10**15  # no thread used as much
        self.write_record(process.pid, a_dead_pid(), self.row(process.pid)["start_ns"], ran_ns)
        self.assertEqual(self.records(process.pid), len(threads_of(process.pid)) + 1)
        self.check_whole(process.pid)
        self.assertEqual(self.row(process.pid)["ended_run_ns"], ran_ns)
        check_growth(self, self.agent, name, process.pid)

    def test_a_row_of_a_process_that_ended_unseen_is_removed_with_its_records(self):
        pid = a_dead_pid()
        start_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - 10**9
        for tid in (pid, a_dead_pid()):
            self.write_record(pid, tid, start_ns, 10**9)
        row = [*as_bytes(start_ns, 8), *as_bytes(start_ns, 8), *as_bytes(0, 120), *as_bytes(2, 4),
               *as_bytes(0, 4), *as_bytes(1, 4), *as_bytes(0, 4)]
        bpftool("map", "update", "pinned", pinned()["vms"], "key", *as_bytes(pid, 4), "value", *row)
        self.agent.wait_for_log(f"process {pid}: it has ended unseen; 2 of 2 records")
        took = wait_until_nothing_is_left(self, lambda each: left_of({pid}, each))
        print(f"  it was removed after {took:.0f} s")
        self.assertEqual(failures(), {})

    def test_threads_are_born_while_the_iterator_runs(self):
        name = f"{NAME}storm"
        storm = self.enterContext(fake_qemu(name, FAKE_QEMU_STORM=3000, FAKE_QEMU_STORM_MS=1))
        self.agent.samples.first(lambda s: s.named(name))
        iterator = Iterator(self.agent)
        self.addCleanup(iterator.close)
        ended = threading.Event()
        runs = []

        def run():
            while not ended.is_set():
                iterator.run()
                runs.append(None)

        runners = [threading.Thread(target=run) for _ in range(2)]
        for runner in runners:
            runner.start()
        try:
            self.wait_for(lambda: len(threads_of(storm.pid)) == 3, timeout=60)
        finally:
            ended.set()
            for runner in runners:
                runner.join()
        with stopped(storm.pid):
            row = self.row(storm.pid)
            print(f"  3000 threads were born while the iterator ran {len(runs)} times: "
                  f"{row['threads']} of {len(threads_of(storm.pid))} are counted")
            self.assertEqual(row["threads"], len(threads_of(storm.pid)))
            self.assertEqual(self.records(storm.pid), len(threads_of(storm.pid)))
        storm.kill()
        storm.wait()
        wait_until_nothing_is_left(self, lambda each: left_of({storm.pid}, each))
        self.assertEqual(failures(), {})


if __name__ == "__main__":
    agent_process.main()
