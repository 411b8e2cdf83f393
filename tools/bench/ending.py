"""How a benchmark ends when it is told to."""

import signal
import sys


def leave_on_signals():
    """What it started is then ended by the `with` that it was started in. Said to be so for ^C also,
    which a shell has its background jobs ignore."""
    def leave(number, _):
        sys.exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
