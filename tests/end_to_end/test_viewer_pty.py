#!/usr/bin/python3
"""The viewer's terminal face on a terminal that is the test itself, which counts what it is sent."""

import contextlib
import errno
import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import time
import unittest

from terminal_grid import PATIENCE_S, VIEWER, Grid, host
from wire import vm


class OnAPty(unittest.TestCase):
    @contextlib.contextmanager
    def started(self, grid, columns, rows):
        """The viewer in a terminal of its own, ended at the end."""
        main, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        env = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        env.pop("NO_COLOR", None)
        process = subprocess.Popen([VIEWER, "--collector", grid.address, "--terminal"],
                                   stdin=terminal, stdout=terminal, stderr=subprocess.PIPE, env=env)
        os.close(terminal)
        os.set_blocking(main, False)
        try:
            yield process, main
        finally:
            os.close(main)
            if process.poll() is None:
                process.kill()
            process.communicate()

    @staticmethod
    def read_for(main, seconds):
        sent = b""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                sent += os.read(main, 1 << 16)
            except BlockingIOError:
                time.sleep(0.02)
            except OSError as error:
                if error.errno == errno.EIO:  # the terminal's last user has gone
                    break
                raise
        return sent

    def test_only_what_changes_is_sent(self):
        hosts = 40

        def make(sample):  # every figure wavers, as figures do
            return [host(f"host{n:02}", 50 + (sample * 7 + n * 3) % 9,
                         [vm(f"web-{n}-{m}", str(m), cpu=20.0 + (sample + m) % 5)
                          for m in range(10)])
                    for n in range(hosts)]
        with Grid(make) as grid:
            for columns, rows in ((80, 24), (200, 60)):
                with self.started(grid, columns, rows) as (process, main):
                    first = b""
                    end = time.monotonic() + PATIENCE_S
                    while b"host00" not in first and time.monotonic() < end:
                        first += self.read_for(main, 0.2)
                    self.assertIn(b"host00", first)
                    first += self.read_for(main, 1.5)
                    begun = time.monotonic()
                    sent = self.read_for(main, 5)
                    seconds = time.monotonic() - begun
                    process.send_signal(signal.SIGTERM)
                    self.read_for(main, 0.5)
                    self.assertEqual(process.wait(timeout=PATIENCE_S), 0)
                print(f"\n{columns}x{rows}: {len(sent) / seconds:.0f} bytes/s for {hosts} hosts "
                      f"of which every figure changes; {columns * rows} cells")
                # It does not draw everything each second: a cell takes a byte or more. One picture
                # may have begun before.
                self.assertGreater(len(sent), 0)
                self.assertLess(len(sent), (seconds + 1) * columns * rows)

    def test_a_signal_ends_it_though_the_terminal_is_not_read(self):
        def make(sample):  # names change, so there is much to send
            return [host(f"{'x' * 20}{(n + sample) % 90:02}", (n * 7 + sample * 13) % 100)
                    for n in range(60)]
        with Grid(make) as grid, self.started(grid, 500, 200) as (process, main):
            self.read_for(main, 1)
            full = -1
            end = time.monotonic() + PATIENCE_S
            while time.monotonic() < end:  # until the terminal takes no more
                waiting = struct.unpack(
                    "i", fcntl.ioctl(main, termios.FIONREAD, b"\0" * 4))[0]
                if waiting == full:
                    break
                full = waiting
                time.sleep(2.5)
            self.assertGreater(full, 0)
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(timeout=PATIENCE_S), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
