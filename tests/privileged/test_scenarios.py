"""The quick scenarios of the lab meet what they expect; what a scenario finds wrong is said."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from lab import why_not
from lab.validation import plot
from lab.validation.checks import MET, MISSED, Checks
from lab.validation.database import growth, rates

TREE = pathlib.Path(__file__).resolve().parents[2]
BINARIES = pathlib.Path(os.environ.get("VIRTPULSE_BIN", TREE / "build/release/bin"))
QUICK = ("2", "9", "10")


def lab(*words):
    tool = [str(TREE / "tools/lab/lab"), "--binaries", str(BINARIES), *words]
    return subprocess.run(tool, capture_output=True, text=True, check=False)


class ChecksTest(unittest.TestCase):
    def test_a_figure_that_is_off_or_unknown_is_missed(self):
        checks = Checks(lambda line: None)
        checks.near("a", 10, 10.9, 1, "%", "")
        checks.near("b", 10, 8.9, 1, "%", "")
        checks.near("c", 10, None, 1, "%", "")
        checks.at_least("d", 10, 9, "%", "")
        checks.at_most("e", 10, None, "%", "")
        checks.between("f", 1, 2, 1.5, "%", "")
        checks.between("g", 1, 2, None, "%", "")
        verdicts = [check.verdict for check in checks.all]
        self.assertEqual(verdicts, [MET, MISSED, MISSED, MISSED, MISSED, MET, MISSED])
        self.assertEqual(checks.verdict, MISSED)

    def test_growth_is_known_only_between_samples(self):
        rows = [{"time": t, "n": n} for t, n in ((0, 0), (1, 10), (2, None), (3, 30))]
        self.assertEqual(growth(rows, "n", 0.5, 2), 15)
        self.assertIsNone(growth(rows, "n", 0.5, 3.5))
        self.assertIsNone(growth(rows, "n", -1, 2))
        self.assertEqual(rates(rows, "n"), [(1, 10), (3, 10)])

    def test_a_plot_shows_gaps_and_leaves_nothing_out(self):
        line = plot.Line("a <b>", "ebpf", [(0, 1), (1, 2), (2, None), (3, 4)])
        picture = plot.svg("t", [plot.Panel("p & q", "%", [line])], 0, 3)
        (drawn,) = (p for p in picture.splitlines() if plot.STYLES["ebpf"]["stroke"] in p
                    and "M" in p and "h22" not in p)  # fmt: skip
        self.assertEqual((drawn.count("M"), drawn.count("L")), (2, 1))
        self.assertIn("a &lt;b&gt;", picture)
        self.assertIn("p &amp; q", picture)


class ScenariosTest(unittest.TestCase):
    def test_wrong_use_is_said_in_one_line(self):
        for words in (["run"], ["run", "99"], ["run", "all", "2"]):
            done = lab(*words)
            self.assertEqual(done.returncode, 1, words)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_quick_scenarios_meet_what_they_expect(self):
        with tempfile.TemporaryDirectory(prefix="virtpulse-") as directory:
            done = lab("run", *QUICK, "--report", directory)
            print(done.stdout)
            self.assertEqual(done.returncode, 0, done.stderr)
            page = pathlib.Path(directory, "report.html").read_text()
            text = pathlib.Path(directory, "report.md").read_text()
            self.assertEqual(page.count("<svg"), len(QUICK))
            self.assertEqual(text.count(".svg)"), len(QUICK))
            self.assertNotIn(MISSED, text)


if __name__ == "__main__":
    reason = why_not()
    if reason:
        print(reason)
        sys.exit(77)
    unittest.main(verbosity=2)
