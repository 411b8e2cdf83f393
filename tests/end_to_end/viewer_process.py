"""The viewer as a process, and collectors that are played for it, written from PROTOCOL 1.2 alone.

A collector is a TCP listener on loopback that sends messages: 4 bytes of length, big-endian, 1 byte
of type, JSON. Nothing of the project's own code is used but the viewer itself.
"""

import json
import os
import select
import signal
import socket
import struct
import subprocess
import threading
import time

import wire

VIEWER = os.path.join(os.environ.get("VIRTPULSE_BIN", "build/release/bin"), "virtpulse-viewer")
PATIENCE_S = 30  # for what has to happen at some time; a loaded machine is slow


def message(text, kind=0):
    body = text if isinstance(text, bytes) else text.encode()
    return struct.pack(">IB", len(body), kind) + body


def frame(name="alpha", at=None, vms=(), **members):
    """A frame of a host of which a test need not say more than it is about."""
    return wire.frame(name, at, vms, **{"cpu": 12.5, "ram": 40.0, "disk": 1.0} | members)


def vm(name="web-1", state=1, uuid=None, **members):
    return wire.vm(name, uuid or "uuid of " + name, state,
                   **{"cpu": 5.0, "ram": 1048576, "maxram": 2097152} | members)


class FakeCollector:
    """Listens on a free port; `greet` is called with each connection in a thread of its own."""

    def __init__(self, greet, port=0):
        self.greet = greet
        self.connections = []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            self.greet(connection)
        except OSError:
            pass  # the viewer has gone

    def close(self):
        # Without shutdown a thread in accept() keeps the listener open.
        with self.lock:
            everything = [self.listener, *self.connections]
        for one in everything:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def steadily(make, interval=0.2):
    """A greeting that sends what `make` gives, again and again."""
    def greet(connection):
        while True:
            connection.sendall(message(make()))
            time.sleep(interval)
    return greet


class Viewer:
    def __init__(self, *arguments, **options):
        self.process = subprocess.Popen(
            [VIEWER, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, **options)
        self.read = b""  # and not given yet

    def document(self):
        while b"\n" not in self.read:
            if not select.select([self.process.stdout], [], [], PATIENCE_S)[0]:
                raise AssertionError(f"the viewer says nothing any more; it began: {self.read[:400]}")
            got = os.read(self.process.stdout.fileno(), 1 << 16)
            if not got:
                raise AssertionError(f"the viewer ended: {self.finish()}")
            self.read += got
        line, _, self.read = self.read.partition(b"\n")
        return json.loads(line)

    def documents_until(self, good):
        """Reads documents until one is good; gives it."""
        end = time.monotonic() + PATIENCE_S
        last = None
        while time.monotonic() < end:
            last = self.document()
            if good(last):
                return last
        raise AssertionError(f"never came; the last: {last}")

    def finish(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out.decode(), err.decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def run(*arguments, **options):
    done = subprocess.run([VIEWER, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=PATIENCE_S, **options)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def host_named(document, name):
    return next((host for host in document["hosts"] if host["name"] == name), None)
