"""What a kernel says that it should not: its console, read for warnings, lock-ups, oopses and for programs that
crashed."""

import re

# The first line of each kind; it is what follows the time stamp, so that what the kernel says of the hardware
# at boot ("Spectre V2 : WARNING: ...") is none.
COMPLAINT = re.compile(
    r"(watchdog: )?(WARNING|BUG): |(watchdog|NMI watchdog): Watchdog detected|(INFO: )?rcu: .*(stall|starved)|"
    r"INFO: (task .* blocked|rcu|possible|trying)|Oops: |.*: [0-9a-f]{4} \[#\d+\]|Kernel panic|"
    r"general protection fault|-+\[ cut here|NMI backtrace|Call Trace|"
    r"\S+\[\d+\]: segfault|traps: |list_(add|del) corruption|refcount_t: |UBSAN: |scheduling while atomic|unregister_netdevice")
STAMP = re.compile(r"^(<\d+>)?\[ *\d+\.\d+\](\[[^\]]*\])? ")
# Each is shown with so many lines, and what is within them is no other.
SHOWN = 40


def complaints(console):
    """[text] of all that the kernel complained about."""
    lines = console.splitlines()
    found = []
    number = 0
    while number < len(lines):
        stamp = STAMP.match(lines[number])
        if stamp and COMPLAINT.match(lines[number], stamp.end()):
            found.append("\n".join(lines[number:number + SHOWN]))
            number += SHOWN
        else:
            number += 1
    return found
