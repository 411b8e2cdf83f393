#!/usr/bin/env python3
"""Remote write: Debian's prometheus and victoria-metrics are written to, and say the same as /metrics;
what a store that is down, busy or unwilling is not sent is kept, tried again, or counted."""

import collections
import http.client
import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

from collector_process import Collector, run
from patience import UNHELD_S
from ports import free_port
from wire import frame, vm

UUID = "6cdbd6d2-266d-c568-bc78-7aaab689c0e5"
CPU_TIME = "libvirt_domain_info_cpu_time_seconds_total"
SERIES = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


def get(port, target, **parameters):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", target + ("?" + urllib.parse.urlencode(parameters) if parameters else ""))
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    if answer.status != 200:
        raise ConnectionError(f"{target}: {answer.status}: {text}")
    return text


def answers(port, target):
    try:
        get(port, target)
        return True
    except (ConnectionError, http.client.HTTPException):
        return False


def metrics(collector):
    """What /metrics says: (name, labels) -> value."""
    found = {}
    for line in get(collector.http, "/metrics").splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = SERIES.fullmatch(line).groups()
        labels = {(each, text.replace('\\"', '"').replace("\\\\", "\\"))
                  for each, text in LABEL.findall(labels or "")}
        found[name, frozenset(labels)] = float(value)
    return found


def own(collector, name):
    return metrics(collector)["virtpulse_remote_write_" + name, frozenset()]


class Store:
    """A real one, with a directory of its own."""

    def __init__(self, program, port):
        self.port = port
        self.directory = tempfile.TemporaryDirectory(prefix="virtpulse-")
        if program == "prometheus":
            configuration = os.path.join(self.directory.name, "prometheus.yml")
            with open(configuration, "w", encoding="ascii") as file:
                file.write("global: {}\n")
            arguments = ["--web.enable-remote-write-receiver", f"--config.file={configuration}",
                         f"--storage.tsdb.path={self.directory.name}/data",
                         f"--web.listen-address=127.0.0.1:{port}"]
            self.ready, self.flush = "/-/ready", None
        else:
            arguments = [f"-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={self.directory.name}",
                         "-search.latencyOffset=0s", "-memory.allowedBytes=64MB"]
            # What was asked for before it was there stays unseen for a while otherwise.
            self.ready, self.flush = "/health", "/internal/force_flush"
        self.log = open(os.path.join(self.directory.name, "log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen([program, *arguments], stdout=self.log, stderr=self.log)

    def is_ready(self):
        if self.process.poll() is not None:
            self.log.seek(0)
            raise AssertionError("the store ended:\n" + self.log.read())
        return answers(self.port, self.ready)

    def latest(self, extra):
        """All series that have the extra label: (name, labels without it) -> value."""
        try:
            if self.flush:
                get(self.port, self.flush)
            text = get(self.port, "/api/v1/query", query="{%s=\"%s\"}" % extra)
        except (ConnectionError, http.client.HTTPException):
            return {}
        found = {}
        for each in json.loads(text)["data"]["result"]:
            labels = dict(each["metric"])
            name = labels.pop("__name__")
            labels.pop(extra[0])
            found[name, frozenset(labels.items())] = float(each["value"][1])
        return found

    def values(self, name):
        """All values of one series, in the order of their times."""
        text = get(self.port, "/api/v1/query", query=name + "[10m]")
        result = json.loads(text)["data"]["result"]
        return [float(value) for _, value in result[0]["values"]] if result else []

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=20)
        self.log.close()
        self.directory.cleanup()


class Unwilling(http.server.BaseHTTPRequestHandler):
    """Answers what it is told to, in turn; 204 when there is no more."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((time.monotonic(), self.path, dict(self.headers), body))
        status, headers, text = self.server.script.popleft() if self.server.script else (204, {}, b"")
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if status != 204:
            self.wfile.write(text)

    def log_message(self, *_):
        pass


class UnwillingStore:
    def __init__(self, *script):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Unwilling)
        self.server.daemon_threads = True
        self.server.script = collections.deque(script)
        self.got = self.server.got = []
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/write?tenant=1"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def send_sample(sender, i):
    ext = {"start": 5, "since": 1, "vcpus": 2, "cpu_ns": 1_000_000_000 * i, "rss_bytes": 4096,
           "block": [{"dev": "vda", "read_ops": 2 * i, "write_bytes": 512 * i}]}
    sender.send(frame("host-1", vms=[vm('guest "1"\\', UUID, ext=ext)],
                      ext={"boot": 7, "sample": i}))


class RealStores(unittest.TestCase):
    def written_to(self, program):
        """The store is started late: what was gathered before has to be there as well."""
        if not shutil.which(program):
            self.skipTest(f"{program} (a Debian package) is not installed")
        port = free_port(socket.SOCK_STREAM)
        with Collector("none", "--remote-write", f"http://localhost:{port}/api/v1/write",
                       "--remote-write-every", "1s", "--remote-write-label", "site=a") as collector:
            sender = collector.sender()
            send_sample(sender, 1)
            collector.settled(1)
            collector.until(lambda: own(collector, "retries_total") > 0)
            queued = own(collector, "queued_bytes")
            collector.until(lambda: own(collector, "queued_bytes") > queued)
            send_sample(sender, 2)
            collector.settled(2)
            queued = own(collector, "queued_bytes")
            collector.until(lambda: own(collector, "queued_bytes") > queued)
            store = Store(program, port)
            try:
                collector.until(store.is_ready)
                collector.until(lambda: own(collector, "samples_total") > 0 and
                                own(collector, "queued_bytes") == 0)
                send_sample(sender, 3)
                collector.settled(3)

                def figures(found):
                    return {key: value for key, value in found.items()
                            if key[0].startswith("libvirt_") or "_domain_" in key[0]}
                expected = figures(metrics(collector))
                self.assertEqual(expected[CPU_TIME, frozenset({
                    ("domain", 'guest "1"\\'), ("host", "host-1"), ("uuid", UUID)})], 3)
                collector.until(lambda: figures(store.latest(("site", "a"))) == expected)
                names = {key for key in metrics(collector)}
                collector.until(lambda: set(store.latest(("site", "a"))) == names)
                values = store.values(CPU_TIME)
                self.assertEqual(sorted(set(values)), [1, 2, 3], values)
                self.assertEqual(values, sorted(values))
                self.assertEqual(own(collector, "refused_samples_total"), 0)
                self.assertEqual(own(collector, "dropped_samples_total"), 0)
                self.assertIn("works again", collector.said())
            finally:
                store.stop()
            code, took = collector.stop()
            self.assertEqual(code, 0)
            self.assertLess(took, UNHELD_S)

    def test_prometheus_has_what_metrics_says(self):
        self.written_to("prometheus")

    def test_victoria_metrics_has_what_metrics_says(self):
        self.written_to("victoria-metrics")


class Answers(unittest.TestCase):
    def test_later_is_tried_again_and_never_is_not(self):
        with UnwillingStore((503, {}, b"starting"), (429, {"Retry-After": "2"}, b"slower"),
                            (204, {}, b""), (400, {}, b"bad \x1b[31msample\nmore")) as store, \
             Collector("none", "--remote-write", store.url, "--remote-write-every", "1s") as collector:
            collector.until(lambda: own(collector, "refused_samples_total") > 0)
            collector.until(lambda: len(store.got) >= 5)
            (_, path, headers, first), (slower, _, _, second), (after, _, _, third) = store.got[:3]
            fourth, fifth = store.got[3][3], store.got[4][3]
            self.assertEqual(path, "/write?tenant=1")
            self.assertEqual(headers["Content-Encoding"], "snappy")
            self.assertEqual(headers["Content-Type"], "application/x-protobuf")
            self.assertEqual(headers["X-Prometheus-Remote-Write-Version"], "0.1.0")
            self.assertEqual(first, second)
            self.assertEqual(first, third)
            self.assertGreaterEqual(after - slower, 2)
            self.assertNotEqual(fourth, third)
            self.assertNotEqual(fifth, fourth)
            self.assertEqual(own(collector, "retries_total"), 2)
            self.assertIn("answer 400: bad", collector.said())
            self.assertNotIn("\x1b", collector.said())
            self.assertNotIn("more", collector.said())

    def test_a_store_that_is_down_costs_bounded_memory_and_not_the_end(self):
        with Collector("none", "--remote-write-queue", "1KB", "--remote-write-every", "1s",
                       "--remote-write",
                       f"http://127.0.0.1:{free_port(socket.SOCK_STREAM)}/api/v1/write") as collector:
            collector.until(lambda: own(collector, "dropped_samples_total") > 0)
            self.assertLessEqual(own(collector, "queued_bytes"), 1024)
            self.assertIn("Connection refused", collector.said())
            code, took = collector.stop()
            self.assertEqual(code, 0)
            self.assertLess(took, UNHELD_S)

    def test_a_store_that_never_answers_holds_up_nothing(self):
        with socket.create_server(("127.0.0.1", 0)) as silent, \
             Collector("none", "--remote-write", f"http://127.0.0.1:{silent.getsockname()[1]}/w",
                       "--remote-write-every", "1s") as collector:
            connection, _ = silent.accept()
            connection.recv(1)
            send_sample(collector.sender(), 1)
            collector.settled(1)
            collector.until(lambda: own(collector, "queued_bytes") > 0)
            code, took = collector.stop(signal.SIGINT)
            self.assertEqual(code, 0)
            self.assertLess(took, UNHELD_S)
            connection.close()

    def test_wrong_options_are_said(self):
        for arguments, part in (
                (("--remote-write", "https://a/b"), "https is not spoken"),
                (("--remote-write", "http://a"), "no path"),
                (("--remote-write", "http://u:p@a/b"), "password"),
                (("--remote-write", "a:9090/write"), "http://"),
                (("--remote-write", "http://a:0/b"), "port"),
                (("--remote-write", "http://a/b", "--remote-write-label", "host=x"), "own"),
                (("--remote-write", "http://a/b", "--remote-write-label", "9=x"), "NAME=VALUE"),
                (("--remote-write", "http://a/b", "--remote-write-label", "a=x",
                  "--remote-write-label", "a=y"), "twice")):
            code, _, said = run("--db", "none", *arguments, "--check-config")
            self.assertEqual(code, 2, arguments)
            self.assertIn(part, said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
