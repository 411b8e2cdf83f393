"""cpu-load makes the load that it is told to make, as the kernel counts it for somebody outside.

The load is held against wall-clock time, so a machine that has no CPU to give makes it impossible.
How long the threads waited for a CPU says whether that was so: too little load counts as a failure
unless the time spent waiting explains it; too much always does.
"""

import os
import subprocess
import time
import unittest

from load_program import SECONDS, Manners, figures, program, run_delay_s, running, wait_for


def measure(percent, seconds, threads):
    """(percent by wait4, percent waited for a CPU, percent that it says) for each thread."""
    started = time.monotonic()
    child = subprocess.Popen(
        [program("cpu-load"), str(percent), str(seconds), "--threads", str(threads)],
        stdout=subprocess.PIPE,
        text=True,
    )
    waited = 0.0
    while running(child):
        try:
            waited = max(waited, run_delay_s(child.pid))
        except OSError:
            pass  # just ended
        time.sleep(0.01)  # what it waits after the last look is not known
    # The child's own clock bounds the time, not our polling.
    told = figures(child.stdout.read())
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    child.stdout.close()
    assert child.returncode == 0, child.returncode
    taken = float(told["seconds"])
    assert seconds <= taken + 0.01 and taken <= time.monotonic() - started, (seconds, taken)
    share = 100 / (taken * threads)
    measured = (usage.ru_utime + usage.ru_stime) * share
    return measured, waited * share, float(told["measured_percent"])


class Accuracy(unittest.TestCase):
    def test_the_load_is_within_one_point(self):
        cases = ((10, 1), (30, 1), (60, 1), (90, 1), (95, 1), (60, 2))
        for percent, threads in cases:
            with self.subTest(percent=percent, threads=threads):
                self.check(percent, threads)

    def check(self, percent, threads):
        measured, waited, said = measure(percent, SECONDS or 2, threads)
        print(f"set {percent} % x {threads}: {measured:.2f} %, waited {waited:.2f} %", end="")
        self.assertAlmostEqual(said, measured, delta=1, msg="its own figure is not the kernel's")
        # It makes up for waiting while there is room up to 100 % and time until the end; so a wait
        # may explain what is missing, and nothing explains a surplus.
        short = measured < percent - 1
        print(", the machine had no more to give" if short else "")
        self.assertLess(measured, percent + 1)
        self.assertGreater(measured + waited, percent - 1, "too little, not for want of a CPU")


class ProgramManners(Manners, unittest.TestCase):
    name = "cpu-load"
    example = "cpu-load 60 30"
    wrong = (
        "", "50", "0 1", "101 1", "-5 1", "nan 1", "50 x", "50 0", "50 1e10", "50 1 2",
        "50 1 --threads", "50 1 --threads 0", "50 1 --threads=x", "50 1 --cores 2",
    )

    def long_run(self):
        return ("20", "100000")

    def short_run(self):
        return ("5", "1.5")

    def wait_until_under_way(self, process):
        wait_for(lambda: len(os.listdir(f"/proc/{process.pid}/task")) == 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
