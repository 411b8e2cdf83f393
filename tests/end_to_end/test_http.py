#!/usr/bin/env python3
"""Questions to the collector by HTTP, and that TCP answers the same; docs/openapi.json is held against
what the server really says."""

import http.client
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
import unittest
import urllib.parse
import urllib.request

from collector_process import Collector
from wire import frame, vm

DOCUMENT = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../docs/openapi.json")
# What may be asked of the archive (collector/query/archive.h).
POINTS_AT_ONCE, POINTS_A_SECOND = 2e6, 2e5
UUID = "6cdbd6d2-266d-c568-bc78-7aaab689c0e5"
NAME = "host 1/%"  # a name as nobody should have one
TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list,
         "object": dict, "null": type(None)}


def kept(i):
    """Of ext(i), what a snapshot has."""
    return {"start": 5, "since": 1, "vcpus": 2, "cpu_ns": 1000 * i, "run_delay_ns": 10 * i,
            "switches": i, "block": [{"dev": "vda", "read_ops": 2 * i, "write_bytes": 512 * i,
                                        "ahead_ns": 3 * i}]}


def ext(i):
    said = kept(i)
    said["block"][0] |= {"read_latency": [0, i], "ahead": [["host", i]]}
    return said | {
        "kvm": {"exits": i, "guest_ns": 7 * i, "reasons": [["hlt", i, 5]]},
        "role": {"vcpu_ns": 900 * i, "emulator_ns": 100 * i, "io_ns": 0, "vhost_ns": 0},
        "wait": {"counts": [i], "merged": 0, "by_ns": {"vm": 4 * i, "own_vcpu": 6 * i},
                 "culprits": [{"who": "vm", "name": "other", "ns": 4 * i, "waits": i}]},
        "cpu_moves": i, "node_moves": 0, "major_faults": 2,
        "cgroup": {"age_ms": 0, "throttled_ns": i, "pressure_us": {"cpu": [i], "io": [i, 0]}},
        "vcpu": [[0, 800 * i, i], [1, 100 * i, i, 5, 9]]}


class Http(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="virtpulse-")
        cls.database = os.path.join(cls.directory.name, "grid.db")
        cls.collector = Collector(cls.database)
        sender = cls.collector.sender()
        cls.begun = time.time()
        for i in range(12):  # over the end of a bucket
            sender.send(frame(NAME, vms=[vm("guest \"1\"\\", UUID, ext=ext(i))],
                              ext={"boot": 7, "sample": i, "missing": {"libvirt": "no answer"}}))
            # Received in a second of its own, however busy the machine: the next is sent in a later one.
            cls.collector.until(lambda: cls.collector.stats()["frames"] == i + 1)
            time.sleep(1.05 - time.time() % 1)
        cls.collector.until(lambda: cls.collector.stats()["store"]["rows"] >= 36)
        # Now, as they have nothing of a host that has been silent for 30 s.
        address = f"http://127.0.0.1:{cls.collector.http}/metrics"
        with urllib.request.urlopen(address, timeout=20) as answer:
            cls.metrics = answer.read()

    @classmethod
    def tearDownClass(cls):
        cls.collector.stop()
        cls.directory.cleanup()

    def get(self, target, method="GET", body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.collector.http, timeout=20)
        connection.request(method, target, body=body, headers=headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer, text

    def json(self, target, status=200, **headers):
        answer, text = self.get(target, **headers)
        self.assertEqual(answer.status, status, (target, text))
        return json.loads(text)

    def host_path(self):
        return "/api/v1/hosts/" + urllib.parse.quote(NAME, safe="")

    def validate(self, schema, value, where, document):
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        types = schema.get("type", [])
        types = types if isinstance(types, list) else [types]
        if types:
            fits = any(isinstance(value, TYPES[t]) and (t == "boolean" or value is not True and
                                                         value is not False) for t in types)
            self.assertTrue(fits, f"{where}: {value!r} is no {types}")
        if isinstance(value, list):
            for i, each in enumerate(value):
                self.validate(schema["items"], each, f"{where}[{i}]", document)
        if isinstance(value, dict):
            known = schema.get("properties", {})
            for name in schema.get("required", []):
                self.assertIn(name, value, where)
            rest = schema.get("additionalProperties", True)
            for name, each in value.items():
                if name in known:
                    self.validate(known[name], each, f"{where}.{name}", document)
                elif rest is not True:
                    self.assertTrue(rest, f"{where}.{name} is not documented")
                    self.validate(rest, each, f"{where}.{name}", document)

    def test_the_server_is_what_the_document_says(self):
        with open(DOCUMENT, encoding="utf-8") as file:
            document = json.load(file)
        self.assertEqual(len(document["paths"]), 12)
        for path, item in document["paths"].items():
            operation = item["get"]
            target, query = path, {}
            for parameter in operation["parameters"]:
                if parameter["in"] == "path":
                    target = target.replace("{" + parameter["name"] + "}",
                                            urllib.parse.quote(parameter["example"], safe=""))
                elif "example" in parameter:
                    query[parameter["name"]] = parameter["example"]
            target += "?" + urllib.parse.urlencode(query)
            answer, text = self.get(target)
            self.assertEqual(answer.status, 200, (target, text))
            kinds = operation["responses"]["200"]["content"]
            for kind in kinds:
                said, _ = self.get(target, Accept=kind)
                self.assertEqual((said.status, said.headers.get_content_type()), (200, kind))
            kind, content = next(iter(kinds.items()))
            self.assertEqual(answer.headers.get_content_type(), kind)
            if kind == "application/json":
                self.validate(content["schema"], json.loads(text), path, document)
            codes = {"400": (target + "&x=%zz", {}), "406": (target, {"Accept": "image/png"}),
                     "304": (target, {"If-None-Match": answer.headers["ETag"]}),
                     "404": (target.replace("host%201", "nobody"), {})}
            for code, (wrong, headers) in codes.items():
                if code not in operation["responses"] or (code == "304" and "stats" in path):
                    continue
                if code == "304" and ("{host}" in path or path.endswith("hosts")):
                    continue  # says how long the host is silent
                said, text = self.get(wrong, **headers)
                self.assertEqual(said.status, int(code), (wrong, text))
                if code != "304":
                    schema = operation["responses"][code]["content"]["application/json"]["schema"]
                    self.validate(schema, json.loads(text), path, document)

    def test_wrong_requests_get_the_codes_of_http(self):
        for target, status in (("/nothing", 404), ("/api/v1/hosts/", 404), ("/api/v2/hosts", 404),
                               (self.host_path() + "/domains/nobody", 404),
                               (self.host_path() + "/history?metric=speed", 400),
                               (self.host_path() + "/history", 400),
                               (self.host_path() + "/history?metric=cpu_percent&from=9&to=8", 400),
                               (self.host_path() + "/history?metric=cpu_percent&step=0", 400),
                               (self.host_path() + "/history?metric=cpu_percent&from=x", 400),
                               (self.host_path() + "/history?metric=cpu_percent&from=0&step=1", 400),
                               ("/api/v1/hosts/%00", 400), ("/api/v1/hosts/%4", 400),
                               ("/api/v1/events?after=x", 400), ("/api/v1/about?a=1&a=2", 400)):
            self.assertIn("message", self.json(target, status)["error"])
        answer, _ = self.get("/api/v1/about", method="DELETE")
        self.assertEqual((answer.status, answer.headers["Allow"]), (405, "GET, HEAD"))
        self.assertEqual(self.get("/api/v1/about", method="POST", body=b"x" * 10)[0].status, 413)
        self.assertEqual(self.get("/" + "x" * 9000)[0].status, 431)
        answer, text = self.get("/api/v1/about", method="HEAD")
        self.assertEqual((answer.status, text), (200, b""))
        with socket.create_connection(("127.0.0.1", self.collector.http)) as raw:
            raw.sendall(b"\0\1\2 nonsense\r\n\r\n")
            self.assertIn(b" 400 ", raw.recv(4096))

    def test_too_many_points_are_given_later(self):
        # Each step of the answer is two look-ups, and both are paid for.
        target = (f"{self.host_path()}/domains/{UUID}/history?step=20&from=-200000&metric=cpu_percent,"
                  "ram_kib,rss_bytes,cpu_ns,run_delay_ns,switches,read_ops,read_bytes,write_ops,"
                  "write_bytes,flush_ops,discard_ops,busy_ns")
        points = 2 * 13 * 200_000 / 20
        begun = time.monotonic()
        seen = []
        while len(seen) < 40 and 429 not in seen:
            answer, _ = self.get(target)
            seen.append(answer.status)
        self.assertLessEqual(set(seen), {200, 429, 503})  # 503: on a machine that is busy otherwise
        if 429 in seen:
            self.assertEqual(answer.headers["Retry-After"], "1")
        else:  # a machine so slow that there are new points before the old ones are spent
            self.assertGreater(POINTS_AT_ONCE + POINTS_A_SECOND * (time.monotonic() - begun),
                               points * seen.count(200))
        self.collector.until(lambda: self.get(
            self.host_path() + "/history?metric=cpu_percent")[0].status == 200)

    def test_history_agrees_with_the_samples_at_each_step_and_by_tcp(self):
        path = f"{self.host_path()}/domains/{UUID}/history?metric=cpu_percent,cpu_ns,read_ops,ahead_ns," \
               "wait_own_ns,kvm_guest_ns"
        begun = int(self.begun) - 20
        for step, source in ((1, "samples"), (4, "samples"), (10, "10s"), (60, "1min")):
            # The bucket that is open is in no roll-up yet.
            def agrees():
                self.said = self.json(f"{path}&from={begun}&to={begun + 60}&step={step}")
                return sum(x or 0 for x in self.said["metrics"]["cpu_ns"]["sum"]) == 11000
            self.collector.until(agrees)
            said = self.said
            self.assertEqual((said["step"], said["source"]), (step, source))
            metrics = said["metrics"]
            self.assertEqual({len(each["mean"]) for each in metrics.values()}, {said["points"]})
            for name, total in (("read_ops", 22), ("ahead_ns", 33), ("wait_own_ns", 66),
                                ("kvm_guest_ns", 77)):
                self.assertEqual(sum(x or 0 for x in metrics[name]["sum"]), total, name)
            self.assertEqual({x for x in metrics["cpu_percent"]["mean"] if x is not None}, {0.5})
            self.assertNotIn("sum", metrics["cpu_percent"])
        asked = self.collector.ask({"id": 1, "op": "history", "host": NAME, "uuid": UUID,
                                    "metric": ["cpu_percent", "cpu_ns", "read_ops", "ahead_ns",
                                               "wait_own_ns", "kvm_guest_ns"],
                                    "from": begun, "to": begun + 60, "step": 60})
        self.assertEqual(asked, {"id": 1, **said})
        self.assertEqual(self.collector.ask({"id": 1, "op": "history", "host": "no"})["error"]["code"],
                         "bad_request")

    def test_the_status_of_a_vm_has_what_its_last_frame_said(self):
        said = self.json(f"{self.host_path()}/domains/{UUID}/status")
        self.assertEqual((said["wait"]["by_ns"]["own_vcpu"], said["wait"]["by_ns"]["quota"]), (66, 0))
        self.assertEqual(said["wait"]["culprits"],
                         [{"who": "vm", "name": "other", "ns": 44, "waits": 11}])
        self.assertEqual(said["kvm"]["reasons"], [{"reason": "hlt", "exits": 11, "outside_ns": 5}])
        self.assertIsNone(said["kvm"]["halt_wait_ns"])
        block, = said["block"]
        self.assertEqual((block["ahead"], block["read_latency"]), ([{"who": "host", "ns": 11}], [0, 11]))
        self.assertEqual(said["cgroup"]["pressure_us"],
                         {"cpu": {"some": 11, "full": None}, "memory": None,
                          "io": {"some": 11, "full": 0}})
        self.assertEqual([each["wait_p99_ns"] for each in said["vcpu"]], [None, 9])
        self.assertEqual((said["role"]["vcpu_ns"], said["major_faults"]), (9900, 2))

    def test_a_snapshot_has_the_last_two_samples_of_each_host_at_its_time(self):
        with sqlite3.connect(self.database) as database:
            seconds = [row[0] for row in database.execute(
                "SELECT received_s FROM host_samples ORDER BY received_s")]
        self.assertEqual(len(seconds), 12)
        said = self.json(f"/api/v1/snapshot?at={seconds[5]}")
        self.assertEqual(said, {"at": seconds[5], "hosts": said["hosts"]})
        host, = said["hosts"]
        self.assertEqual(host["received"], seconds[5])
        for i, each in zip((4, 5), host["frames"]):
            self.assertEqual((each["name"], each["ext"]), (NAME, {"boot": 7, "sample": i}))
            machine, = each["vms"]
            self.assertEqual((machine["uuid"], machine["ext"]), (UUID, kept(i)))
        # One sample has none before it; before the first and long after the last there is nothing.
        first, = self.json(f"/api/v1/snapshot?at={seconds[0]}")["hosts"]
        self.assertEqual([each["ext"]["sample"] for each in first["frames"]], [0])
        self.assertEqual(self.json(f"/api/v1/snapshot?at={seconds[0] - 1}")["hosts"], [])
        late, = self.json(f"/api/v1/snapshot?at={seconds[11] + 30}")["hosts"]
        self.assertEqual(late["frames"][1]["ext"]["sample"], 11)
        self.assertEqual(self.json(f"/api/v1/snapshot?at={seconds[11] + 31}")["hosts"], [])
        asked = self.collector.ask({"id": 3, "op": "snapshot", "at": seconds[5]})
        self.assertEqual(asked, {"id": 3, **said})
        self.assertEqual(self.json(f"/api/v1/snapshot?at={seconds[5]}&after=" +
                                   urllib.parse.quote(NAME))["hosts"], [])
        self.assertEqual(self.get("/api/v1/snapshot?at=1")[0].status, 400)

    def test_events_are_told_by_both(self):
        said = self.json("/api/v1/events?from=-600")
        self.assertEqual([event["kind"] for event in said["events"]],
                         ["host_came", "source_missing"])
        self.assertEqual(said["events"][0]["host"], NAME)
        self.assertEqual(self.collector.ask({"id": 2, "op": "events", "from": -600})["events"],
                         said["events"])
        self.assertEqual(self.json("/api/v1/events?host=other")["events"], [])

    def test_without_a_store_only_the_past_is_unavailable(self):
        with Collector() as collector:
            for target, status in (("/api/v1/events", 503), ("/api/v1/hosts", 200), ("/healthz", 200)):
                connection = http.client.HTTPConnection("127.0.0.1", collector.http, timeout=20)
                connection.request("GET", target)
                self.assertEqual(connection.getresponse().status, status)
                connection.close()

    def test_a_locked_database_can_still_be_asked(self):
        lock = sqlite3.connect(self.database, isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        self.json("/api/v1/events")
        lock.execute("ROLLBACK")
        lock.close()

    def test_promtool_accepts_the_metrics(self):
        text = self.metrics
        line = (b'libvirt_domain_info_cpu_time_seconds_total{domain="guest \\"1\\"\\\\",'
                b'host="host 1/%",uuid="' + UUID.encode() + b'"} ')
        self.assertIn(line, text)
        self.assertAlmostEqual(float(text.split(line)[1].split()[0]), 11000e-9, 12)
        self.assertIn(b"virtpulse_frames_total 12\n", text)
        if not shutil.which("promtool"):
            self.skipTest("promtool (Debian package prometheus) is not installed")
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True,
                                 timeout=30, check=False)
        self.assertEqual((checked.returncode, checked.stdout, checked.stderr), (0, b"", b""))

    def test_connections_without_end_find_a_cap(self):
        held = [socket.create_connection(("127.0.0.1", self.collector.http)) for _ in range(300)]
        try:
            refused = 0
            for each in held[256:]:
                each.settimeout(10)
                refused += each.recv(1) == b""
            self.assertGreaterEqual(refused, 40)
        finally:
            for each in held:
                each.close()
        self.collector.until(lambda: self.is_up())

    def is_up(self):
        try:
            return self.get("/healthz")[0].status == 200
        except (ConnectionError, http.client.HTTPException):
            return False


if __name__ == "__main__":
    unittest.main(verbosity=2)
