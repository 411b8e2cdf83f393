"""libvirt's own figures, once a second, by one virsh that stays: a new one each time would be a load
of its own."""

import contextlib
import itertools
import subprocess
import threading
import time

from ..daemons import program
MOST_S = 0.15


class LibvirtWatch(threading.Thread):
    """Asks until it is ended. Where libvirtd hangs there are no figures, and none are made up."""

    def __init__(self, uri, every_s=1.0):
        super().__init__(daemon=True)
        self._every_s = every_s
        self._samples = []  # (time, {domain: {figure: number}})
        self._ended = threading.Event()
        self._numbers = itertools.count()
        self._virsh = subprocess.Popen(
            [program("virsh", "libvirt-clients"), "-q", "-c", uri],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.start()

    def run(self):
        due = time.monotonic()
        # A broken pipe is the end of virsh.
        with contextlib.suppress(OSError, ValueError):
            while not self._ended.wait(max(0.0, due - time.monotonic())):
                due = max(due + self._every_s, time.monotonic())
                before = time.time()
                figures = self._ask()
                if figures is None:
                    return
                after = time.time()
                # On a busy machine an answer may take long, and nobody knows of which moment it is.
                if after - before < MOST_S:
                    self._samples.append(((before + after) / 2, figures))

    def end(self):
        self._ended.set()
        self._virsh.kill()
        self._virsh.wait()
        self.join()

    def wait_for(self, moment, timeout):
        """Waits until it has answered after `moment`; not for ever, as it may hang."""
        deadline = time.monotonic() + timeout
        while not (self._samples and self._samples[-1][0] > moment):
            if time.monotonic() > deadline:
                return
            time.sleep(0.05)

    def rows(self, name, since, until):
        """The samples of a domain as rows like the database's."""
        return [
            {"time": moment, **figures[name]}
            for moment, figures in list(self._samples)
            if since <= moment <= until and name in figures
        ]

    def _ask(self):
        # virsh echoes each order when it comes to it: what came before this one's echo is whole.
        mark = f"echo end-of-figures-{next(self._numbers)}"
        self._virsh.stdin.write(f"domstats --raw --state --cpu-total --balloon --block\n{mark}\n")
        self._virsh.stdin.flush()
        domains, current = {}, {}
        for line in self._virsh.stdout:
            if line.strip().endswith(mark):
                return domains
            if line.startswith("Domain: '"):
                current = domains[line.strip()[9:-1]] = {}
            name, found, value = line.strip().partition("=")
            if found and value.isdigit():
                current[name] = int(value)
        return None
