"""Threads that end, an agent that is killed and started again, two agents: no CPU time is lost."""

import contextlib
import pathlib
import signal
import time
import unittest

import agent_process
from agent_process import (
    MAPS,
    NAME,
    PINS,
    Agent,
    Receiver,
    fake_qemu,
    percent_off,
    pinned,
    process_clock_ns,
    schedstats_ns,
    stopped,
    threads_of,
    unpin,
)
from patience import UNHELD_S

BOUND_PERCENT = 0.1


def figures_at_rest(agent, processes):
    """{name: (ext, clock in ns)} while the processes stand still."""
    with stopped(*(process.pid for process in processes.values())):
        sample = agent.samples.next()
        return {
            name: (sample.vm(name)["ext"], process_clock_ns(process.pid))
            for name, process in processes.items()
        }


@contextlib.contextmanager
def cgroup(name):
    """A control group of version 2, which counts CPU time also where it has no controllers."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.split()[0] == "cgroup2":
            group = pathlib.Path(before.split()[4], name)
            break
    else:
        raise unittest.SkipTest("no cgroup v2 is mounted, which counts what ended threads used")
    group.mkdir()
    try:
        yield group
    finally:
        for pid in (group / "cgroup.procs").read_text().split():
            (group.parent / "cgroup.procs").write_text(pid)
        group.rmdir()


class RestartTest(unittest.TestCase):
    def setUp(self):
        self.addCleanup(agent_process.end_class_unpinned)

    def run_qemu(self, name, **environment):
        return self.enterContext(fake_qemu(name, **environment))

    def run_agent(self, *options, **more):
        return self.enterContext(Agent("--libvirt", "none", *options, **more))

    def test_short_lived_threads_lose_nothing(self):
        agent = self.run_agent()
        agent.samples.next()
        name, count = f"{NAME}storm", 800
        process = self.run_qemu(name, FAKE_QEMU_STORM=count, FAKE_QEMU_STORM_MS=6)
        agent.samples.first(lambda s: s.named(name))
        group = self.enterContext(cgroup(NAME))
        with stopped(process.pid):
            first = agent.samples.next().vm(name)["ext"]["cpu_ns"]
            clock_first = process_clock_ns(process.pid)
            (group / "cgroup.procs").write_text(str(process.pid))
        deadline = time.monotonic() + 60
        while True:  # until the storm is over: nothing more is used
            used = process_clock_ns(process.pid)
            time.sleep(0.3)
            if used == process_clock_ns(process.pid) and len(threads_of(process.pid)) == 3:
                break
            self.assertLess(time.monotonic(), deadline, "the storm does not end")
        ext = agent.samples.next().vm(name)["ext"]
        agent_ns = ext["cpu_ns"] - first
        clock_ns = used - clock_first
        # The kernel adds an ended thread to its process's clock before the thread's last steps, and
        # as of its last tick; the control group is charged all that ran in it.
        stat = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
        group_ns = 1000 * int(stat["usage_usec"])
        living = sum(schedstats_ns(process.pid).values())
        off = percent_off(agent_ns, group_ns)
        print(
            f"{count} threads that lived 6 ms: {agent_ns / 1e6:.3f} ms by the agent, "
            f"{group_ns / 1e6:.3f} ms by a control group ({off:+.4f} %), {clock_ns / 1e6:.3f} ms "
            f"by the process's clock ({percent_off(agent_ns, clock_ns):+.4f} %)"
        )
        self.assertLess(living, group_ns / 10, "it is not the ended threads that count here")
        self.assertLessEqual(abs(off), BOUND_PERCENT)
        self.assertGreaterEqual(percent_off(agent_ns, clock_ns), -BOUND_PERCENT)
        self.assertEqual(ext["threads"], 3)

    def test_counters_go_on_after_a_kill(self):
        old = self.run_qemu(f"{NAME}old", FAKE_QEMU_LOAD=40)
        time.sleep(0.5)
        agent = self.run_agent()
        agent.samples.next()
        new = self.run_qemu(f"{NAME}new", FAKE_QEMU_LOAD=20)
        processes = {f"{NAME}old": old, f"{NAME}new": new}
        agent.samples.first(lambda s: all(s.named(name) for name in processes))
        before = figures_at_rest(agent, processes)
        agent.end(signal.SIGKILL)
        time.sleep(3)
        again = self.run_agent()
        again.wait_for_log("going on with the counters of")
        after = figures_at_rest(again, processes)
        for name in processes:
            (ext_before, clock_before), (ext_after, clock_after) = before[name], after[name]
            agent_ns = ext_after["cpu_ns"] - ext_before["cpu_ns"]
            off = percent_off(agent_ns, clock_after - clock_before)
            print(
                f"{name}: {agent_ns / 1e6:.3f} ms across the restart by the agents, "
                f"{(clock_after - clock_before) / 1e6:.3f} ms by its clock ({off:+.4f} %)"
            )
            self.assertLessEqual(abs(off), BOUND_PERCENT)
            self.assertEqual(ext_after["since"], ext_before["since"])
            self.assertEqual(ext_after["start"], ext_before["start"])
            self.assertGreaterEqual(ext_after["run_delay_ns"], ext_before["run_delay_ns"])
            self.assertGreater(ext_after["switches"], ext_before["switches"])
        # Born under the first agent, so that nothing of its life is missing.
        ext, clock = after[f"{NAME}new"]
        self.assertLessEqual(abs(percent_off(ext["cpu_ns"], clock)), BOUND_PERCENT)

    def test_a_thread_that_ends_while_no_agent_runs(self):
        agent = self.run_agent()
        agent.samples.next()
        name = f"{NAME}worker"
        process = self.run_qemu(name, FAKE_QEMU_STORM=1, FAKE_QEMU_STORM_MS=5000)
        agent.samples.first(lambda s: s.named(name))
        time.sleep(1)
        (_, at_kill), *_ = figures_at_rest(agent, {name: process}).values()
        agent.end(signal.SIGKILL)
        while len(threads_of(process.pid)) > 3:
            time.sleep(0.05)
        used = process_clock_ns(process.pid)
        ext = self.run_agent().samples.next().vm(name)["ext"]
        print(
            f"a worker ended between two agents: {ext['cpu_ns'] / 1e6:.3f} ms by the agent, its "
            f"clock said {at_kill / 1e6:.3f} ms at the first one's end and {used / 1e6:.3f} ms "
            "after the worker's"
        )
        self.assertGreater(used - at_kill, 5e7, "the worker used nothing meanwhile")
        self.assertGreaterEqual(ext["cpu_ns"], at_kill * (1 - BOUND_PERCENT / 100))
        self.assertLessEqual(ext["cpu_ns"], used * (1 + BOUND_PERCENT / 100))

    def test_two_agents_at_once(self):
        process = self.run_qemu(f"{NAME}two", FAKE_QEMU_LOAD=30)
        agents = [self.run_agent()]
        agents[0].wait_for_log("VM figures come from ebpf")
        agents.append(self.run_agent())
        agents[1].wait_for_log("another agent keeps the pinned counters")
        self.assertFalse(any("another agent" in line for line in agents[0].log))
        name = f"{NAME}two"
        agents[1].samples.first(lambda s: s.named(name))
        figures = []
        for _ in range(2):
            with stopped(process.pid):
                now = time.time()
                exts = [agent.samples.next(now).vm(name)["ext"] for agent in agents]
                figures.append(([ext["cpu_ns"] for ext in exts], process_clock_ns(process.pid)))
            time.sleep(2)
        (first, clock_first), (last, clock_last) = figures
        growth = [b - a for a, b in zip(first, last)]
        offs = [percent_off(each, clock_last - clock_first) for each in growth]
        print(f"two agents at once: {offs[0]:+.4f} % and {offs[1]:+.4f} % off")
        for off in offs:
            self.assertLessEqual(abs(off), BOUND_PERCENT)
        for agent in agents[::-1]:
            self.assertEqual(agent.end()[0], 0)

    def test_the_end_is_quick_and_leaves_pins_alone(self):
        self.run_qemu(f"{NAME}end")
        seconds = []
        for _ in range(3):
            with Receiver() as receiver:
                agent = self.run_agent("--collector", receiver.address)
                receiver.samples.next()
                agent.samples.next()
                code, took = agent.end()
            self.assertEqual(code, 0, agent.log)
            seconds.append(took)
        print(f"ends within {', '.join(f'{each * 1000:.0f}' for each in seconds)} ms")
        self.assertLessEqual(max(seconds), UNHELD_S)
        self.assertEqual(pinned().keys(), MAPS.keys())
        for signal_ in (signal.SIGINT, signal.SIGHUP):
            agent = self.run_agent()
            agent.samples.next()
            self.assertEqual(agent.end(signal_)[0], 0)
        self.assertEqual(unpin().stdout, f"{len(MAPS)} pinned maps removed\n")
        self.assertFalse(PINS.exists())
        self.assertEqual(unpin().stdout, "0 pinned maps removed\n")


if __name__ == "__main__":
    agent_process.main(lambda: None)
