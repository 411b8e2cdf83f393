"""Four guests whose loads come and go: something to look at on a machine without a VM of its own."""

import itertools
import threading

from .domain import Guest

# What each guest does, over and over: an order, and for how many seconds. Together they leave the
# smallest machine (2 CPUs) some air, and no two begin anew at the same time.
GUESTS = {
    "web": ["cpu 15 9", "cpu 45 7", "cpu 70 5", "cpu 30 8"],
    "database": ["disk 20 8", "disk 60 6", "cpu 25 5", "disk 35 9"],
    "batch": ["cpu 80 12", "pause 15"],
    "cache": ["mem 20M 10", "mem 45M 12", "cpu 10 8"],
}


def demo(lab):
    """Runs until interrupted, then leaves nothing."""
    with lab:
        guests = [lab.start(Guest(f"demo-{name}", network=True, cache="none")) for name in GUESTS]
        for guest in guests:
            guest.wait_booted()
        ended = threading.Event()
        for guest, orders in zip(guests, GUESTS.values()):
            threading.Thread(target=_drive, args=(guest, orders, ended), daemon=True).start()
        print(lab.uri, flush=True)  # who started the demo waits for this line
        try:
            threading.Event().wait()
        finally:
            ended.set()


def _drive(guest, orders, ended):
    for order in itertools.cycle(orders):
        kind, _, rest = order.partition(" ")
        if kind == "pause":
            ended.wait(float(rest))
        else:
            with_end = guest.send(order)
            try:
                guest.wait(with_end, timeout=None)
            except OSError:
                return
        if ended.is_set():
            return
