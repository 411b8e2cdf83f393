"""What is taken for a kernel's complaint, and what is not."""

import unittest

from console import SHOWN, complaints

COMPLAINTS = (
    "[   12.345678] ------------[ cut here ]------------",
    "[   12.345678] WARNING: CPU: 1 PID: 77 at kernel/sched/core.c:1234 finish_task_switch+0x1/0x2",
    "[   12.345678][  T42] WARNING: kernel/trace/bpf_trace.c:1 at bpf_run+0x1/0x2, CPU#1: agent/77",
    "[   40.100000] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [virtpulse-agent:812]",
    "[   40.100000] watchdog: Watchdog detected hard LOCKUP on cpu 0",
    "[   40.100000] BUG: kernel NULL pointer dereference, address: 0000000000000008",
    "[   40.100000] BUG: scheduling while atomic: busybox/1/0x00000002",
    "[   40.100000] Oops: int3: 0000 [#1] SMP NOPTI",
    "[   40.100000] int3: 0000 [#1] PREEMPT SMP NOPTI",
    "[   40.100000] general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP",
    "[   40.100000] rcu: INFO: rcu_preempt self-detected stall on CPU",
    "[   40.100000] rcu: rcu_sched kthread starved for 5250 jiffies!",
    "[   40.100000] INFO: task kworker/0:1:23 blocked for more than 120 seconds.",
    "[   40.100000] INFO: rcu_tasks detected stalls on tasks:",
    "[   40.100000] Kernel panic - not syncing: Attempted to kill init!",
    "[   40.100000] Call Trace:",
    "[   42.371425] virtpulse-agent[254]: segfault at 10 ip 00005620b8b98566 sp 00007ffced559520 error 4",
    "<4>[   40.100000] refcount_t: underflow; use-after-free.",
)
# Of boots on which all is well.
ORDINARY = (
    "[    0.000000] Linux version 6.1.0-57-cloud-amd64 (gcc-12 (Debian 12.2.0-14) 12.2.0) #1 SMP",
    "[    0.094671] Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on",
    "[    0.851039] NMI watchdog: Perf NMI watchdog permanently disabled",
    "[    0.111111] rcu: Preemptible hierarchical RCU implementation.",
    "[    0.111111] \tRCU debug extended QS entry/exit.",
    "[    1.041225] smp: Brought up 1 node, 2 CPUs",
    "[  109.346429] clocksource: Watchdog hpet read timed out. Readout sequence took: 4107630ns",
    "[    5.584096] x86/mm: Checked W+X mappings: passed, no W+X pages found.",
    "WARNING: said by a program, not by the kernel",
)


class Complaints(unittest.TestCase):
    def test_each_kind_is_found(self):
        for line in COMPLAINTS:
            with self.subTest(line):
                self.assertEqual(complaints("\n".join(("before", line, "after"))), [f"{line}\nafter"])

    def test_an_ordinary_boot_has_none(self):
        self.assertEqual(complaints("\n".join(ORDINARY)), [])

    def test_one_is_shown_with_what_follows_and_found_once(self):
        lines = [COMPLAINTS[0], COMPLAINTS[1], *ORDINARY * 6]
        found = complaints("\n".join(lines))
        self.assertEqual(found, ["\n".join(lines[:SHOWN])])
        self.assertEqual(len(complaints("\n".join(lines + [COMPLAINTS[5]]))), 2)


if __name__ == "__main__":
    unittest.main()
