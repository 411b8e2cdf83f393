#!/usr/bin/env python3
"""A front collector: two others behind it, of which one is killed and comes back."""

import http.client
import json
import os
import socket
import struct
import subprocess
import tempfile
import time
import unittest
import urllib.parse

from collector_process import BINARY, Collector, run
from patience import UNHELD_S
from ports import free_port
from wire import frame, vm

UUID = "6cdbd6d2-266d-c568-bc78-7aaab689c0e5"
VIEWER = os.path.join(os.path.dirname(BINARY), "virtpulse-viewer")


def ext(sample):
    return {"boot": 7, "sample": sample}


class Front(Collector):
    """In front of what listens on these TCP ports."""

    def __init__(self, *behind, tcp=None):
        names = [word for port in behind for word in ("--behind", f"127.0.0.1:{port}")]
        super().__init__(None, *names, ports=(None, tcp or free_port(socket.SOCK_STREAM)))

    def connected(self):
        return sum(each["reason"] is None for each in self.stats()["behind"])

    def get(self, path, **query):
        """Status and body of an answer by HTTP."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=20)
        connection.request("GET", f"{path}?{urllib.parse.urlencode(query)}")
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text)


class Grid:
    """Two collectors with a host each and one that both hear of, and a front of them."""

    def __init__(self, directory):
        self.databases = [os.path.join(directory, name) for name in ("1.db", "2.db")]
        self.collectors = [Collector(database) for database in self.databases]
        self.front = Front(*(each.tcp for each in self.collectors))
        self.sample = 0
        self.senders = [each.sender() for each in self.collectors]
        self.front.until(lambda: self.front.connected() == 2)

    def send(self, *to):
        """A sample of each host; gives the texts that were sent to each collector."""
        self.sample += 1
        sent = []
        both = frame("both", ext=ext(self.sample))
        for i in to or (0, 1):
            own = frame(f"host{i}", vms=[vm("a guest", UUID)], ext=ext(self.sample), spare=[1.50])
            self.senders[i].send(own)
            self.senders[i].send(both)
            sent.append(own)
        return sent, both

    def stored(self, rows):
        for each in self.collectors:
            each.until(lambda: each.stats()["store"]["rows"] >= rows)

    def stop(self):
        return [each.stop()[0] for each in (self.front, *self.collectors)]


class TestFront(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="virtpulse-")
        self.addCleanup(directory.cleanup)
        self.grid = Grid(directory.name)
        self.front = self.grid.front

    def tearDown(self):
        for each in (self.front, *self.grid.collectors):
            if each.process.poll() is None:
                self.assertEqual(each.stop()[0], 0)

    def names(self, **query):
        status, answer = self.front.get("/api/v1/hosts", **query)
        self.assertEqual(status, 200)
        return [host["name"] for host in answer["hosts"]]

    def test_frames_pass_on_byte_for_byte_and_once(self):
        reader = self.front.reader()
        own, both = self.grid.send()
        got = [reader.live() for _ in range(3)]
        self.assertEqual(sorted(got), sorted([*own, both]))
        # The copy of the second collector is told from a new sample: nothing more comes.
        self.front.until(lambda: self.front.stats()["frames"] == 4)
        self.assertTrue(reader.nothing_for(0.3))
        late = self.front.reader()  # and who comes later has the newest at once
        self.assertEqual(sorted(late.live() for _ in range(3)), sorted(got))
        # The real viewer sees the front as any collector.
        done = subprocess.run([VIEWER, "--collector", f"127.0.0.1:{self.front.tcp}", "--json",
                               "--count", "2"], capture_output=True, text=True, timeout=30,
                              check=True)
        hosts = json.loads(done.stdout.splitlines()[-1])["hosts"]
        self.assertEqual({host["name"] for host in hosts}, {"both", "host0", "host1"})

    def test_questions_are_answered_by_the_collector_that_has_the_host(self):
        self.grid.send()
        self.grid.stored(3)
        self.front.until(lambda: self.front.stats()["frames"] == 4)
        first, second = self.grid.collectors
        self.assertEqual(self.names(), ["both", "host0", "host1"])
        self.assertEqual(self.names(after="host0"), ["host1"])
        known = {host["name"]: host for host in self.front.ask({"id": 1, "op": "hosts"})["hosts"]}
        self.assertEqual(known["host1"]["collector"], f"127.0.0.1:{second.tcp}")
        self.assertEqual(known["host1"]["frames"]["received"], 1)
        end = int(time.time()) + 2
        history = {"op": "history", "host": "host1", "uuid": UUID, "metric": "cpu_percent,ram_kib",
                   "from": end - 20, "to": end, "step": 1}
        for request in (history, {"op": "domain", "host": "host1", "uuid": UUID},
                        {"op": "status", "host": "host1", "uuid": UUID}):
            there = second.ask({"id": 3, **request})
            self.assertNotIn("error", there)
            self.assertEqual(self.front.ask({"id": 3, **request}), there)
        self.assertEqual(self.front.get(f"/api/v1/hosts/host1/domains/{UUID}/history",
                                        metric="cpu_percent,ram_kib", to=end, step=1,
                                        **{"from": end - 20})[1],
                         {k: v for k, v in second.ask({"id": 3, **history}).items() if k != "id"})
        # Wrong questions get the same error, and what nobody knows is nowhere.
        for request in ({"op": "history", "host": "host1", "metric": "speed"},
                        {"op": "history", "host": "nobody", "metric": "cpu_percent"},
                        {"op": "status", "host": "host1", "uuid": "none"}):
            there = second.ask({"id": 3, **request})
            self.assertIn("error", there)
            self.assertEqual(self.front.ask({"id": 3, **request}), there)
        self.assertEqual(self.front.get("/api/v1/hosts/nobody")[0], 404)
        self.assertEqual(self.front.ask({"id": 1, "op": "host", "host": "x" * 65000})["error"]["code"],
                         "not_found")
        self.assertEqual(self.front.connected(), 2)
        said = self.front.get("/api/v1/about")[1]
        self.assertEqual((said["front"], said["store"]), (True, False))
        self.assertIn("is there twice", run("--behind", "a", "--behind", "a:56000")[2])
        self.assertEqual(run("--behind", "a", "--db", "x")[0], 2)
        self.assertEqual(first.stats()["viewers"]["bad_streams"], 0)

    def test_events_and_snapshots_are_those_of_all(self):
        self.grid.send()
        self.grid.stored(3)
        status, said = self.front.get("/api/v1/events")
        self.assertEqual((status, said["unreachable"]), (200, []))
        self.assertEqual(sorted((event["kind"], event["host"]) for event in said["events"]),
                         [("host_came", name) for name in ("both", "both", "host0", "host1")])
        times = [event["time"] for event in said["events"]]
        self.assertEqual(times, sorted(times))
        self.assertEqual(len({(event["collector"], event["id"]) for event in said["events"]}), 4)
        self.assertEqual([event["host"] for event in
                          self.front.ask({"id": 1, "op": "events", "host": "host1"})["events"]],
                         ["host1"])
        status, said = self.front.get("/api/v1/snapshot")
        self.assertEqual(status, 200)
        self.assertEqual(sorted(host["frames"][-1]["name"] for host in said["hosts"]),
                         ["both", "host0", "host1"])
        self.assertNotIn("next", said)
        for question in ("events", "snapshot"):
            self.assertEqual(self.front.get("/api/v1/" + question, after="x")[0], 400)

    def test_one_is_killed_and_comes_back(self):
        self.grid.send()
        self.grid.stored(3)
        self.front.until(lambda: self.front.stats()["frames"] == 4)
        first, second = self.grid.collectors
        second.stop(9)
        self.front.until(lambda: self.front.connected() == 1)
        address = f"127.0.0.1:{second.tcp}"
        history = f"/api/v1/hosts/host1/domains/{UUID}/history"
        status, said = self.front.get(history, metric="cpu_percent")
        self.assertEqual((status, said["error"]["code"]), (503, "unavailable"))
        self.assertRegex(said["error"]["message"],
                         f"^host host1: {address} does not answer: [a-z ]+$")
        self.assertEqual(self.front.ask({"id": 1, "op": "host", "host": "host1"})["error"]["code"],
                         "unavailable")
        # A host that nobody else knows may be there.
        self.assertEqual(self.front.get("/api/v1/hosts/nobody")[0], 503)
        # Others go on, and whose hosts are missing is said; who has another collector is there.
        reader = self.front.reader()
        self.assertEqual(len({reader.live() for _ in range(3)}), 3)
        self.grid.send(0)
        self.assertEqual(self.front.get("/api/v1/hosts/both/history", metric="cpu_percent")[0], 200)
        for question, kind in (("hosts", "hosts"), ("events", "events"), ("snapshot", "hosts")):
            status, said = self.front.get("/api/v1/" + question)
            self.assertEqual((status, len(said[kind])), (200, 2), said)
            self.assertEqual([each["collector"] for each in said["unreachable"]], [address])
        self.grid.collectors[1] = Collector(self.grid.databases[1], ports=(second.udp, second.tcp))
        self.front.until(lambda: self.front.connected() == 2)
        # Its host is not heard of yet, but what was is in its database.
        self.assertEqual(self.front.get(history, metric="cpu_percent")[0], 200)
        self.grid.senders[1] = self.grid.collectors[1].sender(100)
        self.grid.send()
        self.front.until(lambda: self.names() == ["both", "host0", "host1"])
        first.stop(9)
        self.grid.collectors[1].stop(9)
        self.front.until(lambda: self.front.connected() == 0)
        status, said = self.front.get("/api/v1/hosts")
        self.assertEqual((status, said["error"]["message"].count(" does not answer: ")), (503, 2))

    def test_a_front_is_no_collector_to_be_behind_one(self):
        own = free_port(socket.SOCK_STREAM)
        with Front(own, self.front.tcp, self.grid.collectors[0].tcp, tcp=own) as ring:
            ring.until(lambda: ring.said().count("it is a front itself") == 2)
            ring.until(lambda: ring.connected() == 1)
            self.grid.send()
            ring.until(lambda: ring.stats()["frames"] == 2)
            reader = ring.reader()
            self.assertEqual(len({reader.live() for _ in range(2)}), 2)
            self.assertTrue(reader.nothing_for(0.3))
            status, said = ring.get("/api/v1/hosts")
            self.assertEqual((status, [host["name"] for host in said["hosts"]]),
                             (200, ["both", "host0"]))
            self.assertEqual(len(said["unreachable"]), 2)

    def test_one_that_is_asked_and_says_nothing_holds_up_nobody_for_long(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            with Front(listener.getsockname()[1], self.grid.collectors[0].tcp) as front:
                connection, _ = listener.accept()
                with connection:
                    length, kind = struct.unpack(">IB", connection.recv(5, socket.MSG_WAITALL))
                    about = json.loads(connection.recv(length, socket.MSG_WAITALL))
                    self.assertEqual((kind, about["op"]), (1, "about"))
                    self.grid.send()
                    front.until(lambda: front.connected() == 1)
                    front.until(lambda: front.get("/api/v1/hosts/host0")[0] == 200)
                    # A frame of one that has not said what it is means nothing.
                    text = frame("stranger")
                    connection.sendall(struct.pack(">IB", len(text), 0) + text)
                    text = json.dumps({"id": about["id"], "front": False}).encode()
                    connection.sendall(struct.pack(">IB", len(text), 2) + text)
                    length, kind = struct.unpack(">IB", connection.recv(5, socket.MSG_WAITALL))
                    asked = json.loads(connection.recv(length, socket.MSG_WAITALL))
                    self.assertEqual(asked["op"], "subscribe")
                    # It ends while somebody waits for an answer of the silent one.
                    reader = front.reader()
                    self.assertIn(b"host0", reader.live() + reader.live())
                    text = json.dumps({"id": 1, "op": "host", "host": "stranger"}).encode()
                    reader.socket.sendall(struct.pack(">IB", len(text), 1) + text)
                    length, kind = struct.unpack(">IB", connection.recv(5, socket.MSG_WAITALL))
                    code, took = front.stop()
                    self.assertEqual(code, 0)
                    self.assertLess(took, UNHELD_S)


if __name__ == "__main__":
    unittest.main(verbosity=2)
