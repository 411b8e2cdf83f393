"""The agent on another kernel, in an emulated machine.

test_kernel.py KERNEL: a series (6.1, 6.12, 5.10), or "backports" or "sid", see lab.kernel. What it shows
beyond the machine that it runs on: that the kernel takes the BPF programs, and that they count right
there; that the kernel complains of nothing, whenever an agent comes and goes; and, as cgroup v2 has the
io controller there, that what the kernel writes back later is charged to the VM that wrote it. The guest
is that of `init`: it runs once, and each test looks at what it printed.
"""

import json
import re
import sys
import unittest

from agent_checks import Agent, Health, Storm, TooOld, refusal
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


# Of one kernel the second CPU has no tick while one task alone runs there, for which the kernel has to trust the
# emulated TSC.
OPTIONS = {"6.12": "nohz_full=1 tsc=reliable clocksource=tsc"}
# Older than the oldest on which the agent is to have eBPF.
TOO_OLD = ("5.10",)


def verified(log):
    """[program] how many instructions the kernel's verifier went through."""
    return {name: int(count) for name, count in re.findall(r"verified instructions: (\S+) (\d+)", log)}


def main(wanted):
    is_old = wanted in TOO_OLD
    try:
        run = KernelCase.boot = boot(wanted, "brief" if is_old else "all",
                                     OPTIONS.get(wanted, ""))
    except Missing as missing:
        print(f"skipped: {missing}")
        sys.exit(77)
    except LabError as error:
        sys.exit(f"test_kernel.py: {error}")
    cases = (TooOld, Health) if is_old else (Agent, Cpu, Block, Storm, Health)
    load = unittest.defaultTestLoader.loadTestsFromTestCase
    tests = unittest.TestSuite(load(case) for case in cases)
    done = unittest.TextTestRunner(resultclass=Results).run(tests)
    loaded = re.search(r"programs loaded:(.*)", run.logs["first"])
    result = {"kernel": run.kernel, "programs": loaded.group(1).split() if loaded else [],
              "refusal": refusal(run.logs["first"]), "verified": verified(run.logs["first"]),
              "tests": done.passed}
    (BINARIES.parent / f"kernel-{wanted}.json").write_text(json.dumps(result, indent=1) + "\n")
    sys.exit(not done.wasSuccessful())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("usage: test_kernel.py KERNEL (6.1, 6.12, backports, sid, 5.10, ...)", file=sys.stderr)
        sys.exit(2)
    main(sys.argv[1])
