"""disk-load keeps a disk busy for the share that it is told, as /proc/diskstats says to others."""

import os
import pathlib
import resource
import signal
import subprocess
import tempfile
import time
import unittest

from load_program import (
    SECONDS, Manners, Scratch, figures, program, run, run_delay_s, running, start, wait_for,
)

MIB = 1 << 20


def disk_of(path):
    """The name of the disk that `path` is on; None where diskstats has none."""
    device = os.stat(path).st_dev
    link = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    if not link.exists():
        return None
    real = link.resolve()
    return real.parent.name if (real / "partition").exists() else real.name


def disk_busy_s(name):
    """For how long a disk has had anything in flight."""
    for line in pathlib.Path("/proc/diskstats").read_text().splitlines():
        fields = line.split()
        if fields[2] == name:
            return int(fields[12]) / 1000
    raise LookupError(name)


def bytes_moved(process):
    """Bytes that the process has read and written, also past the page cache."""
    text = pathlib.Path(f"/proc/{process.pid}/io").read_text()
    lines = [line.split() for line in text.splitlines()]
    return sum(int(value) for name, value in lines if name in ("rchar:", "wchar:"))


class Accuracy(unittest.TestCase):
    def test_the_disk_is_as_busy_as_set(self):
        with Scratch() as directory:
            disk = disk_of(directory)
            if disk is None:
                self.skipTest(f"diskstats knows no disk below {directory}")
            print("\n set | measured | difference | own in flight")
            cases = ((20, "--write"), (50, "--write"), (80, "--write"), (50, "--read"))
            for percent, kind in cases:
                with self.subTest(percent=percent, kind=kind):
                    self.check(disk, directory / "file", percent, kind)

    def check(self, disk, path, percent, kind):
        # Filled first, so that only the load itself is observed.
        path.unlink(missing_ok=True)
        made = run(program("disk-load"), "0.1", "0.1", "--file", path, "--keep")
        self.assertEqual(made.returncode, 0, made.stderr)
        busy_before_s = disk_busy_s(disk)
        began = time.monotonic()
        child = start(program("disk-load"), percent, SECONDS or 3, "--file", path, kind, "--force")
        waited_s = 0.0
        while running(child):
            try:
                waited_s = max(waited_s, run_delay_s(child.pid))
            except OSError:
                pass  # just ended
            time.sleep(0.01)  # what it waits after the last look is not known
        output, errors = child.communicate()
        busy_s = disk_busy_s(disk) - busy_before_s
        taken_s = time.monotonic() - began
        self.assertEqual((child.returncode, errors), (0, ""))
        told = figures(output)
        self.assertEqual(told["by"], disk)
        seconds = float(told["seconds"])
        measured, own = float(told["measured_percent"]), float(told["in_flight_percent"])
        longest = 100 * float(told["longest_ms"]) / 1000 / seconds
        print(f"{percent:4} | {measured:8.2f} | {measured - percent:+10.2f} | {own:.2f} %, "
              f"{kind[2:]}s, the longest {told['longest_ms']} ms, "
              f"waited for a CPU {waited_s:.2f} s")
        self.assertGreater(int(told["read_ops"]) + int(told["write_ops"]), 0)

        # The disk says the same to others: they look longer, and it counts in jiffies.
        told_busy_s = measured * seconds / 100
        self.assertGreater(busy_s, told_busy_s - 0.05)
        self.assertLess(busy_s, told_busy_s + taken_s - seconds + 0.05)
        # What others do beyond the set share cannot be taken away, nor what a disk that stalls
        # still has in flight.
        self.assertLess(min(measured, own), percent + 5 + longest)
        # Nor can a thread that has no CPU keep a disk busy.
        self.assertGreater(measured, percent - 5 - longest - 100 * waited_s / seconds)

    def test_where_nothing_counts_its_own_time_in_flight_does(self):
        with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
            command = (program("disk-load"), 50, 2, "--file", f"{directory}/file", "--size", "8M",
                       "--depth", 1)
            done = run(*command)
            if "refuses direct I/O" in done.stderr:
                done = run(*command, "--buffered")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            told = figures(done.stdout)
            self.assertEqual(told["by"], "own")
            self.assertAlmostEqual(float(told["measured_percent"]), 50, delta=5)
            self.assertEqual(os.listdir(directory), [])


class ProgramManners(Manners, unittest.TestCase):
    name = "disk-load"
    example = "disk-load 50 30 --file"
    wrong = (
        "", "50", "50 1", "0 1 --file F", "101 1 --file F", "nan 1 --file F", "50 0 --file F",
        "50 1 --file", "50 1 --file=", "50 1 2 --file F", "50 1 --file F --size x",
        "50 1 --file F --size 4k", "50 1 --file F --block-size 1000",
        "50 1 --file F --block-size 32M",
        "50 1 --file F --depth 0", "50 1 --file F --read --write", "50 1 --file F --mix 101",
        "50 1 --file F --buffered --read", "50 1 --file F --threads 2",
    )

    def setUp(self):
        scratch = Scratch()
        self.directory = scratch.__enter__()
        self.addCleanup(scratch.__exit__)
        self.path = self.directory / "file"

    def long_run(self):
        return ("10", "100000", "--file", self.path, "--size", "8M")

    def short_run(self):
        return ("5", "1.5", "--file", self.path, "--size", "8M")

    def wait_until_under_way(self, process):
        # The load's own operations come after the filling's.
        wait_for(lambda: bytes_moved(process) > 9 * MIB)

    def left(self):
        return sorted(os.listdir(self.directory))

    def test_nothing_is_left_however_it_ends(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            child = start(program(self.name), *self.long_run())
            self.wait_until_under_way(child)
            child.send_signal(number)
            child.communicate(timeout=30)
            self.assertNotEqual(child.returncode, 0)
            self.assertEqual(self.left(), [])

    def test_a_file_that_it_made_is_kept_where_that_is_asked_for(self):
        done = run(program(self.name), *self.short_run(), "--keep")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.path.stat().st_size, 8 * MIB)
        before = self.path.read_bytes()
        mixed = run(program(self.name), "5", "0.3", "--file", self.path, "--read")
        told = figures(mixed.stdout)
        self.assertGreater(int(told["read_ops"]), 0)
        self.assertEqual(told["write_ops"], "0")
        self.assertEqual(self.path.read_bytes(), before)

    def test_a_mix_reads_and_writes(self):
        reads = writes = 0
        # Of 50 operations or more, fewer than a tenth on one side is a chance of one in billions.
        for _ in range(10):  # a slow disk does few at a time
            done = run(program(self.name), *self.short_run(), "--mix", "50")
            told = figures(done.stdout)
            reads += int(told["read_ops"])
            writes += int(told["write_ops"])
            if reads + writes > 50:
                break
        self.assertGreater(reads + writes, 50)
        self.assertGreater(min(reads, writes), (reads + writes) / 10)

    def test_what_was_there_is_not_written(self):
        self.path.write_bytes(b"precious" * 100000)
        self.assertIn("--force", self.failing("10", "1", "--file", self.path))
        self.assertEqual(self.path.read_bytes(), b"precious" * 100000)
        self.failing("10", "1", "--file", self.path, "--read", "--size", "1G")
        forced = run(program(self.name), "10", "0.5", "--file", self.path, "--force")
        self.assertEqual(forced.returncode, 0, forced.stderr)
        self.assertEqual(self.path.stat().st_size, 800000)

    def test_what_is_no_file_is_refused(self):
        self.failing("10", "1", "--file", self.directory)
        self.failing("10", "1", "--file", "/dev/null", "--force")
        self.failing("10", "1", "--file", self.directory / "none" / "file")
        devices = [path for path in pathlib.Path("/dev").iterdir() if path.is_block_device()]
        if not devices:
            self.skipTest("no block device here")
        for words in ((), ("--read",)):
            self.assertIn("block device", self.failing("10", "1", "--file", devices[0], *words))

    def test_too_little_space_is_seen_before(self):
        script = (
            'mount -t tmpfs -o size=8M none "$1" && cd "$1" || exit 77\n'
            '"$2" 10 1 --file file --size 64M; code=$?\n'
            "ls; exit $code"
        )
        unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]
        done = run(*unshare, "sh", "-c", script, "sh", self.directory, program(self.name))
        if done.returncode == 77 or "unshare" in done.stderr:
            self.skipTest("cannot mount here: " + done.stderr.strip())
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, r"\Adisk-load: no space for file: 64 MiB wanted, .*\n\Z")

    def test_a_file_that_cannot_be_filled_is_removed(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MIB, 2 * MIB))

        for words in ((), ("--keep",)):
            line = self.failing(
                "10", "1", "--file", self.path, "--size", "8M", *words, preexec_fn=limit
            )
            self.assertIn("cannot fill", line)
            self.assertEqual(self.left(), [])

    def test_a_file_system_without_direct_io_is_an_error_with_a_remedy(self):
        script = (
            'mount -t ramfs none "$1" && cd "$1" || exit 77\n'
            '"$2" 10 1 --file file --size 8M; code=$?\n'
            '[ $code = 1 ] && "$2" 10 0.3 --file file --size 8M --buffered >&2\n'
            "ls; exit $code"
        )
        done = run("unshare", "-m", "sh", "-c", script, "sh", self.directory, program(self.name))
        if done.returncode == 77 or "unshare" in done.stderr:
            self.skipTest("cannot mount here: " + done.stderr.strip())
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, r"\Adisk-load: .*O_DIRECT.*--buffered\nset_percent=10 ")

    def test_a_forced_block_device_is_written_unless_mounted(self):
        image = self.directory / "image"
        with open(image, "wb") as file:
            file.truncate(32 * MIB)
        attached = run("losetup", "--find", "--show", image)
        if attached.returncode != 0:
            self.skipTest("no loop device: " + attached.stderr.strip())
        device = attached.stdout.strip()
        try:
            done = run(program(self.name), "20", "1", "--file", device, "--force")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(figures(done.stdout)["by"], os.path.basename(device))
            with open(device, "rb") as taken:  # as a mount does, somebody has it for himself
                exclusive = os.open(device, os.O_RDWR | os.O_EXCL)
                self.addCleanup(os.close, exclusive)
                self.assertIn("in use", self.failing("20", "1", "--file", taken.name, "--force"))
        finally:
            subprocess.run(["losetup", "-d", device], check=False)


if __name__ == "__main__":
    unittest.main(verbosity=2)
