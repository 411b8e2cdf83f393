"""A guest that a lab has started: its process, its console, its loads."""

import contextlib
import os
import pathlib
import time

from . import cgroups
from .errors import LabError
from .orders import Orders


class RunningGuest:
    """A guest of a lab."""

    def __init__(self, lab, name, guest=None):
        self._lab = lab
        self.name = name
        self.guest = guest
        self._orders = Orders(name, lab.orders_socket(name))

    @property
    def uuid(self):
        return self._lab.virsh("domuuid", self.name)

    @property
    def pid(self):
        """qemu's pid; None when it does not run."""
        return self._lab.guest_pid(self.name)

    @property
    def state(self):
        """libvirt's word: running, paused, shut off, ..."""
        return self._lab.virsh("domstate", self.name)

    @property
    def console(self):
        """What it has printed so far."""
        try:
            return self._lab.console(self.name).read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def wait_booted(self, timeout=120):
        """Waits until the guest takes orders; its loads run by then."""
        deadline = time.monotonic() + timeout
        while "lab: booted" not in self.console:
            if self.pid is None or time.monotonic() > deadline:
                lines = self.console.strip().splitlines() or ["it printed nothing"]
                reason = "has ended" if self.pid is None else f"has not booted within {timeout:g} s"
                raise LabError(f"guest {self.name} {reason}; its last words: {lines[-1]}")
            time.sleep(0.05)
        if self.guest is not None and self.guest.realtime:
            make_realtime(self.pid)
        return self

    def send(self, order):
        """Gives an order ("cpu 60 30", "io write 100 4096 500", "stop") and returns its number."""
        return self._orders.send(order)

    def wait(self, number, timeout=120):
        """The figures of the answer to order `number`."""
        return self._orders.wait(number, timeout)

    def run(self, order, timeout=120):
        """Gives an order and waits for its figures."""
        return self.wait(self.send(order), timeout)

    def close(self):
        self._orders.close()


def make_realtime(pid):
    """Lets all threads of a process go before whatever else wants a CPU (SCHED_FIFO, the lowest of
    its priorities), and so all that they start later. An emulated guest has no other way to know
    that it did not run: it takes the time for its own."""
    # With RT_GROUP_SCHED a control group has no real-time budget, but the root group has.
    root = cgroups.hierarchy("cpu")
    for thread in map(int, os.listdir(f"/proc/{pid}/task")):
        with contextlib.suppress(ProcessLookupError):
            try:
                os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(1))
            except PermissionError:
                if root is None:
                    raise LabError("this machine gives a guest no real-time priority") from None
                pathlib.Path(root, "tasks").write_text(str(thread))
                os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(1))
