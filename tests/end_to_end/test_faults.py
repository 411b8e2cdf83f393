#!/usr/bin/env python3
"""kill -9 of a collector under load, again and again in the same database; clocks that are set."""

import contextlib
import glob
import os
import random
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest

from collector_process import Collector
from databases import WithDatabase, rows
from wire import frame, vm

GRID_SIM = os.path.join(os.environ.get("VIRTPULSE_BIN", "build/release/bin"), "grid-sim")
KILLS = int(os.environ.get("VIRTPULSE_KILLS", "10"))
FAKETIME = next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None)
DAY_S = 86400
UUID = "11111111-2222-4333-8444-555555555555"


class SetClock:
    """The clock of a program that is started with its environment, off by as much as it is told."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "clock")
        self.set(0)
        self.environment = {
            "LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": self.path, "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
            # AddressSanitizer, where it is built in, would be the first library.
            "ASAN_OPTIONS": "quarantine_size_mb=1:verify_asan_link_order=0",
        }

    def set(self, seconds):
        with open(self.path + ".new", "w", encoding="ascii") as file:
            file.write(f"{seconds:+d}")
        os.replace(self.path + ".new", self.path)


def behind_ms(connection):
    """How old the newest sample in the database is, and when it was taken."""
    newest_ms, = connection.execute("SELECT max(time_ms) FROM host_samples").fetchone()
    return time.time() * 1000 - newest_ms, newest_ms


class Kill(unittest.TestCase):
    def test_kill_9_under_load_leaves_a_database_with_all_but_the_last_second(self):
        source = random.Random(9)
        worst_ms = 0
        with tempfile.TemporaryDirectory(prefix="virtpulse-") as directory:
            database = os.path.join(directory, "grid.db")
            for number in range(KILLS):
                with Collector(database) as collector:
                    load = subprocess.Popen(
                        [GRID_SIM, "--collector", f"127.0.0.1:{collector.udp}", "--hosts", "100",
                         "--vms", "20", "--seconds", "60"],
                        stdout=subprocess.DEVNULL)
                    rows = collector.stats()["store"]["rows"]
                    collector.until(lambda: collector.stats()["store"]["rows"] > rows)
                    # How far it is behind anyway depends on the machine, and on who else uses it.
                    usual_ms = 0
                    end = time.monotonic() + source.uniform(1.5, 3)
                    with contextlib.closing(sqlite3.connect(database)) as connection:
                        while time.monotonic() < end:
                            time.sleep(0.02)
                            stats = collector.stats()
                            behind, stored_ms = behind_ms(connection)
                            usual_ms = max(usual_ms, behind)
                    killed_ms = time.time() * 1000
                    collector.stop(signal.SIGKILL)
                    load.terminate()
                    load.wait()
                self.assertEqual(stats["store"]["dropped_rows"], 0)
                with contextlib.closing(sqlite3.connect(database)) as connection:
                    self.assertEqual(connection.execute("PRAGMA integrity_check").fetchall(),
                                     [("ok",)])
                    # What was committed is there, and whole: no row points nowhere.
                    self.assertEqual(connection.execute("PRAGMA foreign_key_check").fetchall(), [])
                    newest_ms = behind_ms(connection)[1]
                self.assertGreaterEqual(newest_ms, stored_ms)
                missing_ms = killed_ms - newest_ms
                print(f"kill {number}: {missing_ms:.0f} ms missing, up to {usual_ms:.0f} ms behind "
                      "before")
                worst_ms = max(worst_ms, missing_ms)
                self.assertLess(missing_ms, usual_ms + 1000)
        print(f"{KILLS} kills: the database opened each time; at most {worst_ms:.0f} ms missing")


class Clocks(WithDatabase):
    def setUp(self):
        if not FAKETIME:
            self.skipTest("no libfaketime")
        super().setUp()
        self.clock = SetClock(self.directory)

    def test_a_clock_that_is_set_deletes_nothing_and_loses_nothing(self):
        with Collector(self.database, "--keep", "1d", environment=self.clock.environment) as grid:
            sender, reader = grid.sender(), grid.reader()
            sent = []

            def send():
                # As an agent's, whose clock is right.
                text = frame("h", at=len(sent) + 1e9, vms=[vm("a", UUID)])
                sender.send(text)
                self.assertEqual(reader.live(), text)
                sent.append(text)

            for off_s in (0, 40 * DAY_S, -5 * DAY_S, 3600, 60):
                self.clock.set(off_s)
                for _ in range(3):
                    send()
                grid.until(lambda: len(rows(self.database, "SELECT 1 FROM host_samples")) == len(sent))
                near = time.time() + off_s
                (newest, oldest), = rows(
                    self.database, "SELECT max(received_s), min(received_s) FROM (SELECT received_s FROM"
                    " host_samples ORDER BY time_ms DESC LIMIT 3)")
                self.assertTrue(near - 120 < oldest <= newest < near + 120)
            grid.until(lambda: "trusted again" in grid.said())
            self.assertEqual(grid.said().count("jumped ahead"), 2)
            stats = grid.stats()
            self.assertEqual(stats["store"]["dropped_rows"], 0)
            self.assertEqual(sum(stats["dropped"].values()), 0)
        self.assertEqual(rows(self.database, "PRAGMA integrity_check"), [("ok",)])
        # Each sample is in one bucket of each size. The next start closes those that were open; one
        # more does not count them again.
        for more_s in (40, 80):
            with Collector(self.database, environment=self.clock.environment) as grid:
                self.clock.set(60 + more_s)
                for size in ("10s", "1min", "1h"):
                    for subject in ("host", "vm"):
                        grid.until(lambda: rows(
                    self.database, f"SELECT sum(samples) FROM {subject}_{size}") == [(len(sent),)])
                # Of a clock that is now, the first thing that closes a bucket too many.
                grid.sender().send(frame("h", at=len(sent) + 1e9, vms=[vm("a", UUID)]))
                sent.append(None)
                grid.until(lambda: len(rows(self.database, "SELECT 1 FROM host_samples")) == len(sent))


if __name__ == "__main__":
    unittest.main(verbosity=2)
