#!/usr/bin/env python3
"""kill -9 of a collector under load, again and again in the same database."""

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest

from collector_process import Collector

GRID_SIM = os.path.join(os.environ.get("VIRTPULSE_BIN", "build/release/bin"), "grid-sim")
KILLS = int(os.environ.get("VIRTPULSE_KILLS", "10"))


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


if __name__ == "__main__":
    unittest.main(verbosity=2)
