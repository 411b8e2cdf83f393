"""What the tests of the agent share: an agent that runs and its samples, the kernel's own figures
to hold them against, and a mount namespace with a bpffs of their own, so that an agent that runs on
this machine keeps its pinned counters, and finds none of ours."""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import unittest

TREE = pathlib.Path(__file__).resolve().parents[2]
BINARIES = pathlib.Path(os.environ.get("VIRTPULSE_BIN", TREE / "build/release/bin"))
AGENT = BINARIES / "virtpulse-agent"
FAKE_QEMU = BINARIES.parent / "fixtures/qemu-system-x86_64"
LABS = BINARIES.parent / "labs"
PINS = pathlib.Path("/sys/fs/bpf/virtpulse")
# Each pinned map: the struct that it holds, and one of its members.
MAPS = {
    "agents": ("vp_agents", "boot_to_epoch_ns"),
    "cgroups": ("vp_owner", "start_ns"),
    "culprits": ("vp_culprit", "last_wait"),
    "ended_waits": ("vp_history", "node_moves"),
    "devices": ("vp_device", "served_ns"),
    "failures": ("vp_failures", "lost_issues"),
    "requests": ("vp_request", "issued_ns"),
    "threads": ("vp_thread", "run_delay_ns"),
    "unconfirmed": ("vp_unconfirmed", "threads"),
    "vm_block": ("vp_block", "write_bytes"),
    "vms": ("vp_vm", "since_ns"),
    "waits": ("vp_wait", "quota_base_ns"),
}
if pathlib.Path("/sys/module/kvm").exists():
    MAPS["vcpus"] = ("vp_vcpu", "halt_wait_ns")
# A guest's name is the machine's, and several builds may run the tests at once.
NAME = f"a{os.getpid()}"

RUNNING, PAUSED, SHUT_OFF, CRASHED = 1, 3, 5, 6


@dataclasses.dataclass
class Sample:
    """One sample, of all its parts."""

    host: dict
    vms: list
    arrived: float  # when its last part was here, s since the epoch

    @property
    def time(self):
        return self.host["time"]

    @property
    def number(self):
        return self.host["ext"]["sample"]

    @property
    def missing(self):
        return self.host["ext"].get("missing", {})

    def named(self, name):
        return [vm for vm in self.vms if vm["name"] == name]

    def vm(self, name):
        found = self.named(name)
        assert len(found) == 1, f"{name} is {len(found)} times in {[vm['name'] for vm in self.vms]}"
        return found[0]


class Samples:
    """A list of samples that grows in another thread."""

    def __init__(self):
        self.all = []
        self._grown = threading.Condition()

    def add(self, sample):
        with self._grown:
            self.all.append(sample)
            self._grown.notify_all()

    def first(self, wanted, after=0.0, timeout=30):
        """The first sample taken after `after` (s since the epoch) that `wanted` says yes to."""
        deadline = time.monotonic() + timeout
        seen = 0
        with self._grown:
            while True:
                for sample in self.all[seen:]:
                    if sample.time > after and wanted(sample):
                        return sample
                seen = len(self.all)
                if not self._grown.wait(deadline - time.monotonic()):
                    last = self.all[-1] if self.all else None
                    raise AssertionError(f"no such sample within {timeout} s; the last: {last}")

    def next(self, after=None, timeout=30):
        """The first sample taken after `after` (now)."""
        return self.first(lambda _: True, time.time() if after is None else after, timeout)

    def since(self, after):
        with self._grown:
            return [sample for sample in self.all if sample.time > after]


class Agent:
    """A virtpulse-agent that runs. With printed=True its samples are those it prints."""

    def __init__(self, *options, printed=True, command=(), environment=None):
        words = [*command, str(AGENT), *map(str, options)]
        if printed:
            words += ["--print", "json"]
        self.samples = Samples()
        self.log = []
        self.process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        self._threads = [
            threading.Thread(target=self._read_samples, daemon=True),
            threading.Thread(target=self._read_log, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end(signal.SIGKILL)

    @property
    def pid(self):
        return self.process.pid

    def end(self, how=signal.SIGTERM, timeout=30):
        """Ends it; returns (exit code, seconds that it took)."""
        started = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(timeout)
        seconds = time.monotonic() - started
        for thread in self._threads:
            thread.join(10)
        self.process.stdout.close()
        self.process.stderr.close()
        return code, seconds

    def wait_for_log(self, text, timeout=30):
        deadline = time.monotonic() + timeout
        while not any(text in line for line in self.log):
            assert time.monotonic() < deadline, f"no '{text}' in the log: {self.log}"
            time.sleep(0.02)

    def _read_samples(self):
        for line in self.process.stdout:
            arrived = time.time()
            frame = json.loads(line)
            self.samples.add(Sample(frame, frame.pop("vms"), arrived))

    def _read_log(self):
        for line in self.process.stderr:
            self.log.append(line.decode().rstrip())


class Receiver:
    """A collector's UDP side: keeps each datagram, and puts samples together from their parts."""

    def __init__(self):
        self.samples = Samples()
        self.datagrams = []  # (sequence number, size with it, frame)
        self._parts = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._socket.settimeout(0.2)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def _receive(self):
        while not self._ended.is_set():
            try:
                datagram = self._socket.recv(65536)
            except TimeoutError:
                continue
            arrived = time.time()
            (sequence,) = struct.unpack(">I", datagram[:4])
            frame = json.loads(datagram[4:])
            self.datagrams.append((sequence, len(datagram), frame))
            if "ext" in frame:
                self._put_together(dict(frame), arrived)

    def _put_together(self, frame, arrived):
        number, count = frame["ext"].get("part", [0, 1])
        parts = self._parts.setdefault(frame["ext"]["sample"], {})
        parts[number] = frame
        if len(parts) < count:
            return
        del self._parts[frame["ext"]["sample"]]
        vms = [vm for part in range(count) for vm in parts[part].pop("vms")]
        self.samples.add(Sample(parts[0], vms, arrived))


@contextlib.contextmanager
def fake_qemu(name=None, *arguments, **environment):
    """A process that looks like a qemu (tests/fixtures/fake_qemu.cpp)."""
    words = ["-name", f"guest={name}", *arguments] if name else arguments
    process = subprocess.Popen(
        [str(FAKE_QEMU), *words],
        stdin=subprocess.DEVNULL,
        env=os.environ | {key: str(value) for key, value in environment.items()},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def process_clock_ns(pid):
    """CPU time of all threads of a process, also of those that ended: its clock, by
    clock_getcpuclockid(3). For a thread that runs as old as schedstat, its last tick."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def threads_of(pid):
    return sorted(map(int, os.listdir(f"/proc/{pid}/task")))


def schedstat(pid, tid):
    """(CPU time in ns, run delay in ns, times on a CPU)."""
    text = pathlib.Path(f"/proc/{pid}/task/{tid}/schedstat").read_text()
    return tuple(map(int, text.split()))


def schedstats_ns(pid):
    """CPU time of each thread that lives, by tid."""
    used = {}
    for tid in threads_of(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            used[tid] = schedstat(pid, tid)[0]
    return used


@contextlib.contextmanager
def stopped(*pids):
    """Processes that stand still: what they have used so far is then exact everywhere."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        for pid in pids:
            while any(thread_state(pid, tid) not in "TtZX" for tid in threads_of(pid)):
                time.sleep(0.002)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def thread_state(pid, tid):
    try:
        text = pathlib.Path(f"/proc/{pid}/task/{tid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "X"
    return text.rpartition(")")[2].split()[0]


def percent_off(value, truth):
    return 100 * (value - truth) / truth


def pinned(top=PINS):
    """The pinned maps, by name."""
    return {path.name: path for path in top.rglob("*") if path.is_file()}


def bpftool(*words):
    """What bpftool says, from JSON."""
    program = shutil.which("bpftool", path="/usr/sbin:/sbin:/usr/bin")
    done = subprocess.run([program, "--json", *map(str, words)], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None


def rows_of(name):
    """The rows of a pinned map, with named fields: [{"key": …, "value": …}]. One that went while bpftool
    read the map has an error for a value, and is left out."""
    rows = bpftool("map", "dump", "pinned", pinned()[name])
    return [row["formatted"] for row in rows if "error" not in row["value"]]


GROWTH_PERCENT = 0.1


def check_growth(test, agent, name, pid, seconds=1):
    """What the agent counts for a VM grows as the process's own clock does."""
    figures = []
    for _ in range(2):
        with stopped(pid):
            ext = agent.samples.first(lambda s: s.named(name), time.time()).vm(name)["ext"]
            figures.append((ext["cpu_ns"], sum(schedstats_ns(pid).values())))
        time.sleep(seconds)
    (counted, clock), (counted_then, clock_then) = figures
    off = percent_off(counted_then - counted, clock_then - clock)
    print(f"  {name}: {(counted_then - counted) / 1e6:.3f} ms by the agent ({off:+.4f} %)")
    test.assertLessEqual(abs(off), GROWTH_PERCENT)


def value_at(name, place):
    """The value at a place of a pinned map that is an array, with named fields."""
    key = [str(byte) for byte in place.to_bytes(4, "little")]
    return bpftool("map", "lookup", "pinned", pinned()[name], "key", *key)["formatted"]["value"]


def wait_of_thread(tid):
    """The thread's record in `waits`: its place is one of those that begin at the hash of its number (see
    VP_THREAD_PROBES in bpf/records.h)."""
    first = (tid * 2654435761 & 0xffffffff) >> 17
    for place in range(first, first + 16):
        if value_at("threads", place % (1 << 15))["tid"] == tid:
            return value_at("waits", place % (1 << 15))
    return None


def unpin():
    return subprocess.run(
        [str(AGENT), "--unpin"], capture_output=True, text=True, timeout=30, check=False
    )


def end_class_unpinned():
    """For addClassCleanup: nothing is left of the agents' pins."""
    done = unpin()
    assert done.returncode == 0, done.stderr
    assert not PINS.exists(), f"{PINS} is left behind"


def why_no_bpf():
    """Why the machine cannot run these tests, in one line; None when it can."""
    if os.geteuid() != 0:
        return "eBPF needs root"
    if not pathlib.Path("/sys/kernel/btf/vmlinux").exists():
        return "the kernel has no BTF (/sys/kernel/btf/vmlinux)"
    return None


def main(why_not=why_no_bpf):
    """Runs a file's tests in the namespace of their own."""
    reason = why_no_bpf() or why_not()
    if reason:
        print(reason)
        sys.exit(77)
    if "VIRTPULSE_TEST_NAMESPACE" not in os.environ:
        os.environ["VIRTPULSE_TEST_NAMESPACE"] = "own"
        namespace = ["unshare", "--mount", "--propagation", "private"]
        os.execvp("unshare", [*namespace, sys.executable, *sys.argv])
    subprocess.run(["mount", "-t", "bpf", "bpf", "/sys/fs/bpf"], check=True)
    unittest.main(verbosity=2)
