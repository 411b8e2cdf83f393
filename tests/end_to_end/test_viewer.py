#!/usr/bin/python3
"""The viewer against collectors that are played here: what it makes of frames and connections."""

import json
import socket
import time
import unittest

from ports import free_port
from viewer_process import (PATIENCE_S, FakeCollector, Viewer, frame, host_named, message, run,
                            steadily, vm)


class Frames(unittest.TestCase):
    def test_a_host_and_its_vms(self):
        text = frame(disk=97.0, vms=[vm(), vm("mail", 5)])
        with FakeCollector(lambda c: c.sendall(message(text))) as collector:
            code, out, err = run("--collector", collector.address, "--json", "--count", "1")
        self.assertEqual((code, err), (0, ""))
        document = json.loads(out)
        self.assertEqual(document["collectors"][0]["state"], "connected")
        host = host_named(document, "alpha")
        self.assertEqual(host["level"], "bad")
        self.assertEqual(host["reasons"], ["disk 97 %"])
        self.assertIsNone(host["cputemp"])
        self.assertEqual([(v["name"], v["state"]) for v in host["vms"]], [("mail", 5), ("web-1", 1)])

    def test_frames_that_arrive_in_pieces(self):
        def greet(connection):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = message(frame("alpha")) + message(frame("beta"))
            for at in range(0, len(stream), 3):
                connection.sendall(stream[at:at + 3])
                time.sleep(0.001)
            time.sleep(PATIENCE_S)
        with FakeCollector(greet) as collector, \
                Viewer("--collector", collector.address, "--json") as viewer:
            viewer.documents_until(lambda d: host_named(d, "alpha") and host_named(d, "beta"))

    def test_unknown_types_are_skipped(self):
        def greet(connection):
            connection.sendall(message("not even JSON", 200) + message(b"", 3) +
                               message(b"x" * 300000, 7) + message(frame()))
            time.sleep(PATIENCE_S)
        with FakeCollector(greet) as collector, \
                Viewer("--collector", collector.address, "--json") as viewer:
            document = viewer.documents_until(lambda d: host_named(d, "alpha"))
        self.assertEqual(document["collectors"][0]["bad_frames"], 0)

    def test_bad_frames_are_counted_and_the_connection_stands(self):
        def greet(connection):
            for bad in ("", "{", "[]", '{"name":1}', "\xff" * 9, "[" * 5000, "x" * 70000):
                connection.sendall(message(bad))
            connection.sendall(message(frame()))
            time.sleep(PATIENCE_S)
        with FakeCollector(greet) as collector, \
                Viewer("--collector", collector.address, "--json") as viewer:
            document = viewer.documents_until(lambda d: host_named(d, "alpha"))
        self.assertEqual(document["collectors"][0]["bad_frames"], 7)
        self.assertEqual(document["collectors"][0]["frames"], 8)
        self.assertEqual(document["collectors"][0]["state"], "connected")

    def test_rates_come_from_counters(self):
        reads = [1000]

        def make():
            reads[0] += 10
            # The frames' own clock says how much time passed: 1 s each.
            return frame(at=float(reads[0] // 10), vms=[vm(ext={
                "since": 1, "run_delay_ns": reads[0] * 1000000,
                "block": [{"dev": "vda", "read_ops": reads[0]}]})])
        with FakeCollector(steadily(make)) as collector, \
                Viewer("--collector", collector.address, "--json") as viewer:
            def known(document):
                host = host_named(document, "alpha")
                return host and host["vms"][0]["read_ops_s"] is not None
            one = host_named(viewer.documents_until(known), "alpha")["vms"][0]
        self.assertEqual(one["read_ops_s"], 10)
        self.assertEqual(one["run_delay_percent"], 1)
        self.assertIsNone(one["write_ops_s"])

    def test_unhealthy_shows_only_those(self):
        def greet(connection):
            connection.sendall(message(frame("well")) + message(frame("hot", cputemp=99.0)) +
                               message(frame("full", ram=90.0)))
            time.sleep(PATIENCE_S)
        with FakeCollector(greet) as collector:
            _, out, _ = run("--collector", collector.address, "--json", "--unhealthy",
                            "--count", "1")
        self.assertEqual([h["name"] for h in json.loads(out)["hosts"]], ["hot", "full"])


class Connections(unittest.TestCase):
    def test_nobody_listens(self):
        address = f"127.0.0.1:{free_port(socket.SOCK_STREAM)}"
        code, out, err = run("--collector", address, "--count", "2")
        self.assertEqual(code, 1)
        self.assertEqual(out.count("connection refused"), 2)
        self.assertEqual(err.count("\n"), 1)
        self.assertIn(address, err)
        self.assertIn("connection refused", err)

    def test_a_name_that_does_not_exist(self):
        with Viewer("--collector", "no-such-host.invalid", "--json") as viewer:
            document = viewer.documents_until(lambda d: d["collectors"][0]["reason"])
        self.assertIn("host not found", document["collectors"][0]["reason"])
        self.assertEqual(document["collectors"][0]["address"], "no-such-host.invalid:56000")

    def test_a_name_is_looked_up_and_all_its_addresses_are_tried(self):
        # "localhost" is often ::1 first, where nobody listens here.
        with FakeCollector(steadily(frame)) as collector, \
                Viewer("--collector", f"localhost:{collector.port}", "--json") as viewer:
            viewer.documents_until(lambda d: host_named(d, "alpha"))

    def test_ipv6(self):
        try:
            listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
        except OSError as error:
            self.skipTest(f"no IPv6 loopback here: {error}")
        with listener, Viewer("--collector", f"[::1]:{listener.getsockname()[1]}",
                              "--json") as viewer:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(message(frame()))
                viewer.documents_until(lambda d: host_named(d, "alpha"))

    def test_a_collector_that_goes_and_returns(self):
        collector = FakeCollector(steadily(lambda: frame("before")))
        with Viewer("--collector", collector.address, "--json") as viewer:
            viewer.documents_until(lambda d: host_named(d, "before"))
            collector.close()
            gone = viewer.documents_until(lambda d: d["collectors"][0]["state"] != "connected")
            self.assertTrue(gone["collectors"][0]["reason"])
            # Its hosts do not vanish with it.
            self.assertTrue(host_named(gone, "before"))
            with FakeCollector(steadily(lambda: frame("after")), collector.port):
                back = viewer.documents_until(lambda d: host_named(d, "after"))
                self.assertEqual(back["collectors"][0]["state"], "connected")
                self.assertIsNone(back["collectors"][0]["reason"])

    def test_a_stream_that_is_no_collectors(self):
        for stream, size in ((b"HTTP/1.1 400 Bad Request\r\n\r\n", 0x48545450),
                             (b"\xff" * 64, 0xffffffff)):
            def greet(connection, stream=stream):
                connection.sendall(stream)
                time.sleep(PATIENCE_S)
            with FakeCollector(greet) as collector, \
                    Viewer("--collector", collector.address, "--json") as viewer:
                document = viewer.documents_until(lambda d: d["collectors"][0]["reason"])
                reason = document["collectors"][0]["reason"]
                self.assertIn(str(size), reason)
                self.assertIn("is this a virtpulse collector?", reason)

    def test_two_collectors_one_host(self):
        shared = [frame("shared", vms=[vm()])]
        with FakeCollector(steadily(lambda: shared[0])) as first, \
                FakeCollector(steadily(lambda: shared[0])) as second, \
                FakeCollector(steadily(lambda: frame("third"))) as third, \
                Viewer("--collector", first.address, "--collector", second.address,
                       "--collector", third.address, "--json") as viewer:
            document = viewer.documents_until(
                lambda d: len(d["hosts"]) == 2 and all(c["frames"] for c in d["collectors"]))
            self.assertEqual([h["name"] for h in document["hosts"]], ["shared", "third"])
            self.assertEqual(len(document["hosts"][0]["vms"]), 1)

            # One of them dies: the other two go on.
            second.close()
            shared[0] = frame("shared", cpu=77.0)
            document = viewer.documents_until(
                lambda d: d["collectors"][1]["state"] != "connected" and
                host_named(d, "shared")["cpu"] == 77.0)
            self.assertEqual([c["state"] for c in document["collectors"]][::2], ["connected"] * 2)

    def test_a_silent_host_fades(self):
        def greet(connection):
            connection.sendall(message(frame("silent")))
            steadily(lambda: frame("live"))(connection)
        with FakeCollector(greet) as collector, \
                Viewer("--collector", collector.address, "--json") as viewer:
            viewer.documents_until(lambda d: host_named(d, "silent"))
            document = viewer.documents_until(lambda d: not host_named(d, "silent")["live"])
            self.assertTrue(host_named(document, "live")["live"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
