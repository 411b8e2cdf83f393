"""The product as it is used: a collector with its database, and two agents that send to it, one by
eBPF and one by /proc, each under its own name."""

import json
import socket
import struct
import time

from ..errors import LabError

WAYS = ("ebpf", "proc")  # the agents' names too


class Product:
    """Runs inside `lab` and ends with it. `database` is a file that the collector makes."""

    def __init__(self, lab, database):
        self.database = database
        self._lab = lab
        self._processes = {}
        self._udp, self._tcp = _free_port(socket.SOCK_DGRAM), _free_port(socket.SOCK_STREAM)

    def start(self):
        """Starts all three, and waits until the collector has a frame of each agent."""
        udp, tcp = f"127.0.0.1:{self._udp}", f"127.0.0.1:{self._tcp}"
        self._start("collector", "--db", self.database, "--udp", udp, "--tcp", tcp, "--http", "none")
        self._until(self._listens, "the collector does not listen")
        for way in WAYS:
            self._start(
                "agent", "--collector", udp, "--name", way, "--source", way,
                "--libvirt", self._lab.uri_read_only, name=way,
            )  # fmt: skip
        self._until(
            lambda: {host["name"] for host in self.hosts()} >= set(WAYS), "an agent sends nothing"
        )
        return self

    def pids(self):
        """By name: collector, ebpf, proc."""
        return {name: process.pid for name, process in self._processes.items()}

    def hosts(self):
        """The collector's answer to the request `hosts`."""
        return self._ask("hosts")["hosts"]

    def frame(self, way):
        """The newest frame of an agent that the collector has, its first part."""
        return self._first(way, lambda frame: frame.get("ext", {}).get("part", [0])[0] == 0)

    def vm(self, way, name):
        """A VM as it is in the newest frame of an agent that has it."""

        def named(frame):
            return next((vm for vm in frame["vms"] if vm["name"] == name), None)

        return named(self._first(way, named))

    def _first(self, way, wanted):
        with socket.create_connection(("127.0.0.1", self._tcp), timeout=5) as connection:
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                kind, message = _receive(connection)
                if kind == 0 and message["name"] == way and wanted(message):
                    return message
        raise LabError(f"the collector passes on no such frame of the agent {way}")

    def _start(self, program, *options, name=None):
        name = name or program
        path = self._lab.binaries / f"virtpulse-{program}"
        if not path.exists():
            raise LabError(f"{path} is missing; build it: cmake --build --preset release")
        # Its own bpffs: an agent that runs on this machine keeps its pins, and finds none of ours.
        script = 'mount -t bpf bpf /sys/fs/bpf && exec "$@"'
        own = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]
        process = self._lab.start_inside(name, *own, path, *options)
        self._processes[name] = process

    def _until(self, condition, what):
        deadline = time.monotonic() + 30
        while not condition():
            for name, process in self._processes.items():
                if process.poll() is not None:
                    lines = self._lab.log(name).read_text(errors="replace").strip().splitlines() or ["no reason"]
                    raise LabError(f"{name} has ended: {lines[-1]}")
            if time.monotonic() > deadline:
                raise LabError(f"{what} within 30 s")
            time.sleep(0.1)

    def _listens(self):
        try:
            self.hosts()
        except OSError:
            return False
        return True

    def _ask(self, operation):
        request = json.dumps({"id": 1, "op": operation}).encode()
        with socket.create_connection(("127.0.0.1", self._tcp), timeout=5) as connection:
            connection.sendall(struct.pack(">IB", len(request), 1) + request)
            while True:
                kind, message = _receive(connection)
                if kind == 2:
                    return message


def _receive(connection):
    size, kind = struct.unpack(">IB", _exactly(connection, 5))
    return kind, json.loads(_exactly(connection, size))


def _exactly(connection, size):
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise LabError("the collector has closed the connection")
        data += more
    return data


def _free_port(kind):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
