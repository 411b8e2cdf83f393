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
        self._process = subprocess.Popen(
            [sys.executable, str(tool), "--directory", str(directory), "guard"],
            stdin=subprocess.PIPE,
            start_new_session=True,  # a ^C on the terminal is not for it
        )

    def dismiss(self):
        """Ends it; the lab is down."""
        self._process.communicate(DISMISSED)


def wait_and_take_down(lab):
    """What the guard does."""
    if sys.stdin.buffer.read() != DISMISSED:
        lab.down(keep_logs=True)
