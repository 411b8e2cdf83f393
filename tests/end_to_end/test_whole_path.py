"""The three programs as they are, on loopback: agent to collector to viewer and database.

The virtual machines are processes with a qemu's name. Between agent and collector stands a relay of
this test, which writes down each datagram, and loses some when told to.
"""

import contextlib
import json
import os
import pathlib
import signal
import socket
import sqlite3
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from collector_process import Collector
from test_viewer import PATIENCE_S, Viewer

BINARIES = pathlib.Path(os.environ.get("VIRTPULSE_BIN", "build/release/bin"))
AGENT = str(BINARIES / "virtpulse-agent")
FAKE_QEMU = str(BINARIES.parent / "fixtures/qemu-system-x86_64")
# Several builds may run this at once, and the agent sees all virtual machines of the machine.
OURS = f"e{os.getpid()}-"
HOST = f"host{os.getpid()}"
PINS = pathlib.Path("/sys/fs/bpf/virtpulse")
MOST_BYTES = 1452  # of a datagram, unless the agent is told otherwise


class Relay:
    """A UDP port that passes on to another what comes in, in order, and keeps it."""

    def __init__(self, target):
        self.loses = lambda frame: False
        self.passed = []  # (sequence number, frame)
        self.lost = []
        self.largest = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.target = ("127.0.0.1", target)
        self.ended = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while True:
            datagram = self.socket.recv(65536)
            if self.ended:
                return
            self.largest = max(self.largest, len(datagram))
            kept = struct.unpack(">I", datagram[:4])[0], json.loads(datagram[4:])
            if self.loses(kept[1]):
                self.lost.append(kept)
                continue
            # Kept before it is sent: what a viewer shows is to be found here.
            self.passed.append(kept)
            self.socket.sendto(datagram, self.target)

    def samples(self):
        """{time of the host: (first part, {name of a VM of ours: VM})} of all samples so far."""
        found = {}
        for _, frame in list(self.passed):
            first, vms = found.setdefault(frame["time"], [frame, {}])
            if frame["ext"].get("part", [0])[0] == 0:
                found[frame["time"]][0] = frame
            vms.update((vm["name"], vm) for vm in frame["vms"] if vm["name"].startswith(OURS))
        return found

    def close(self):
        self.ended = True
        self.socket.sendto(b"", self.socket.getsockname())
        self.thread.join()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Program:
    """One that is to run until it is ended."""

    def __init__(self, *command, **environment):
        self.log = os.memfd_create("log")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, env={**os.environ, **environment})

    def said(self):
        return os.pread(self.log, 1 << 20, 0).decode(errors="replace")

    def end(self, number=signal.SIGTERM):
        """Its exit code, and how long it took to end."""
        begun = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        if code not in (0, -number):
            print(self.said())
        return code, time.monotonic() - begun

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.log)


def agent(port, *arguments):
    return Program(AGENT, "--collector", f"127.0.0.1:{port}", "--libvirt", "none", "--name", HOST,
                   *arguments)


def viewer(collector, *arguments):
    return Viewer("--collector", f"127.0.0.1:{collector.tcp}", "--json", *arguments,
                  env={**os.environ, "NO_COLOR": "1"})


def machines(stack, count, load=0, threads=1):
    """So many virtual machines, the first of which burn some CPU; their names and pids."""
    pids = {}
    for number in range(count):
        name = f"{OURS}{number:03}"
        words = ("-name", f"guest={name},debug-threads=on", "-smp", "2", "-m", "size=262144k")
        environment = {"FAKE_QEMU_THREADS": str(threads)}
        if number < 2:
            environment["FAKE_QEMU_LOAD"] = str(load)
        started = stack.enter_context(Program(FAKE_QEMU, *words, **environment))
        pids[name] = started.process.pid
    return pids


def our_host(document):
    return next((host for host in document["hosts"] if host["name"] == HOST), None)


def our_vms(host):
    return {vm["name"]: vm for vm in host["vms"] if vm["name"].startswith(OURS)}


def has_all(names):
    """For Viewer.documents_until: a document in which all of these VMs are, and fresh."""
    def good(document):
        host = our_host(document)
        if host is None:
            return False
        vms = our_vms(host)
        return set(vms) == set(names) and not any(vm["stale"] for vm in vms.values())
    return good


class WholePath(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="virtpulse-")
        self.addCleanup(directory.cleanup)
        self.database = os.path.join(directory.name, "grid.db")
        if os.geteuid() == 0 and not PINS.exists():
            # Refused, and rightly, while another agent runs.
            self.addCleanup(subprocess.run, [AGENT, "--unpin"], capture_output=True, check=False)

    def ends_in_time(self, what, ended):
        code, seconds = ended
        print(f"  {what}: SIGTERM to exit {seconds * 1000:.0f} ms")
        self.assertEqual(code, 0, what)

    def rows(self, sql, *values):
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql, values)]

    # --- what is compared

    def check_viewer(self, document, samples, names):
        """That the viewer shows what was in the frames of the sample that it names."""
        host = our_host(document)
        self.assertIn(host["time"], samples)
        frame, vms = samples[host["time"]]
        for member in ("cpu", "ram", "disk", "cputemp", "mbtemp"):
            self.assertEqual(host[member], frame[member], member)
        self.assertEqual(host["source"], frame["ext"]["source"])
        self.assertEqual(host["missing"], frame["ext"].get("missing", {}))
        earlier = [at for at in samples if at < host["time"]]
        _, before = samples[max(earlier)] if earlier else (None, {})
        seen = our_vms(host)
        self.assertEqual(set(seen), set(names))
        for name, vm in seen.items():
            sent = vms[name]
            for member in ("uuid", "state", "cpu", "ram", "maxram"):
                self.assertEqual(vm[member], sent[member], f"{name} {member}")
            for member in ("vcpus", "pid", "rss_bytes"):
                self.assertEqual(vm[member], sent["ext"][member], f"{name} {member}")
            self.assertEqual((vm["pid"], vm["vcpus"]), (names[name], 2))
            self.assertEqual((vm["ram"], vm["state_name"]), (262144, "running"))
            if name in before and vm["run_delay_percent"] is not None:
                grown = sent["ext"]["run_delay_ns"] - before[name]["ext"]["run_delay_ns"]
                elapsed = host["time"] - max(earlier)
                # It is shown in thousandths; the frames' times are not more exact.
                self.assertAlmostEqual(vm["run_delay_percent"], grown / elapsed / 1e7,
                                       delta=0.001 + vm["run_delay_percent"] * 1e-3)

    def check_database(self, samples, names):
        """That the database holds what was in the frames, of all samples."""
        hosts = {row["time_ms"]: row for row in self.rows(
            "SELECT host_samples.* FROM host_samples JOIN hosts ON id = host_id WHERE name = ?",
            HOST)}
        vms = {(row["time_ms"], row["name"]): row for row in self.rows(
            "SELECT vm_samples.*, vms.name, vms.uuid, vms.start_ns FROM vm_samples"
            " JOIN vms ON vms.id = vm_id JOIN hosts ON hosts.id = host_id WHERE hosts.name = ?",
            HOST)}
        for at, (frame, sent) in samples.items():
            row = hosts[round(at * 1000)]
            ext = frame["ext"]
            for column, want in (
                    ("cpu_percent", frame["cpu"]), ("ram_percent", frame["ram"]),
                    ("disk_percent", frame["disk"]), ("sample", ext["sample"]),
                    ("boot_ns", ext["boot"]), ("source", ext["source"]), ("cpus", ext["cpus"]),
                    ("mem_total_bytes", ext["mem_total_bytes"]),
                    ("agent_cpu_ns", ext["self"]["cpu_ns"])):
                self.assertEqual(row[column], want, column)
            self.assertEqual(set(sent), set(names))
            for name, vm in sent.items():
                row = vms[round(at * 1000), name]
                for column, want in (("uuid", vm["uuid"]), ("state", vm["state"]),
                                     ("ram_kib", vm["ram"])):
                    self.assertEqual(row[column], want, column)
                # Stored to 1/10000.
                self.assertEqual(row["cpu_percent"],
                                 vm["cpu"] if vm["cpu"] is None else round(vm["cpu"], 4))
                for column, member in (
                        ("pid", "pid"), ("start_ns", "start"), ("since_ns", "since"),
                        ("threads", "threads"), ("cpu_ns", "cpu_ns"), ("switches", "switches"),
                        ("run_delay_ns", "run_delay_ns"), ("rss_bytes", "rss_bytes")):
                    self.assertEqual(row[column], vm["ext"].get(member), f"{name} {column}")

    # --- the tests

    def check_three(self, source):
        with contextlib.ExitStack() as stack:
            names = machines(stack, 3, load=20, threads=3)
            collector = stack.enter_context(Collector(self.database))
            relay = stack.enter_context(Relay(collector.udp))
            # In one part, so that no document comes between two.
            sender = stack.enter_context(
                agent(relay.port, "--source", source, "--max-datagram", "65507"))
            shown = stack.enter_context(viewer(collector))
            shown.documents_until(has_all(names))
            for _ in range(4):
                document = shown.documents_until(has_all(names))
                self.assertEqual(our_host(document)["source"], source)
                self.check_viewer(document, relay.samples(), names)
            self.ends_in_time("agent", sender.end())
            sent = len(relay.passed) + len(relay.lost)
            collector.until(lambda: collector.stats()["frames"] >= sent)
            counts = collector.host(HOST)["frames"]
            self.assertEqual((counts["received"], counts["lost"]), (sent, 0))
            code, out, said = shown.finish()
            self.assertEqual((code, said), (0, ""))
            self.ends_in_time("collector", collector.stop())
            samples = relay.samples()
            self.check_database(samples, names)
            burning = [sum(vm["cpu"] for vm in vms.values()) for _, vms in samples.values()]
            self.assertGreater(max(burning), 0)
            print(f"  {source}: {len(samples)} samples of {len(relay.passed)} datagrams, all the "
                  "same in viewer and database")
            ports = (collector.udp, socket.SOCK_DGRAM), (collector.tcp, socket.SOCK_STREAM)
        for port, kind in ports:  # nobody holds them any more
            with socket.socket(socket.AF_INET, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))

    def test_viewer_and_database_say_what_the_agent_sent_by_proc(self):
        self.check_three("proc")

    def test_viewer_and_database_say_what_the_agent_sent_by_ebpf(self):
        tried = subprocess.run([AGENT, "--source", "ebpf", "--libvirt", "none", "--print", "json",
                                "--count", "1"], capture_output=True, text=True, check=False)
        if tried.returncode != 0:
            self.skipTest(tried.stderr.strip())
        self.check_three("ebpf")

    @staticmethod
    def is_whole(document, samples):
        """Whether no part of the sample came after the document: each VM has its figures."""
        host = our_host(document)
        sent = samples[host["time"]][1]
        return all(name in sent and vm["cpu"] == sent[name]["cpu"] and
                   vm["rss_bytes"] == sent[name]["ext"]["rss_bytes"]
                   for name, vm in our_vms(host).items())

    def test_three_hundred_vms_are_put_together(self):
        with contextlib.ExitStack() as stack:
            names = machines(stack, 300)
            collector = stack.enter_context(Collector(self.database))
            relay = stack.enter_context(Relay(collector.udp))
            sender = stack.enter_context(agent(relay.port))
            shown = stack.enter_context(viewer(collector))
            whole = 0
            for _ in range(20):
                document = shown.documents_until(has_all(names))
                samples = relay.samples()
                if not self.is_whole(document, samples):
                    continue
                self.check_viewer(document, samples, names)
                whole += 1
                if whole == 3:
                    break
            self.assertEqual(whole, 3, "all other documents had figures of two samples")
            parts = {frame["ext"]["part"][1] for _, frame in relay.passed}
            print(f"  300 VMs in {sorted(parts)} parts of {relay.largest} bytes at most")
            self.assertGreater(min(parts), 50)
            self.assertLessEqual(relay.largest, MOST_BYTES)
            self.assertEqual(collector.stats()["kernel_drops"], 0)
            self.ends_in_time("agent", sender.end())
            self.assertEqual(shown.finish()[0], 0)
            self.ends_in_time("collector", collector.stop())
        stored = self.rows("SELECT count(*) AS n FROM vms WHERE name LIKE ?", OURS + "%")
        self.assertEqual(stored, [{"n": 300}])

    def test_vms_of_a_lost_part_are_stale_and_not_gone(self):
        with contextlib.ExitStack() as stack:
            names = machines(stack, 12)
            collector = stack.enter_context(Collector())
            relay = stack.enter_context(Relay(collector.udp))
            sender = stack.enter_context(agent(relay.port))
            shown = stack.enter_context(viewer(collector))
            shown.documents_until(has_all(names))
            # A part with a VM of ours: others on the machine may fill parts of their own.
            last = list(names)[-1]
            relay.loses = lambda frame: (frame["ext"].get("part", [0])[0] > 0 and
                                         any(vm["name"] == last for vm in frame["vms"]))

            def stale_of(document):
                vms = our_vms(our_host(document))
                self.assertEqual(set(vms), set(names), "gone")
                return {name for name, vm in vms.items() if vm["stale"]}

            for _ in range(3):  # not once only
                document = shown.documents_until(stale_of)
                stale = stale_of(document)
                samples = relay.samples()
                now = our_host(document)["time"]
                arrived = set(samples[now][1])
                arrived_before = set(samples[max(at for at in samples if at < now)][1])
                # The sample before did not bring them. The newest may have: which part a VM is in
                # varies with the length of its figures.
                self.assertLessEqual(stale, set(names) - arrived_before)
                self.assertGreaterEqual(stale, set(names) - arrived_before - arrived)
                self.assertLess(len(stale), len(names))
            self.assertGreater(collector.host(HOST)["frames"]["lost"], 0)
            relay.loses = lambda frame: False
            shown.documents_until(lambda document: not stale_of(document))
            print(f"  {len(relay.lost)} parts lost, {len(stale)} of {len(names)} VMs stale, then "
                  "fresh again")
            self.ends_in_time("agent", sender.end())

    def test_a_collector_that_is_killed_and_returns(self):
        with contextlib.ExitStack() as stack:
            names = machines(stack, 3)
            killed = stack.enter_context(Collector(self.database))
            relay = stack.enter_context(Relay(killed.udp))
            sender = stack.enter_context(agent(relay.port))
            shown = stack.enter_context(viewer(killed))
            shown.documents_until(has_all(names))
            killed.until(lambda: self.rows("SELECT time_ms FROM host_samples"))
            killed.stop(signal.SIGKILL)
            away = shown.documents_until(
                lambda document: document["collectors"][0]["state"] == "waiting")
            self.assertTrue(away["collectors"][0]["reason"])
            self.assertIsNotNone(our_host(away), "what was known is still shown")
            last = our_host(away)["time"]
            collector = stack.enter_context(
                Collector(self.database, ports=(killed.udp, killed.tcp)))
            back = shown.documents_until(lambda document: our_host(document) is not None and
                                         our_host(document)["time"] > last and
                                         has_all(names)(document))
            self.assertEqual(back["collectors"][0]["state"], "connected")
            self.assertIsNone(sender.process.poll(), "the agent went on")
            numbers = [number for number, _ in relay.passed]
            self.assertEqual(numbers, list(range(len(numbers))), "and never began anew")
            self.ends_in_time("agent", sender.end())
            self.ends_in_time("collector", collector.stop())
            self.assertEqual(shown.finish()[0], 0)
        stored = [row["time_ms"] for row in self.rows("SELECT time_ms FROM host_samples")]
        self.assertLessEqual(min(stored), round(last * 1000))
        self.assertGreater(max(stored), round(last * 1000))
        self.assertEqual(self.rows("PRAGMA integrity_check"), [{"integrity_check": "ok"}])

    def test_a_count_of_refreshes_ends_the_viewer(self):
        with contextlib.ExitStack() as stack:
            names = machines(stack, 1)
            collector = stack.enter_context(Collector())
            stack.enter_context(agent(collector.udp))
            with viewer(collector) as waiting:
                waiting.documents_until(has_all(names))
            with viewer(collector, "--count", "2") as counted:
                out, said = counted.process.communicate(timeout=PATIENCE_S)
            self.assertEqual((counted.process.returncode, said), (0, b""))
            documents = [json.loads(line) for line in out.splitlines()]
            self.assertEqual(len(documents), 2)
            self.assertEqual(set(our_vms(our_host(documents[-1]))), set(names))


if __name__ == "__main__":
    unittest.main(verbosity=2)
