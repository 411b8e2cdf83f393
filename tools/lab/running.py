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


def make_urgent(pid):
    """Lets a process, and what it starts, go before whatever else wants a CPU, as far as the fair
    scheduler goes: the others get little, but always something. An emulated guest takes the time
    that it waited for time that it worked; so where the machine is busy, only one that waits little
    can say what it used."""
    # The weight of a thread counts only within its control group, and within its session where the
    # kernel has groups for those.
    root = cgroups.hierarchy("cpu")
    for thread in map(int, os.listdir(f"/proc/{pid}/task")):
        with contextlib.suppress(ProcessLookupError):
            if root is not None:
                (root / "tasks").write_text(str(thread))
            os.setpriority(os.PRIO_PROCESS, thread, -20)
    with contextlib.suppress(FileNotFoundError):
        pathlib.Path(f"/proc/{pid}/autogroup").write_text("-20")
