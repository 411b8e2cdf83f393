"""The lab is what it says: real guests with true loads, and nothing left when it is down.

All that the other privileged tests measure rests on this.
"""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

from lab import Guest, Lab, LabError, why_not

TREE = pathlib.Path(__file__).resolve().parents[2]
BINARIES = pathlib.Path(os.environ.get("VIRTPULSE_BIN", TREE / "build/release/bin"))
LABS = BINARIES.parent / "labs"
# Several builds may run this at once; a guest's name is the machine's.
NAME = f"t{os.getpid()}"


def outside():
    """What a lab could change on the machine, outside its directory."""
    libvirt = {}
    for top in ("/etc", "/var/lib", "/var/log", "/var/cache", "/run"):
        own = pathlib.Path(top, "libvirt")
        for path in [own, *own.rglob("*")]:
            if path.exists():
                libvirt[str(path)] = path.stat().st_mtime_ns
    return {
        "files": libvirt,
        "pid files": sorted(str(path) for path in pathlib.Path("/run").glob("*virt*")),
        "firewall": _output("iptables-save", "-t", "filter"),
    }


def _output(*command):
    try:
        text = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return ""
    return [line for line in text.splitlines() if not line.startswith(("#", ":"))]


def mentions(directory):
    """Processes, mounts and control groups that have to do with the lab in `directory`."""
    mounts = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    found = [line for line in mounts if str(directory) in line]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = pathlib.Path("/proc", pid, "cmdline").read_text()
            namespace = pathlib.Path("/proc", pid, "mountinfo").read_text()
        except OSError:
            continue
        if pid == str(os.getpid()):
            continue
        if f"{directory}/" in words or f"{directory}/run" in namespace:
            found.append(f"{pid} {words}")
    for directory, names, _ in os.walk("/sys/fs/cgroup"):
        found += [f"{directory}/{name}" for name in names if NAME in name]
    return found


def cpu_ns(pid):
    """(CPU time, run delay) of all threads of a process, in ns."""
    used = waited = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            fields = pathlib.Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()
        except OSError:
            continue  # a worker thread of qemu that has ended
        used += int(fields[0])
        waited += int(fields[1])
    return used, waited


def block_figures(lab, name):
    """libvirt's own count of the guest's disk, from qemu."""
    lines = lab.virsh("domstats", "--block", name).splitlines()
    pairs = (line.strip().partition("=") for line in lines)
    return {key: int(value) for key, _, value in pairs if value.isdigit()}


class LabTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.before = outside()
        cls.lab = cls.enterClassContext(Lab(LABS / "lab", BINARIES))
        started = time.monotonic()
        cls.direct = cls.lab.start(
            Guest(f"{NAME}direct", duty_percent=30, cache="none", io="native")
        )
        cls.cached = cls.lab.start(Guest(f"{NAME}cached", network=True))
        cls.idle = cls.lab.start(Guest(f"{NAME}idle", vcpus=2, memory_mib=192))
        for guest in (cls.direct, cls.cached, cls.idle):
            guest.wait_booted()
        print(f"three guests booted in {time.monotonic() - started:.1f} s")

    def test_guests_are_qemus_and_both_sockets_work(self):
        for guest in (self.direct, self.cached, self.idle):
            program = pathlib.Path(os.readlink(f"/proc/{guest.pid}/exe")).name
            self.assertEqual(program, "qemu-system-x86_64")
            self.assertEqual(guest.state, "running")
            self.assertEqual(guest.uuid, guest.guest.uuid)
        for uri in (self.lab.uri, self.lab.uri_read_only):
            listed = _output("virsh", "-q", "-r", "-c", uri, "list", "--name")
            for guest in (self.direct, self.cached, self.idle):
                self.assertIn(guest.name, listed, uri)
        refused = subprocess.run(
            ["virsh", "-c", self.lab.uri_read_only, "suspend", self.idle.name],
            capture_output=True,
            check=False,
        )
        self.assertNotEqual(refused.returncode, 0, "the read-only socket allows changes")
        self.assertEqual(self.idle.state, "running")

    def test_cpu_load_holds_in_a_guest_and_shows_on_the_host(self):
        idle_before = cpu_ns(self.idle.pid)
        time.sleep(3)
        idle_after = cpu_ns(self.idle.pid)
        idle_percent = (idle_after[0] - idle_before[0]) / 3e7
        for percent, threads in ((30, 1), (60, 1), (60, 2)):
            with self.subTest(percent=percent, threads=threads):
                before, started = cpu_ns(self.idle.pid), time.monotonic()
                said = self.idle.run(f"cpu {percent} 5 --threads {threads}")
                seconds = time.monotonic() - started
                after = cpu_ns(self.idle.pid)
                used, waited = ((after[i] - before[i]) / seconds / 1e7 for i in (0, 1))
                print(
                    f"guest set {percent} % x {threads}: it measured {said['measured_percent']} %, "
                    f"the host {used:.1f} % and {waited:.1f} % waiting"
                )
                # A guest believes that it runs while its vCPU waits for the host's CPU.
                self.assertGreater(said["measured_percent"], percent - 2)
                self.assertLess(said["measured_percent"], percent + 2 + waited)
                self.assertGreater(used + waited, 0.9 * percent * threads)
                self.assertLess(used, percent * threads + idle_percent + 20)

    def test_io_totals_are_the_kernels_and_qemus(self):
        orders = (
            "io write 0 4096 300",
            "io read 200 65536 100",
            "io write 0 16384 64 --fsync-every 8",
        )
        for guest in (self.direct, self.cached):
            for order in orders:
                with self.subTest(guest=guest.name, order=order):
                    self.check_io(guest, order)
        said = self.cached.run("io write 0 4096 500 --buffered 1")
        written = said["after_write_bytes"] - said["before_write_bytes"]
        # A page that is hit twice before the flush is written once.
        self.assertLessEqual(written, said["bytes"])
        self.assertGreater(written, 0.9 * said["bytes"])

    def check_io(self, guest, order):
        _, kind, _, size, count, *_ = order.split()
        before = block_figures(self.lab, guest.name)
        said = guest.run(order)
        after = block_figures(self.lab, guest.name)

        self.assertEqual(said["ops"], int(count))
        self.assertEqual(said["bytes"], int(count) * int(size))
        self.assertEqual(said["fsyncs"], int(count) // 8 if "--fsync-every 8" in order else 0)

        def kernel(figure):
            return said[f"after_{figure}"] - said[f"before_{figure}"]

        other = "read" if kind == "write" else "write"
        # The guest's kernel counts a flush as a write of no bytes too.
        self.assertEqual(kernel(f"{kind}_ops"), said["ops"] + said["fsyncs"])
        self.assertEqual(kernel(f"{kind}_bytes"), said["bytes"])
        self.assertEqual(kernel("flush_ops"), said["fsyncs"])
        self.assertEqual((kernel(f"{other}_ops"), kernel(f"{other}_bytes")), (0, 0))

        qemu = {"read": "block.0.rd", "write": "block.0.wr"}[kind]
        self.assertEqual(after[f"{qemu}.reqs"] - before[f"{qemu}.reqs"], said["ops"])
        self.assertEqual(after[f"{qemu}.bytes"] - before[f"{qemu}.bytes"], said["bytes"])

    def test_a_wrong_order_is_refused_and_stop_gives_the_totals(self):
        with self.assertRaisesRegex(LabError, "PERCENT must be"):
            self.idle.run("cpu 400 3")
        endless = self.idle.send("io read 100 4096 0")
        time.sleep(1)
        self.idle.run("stop")
        said = self.idle.wait(endless, 30)
        self.assertGreater(said["ops"], 0)
        self.assertEqual(said["after_read_ops"] - said["before_read_ops"], said["ops"])

    def test_a_name_is_taken_once(self):
        with self.assertRaisesRegex(LabError, "take another name"):
            self.lab.start(Guest(self.idle.name))
        self.assertEqual(self.idle.run("io read 0 4096 10")["ops"], 10)

    def test_a_guest_can_be_stopped_and_started_again(self):
        guest = self.lab.define(Guest(f"{NAME}again", io_load="write 50 4096 0"))
        self.assertEqual((guest.state, guest.pid), ("shut off", None))
        first = self.lab.start(guest.name).wait_booted().pid
        os.kill(first, signal.SIGKILL)
        while guest.state != "shut off":
            time.sleep(0.1)
        self.assertIsNone(guest.pid)
        guest.close()
        self.assertNotEqual(self.lab.start(guest.name).wait_booted().pid, first)
        before = block_figures(self.lab, guest.name)["block.0.wr.reqs"]
        while block_figures(self.lab, guest.name)["block.0.wr.reqs"] == before:
            time.sleep(0.1)  # ends when the load from boot on is seen; else ctest ends it
        self.lab.virsh("destroy", guest.name)

    def test_guests_outlive_libvirtd(self):
        pids = [guest.pid for guest in (self.direct, self.cached, self.idle)]
        self.lab.stop_libvirtd()
        self.assertIsNone(self.lab.libvirtd_pid)
        self.assertEqual([guest.pid for guest in (self.direct, self.cached, self.idle)], pids)
        self.lab.start_libvirtd()
        for guest in (self.direct, self.cached, self.idle):
            self.assertEqual(guest.state, "running")
        os.kill(self.lab.libvirtd_pid, signal.SIGSTOP)
        try:
            with self.assertRaisesRegex(LabError, "no answer"):
                self.lab.virsh("list", timeout=2)
        finally:
            os.kill(self.lab.libvirtd_pid, signal.SIGCONT)
        self.assertEqual(self.idle.state, "running")

    @classmethod
    def tearDownClass(cls):
        bridge = cls.lab.bridge
        assert bridge and pathlib.Path("/sys/class/net", bridge).exists(), "no bridge for a network"
        assert mentions(cls.lab.directory), "a running lab is not noticed: the check cannot fail"
        os.kill(cls.lab.libvirtd_pid, signal.SIGSTOP)  # as a test might have left it
        cls.doClassCleanups()
        check_nothing_left(cls.lab.directory, bridge, cls.before)


class CrashTest(unittest.TestCase):
    def test_down_clears_up_after_a_crash(self):
        before = outside()
        directory = LABS / "crash"
        script = (
            "import os, signal, sys; from lab import Guest, Lab\n"
            f"lab = Lab({str(directory)!r}, {str(BINARIES)!r}).up()\n"
            f"lab.start(Guest('{NAME}crash', network=True)).wait_booted()\n"
            "print(lab.bridge, lab.libvirtd_pid, flush=True)\n"
            "os.kill(lab.libvirtd_pid, signal.SIGKILL)\n"
            "os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        crashed = subprocess.run(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=False
        )
        self.assertEqual(crashed.returncode, -signal.SIGKILL)
        bridge = crashed.stdout.split()[0]
        self.assertIn("qemu", " ".join(mentions(directory)), "no qemu outlived the crash")
        tool = [str(TREE / "tools/lab/lab"), "--directory", str(directory)]
        status = subprocess.run([*tool, "status"], stdout=subprocess.PIPE, text=True, check=True)
        self.assertIn(f"{NAME}crash", status.stdout)
        subprocess.run([*tool, "down"], check=True)
        check_nothing_left(directory, bridge, before)
        self.assertFalse(directory.exists(), "files are left behind")
        subprocess.run([*tool, "down"], check=True)  # and again does no harm


class CommandLineTest(unittest.TestCase):
    def setUp(self):
        self.directory = LABS / "command-line"
        self.tool = [str(TREE / "tools/lab/lab"), "--directory", str(self.directory)]
        self.tool += ["--binaries", str(BINARIES)]

    def lab(self, *words, code=0):
        done = subprocess.run([*self.tool, *words], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout if code == 0 else done.stderr

    def load(self, *words):
        return dict(line.split("=") for line in self.lab("load", *words).split())

    def test_up_load_and_down(self):
        before = outside()
        taken = {name for name in ("guest1", "guest2", "guest3", "guest4") if is_taken(name)}
        if taken:
            self.skipTest(f"somebody else's lab on this machine has {', '.join(sorted(taken))}")
        self.addCleanup(self.lab, "down")
        started = time.monotonic()
        listed = self.lab("up", "4")
        print(f"lab up 4: {time.monotonic() - started:.1f} s")
        self.assertEqual(listed.count("running"), 4)
        bridge = json.loads((self.directory / "state.json").read_text())["bridge"]
        ports = os.listdir(f"/sys/class/net/{bridge}/brif")
        self.assertEqual(len(ports), 4)
        self.assertTrue(all(port.startswith("vnet") for port in ports), "the bridge has an uplink")
        said = self.load("guest1", "mem", "16M", "1")
        self.assertEqual(int(said["resident_bytes"]), 16 << 20)
        said = self.load("guest2", "disk", "30", "2")
        self.assertGreater(int(said["write_ops"]), 0)
        self.assertIn("guest9", self.lab("load", "guest9", "cpu", "10", "1", code=1))
        stats = _output("virsh", "-q", "-c", listed.split()[0], "domstats", "--balloon", "guest3")
        self.assertTrue(any("balloon.available" in line for line in stats), stats)
        self.lab("down")
        check_nothing_left(self.directory, bridge, before)
        self.assertFalse(self.directory.exists(), "files are left behind")

    def test_limits_reach_libvirt(self):
        name = f"{NAME}limits"
        self.addCleanup(self.lab, "down")
        self.lab("up", "0")
        limits = ["--pin", "0", "--shares", "512", "--quota", "20"]
        self.lab("add", name, "--cache", "writethrough", *limits)
        uri = self.lab("status").split()[0]
        xml = "".join(_output("virsh", "-q", "-c", uri, "dumpxml", name))
        self.assertIn("cache='writethrough'", xml.replace('"', "'"))
        schedule = " ".join(_output("virsh", "-q", "-c", uri, "schedinfo", name)).split()
        for key, value in (("cpu_shares", "512"), ("global_quota", "20000")):
            self.assertEqual(schedule[schedule.index(key) + 2], value, schedule)
        pid = int(self.lab("status").split(name)[1].split()[0])
        for thread in os.listdir(f"/proc/{pid}/task"):
            self.assertEqual(os.sched_getaffinity(int(thread)), {0})
        used, seconds = cpu_ns(pid)[0], time.monotonic()
        self.lab("load", name, "cpu", "80", "5")
        percent = (cpu_ns(pid)[0] - used) / (time.monotonic() - seconds) / 1e7
        print(f"a guest that wants 80 % and may have 20 % had {percent:.1f} %")
        self.assertLess(percent, 25)
        refused = self.lab("add", f"{NAME}no", "--urgent", "--quota", "10", code=1)
        self.assertIn("urgent", refused)


class GuardTest(unittest.TestCase):
    def test_a_user_killed_with_its_descendants_leaves_nothing(self):
        """As ctest kills a test that takes too long."""
        directory = LABS / "guard"
        script = (
            "from lab import Guest, Lab\n"
            f"with Lab({str(directory)!r}, {str(BINARIES)!r}) as lab:\n"
            f"    lab.start(Guest('{NAME}guarded')).wait_booted()\n"
            "    lab.start_inside('sleeper', 'sleep', 1000)\n"
            "    print('up', flush=True)\n"
            "    input()\n"
        )
        with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as user:
            self.assertEqual(user.stdout.readline(), b"up\n")
            self.assertIn("qemu", " ".join(mentions(directory)))
            for pid in (user.pid, *descendants(user.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.assertEqual(user.returncode, -signal.SIGKILL)
        deadline = time.monotonic() + 60
        while mentions(directory) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(mentions(directory), [])
        subprocess.run(["rm", "-rf", directory], check=True)  # its logs stay, to look into


def descendants(pid):
    """Pids of the process's children, and of theirs."""
    with contextlib.suppress(FileNotFoundError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            for child in pathlib.Path(f"/proc/{pid}/task/{thread}/children").read_text().split():
                yield int(child)
                yield from descendants(child)


def is_taken(name):
    """Whether a guest of this name runs on the machine, whoever started it."""
    groups = pathlib.Path("/sys/fs/cgroup").glob(f"**/machine/qemu-*-{name}.libvirt-qemu")
    return next(groups, None) is not None


def check_nothing_left(directory, bridge, before):
    left = mentions(directory)
    assert not left, f"left behind: {left}"
    assert not pathlib.Path("/sys/class/net", bridge).exists(), f"bridge {bridge} is left behind"
    after = outside()
    for what, was in before.items():
        assert after[what] == was, f"{what} changed: {was} -> {after[what]}"


if __name__ == "__main__":
    reason = why_not()
    if reason:
        print(reason)
        sys.exit(77)
    unittest.main(verbosity=2)
