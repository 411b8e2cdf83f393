#!/usr/bin/python3
"""The viewer's terminal face, run in tmux against a real collector that is sent real frames.

tmux is the terminal: it is sent keys and asked what is on its screen. Each test has a tmux server of
its own, by a socket in a directory of its own.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from terminal_grid import PATIENCE_S, VIEWER, Grid, host
from wire import vm


def three_hosts(_):
    return [host("sick", 97.0, [vm("database", "1", cpu=93.0), vm("mail", "2", 5)]),
            host("warm", 86.0, [vm("web-1", "3"), vm("web-2", "4")]),
            host("well", 10.0)]


class Tmux:
    def __init__(self, command, columns=80, rows=24, term="tmux-256color", **environment):
        self.directory = tempfile.mkdtemp(prefix="virtpulse-tmux-")
        self.base = ["tmux", "-S", self.directory + "/socket", "-f", "/dev/null"]
        # The shell stays when the viewer ends: what it left on the terminal can be seen.
        settings = " ".join(f"{name}={value}" for name, value in environment.items())
        self.script = (f"trap : INT; stty sane; env TERM={term} LC_ALL=C.UTF-8 {settings} {command} "
                       f"2>{self.directory}/err; echo \"exit code $?\"; stty -a; sleep 1000")
        env = {k: v for k, v in os.environ.items() if k not in ("TMUX", "NO_COLOR")}
        env["LC_ALL"] = "C.UTF-8"
        subprocess.run([*self.base, "new-session", "-d", "-x", str(columns), "-y", str(rows),
                        "sh", "-c", self.script], check=True, env=env)

    def run(self, *arguments):
        return subprocess.run([*self.base, *arguments], check=True, capture_output=True,
                              text=True).stdout

    def keys(self, *keys):
        self.run("send-keys", *keys)

    def type(self, text):
        self.run("send-keys", "-l", text)

    def screen(self, *options):
        return self.run("capture-pane", "-p", *options)

    def until(self, good, *options):
        """Looks until the screen is good; gives it."""
        end = time.monotonic() + PATIENCE_S
        while True:
            seen = self.screen(*options)
            if good(seen):
                return seen
            if time.monotonic() > end:
                raise AssertionError("it never came to that:\n" + seen + self.errors())
            time.sleep(0.05)

    def until_has(self, *texts):
        return self.until(lambda seen: all(text in seen for text in texts))

    def until_lacks(self, text):
        return self.until(lambda seen: text not in seen)

    def errors(self):
        with open(self.directory + "/err", encoding="utf-8") as file:
            return file.read()

    def viewer_pid(self):
        shell = self.run("display-message", "-p", "#{pane_pid}").strip()
        with open(f"/proc/{shell}/task/{shell}/children", encoding="ascii") as file:
            return int(file.read().split()[0])

    def close(self):
        subprocess.run([*self.base, "kill-server"], check=False, capture_output=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def viewer(grid, *arguments):
    return " ".join([VIEWER, "--collector", grid.address, "--terminal", *arguments])


def hosts_in(screen):
    return re.findall(r"^[ ›][●▲✗○?] (\w+) ", "\n".join(screen.split("\n")[2:]), re.MULTILINE)


class InTmux(unittest.TestCase):
    def test_the_screen_at_both_sizes(self):
        for columns, rows in ((80, 24), (200, 60)):
            with Grid(three_hosts) as grid, Tmux(viewer(grid), columns, rows) as tmux:
                seen = tmux.until_has("sick", "warm", "well", "database", "connected for")
                self.assertEqual(hosts_in(seen)[:3], ["sick", "warm", "well"])
                self.assertRegex(seen, r"›✗ sick +0\.96 +━+╸? +97%✗")
                self.assertIn("▲ warm", seen)
                self.assertIn("VMs of sick: CPU 97 %", seen)
                self.assertRegex(seen, r"database +running +━")
                self.assertRegex(seen, r"○ mail +shut off")
                self.assertIn("? help", seen.split("\n")[rows - 1])

    def test_keys(self):
        with Grid(three_hosts) as grid, Tmux(viewer(grid)) as tmux:
            tmux.until_has("sick", "warm", "well")
            tmux.keys("Down")
            tmux.until_has("›▲ warm", "VMs of warm", "web-2")
            tmux.type("s")
            tmux.until_has("HOST▾")
            tmux.type("r")
            self.assertEqual(hosts_in(tmux.until_has("HOST▴"))[:3], ["well", "warm", "sick"])
            tmux.type("1")
            self.assertEqual(hosts_in(tmux.until_has("▾HEALTH"))[:3], ["sick", "warm", "well"])
            tmux.type("u")
            tmux.until(lambda seen: "only unhealthy" in seen and "● well" not in seen)
            tmux.type("u")
            tmux.until_has("● well")
            tmux.type("/")
            tmux.type("datab")
            tmux.until(lambda seen: "filter: datab" in seen and hosts_in(seen)[:1] == ["sick"] and
                       "warm " not in seen)
            tmux.type("ases")
            tmux.until_has('no name has "datab' + 'ases" in it; Esc shows the others')
            tmux.keys("Escape")
            tmux.until_has("● well")
            tmux.type("?")
            tmux.until_has("Any key closes this")
            tmux.keys("Escape")
            tmux.until_lacks("Any key closes this")
            tmux.keys("Enter")  # only the VMs, of the host that is selected
            tmux.until(lambda seen: "VMs of" in seen and "HOST" not in seen)
            tmux.keys("Escape")
            tmux.until_has("HOST")
            tmux.type("q")
            tmux.until_has("exit code 0")

    def test_mouse(self):
        def click(row, column):  # what a terminal of that type sends: pressed, let go
            for button in " #":
                tmux.type("\x1b[M" + button + chr(33 + column) + chr(33 + row))
        with Grid(three_hosts) as grid, Tmux(viewer(grid)) as tmux:
            seen = tmux.until_has("sick", "warm", "well").split("\n")
            row = next(at for at, line in enumerate(seen) if "● well" in line)
            click(row, 5)
            tmux.until_has("›● well")
            click(2, seen[2].index("CPU"))
            tmux.until_has("CPU▾")

    def test_pause(self):
        cpu = [20.0]
        with Grid(lambda _: [host("alpha", cpu[0])]) as grid, Tmux(viewer(grid)) as tmux:
            tmux.until_has("20%")
            tmux.type("p")
            tmux.until_has("PAUSED")
            cpu[0] = 77.0
            with Tmux(viewer(grid)) as other:
                other.until_has("77%")
            self.assertIn("20%", tmux.screen())
            tmux.type("p")
            tmux.until_has("77%")

    def test_resize(self):
        with Grid(three_hosts) as grid, Tmux(viewer(grid)) as tmux:
            tmux.until_has("sick")
            tmux.run("resize-window", "-x", "120", "-y", "30")
            tmux.until_has("WHY", "AGE")
            tmux.run("resize-window", "-x", "39", "-y", "9")
            tmux.until_has("39 by 9")
            tmux.run("resize-window", "-x", "60", "-y", "14")
            tmux.until_has("sick", "q quit")

    def test_a_host_that_falls_silent_and_a_collector_that_goes(self):
        names = ["alpha", "beta"]
        with Grid(lambda _: [host(name, 10.0) for name in names]) as grid, \
                Tmux(viewer(grid)) as tmux:
            tmux.until_has("● alpha", "● beta")
            names.remove("beta")
            seen = tmux.until(lambda seen: re.search(r"○ beta +silent", seen))
            self.assertRegex(seen, r"VMs of beta: silent for \d+ s, forgotten in \d+ s")
            self.assertEqual(hosts_in(seen)[0], "beta")
            grid.collector.process.send_signal(signal.SIGTERM)
            tmux.until_has("✗ 127.0.0.1:", "next attempt in")

    def test_nothing_to_see(self):
        command = f"{VIEWER} --collector 127.0.0.1:1 --terminal"
        with Tmux(command) as tmux:
            tmux.until_has("no connection to a collector", "connection refused")
            tmux.type("q")
            tmux.until_has("exit code 0")

    def test_colours(self):
        for term, settings, good in (
                ("tmux-256color", {}, lambda s: "\x1b[38;5;" in s),
                ("xterm", {}, lambda s: re.search(r"\x1b\[(1;|)31m", s) and "38;5" not in s),
                ("tmux-256color", {"NO_COLOR": "1"},
                 lambda s: not re.search(r"\x1b\[[0-9;]*(3[0-7]|38|4[0-7]|48)[;m]", s)),
                ("vt100", {}, lambda s: not re.search(r"\x1b\[[0-9;]*(3[0-7]|38)[;m]", s))):
            with Grid(three_hosts) as grid, Tmux(viewer(grid), term=term, **settings) as tmux:
                tmux.until_has("sick", "✗", "97%")
                with self.subTest(term=term, **settings):
                    self.assertTrue(good(tmux.screen("-e")), tmux.screen("-e"))

    def test_a_terminal_without_utf8_gets_ascii(self):
        with Grid(lambda _: [host("日本", 97.0, [vm("web", "1", cpu=50.0)])]) as grid, \
                Tmux(viewer(grid), LC_ALL="C") as tmux:
            seen = tmux.until_has("????", "#####", "X")
            self.assertTrue(seen.isascii(), seen)

    def test_hostile_names(self):
        evil = "\u202eevil\u009b31m"
        with Grid(lambda _: [host(evil, 97.0, [vm("\u0085\u2028x" * 40, "1"),
                                               vm("<script>", "2"), vm("日" * 80, "3")])]) as grid, \
                Tmux(viewer(grid)) as tmux:
            seen = tmux.until_has("\ufffdevil\ufffd31m", "<script>", "日日")
            self.assertFalse(set(seen) & set("\x1b\u202e\u0085\u2028\x9b"))
            self.assertTrue(all(line.startswith("   ") or "──" in line or not line.strip() or
                                line[1] in "●✗▲○?qv" for line in seen.split("\n")), seen)

    def test_signals_leave_the_terminal_in_order(self):
        for end in ("C-c", signal.SIGTERM, "q"):
            with Grid(three_hosts) as grid, Tmux(viewer(grid)) as tmux:
                tmux.until_has("sick")
                if isinstance(end, str):
                    tmux.keys(end)
                else:
                    os.kill(tmux.viewer_pid(), end)
                seen = tmux.until_has("exit code", "echo")
                self.assertIn("exit code 0", seen)
                self.assertNotIn("sick", seen)  # the screen from before is back
                for mode in (" icanon", " echo ", " ixon"):
                    self.assertIn(mode, seen)
                flags = tmux.run("display-message", "-p",
                                 "#{alternate_on} #{cursor_flag} #{mouse_any_flag}")
                self.assertEqual(flags.split(), ["0", "1", "0"])

    def test_terminals_that_cannot_be_drawn_on(self):
        for term, said in (("dumb", 'TERM is "dumb"'), ("no-such-thing", "no-such-thing")):
            with Tmux(f"{VIEWER} --terminal", term=term) as tmux:
                tmux.until_has("exit code 1")
                self.assertIn(said, tmux.errors())
                self.assertEqual(tmux.errors().count("\n"), 1)
        done = subprocess.run([VIEWER, "--terminal"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("needs a terminal", done.stderr)


if __name__ == "__main__":
    if shutil.which("tmux") is None:
        print("skipped: there is no tmux")
        sys.exit(77)
    unittest.main(verbosity=2)
