"""What the agent's maps still have of processes that are gone."""

import pathlib
import time

from agent_process import MAPS, rows_of

# Maps of which a row belongs to a process, and where the row says to which.
OWNED = {
    "vms": lambda row: [row["key"]],
    "ended_waits": lambda row: [row["key"]],
    "culprits": lambda row: [row["key"]["victim"], row["key"]["tgid"]],
    "vm_block": lambda row: [row["key"]["tgid"]],
    "cgroups": lambda row: [row["value"]["tgid"]],
    "requests": lambda row: [row["value"]["tgid"]],
    "threads": lambda row: [row["value"]["tgid"]] if row["value"]["tid"] else [],
    **({"vcpus": lambda row: [row["value"]["tgid"]]} if "vcpus" in MAPS else {}),
}
# Rows of VMs stay for 10 s after their ends, and the other maps are read in eight samples.
GONE_AFTER_S = 60


def is_gone(pid):
    return pid != 0 and not pathlib.Path(f"/proc/{pid}").exists()


def left_of(pids, name):
    """How many rows a map has of these processes."""
    return sum(not pids.isdisjoint(OWNED[name](row)) for row in rows_of(name))


def gone_in_maps():
    """The processes that are no more and of which some map has a row, whoever they were."""
    return {pid for name in OWNED for row in rows_of(name) for pid in OWNED[name](row)
            if is_gone(pid)}


def wait_until_nothing_is_left(test, rows_left):
    """`rows_left(name)` of each map becomes nothing; how many seconds that took."""
    started = time.monotonic()
    for name in OWNED:  # `vms` first, on which the others wait
        while left := rows_left(name):
            test.assertLess(time.monotonic() - started, GONE_AFTER_S,
                            f"{name} has rows of processes that are gone: {left}")
            time.sleep(0.3)
    return time.monotonic() - started


def failures():
    """What the kernel side counted, but for what the kernel itself did not tell."""
    (row,) = rows_of("failures")
    return {name: count for name, count in row["value"].items()
            if count and name not in ("lost_completions", "lost_issues")}
