"""mem-load takes the memory that it is told to take, as the kernel counts it for others."""

import os
import pathlib
import signal
import time
import unittest
import zlib

from load_program import SECONDS, Manners, figures, program, run, running, start, wait_for

MIB = 1 << 20
PAGE = os.sysconf("SC_PAGESIZE")


def kib_of(path, name):
    """A figure of a file with lines of "Name: 12 kB", in bytes; 0 where there is none."""
    for line in pathlib.Path(path).read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    return 0


def resident(pid, name="Rss"):
    """A figure of the process' smaps_rollup."""
    return kib_of(f"/proc/{pid}/smaps_rollup", name)


def wait_until_filled(process, size):
    wait_for(lambda: resident(process.pid, "Anonymous") >= size)


class Reading:
    """How much of a process was resident at some time between two."""

    def __init__(self, pid):
        self.begin = time.monotonic()
        try:
            self.resident = resident(pid)
        except OSError:
            self.resident = 0  # it has ended, or not begun
        self.end = time.monotonic()


class Accuracy(unittest.TestCase):
    def test_all_of_it_is_resident(self):
        for size in (256 * MIB, 1024 * MIB):
            with self.subTest(mib=size // MIB):
                if kib_of("/proc/meminfo", "MemAvailable") < 2 * size:
                    self.skipTest("too little memory available")
                self.check(size)

    def check(self, size, *wrapper):
        seconds = SECONDS or 2
        read = [Reading(0)]
        child = start(*wrapper, program("mem-load"), f"{size // MIB}M", seconds)
        while running(child):
            read.append(Reading(child.pid))
            time.sleep(0.05)
        read.append(Reading(0))
        output, errors = child.communicate()
        self.assertEqual((child.returncode, errors), (0, ""))
        full = [i for i, each in enumerate(read) if each.resident >= size]
        rss = [read[i].resident for i in full]
        self.assertTrue(full, "never all of it")
        print(f"set {size / MIB:g} MiB: {len(full)} times {min(rss) / MIB:.1f} to "
              f"{max(rss) / MIB:.1f} MiB, {output}", end="")
        # All the time, and from before the first time that it was seen until after the last.
        self.assertEqual(len(full), full[-1] - full[0] + 1)
        self.assertGreaterEqual(read[full[-1] + 1].end - read[full[0] - 1].begin, seconds)
        # The program itself has some hundreds of KiB.
        self.assertLess(max(rss), size + 8 * MIB)
        told = figures(output)
        self.assertEqual(int(told["set_bytes"]), size)
        self.assertEqual(int(told["resident_bytes"]), size)
        self.assertGreaterEqual(float(told["seconds"]), seconds)
        return told

    def test_without_the_right_to_lock_it_is_resident_too(self):
        drop = ("setpriv", "--bounding-set=-ipc_lock", "prlimit", "--memlock=65536")
        if run(*drop, "true").returncode != 0:
            self.skipTest("no setpriv, or no right to use it")
        self.assertEqual(self.check(64 * MIB, *drop)["locked"], "no")

    def test_its_content_cannot_be_made_smaller(self):
        child = start(program("mem-load"), "16M", "100000")
        try:
            wait_until_filled(child, 16 * MIB)
            with open(f"/proc/{child.pid}/maps", encoding="ascii") as maps:
                ranges = [[int(end, 16) for end in line.split()[0].split("-")] for line in maps]
            begin, end = max(ranges, key=lambda ends: ends[1] - ends[0])
            with open(f"/proc/{child.pid}/mem", "rb", buffering=0) as memory:
                memory.seek(begin)
                content = memory.read(min(end - begin, 16 * MIB))
        finally:
            child.kill()
            child.communicate()
        pages = {content[at : at + PAGE] for at in range(0, len(content), PAGE)}
        self.assertEqual(len(pages), len(content) // PAGE, "pages that are alike")
        sample = content[: 2 * MIB]
        self.assertGreater(len(zlib.compress(sample, 1)), 0.99 * len(sample))

    def test_a_percentage_is_of_the_machine(self):
        done = run(program("mem-load"), "0.1%", "0.1")
        total = kib_of("/proc/meminfo", "MemTotal")
        told = int(figures(done.stdout)["set_bytes"])
        # Less in a control group that limits memory.
        self.assertLessEqual(told, total / 1000 + PAGE)
        self.assertGreater(told, 0)

    def test_a_control_group_is_the_machine_of_what_runs_in_it(self):
        own = [line.split(":") for line in pathlib.Path("/proc/self/cgroup").read_text().split()]
        path = next((path for _, name, path in own if name == "memory"), None)
        parent = pathlib.Path("/sys/fs/cgroup/memory" + (path or ""))
        if path is None or not os.access(parent, os.W_OK) or not parent.exists():
            self.skipTest("no memory controller (cgroup v1) to write to")
        group = parent / f"virtpulse-test-{os.getpid()}"
        group.mkdir()
        try:
            (group / "memory.limit_in_bytes").write_text(str(64 * MIB))
            enter = ("sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh")
            half = run(*enter, program("mem-load"), "50%", "0.1")
            self.assertEqual(int(figures(half.stdout)["set_bytes"]), 32 * MIB, half.stderr)
            over = run(*enter, program("mem-load"), "80M", "0.1")
            self.assertEqual((over.returncode, over.stdout), (1, ""))
            self.assertRegex(over.stderr, r"\Amem-load: 80 MiB is more than the .*--force\n\Z")
        finally:
            group.rmdir()


class ProgramManners(Manners, unittest.TestCase):
    name = "mem-load"
    example = "mem-load 50% 60"
    wrong = (
        "", "1M", "0 1", "1X 1", "-5 1", "nan 1", "0% 1", "101% 1", "1M x", "1M 0", "1M 1e10",
        "1M 1 2", "1M 1 --threads 2", "1M 1 --force=yes",
    )

    def long_run(self):
        return ("32M", "100000")

    def short_run(self):
        return ("1M", "1.5")

    def wait_until_under_way(self, process):
        wait_until_filled(process, 32 * MIB)

    def test_more_than_there_is_is_refused(self):
        for size in ("1024T", "100%"):
            self.assertIn("--force", self.failing(size, "1"))

    def test_a_signal_ends_it_also_while_it_fills(self):
        if kib_of("/proc/meminfo", "MemAvailable") < 4096 * MIB:
            self.skipTest("too little memory available")
        child = start(program("mem-load"), "2G", "100000")
        wait_for(lambda: resident(child.pid, "Anonymous") > 8 * MIB)
        filling = resident(child.pid, "Anonymous") < 2048 * MIB
        child.send_signal(signal.SIGTERM)
        output, _ = child.communicate(timeout=30)
        self.assertEqual(child.returncode, 143)
        if filling:  # it was seen in time
            self.assertLessEqual(float(figures(output)["seconds"]), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
