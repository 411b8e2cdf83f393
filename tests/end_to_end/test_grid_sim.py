#!/usr/bin/env python3
"""The simulated grid: what it says that it sent is what a collector finds."""

import json
import os
import subprocess
import tempfile
import unittest

from collector_process import Collector, run

GRID_SIM = os.path.join(os.environ.get("VIRTPULSE_BIN", "build/release/bin"), "grid-sim")


def simulate(port, *arguments):
    done = subprocess.run([GRID_SIM, "--collector", f"127.0.0.1:{port}", *arguments],
                          capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def total(collector, what):
    return sum(host["frames"][what] for host in collector.ask({"id": 1, "op": "hosts"})["hosts"])


class GridSim(unittest.TestCase):
    def test_what_it_does_to_its_datagrams_is_what_the_collector_counts(self):
        with Collector() as collector:
            sent = simulate(collector.udp, "--hosts", "20", "--vms", "20", "--seconds", "3",
                            "--rate", "5", "--loss", "2", "--duplicate", "3", "--reorder", "4",
                            "--restart-every", "2")
            stats = collector.settled(sent["datagrams"])
            print(sent, {k: v for k, v in stats["dropped"].items() if v})
            self.assertEqual(sent["samples"], 300)
            self.assertEqual(stats["hosts"]["known"], 20)
            self.assertEqual(stats["hosts"]["vms"], 400)
            self.assertGreater(min(sent["withheld"], sent["duplicated"], sent["reordered"]), 10)
            self.assertGreaterEqual(sent["restarts"], 20)
            self.assertEqual(total(collector, "restarted"), sent["restarts"])
            dropped = stats["dropped"]["duplicate"] + stats["dropped"]["behind_window"]
            self.assertEqual(stats["frames"] + dropped, sent["datagrams"])
            self.assertGreater(total(collector, "late"), 0)
            # What was withheld at the very end of a run is not known to be missing.
            self.assertLessEqual(total(collector, "lost"), sent["withheld"])
            self.assertGreaterEqual(total(collector, "lost"), sent["withheld"] // 2)

    def test_sealed_prepared_and_with_clocks_that_are_off(self):
        with tempfile.TemporaryDirectory(prefix="virtpulse-") as directory:
            keys = os.path.join(directory, "keys")
            with open(keys, "w", encoding="ascii",
                      opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                file.write(run("keygen", "--host-pattern", "sim*")[1])
            with Collector("none", "--key-file", keys, "--max-skew", "10s") as collector:
                late_file = os.path.join(directory, "late")
                sent = simulate(collector.udp, "--hosts", "30", "--seconds", "1", "--key-file",
                                keys, "--prepare", "--late-file", late_file)
                with open(late_file, encoding="ascii") as file:
                    late_us = sorted(int(line) for line in file)
                self.assertEqual(len(late_us), sent["samples"])
                self.assertEqual(late_us[(len(late_us) - 1) // 2], sent["late_p50_us"])
                self.assertEqual(collector.settled(sent["datagrams"])["frames"], sent["datagrams"])
                more = simulate(collector.udp, "--hosts", "30", "--seconds", "1", "--key-file",
                                keys, "--skew", "100", "--prefix", "simskewed")
                stats = collector.settled(sent["datagrams"] + more["datagrams"])
                self.assertGreater(stats["dropped"]["skew"], 15)
                self.assertEqual(sum(stats["dropped"].values()), stats["dropped"]["skew"])

    def test_several_receivers_share_the_agents(self):
        with Collector("none", "--receivers", "3") as collector:
            runs = [simulate(collector.udp, "--hosts", "5", "--seconds", "1", "--rate", "4",
                             "--prefix", f"sim{i}-") for i in range(8)]  # each from its own port
            stats = collector.settled(sum(sent["datagrams"] for sent in runs))
            self.assertEqual((stats["hosts"]["known"], sum(stats["dropped"].values())), (40, 0))
            self.assertEqual((total(collector, "lost"), total(collector, "late")), (0, 0))
            # Threads: main, keeper, relay and three that receive.
            self.assertGreaterEqual(len(os.listdir(f"/proc/{collector.process.pid}/task")), 6)

    def test_it_sends_nowhere_but_to_this_machine(self):
        for address, code in (("192.0.2.1", 1), ("[2001:db8::1]:7", 1), ("localhost", 1),
                              ("0.0.0.0", 1), ("1:2:3", 1), ("a b", 2)):
            done = subprocess.run([GRID_SIM, "--collector", address], capture_output=True,
                                  text=True, check=False, timeout=60)
            self.assertEqual((done.returncode, done.stdout), (code, ""), address)
            self.assertEqual(done.stderr.count("\n"), 1)
        self.assertIn("Examples", subprocess.run([GRID_SIM, "--help"], capture_output=True,
                                                 text=True, check=True).stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
