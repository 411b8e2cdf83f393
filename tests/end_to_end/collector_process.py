"""A collector that runs on free ports of loopback, and asks it things (protocol 2.4)."""

import json
import os
import signal
import socket
import struct
import subprocess
import time

from ports import free_port
from wire import Reader, Sender

BINARY = os.path.join(os.environ.get("VIRTPULSE_BIN", "build/release/bin"), "virtpulse-collector")


def run(*arguments):
    """A run that is to end by itself: exit code, what it said on stdout and on stderr."""
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=30,
                          check=False)
    return done.returncode, done.stdout, done.stderr


class Collector:
    def __init__(self, database="none", *arguments, ports=None, tls=None, environment=()):
        """`ports` are for UDP and TCP; free ones unless given. `tls` is a context for its readers.
        Without a database, also no "none", it is a front. `environment` has more variables."""
        self.tls = tls
        self.udp, self.tcp = ports or (free_port(socket.SOCK_DGRAM),
                                       free_port(socket.SOCK_STREAM))
        self.http = free_port(socket.SOCK_STREAM)
        self.log = os.memfd_create("log")
        ingest = ["--udp", f"127.0.0.1:{self.udp}", "--db", database] if database else []
        self.process = subprocess.Popen(
            [BINARY, *ingest, "--tcp", f"127.0.0.1:{self.tcp}",
             "--http", f"127.0.0.1:{self.http}", *arguments], stderr=self.log,
            # AddressSanitizer, where it is built in, would hold on to what was freed.
            env={**os.environ, "ASAN_OPTIONS": "quarantine_size_mb=1", **dict(environment)})
        self.senders = []
        self.asker = None
        self.until(lambda: "viewers on TCP" in self.said())

    def said(self):
        return os.pread(self.log, 1 << 20, 0).decode()

    def until(self, condition, seconds=30):
        """Waits until the condition holds; it is looked at often, and fails the test in the end."""
        end = time.monotonic() + seconds
        while not condition():
            if self.process.poll() is not None:
                raise AssertionError("the collector ended:\n" + self.said())
            if time.monotonic() > end:
                raise AssertionError("it never came to that:\n" + self.said())
            time.sleep(0.01)

    def sender(self, sequence=0):
        self.senders.append(Sender(self.udp, sequence))
        return self.senders[-1]

    def reader(self, **options):
        self.senders.append(Reader(self.tcp, **{"tls": self.tls, **options}))
        return self.senders[-1]

    def ask(self, text):
        """Sends the text of a request; gives the answer."""
        if self.asker is None:
            self.asker = self.reader()
        if not isinstance(text, bytes):
            text = json.dumps(text).encode()
        self.asker.socket.sendall(struct.pack(">IB", len(text), 1) + text)
        while True:
            kind, answer = self.asker.message()
            if kind == 2:
                return json.loads(answer)

    def stats(self):
        return self.ask({"id": 1, "op": "stats"})

    def host(self, name):
        for host in self.ask({"id": 2, "op": "hosts"})["hosts"]:
            if host["name"] == name:
                return host
        return None

    def settled(self, datagrams):
        """The counters, once that many datagrams were received and dealt with."""
        def dealt_with():
            stats = self.stats()
            return (stats["datagrams"] >= datagrams and
                    stats["frames"] + sum(stats["dropped"].values()) == stats["datagrams"])
        self.until(dealt_with)
        return self.stats()

    def memory_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        return None

    def stop(self, number=signal.SIGTERM):
        """Ends it with a signal; gives the exit code and how long that took."""
        begun = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(timeout=60)
        took = time.monotonic() - begun
        if code not in (0, -number):
            print(self.said())
        for each in self.senders:
            each.close()
        os.close(self.log)
        return code, took

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.returncode is None:
            self.stop()
