"""Orders to a running guest, over its second serial line (see init for the words)."""

import itertools
import os
import select
import socket
import time

from .errors import LabError


class Orders:
    """One connection to one guest. A qemu serves one at a time: close it to let another in."""

    def __init__(self, name, path):
        self._name = name
        self._path = path
        self._socket = None
        self._partial = b""
        self._answers = {}
        # Unlike those of an earlier connection, whose answers may still be under way.
        self._ids = (f"{os.getpid()}.{number}" for number in itertools.count(time.monotonic_ns()))

    def send(self, order):
        """Gives an order; returns the number that wait() takes."""
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                self._socket.connect(str(self._path))
            except OSError as error:
                self.close()
                reason = f"{self._path}: {error.strerror}"
                raise LabError(f"cannot reach guest {self._name}: {reason}") from None
        number = next(self._ids)
        self._socket.sendall(f"{number} {order}\n".encode())
        return number

    def wait(self, number, timeout):
        """The answer's figures by name. `timeout` in seconds; None waits for ever."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while number not in self._answers:
            left = None if deadline is None else max(0, deadline - time.monotonic())
            if not select.select([self._socket], [], [], left)[0]:
                raise LabError(f"guest {self._name} did not answer within {timeout:g} s")
            data = self._socket.recv(65536)
            if not data:
                raise LabError(f"guest {self._name} has ended")
            *lines, self._partial = (self._partial + data).split(b"\n")
            for line in lines:
                answered, _, answer = line.decode(errors="replace").strip().partition(" ")
                self._answers[answered] = answer
        word, _, rest = self._answers.pop(number).partition(" ")
        if word != "done":
            raise LabError(f"guest {self._name}: {rest or word}")
        return {key: _number(value) for key, value in (pair.split("=") for pair in rest.split())}

    def close(self):
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._partial = b""


def _number(text):
    """A figure as what it is; a word stays a word."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text
