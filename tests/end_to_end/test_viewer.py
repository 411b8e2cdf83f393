#!/usr/bin/python3
"""The viewer against collectors that are played here, written from PROTOCOL 1.2 alone.

A collector is a TCP listener on loopback that sends messages: 4 bytes of length, big-endian, 1 byte
of type, JSON. Nothing of the project's own code is used but the viewer itself.
"""

import errno
import fcntl
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time
import unittest

from ports import free_port

VIEWER = os.path.join(os.environ.get("VIRTPULSE_BIN", "build/release/bin"), "virtpulse-viewer")
PATIENCE_S = 30  # for what has to happen at some time; a loaded machine is slow


def message(text, kind=0):
    body = text if isinstance(text, bytes) else text.encode()
    return struct.pack(">IB", len(body), kind) + body


def frame(name="alpha", at=None, vms=(), **members):
    host = {"name": name, "time": time.time() if at is None else at, "cpu": 12.5, "ram": 40.0,
            "disk": 1.0, "cputemp": None, "mbtemp": None, "vms": list(vms)}
    host.update(members)
    return json.dumps(host)


def vm(name="web-1", state=1, **members):
    one = {"name": name, "uuid": "uuid of " + name, "state": state, "cpu": 5.0, "ram": 1048576,
           "maxram": 2097152}
    one.update(members)
    return one


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


class Faces(unittest.TestCase):
    def test_hostile_names_stay_text(self):
        # Control characters below 0x20 are no part of a name, and such a frame is refused; what
        # else a terminal obeys has to be made harmless.
        refused = "\x1b]0;owned\x07\x1b[2J\r\n"
        hostile = "\u202eevil\u009b1m"
        frames = [frame(refused), frame(hostile, vms=[vm("\u65e5" * 60, uuid="1"), vm("x" * 255, uuid="2")]),
                  frame("good", ext={"missing": {"libvirt": "no\x1b[2J answer"}})]
        with FakeCollector(lambda c: c.sendall(b"".join(message(f) for f in frames))) as collector:
            code, out, _ = run("--collector", collector.address, "--count", "1")
            _, line, _ = run("--collector", collector.address, "--json", "--count", "1")
        self.assertEqual(code, 0)
        for shown in ("good", "\ufffdevil\ufffd1m", "no\ufffd[2J answer", "1 message not understood"):
            self.assertIn(shown, out)
        self.assertFalse(set("\x1b\x07\x9b\r\u202e") & set(out))
        self.assertFalse(set("\x1b\x07\x9b\r") & set(line))
        self.assertTrue(host_named(json.loads(line), hostile))

    def test_a_pipe_gets_blocks_without_escapes(self):
        with FakeCollector(steadily(lambda: frame(vms=[vm()]))) as collector:
            code, out, _ = run("--collector", collector.address, "--count", "2")
        self.assertEqual(code, 0)
        self.assertNotIn("\x1b", out)
        self.assertEqual(out.count("virtpulse "), 2)
        self.assertEqual(out.count("web-1"), 2)

    def screen(self, collector, *arguments, **environment):
        """What a terminal of 80 by 24 is sent."""
        main, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
        env.update(TERM="xterm", **environment)
        process = subprocess.Popen([VIEWER, "--collector", collector.address, *arguments],
                                   stdin=subprocess.DEVNULL, stdout=terminal, env=env)
        os.close(terminal)
        sent = b""
        while True:
            ready, _, _ = select.select([main], [], [], PATIENCE_S)
            if not ready:
                process.kill()
                break
            try:
                piece = os.read(main, 65536)
            except OSError as error:
                if error.errno == errno.EIO:  # the terminal's last user has gone
                    break
                raise
            if not piece:
                break
            sent += piece
        os.close(main)
        return process.wait(timeout=PATIENCE_S), sent.decode()

    def test_a_terminal_is_drawn_over_and_left_in_order(self):
        many = [frame(f"host{n:02}", disk=97.0, vms=[vm()]) for n in range(40)]

        def greet(connection):
            while True:
                connection.sendall(b"".join(message(f) for f in many))
                time.sleep(0.2)
        with FakeCollector(greet) as collector:
            code, sent = self.screen(collector, "--count", "2")
            _, colourless = self.screen(collector, "--count", "1", NO_COLOR="1")
        self.assertEqual(code, 0)
        last = sent.split("\x1b[H")[-1]
        self.assertLess(last.count("\n"), 24)
        self.assertIn("more hosts", last)
        self.assertIn("\x1b[1;31mbad", last)
        self.assertGreater(sent.rfind("\x1b[?25h"), sent.rfind("\x1b[?25l"))
        self.assertGreater(sent.rfind("\x1b[?7h"), sent.rfind("\x1b[?7l"))
        self.assertIn("bad", colourless)
        self.assertNotRegex(colourless, "\x1b\\[[0-9;]*m")

    def test_a_reader_that_has_seen_enough(self):
        for mode in ("--list", "--json"):
            with FakeCollector(steadily(frame)) as collector, \
                    Viewer("--collector", collector.address, mode) as viewer:
                viewer.process.stdout.readline()
                viewer.process.stdout.close()
                self.assertEqual(viewer.process.wait(timeout=PATIENCE_S), 0)
                self.assertEqual(viewer.process.stderr.read(), b"")
                viewer.process.stdout = None

    def test_signals_end_it_cleanly(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            for address in ("", "no-such-host.invalid"):
                with FakeCollector(steadily(frame)) as collector, \
                        Viewer("--collector", address or collector.address, "--json") as viewer:
                    viewer.document()
                    code, _, err = viewer.finish(number)
                    self.assertEqual((code, err), (0, ""))

    def test_a_signal_ends_it_though_nobody_reads(self):
        big = frame(vms=[vm(f"vm{n}") for n in range(400)])
        with FakeCollector(steadily(lambda: big)) as collector, \
                Viewer("--collector", collector.address, "--json") as viewer:
            reader = viewer.process.stdout.fileno()
            end = time.monotonic() + PATIENCE_S
            full = 0
            while time.monotonic() < end:  # until the pipe takes no more
                waiting = struct.unpack("i", fcntl.ioctl(reader, termios.FIONREAD, b"\0" * 4))[0]
                if waiting and waiting == full:
                    break
                full = waiting
                time.sleep(1.5)
            self.assertGreater(full, 0)
            viewer.process.send_signal(signal.SIGTERM)
            self.assertEqual(viewer.process.wait(timeout=PATIENCE_S), 0)

    def test_wrong_use(self):
        for arguments in (["--list", "--json"], ["--count", "0"], ["--collector", "a:b"],
                          ["--no-such-option"]):
            code, out, err = run(*arguments)
            self.assertEqual((code, out), (2, ""))
            self.assertEqual(err.count("\n"), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
