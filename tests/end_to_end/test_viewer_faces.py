#!/usr/bin/python3
"""The viewer's list and JSON, in a pipe and on a terminal, and how it ends."""

import errno
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

from viewer_process import (PATIENCE_S, VIEWER, FakeCollector, Viewer, frame, host_named, message,
                            run, steadily, vm)


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
