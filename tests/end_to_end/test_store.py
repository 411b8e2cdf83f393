#!/usr/bin/env python3
"""The database when things go wrong: killed, full, locked, corrupt; and viewers that never read."""

import contextlib
import os
import random
import signal
import socket
import sqlite3
import subprocess
import time
import unittest

from collector_process import Collector, run
from databases import WithDatabase, rows
from ports import free_port
from wire import frame, vm

KILLS = int(os.environ.get("VIRTPULSE_KILLS", "8"))


def guests(count, i):
    return [vm(f"g{n}", f"u{n}", ext={"start": 5, "since": 1, "cpu_ns": 1000 * i, "switches": i})
            for n in range(count)]


class File(WithDatabase):
    def test_a_restarted_collector_goes_on_in_the_same_file(self):
        for run_number in range(2):
            with Collector(self.database) as collector:
                sender = collector.sender(sequence=100 * run_number)
                sender.send(frame("h", at=1000.0 + run_number, vms=[vm("a", "1")]))
                collector.settled(1)
                code, took = collector.stop()
            print(f"SIGTERM to exit: {took * 1000:.0f} ms")
            self.assertEqual(code, 0)
            self.assertFalse(os.path.exists(self.database + "-wal"))
        self.assertEqual(rows(self.database, "SELECT count(*) FROM vms"), [(1,)])
        self.assertEqual(rows(self.database, "SELECT time_ms FROM vm_samples ORDER BY 1"),
                         [(1000000,), (1001000,)])

    def test_kill_9_leaves_a_database_that_opens_with_all_but_the_last_second(self):
        with Collector(self.database) as collector:
            sender = collector.sender()
            for i in range(200):
                sender.send(frame("h", at=1000.0 + i, vms=[vm("a", "1")]))
            collector.settled(200)
            # One event and two rows for each frame.
            collector.until(lambda: collector.stats()["store"]["rows"] == 401)
            code, _ = collector.stop(signal.SIGKILL)
        self.assertEqual(code, -signal.SIGKILL)
        self.assertEqual(rows(self.database, "PRAGMA integrity_check"), [("ok",)])
        self.assertEqual(rows(self.database, "SELECT count(*) FROM vm_samples"), [(200,)])

    def test_each_reason_why_nothing_is_stored_is_said_once(self):
        with Collector(self.database) as collector:
            collector.sender().send(frame("h", vms=[vm("a", "1")]))
            collector.until(lambda: collector.stats()["store"]["rows"] == 3)
            reasons = ("is locked", "unable to open")
            with contextlib.closing(sqlite3.connect(self.database, isolation_level=None)) as lock:
                lock.execute("BEGIN IMMEDIATE")
                collector.until(lambda: reasons[0] in collector.said())
            for end in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.remove(self.database + end)
            os.mkdir(self.database)
            collector.until(lambda: reasons[1] in collector.said())
            time.sleep(2.5)  # and tries again
            self.assertEqual([collector.said().count(reason) for reason in reasons], [1, 1])
            os.rmdir(self.database)
            collector.until(lambda: "works again" in collector.said())
            collector.stop()

    def test_a_locked_database_holds_up_nothing_and_loses_nothing(self):
        with Collector(self.database) as collector:
            reader = collector.reader()
            collector.stats()
            sender = collector.sender()
            lock = sqlite3.connect(self.database, isolation_level=None)
            lock.execute("BEGIN IMMEDIATE")
            for i in range(20):
                text = frame("h", at=1000.0 + i)
                sender.send(text)
                self.assertEqual(reader.live(), text)
            collector.until(lambda: collector.stats()["store"]["failing"])
            self.assertEqual(collector.said().count("database is locked"), 1)
            lock.execute("ROLLBACK")
            lock.close()
            collector.until(lambda: collector.stats()["store"]["rows"] == 21)
            stats = collector.stats()["store"]
            self.assertEqual((stats["failing"], stats["dropped_rows"]), (False, 0))
            self.assertIn("works again", collector.said())

    def test_a_database_that_was_deleted_is_made_again(self):
        with Collector(self.database) as collector:
            sender = collector.sender()
            sender.send(frame("h", at=1000.0))
            collector.until(lambda: collector.stats()["store"]["rows"] == 2)
            for suffix in ("", "-wal", "-shm"):
                os.remove(self.database + suffix)
            sender.send(frame("h", at=1001.0))
            collector.until(lambda: "works again" in collector.said())
            collector.stop()
        self.assertEqual(rows(self.database, "SELECT time_ms FROM host_samples"), [(1001000,)])

    def test_sigterm_ends_it_in_time_although_the_database_is_locked(self):
        with Collector(self.database) as collector:
            lock = sqlite3.connect(self.database, isolation_level=None)
            lock.execute("BEGIN IMMEDIATE")
            collector.sender().send(frame("h"))
            collector.settled(1)
            code, took = collector.stop()
            print(f"SIGTERM to exit, database locked: {took * 1000:.0f} ms")
            lock.close()
        self.assertEqual(code, 0)

    def refusal(self, *arguments):
        code, _, said = run("--udp", f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}",
                            "--tcp", f"127.0.0.1:{free_port(socket.SOCK_STREAM)}",
                            "--http", "none", *arguments)
        self.assertEqual(code, 1)
        self.assertEqual(said.count("\n"), 1, said)
        return said

    def test_a_database_that_cannot_be_is_refused_in_one_line(self):
        self.assertIn("no directory", self.refusal("--db", "/nowhere/at/all.db"))
        with open(self.database, "wb") as file:
            file.write(b"this is no database" * 1000)
        self.assertIn("file is not a database", self.refusal("--db", self.database))
        with open(self.database, "rb") as file:
            self.assertEqual(file.read(), b"this is no database" * 1000)
        os.remove(self.database)
        with contextlib.closing(sqlite3.connect(self.database)) as foreign:
            foreign.execute("CREATE TABLE recipes(name)")
        self.assertIn("another program", self.refusal("--db", self.database))
        os.remove(self.database)
        with Collector(self.database):
            pass
        with contextlib.closing(sqlite3.connect(self.database)) as newer:
            newer.execute("PRAGMA user_version = 99")
        self.assertIn("schema version 99", self.refusal("--db", self.database))


class Store(WithDatabase):
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
                committed, = rows(self.database, "SELECT max(time_ms) FROM host_samples")[0]
                collector.stop(signal.SIGKILL)
            self.assertEqual(rows(self.database, "PRAGMA integrity_check"), [("ok",)])
            newest, = rows(self.database, "SELECT max(time_ms) FROM host_samples")[0]
            self.assertGreaterEqual(newest, committed)
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
        database = os.path.join(place, "grid.db")
        with Collector(database) as collector:
            # Little room, as what is stored by then is read again when the database works.
            free = os.statvfs(place)
            with open(filler, "wb") as file:
                file.write(b"x" * (free.f_bavail * free.f_frsize - (512 << 10)))
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
            # The host comes; on a slow machine it has gone again by then, which is a row as well.
            collector.until(lambda: collector.stats()["store"]["rows"] - 201 * count in (1, 2))
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
