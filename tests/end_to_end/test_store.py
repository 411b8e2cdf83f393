#!/usr/bin/env python3
"""The database when things go wrong: killed, full, locked, corrupt; and viewers that never read."""

import contextlib
import os
import random
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import unittest

from collector_process import Collector, run
from ports import free_port
from wire import frame, vm

KILLS = int(os.environ.get("VIRTPULSE_KILLS", "8"))


def rows(database, sql):
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute(sql).fetchall()


def guests(count, i):
    return [vm(f"g{n}", f"u{n}", ext={"start": 5, "since": 1, "cpu_ns": 1000 * i, "switches": i})
            for n in range(count)]


class Store(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="virtpulse-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.database = os.path.join(directory.name, "grid.db")

    def test_kill_9_in_a_loop_leaves_samples_and_roll_ups_that_agree(self):
        source = random.Random(5)
        sent = 0
        ports = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
        for _ in range(KILLS):
            with Collector(self.database, ports=ports) as collector:
                sender = collector.sender(sequence=sent)
                end = time.monotonic() + source.uniform(1.5, 3.5)
                while time.monotonic() < end:
                    sender.send(frame("h", vms=guests(20, sent)))
                    sent += 1
                    time.sleep(0.005)
                last = time.time()
                collector.stop(signal.SIGKILL)
            self.assertEqual(rows(self.database, "PRAGMA integrity_check"), [("ok",)])
            newest, = rows(self.database, "SELECT max(time_ms) FROM host_samples")[0]
            # A commit a second, and a second for a machine that is busy otherwise.
            self.assertGreater(newest / 1000, last - 3)
        with Collector(self.database, ports=ports) as collector:
            collector.sender(sequence=sent).send(frame("h", vms=guests(20, sent)))
            samples = "SELECT count(*) FROM vm_samples WHERE received_s < (SELECT max(start_s) FROM vm_10s)"
            collector.until(lambda: rows(self.database, "SELECT max(start_s) >= unixepoch() - 25,"
                                         " (SELECT max(received_s) FROM vm_samples) - max(start_s) < 10"
                                         " FROM vm_10s") == [(1, 1)], 60)
            self.assertEqual(rows(self.database, samples), rows(
                self.database, "SELECT sum(samples) FROM vm_10s"
                " WHERE start_s < (SELECT max(start_s) FROM vm_10s)"))
            for tier in ("10s", "1min", "1h"):  # the counter's way, over all kills, in each tier
                self.assertEqual(rows(self.database, f"SELECT sum(cpu_ns), sum(samples) FROM vm_{tier}"),
                                 rows(self.database, "SELECT sum(last - first), sum(n) FROM (SELECT"
                                      " max(cpu_ns) AS last, min(cpu_ns) AS first, count(*) AS n"
                                      " FROM vm_samples GROUP BY vm_id)"), tier)
        print(f"{KILLS} kills, {sent} frames sent, {rows(self.database, 'SELECT count(*) FROM host_samples')}")

    def test_a_full_disk_is_said_once_and_holds_up_nothing(self):
        if os.geteuid() != 0:
            self.skipTest("a small tmpfs needs root")
        place = os.path.join(self.directory, "small")
        os.mkdir(place)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", place], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", place], check=False)
        filler = os.path.join(place, "filler")
        with open(filler, "wb") as file:
            file.write(b"x" * (30 << 20))
        database = os.path.join(place, "grid.db")
        with Collector(database) as collector:
            reader = collector.reader()
            collector.stats()
            sender = collector.sender()
            count = 0
            while not collector.stats()["store"]["failing"]:
                text = frame("h", vms=guests(200, count))
                sender.send(text)
                self.assertEqual(reader.live(), text)
                count += 1
                self.assertLess(count, 2000)
            collector.until(lambda: "is full" in collector.said())  # a moment after it is counted
            self.assertEqual(collector.said().count("is full"), 1)
            os.remove(filler)
            collector.until(lambda: "works again" in collector.said())
            collector.until(lambda: collector.stats()["store"]["rows"] == 1 + 201 * count)
            self.assertEqual(collector.stats()["store"]["dropped_rows"], 0)
            collector.stop()
        self.assertEqual(rows(database, "PRAGMA integrity_check"), [("ok",)])

    def test_a_file_that_is_spoilt_is_refused_in_one_line_and_left_alone(self):
        with Collector(self.database) as collector:
            collector.sender().send(frame("h", vms=guests(200, 0)))
            collector.until(lambda: collector.stats()["store"]["rows"] == 202)
            collector.stop()
        with open(self.database, "r+b") as file:
            file.seek(4096)  # behind the header and the schema
            file.write(b"spoilt!!" * ((os.path.getsize(self.database) - 4096) // 8))
        with open(self.database, "rb") as file:
            spoilt = file.read()
        code, _, said = run("--udp", f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}",
                            "--tcp", f"127.0.0.1:{free_port(socket.SOCK_STREAM)}",
                            "--http", "none", "--db", self.database)
        self.assertEqual((code, said.count("\n")), (1, 1), said)
        self.assertIn("move the file away", said)
        with open(self.database, "rb") as file:
            self.assertEqual(file.read(), spoilt)

    def test_200_viewers_that_read_nothing_and_one_that_reads(self):
        with Collector() as collector:
            stuck = [collector.reader(receive_buffer=4096) for _ in range(200)]
            reader = collector.reader()
            collector.until(lambda: collector.stats()["viewers"]["connected"] == 202)
            sender = collector.sender()
            took = []

            def pass_on(first, count):
                for i in range(first, first + count):
                    text = frame(f"h{i % 10}", at=1000.0 + i, vms=guests(100, i))
                    begun = time.monotonic()
                    sender.send(text)
                    self.assertEqual(reader.live(), text)
                    took.append(time.monotonic() - begun)
            pass_on(0, 200)
            before = collector.memory_kib()
            pass_on(200, 800)
            grown = collector.memory_kib() - before
            took.sort()
            sent = 800 * len(frame("h", vms=guests(100, 1))) // 1024
            print(f"one viewer that reads beside {len(stuck)} that do not: {1000 * took[500]:.2f} ms in the"
                  f" middle, {1000 * took[990]:.2f} ms at 99 %; memory grew by {grown} KiB, {sent} KiB sent"
                  " to each")
            # What waits for one is at most an overtaken MiB, whose text all of them share.
            self.assertLess(grown, 200 * sent // 20)


if __name__ == "__main__":
    unittest.main(verbosity=2)
