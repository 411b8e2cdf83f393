"""The agent on Debian's kernel of the series that is named (6.1, 6.12), in an emulated machine.

test_kernel.py SERIES. What it shows beyond the machine that it runs on: that the kernel takes the
BPF programs, and that they count right there; and, as cgroup v2 has the io controller there, that
what the kernel writes back later is charged to the VM that wrote it. The guest is that of `init`:
it runs once, and each test looks at what it printed.
"""

import json
import re
import sys
import unittest

from agent_checks import Agent
from block_checks import Block
from cpu_checks import Cpu
from guest import BINARIES, boot
from kernel_case import KernelCase
from lab import LabError, Missing


class Results(unittest.TextTestResult):
    """Also keeps what succeeded, for the table in docs/KERNELS.md."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self.passed = {}

    def startTest(self, test):
        super().startTest(test)
        self.passed[test.id().rpartition(".")[2]] = True

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.passed[test.id().rpartition(".")[2]] = False

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.passed[test.id().rpartition(".")[2]] = False

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.passed[test.id().rpartition(".")[2]] = None

    def addError(self, test, err):
        super().addError(test, err)
        self.passed[test.id().rpartition(".")[2]] = False


def main(series):
    try:
        run = KernelCase.boot = boot(series)
    except Missing as missing:
        print(f"skipped: {missing}")
        sys.exit(77)
    except LabError as error:
        sys.exit(f"test_kernel.py: {error}")
    load = unittest.defaultTestLoader.loadTestsFromTestCase
    tests = unittest.TestSuite(load(case) for case in (Agent, Cpu, Block))
    done = unittest.TextTestRunner(resultclass=Results).run(tests)
    loaded = re.search(r"programs loaded:(.*)", run.logs["first"])
    result = {"kernel": run.kernel, "programs": loaded.group(1).split() if loaded else [],
              "tests": done.passed}
    (BINARIES.parent / f"kernel-{series}.json").write_text(json.dumps(result, indent=1) + "\n")
    sys.exit(not done.wasSuccessful())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("usage: test_kernel.py SERIES (6.1, 6.12)", file=sys.stderr)
        sys.exit(2)
    main(sys.argv[1])
