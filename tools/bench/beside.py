"""What the collector's benchmarks have in common: a collector, viewers beside it, its CPU time."""

import collections
import contextlib
import os
import pathlib
import subprocess
import sys

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests/end_to_end"))

import collector_process  # noqa: E402 pylint: disable=wrong-import-position

VIEWER = """
import socket, sys
viewer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
room = bytearray(1 << 20)
while viewer.recv_into(room):
    pass
"""


def default_bin():
    return str(TREE / "build/release/bin")


def Collector(directory, *arguments):  # pylint: disable=invalid-name
    """The collector of these binaries."""
    collector_process.BINARY = os.path.join(directory, "virtpulse-collector")
    return collector_process.Collector(*arguments)


def key_file(directory_of_programs, directory):
    """A new key in a file of its own; its path."""
    path = os.path.join(directory, "keys")
    with open(path, "w", encoding="ascii",
              opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        subprocess.run([os.path.join(directory_of_programs, "virtpulse-collector"), "keygen"],
                       stdout=file, check=True)
    return path


def cpu_seconds(pid):
    """CPU time by the names of the threads."""
    seconds = collections.Counter()
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        name = (task / "comm").read_text().strip()
        seconds[name] += int((task / "schedstat").read_text().split()[0]) / 1e9
    return seconds


@contextlib.contextmanager
def viewers(count, collector):
    """Processes of their own, so that they are not slow, which read all that is relayed."""
    started = [subprocess.Popen([sys.executable, "-c", VIEWER, str(collector.tcp)])
               for _ in range(count)]
    try:
        # The one that asks for the counters is a viewer too.
        collector.until(lambda: collector.stats()["viewers"]["connected"] > count)
        yield
    finally:
        for viewer in started:
            viewer.kill()
            viewer.wait()
