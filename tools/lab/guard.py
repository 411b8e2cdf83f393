"""A process that takes a lab down when the one that uses it has been killed.

It waits on a pipe that only that one holds: a word through it, and all is well; its end without a
word, and nobody else is left to clear up.
"""

import pathlib
import subprocess
import sys

DISMISSED = b"down"


class Guard:
    """Guards the lab in `directory` until it is dismissed."""

    def __init__(self, directory):
        tool = pathlib.Path(__file__).with_name("lab")
        # In a session of its own, as a ^C on the terminal is not for it; and no child of ours, as
        # ctest kills a test that takes too long with all of its descendants.
        self._process = subprocess.Popen(
            ["setsid", "--fork", sys.executable, tool, "--directory", directory, "guard"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,  # closed when it has ended
        )

    def dismiss(self):
        """Ends it; the lab is down."""
        self._process.communicate(DISMISSED)


def wait_and_take_down(lab):
    """What the guard does."""
    if sys.stdin.buffer.read() != DISMISSED:
        lab.down(keep_logs=True)
