"""What the tests of the load generators have in common.

VIRTPULSE_LOAD_SECONDS sets how long each load is measured; 30 gives figures to quote.
"""

import os
import pathlib
import pty
import shutil
import signal
import subprocess
import tempfile
import time

BINARIES = pathlib.Path(os.environ["VIRTPULSE_BIN"])
SECONDS = float(os.environ.get("VIRTPULSE_LOAD_SECONDS", "0"))


def program(name):
    """The path of a generator."""
    return str(BINARIES / name)


def figures(output):
    """A generator's last line as a dictionary."""
    return dict(pair.split("=") for pair in output.split())


def run(*command, **options):
    """A finished run, with its output as text."""
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, **options
    )


def start(*command):
    """A run under way."""
    return subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def running(process):
    """Whether a run is still under way; its end is left for wait() to collect."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None


def run_delay_s(pid):
    """How long the threads of `pid` have been ready to run without running."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        total += int(pathlib.Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[1])
    return total / 1e9


class Scratch:
    """A directory for files on the disk that the build is on."""

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="load-test-", dir=BINARIES.parent))
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path)


class Manners:
    """How every generator behaves as a program; mixed into a TestCase that says which and how."""

    name = ""
    wrong = ()  # command lines that are wrong use
    example = ""  # that --help shows

    def long_run(self):
        """Arguments of a load that goes on until it is ended."""
        raise NotImplementedError

    def short_run(self):
        """Arguments of a small load of 1.5 s."""
        raise NotImplementedError

    def wait_until_under_way(self, process):
        """Returns when the load has begun."""
        raise NotImplementedError

    def test_signals_end_it_with_its_figures(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            with self.subTest(signal=number):
                child = start(program(self.name), *self.long_run())
                self.wait_until_under_way(child)
                child.send_signal(number)
                output, errors = child.communicate(timeout=30)
                self.assertEqual((child.returncode, errors), (code, ""))
                self.assertLess(float(figures(output)["seconds"]), 100000)

    def test_wrong_use_is_one_line_and_exit_code_2(self):
        for words in self.wrong:
            with self.subTest(words=words):
                done = run(program(self.name), *words.split())
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertRegex(
                    done.stderr, rf"\A{self.name}: .+; see {self.name} --help\n\Z"
                )

    def test_help_has_examples(self):
        for option in ("-h", "--help"):
            done = run(program(self.name), option)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn(self.example, done.stdout)
            self.assertLessEqual(max(map(len, done.stdout.splitlines())), 100)

    def test_progress_on_a_terminal_only(self):
        done = run(program(self.name), *self.short_run())
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        terminal, other = pty.openpty()
        with open(terminal, "rb", buffering=0) as shown:
            child = subprocess.Popen(
                [program(self.name), *map(str, self.short_run())],
                stdout=subprocess.DEVNULL,
                stderr=other,
            )
            os.close(other)
            text = b""
            try:
                while part := shown.read(4096):
                    text += part
            except OSError:
                pass  # the terminal's other side is closed
            self.assertEqual(child.wait(), 0)
        self.assertIn(b"of 2 s, ", text)
        self.assertTrue(text.endswith(b"\r\033[K"), "the line is wiped out at the end")

    def failing(self, *words, code=1, **options):
        """Runs what must fail with one line on stderr; returns that line."""
        done = run(program(self.name), *words, **options)
        self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
        self.assertRegex(done.stderr, rf"\A{self.name}: .+\n\Z")
        return done.stderr


def wait_for(condition, seconds=60):
    """Waits until `condition()` holds; a run that never gets there fails."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("what was waited for did not come")
        time.sleep(0.02)
