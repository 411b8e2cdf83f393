"""Ports of loopback for programs that a test starts."""

import random
import socket

# Below those that the kernel gives to who asks for none, of which other tests take hundreds: such a
# port is another's before a program binds it, or binds it again.
FIRST, LAST = 20000, 32767


def free_port(kind):
    """One that nobody had just now; `kind` is socket.SOCK_DGRAM or SOCK_STREAM."""
    while True:
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                port = random.randint(FIRST, LAST)
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass
