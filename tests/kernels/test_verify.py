"""The kernel that runs takes the same BPF programs, whichever compiler made them."""

import subprocess
import sys
import unittest

from guest import BINARIES, OTHER_PROGRAMS

OURS = BINARIES.parent / "bpf/virtpulse_bpf.bpf.o"


def verify(programs):
    """[program] why the kernel refuses it; "": it does not."""
    done = subprocess.run([BINARIES / "verify", programs], capture_output=True, text=True, check=True)
    rows = (line.split(" ", 2) for line in done.stdout.splitlines())
    return {name: " ".join(why) for _, name, *why in rows}


class Verify(unittest.TestCase):
    def test_what_another_compiler_makes_is_taken_too(self):
        ours, others = (verify(programs) for programs in (OURS, OTHER_PROGRAMS))
        taken = [name for name, why in ours.items() if not why]
        print(f"taken: {' '.join(taken)}")
        self.assertIn("vp_sched_switch", taken)
        self.assertEqual({name: others[name] for name in taken}, dict.fromkeys(taken, ""))


if __name__ == "__main__":
    if not OTHER_PROGRAMS.exists():
        print("skipped: there is no other compiler for BPF (clang-19)")
        sys.exit(77)
    unittest.main(verbosity=2)
