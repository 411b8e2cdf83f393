"""What tests of waiting for a CPU hold the agent against: the kernel's figures of those that ran, and
all rows of the agent's map of who had it."""

import os
import pathlib

import agent_process
from agent_process import schedstat, threads_of
from cpu_group import CpuGroup

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def charged_rows(victim):
    """{pid of the VM, or name of the process, that had the CPU: ns}: all rows of the map, where a
    frame has the worst alone, and what its threads have not added to them yet."""
    rows = {
        row["key"]["tgid"] or row["key"]["comm"]: row["value"]["ns"]
        for row in agent_process.rows_of("culprits")
        if row["key"]["victim"] == victim
    }
    for tid in threads_of(victim):
        if wait := agent_process.wait_of_thread(tid):
            pending = wait["pending"]
            if pending["ns"]:
                rows[pending["tgid"]] = rows.get(pending["tgid"], 0) + pending["ns"]
    return rows


def thread_figures(pid):
    """{thread: (CPU time, run delay, times on a CPU)} of those that live."""
    return {tid: schedstat(pid, tid) for tid in threads_of(pid)}


def kernel_figures(pid):
    """(CPU time, run delay, times on a CPU) of all threads of a process that live."""
    return [sum(each) for each in zip(*thread_figures(pid).values())]


def busiest_thread(before, after):
    """What the thread that ran and waited most has of both: (CPU time, run delay)."""
    grown = [(run - before[tid][0], delay - before[tid][1])
             for tid, (run, delay, _) in after.items() if tid in before]
    return max(grown, key=sum)


def interrupts_ns(cpu):
    """What interrupts took of a CPU, and those who run its machine (steal): it is nobody's running,
    but whoever waits then waits for the one that was interrupted."""
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{cpu}":
            return TICK_NS * sum(map(int, ticks[5:8]))
    raise AssertionError(f"no cpu{cpu} in /proc/stat")


def in_ms(by):
    return {who: round(ns / 1e6, 1) for who, ns in sorted(by.items(), key=lambda item: -item[1])}


def watchers(test, alone, agent):
    """The agent and we ourselves must not wait for the loads that we arrange."""
    enter = test.enterClassContext if isinstance(test, type) else test.enterContext
    group = enter(CpuGroup("watchers", alone, shares=8192))
    for pid in (agent.pid, os.getpid()):
        group.take(pid)
