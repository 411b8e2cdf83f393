"""tests/kernels/fits, on the kernel that runs: by its BTF, by the header made of that, and by one that lacks
something."""

import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from lab.daemons import program

HERE = pathlib.Path(__file__).parent
BTF = pathlib.Path("/sys/kernel/btf/vmlinux")


def fits(types):
    done = subprocess.run([HERE / "fits", types], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[1:]


class Fits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.header = pathlib.Path(cls.directory.name) / "vmlinux.h"
        dumped = subprocess.run([program("bpftool", "bpftool"), "btf", "dump", "file", BTF, "format", "c"],
                                capture_output=True, text=True, check=True)
        cls.text = dumped.stdout

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def by_header(self, text):
        self.header.write_text(text)
        return fits(self.header)

    def test_the_kernel_that_runs_lacks_nothing(self):
        lines = fits(BTF)
        print("\n".join(lines))
        self.assertIn("vp_sched_switch: fits", "\n".join(lines))
        self.assertEqual([line for line in lines if "LACKS" in line], [])

    def test_a_header_says_the_same(self):
        self.assertEqual(self.by_header(self.text), fits(BTF))

    def test_a_member_that_is_not_there_is_named(self):
        text, count = re.subn(r"(struct sched_info \{[^}]*)\blast_queued;", r"\1last_seen;", self.text)
        self.assertEqual(count, 1)
        lines = self.by_header(text)
        self.assertTrue([line for line in lines if line.startswith("vp_sched_switch: LACKS") and
                         "sched_info.last_queued" in line], lines)

    def test_a_kernel_that_the_agent_refuses_is_told(self):
        text, count = re.subn(r"\bunsigned int __state;", "long state;", self.text)
        self.assertEqual(count, 1)
        self.assertEqual(self.by_header(text),
                         ["refused: this kernel has no task_struct.__state (since Linux 5.14)"])


if __name__ == "__main__":
    if not BTF.exists():
        print(f"skipped: no {BTF}")
        sys.exit(77)
    unittest.main()
