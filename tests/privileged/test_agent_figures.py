"""The agent's figures of real guests at different loads are the kernel's and the guests' own."""

import itertools
import json
import os
import pathlib
import signal
import subprocess
import threading
import time
import unittest

import agent_process
import lab
from agent_process import (
    AGENT,
    LABS,
    MAPS,
    NAME,
    PINS,
    Agent,
    bpftool,
    fake_qemu,
    percent_off,
    pinned,
    process_clock_ns,
    schedstats_ns,
    stopped,
    threads_of,
    unpin,
)
from cgroup_io import CgroupIo
from lab import Guest, Lab

WINDOW_S = 10
BOUND_PERCENT = 0.1
BLOCK_BOUND_PERCENT = 0.5
LARGEST_REQUEST_BYTES = 16384  # of what the guests are told to read and write in test 3


class Watch(threading.Thread):
    """Reads the clocks of processes again and again, to have a reading just before and just after
    each sample of the agent."""

    def __init__(self, pids, every_s=0.004):
        super().__init__(daemon=True)
        self.readings = []  # (begun, done, {pid: CPU time in ns})
        self._pids = pids
        self._every_s = every_s
        self._ended = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self.join()

    def run(self):
        while not self._ended.wait(self._every_s):
            begun = time.time()
            used = {pid: process_clock_ns(pid) for pid in self._pids}
            self.readings.append((begun, time.time(), used))

    def around(self, pid, sample):
        """What the process had used just before the sample was taken, and just after it was here:
        what the agent read lies between."""
        before = [used for _, done, used in self.readings if done < sample.time]
        after = [used for begun, _, used in self.readings if begun > sample.arrived]
        return (before[-1][pid], after[0][pid]) if before and after else None


def totals(vm):
    """The VM's block counters over all devices."""
    sums = dict.fromkeys(("read_ops", "read_bytes", "write_ops", "write_bytes", "flush_ops"), 0)
    for block in vm["ext"].get("block", []):
        for key in sums:
            sums[key] += block[key]
    return sums


def lost_completions(sample):
    return sample.host["ext"]["self"]["lost_completions"]


def grown(after, before):
    return {key: after[key] - before[key] for key in after}


class FiguresTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(agent_process.end_class_unpinned)
        cls.lab = cls.enterClassContext(Lab(LABS / "figures", agent_process.BINARIES))
        start = cls.lab.start
        cls.direct = start(Guest(f"{NAME}direct", duty_percent=30, cache="none", io="native"))
        cls.cached = start(Guest(f"{NAME}cached", duty_percent=10))
        cls.uring = start(Guest(f"{NAME}uring", duty_percent=50, vcpus=2, io="io_uring"))
        cls.idle = start(Guest(f"{NAME}idle"))
        cls.guests = (cls.direct, cls.cached, cls.uring, cls.idle)
        for guest in cls.guests:
            guest.wait_booted()
        cls.pids = {guest.name: guest.pid for guest in cls.guests}
        cls.agent = cls.enterClassContext(Agent("--libvirt", cls.lab.uri))
        cls.agent.samples.first(lambda s: not s.missing and len(s.vms) >= len(cls.guests))

    def at_rest(self):
        """(sample, schedstat by pid and thread, clock by pid) while the guests stand still."""
        with stopped(*self.pids.values()):
            sample = self.agent.samples.next()
            used = {pid: schedstats_ns(pid) for pid in self.pids.values()}
            clocks = {pid: process_clock_ns(pid) for pid in self.pids.values()}
        return sample, used, clocks

    def test_1_cpu_is_the_threads_schedstat(self):
        # Standing still, all that is read is of one moment, and the kernel's figures are exact.
        first, used_first, clocks_first = self.at_rest()
        pace = int(WINDOW_S * 50)
        orders = [
            (self.cached, f"io write 50 4096 {pace} --fsync-every 8"),
            (self.uring, f"io write 100 8192 {2 * pace} --fsync-every 16"),
        ]
        sent = [(guest, guest.send(order)) for guest, order in orders]
        with Watch(self.pids.values()) as watch:
            time.sleep(WINDOW_S)
        last, used_last, clocks_last = self.at_rest()
        for guest, number in sent:
            guest.wait(number)

        between = [s for s in self.agent.samples.since(first.time) if s.time < last.time]
        for name, pid in self.pids.items():
            agent_first = first.vm(name)["ext"]["cpu_ns"]
            agent_ns = last.vm(name)["ext"]["cpu_ns"] - agent_first
            clock_ns = clocks_last[pid] - clocks_first[pid]
            seen = used_first[pid].keys() & used_last[pid].keys()
            schedstat_ns = sum(used_last[pid].values()) - sum(
                used_first[pid][tid] for tid in seen
            )
            came_and_went = len(used_first[pid].keys() ^ used_last[pid].keys())
            off = percent_off(agent_ns, clock_ns)
            outside = [0]
            width = []
            for sample in between:
                bounds = watch.around(pid, sample)
                if bounds is None:
                    continue
                low, high = (bound - clocks_first[pid] for bound in bounds)
                figure = sample.vm(name)["ext"]["cpu_ns"] - agent_first
                outside += [min(figure - low, 0), max(figure - high, 0)]
                width.append(high - low)
            print(
                f"{name}: {agent_ns / 1e6:.3f} ms by the agent, {clock_ns / 1e6:.3f} ms by its "
                f"clock ({off:+.4f} %), {schedstat_ns / 1e6:.3f} ms by the schedstat of its living "
                f"threads ({came_and_went} came or went); running, in {len(width)} samples at most "
                f"{min(outside) / 1e6:.3f} and {max(outside) / 1e6:+.3f} ms outside of two readings "
                f"of the clock {sum(width) / max(1, len(width)) / 1e6:.3f} ms apart"
            )
            self.assertGreater(agent_ns, 0)
            # A thread that ends still runs for some 50 us after the process's clock took its account,
            # which is much of what an idle guest uses.
            allowed_ns = max(clock_ns * BOUND_PERCENT / 100, 1e6)
            self.assertLessEqual(abs(agent_ns - clock_ns), allowed_ns)
            if used_first[pid].keys() == used_last[pid].keys():
                self.assertEqual(schedstat_ns, clock_ns, "schedstat and the clock disagree")
            self.assertGreaterEqual(len(width), WINDOW_S - 3)
            self.assertLessEqual(max(-min(outside), max(outside)), allowed_ns)

    def test_2_cpu_of_a_thread_that_never_leaves_its_cpu(self):
        cpu, name = max(os.sched_getaffinity(0)), f"{NAME}spin"
        # A thread like this has the CPU for at most 95 % of each second; so the samples must not
        # come at the same place of every second.
        agent = self.enterContext(Agent("--libvirt", "none", "--interval", "270ms"))
        agent.samples.next()
        with fake_qemu(name, FAKE_QEMU_LOAD=100) as process:
            agent.samples.first(lambda s: s.named(name))
            (tid,) = (t for t in threads_of(process.pid) if t != process.pid)
            os.sched_setaffinity(tid, {cpu})
            os.sched_setscheduler(tid, os.SCHED_FIFO, os.sched_param(1))
            with Watch([process.pid]) as watch:
                time.sleep(0.5)
                started = time.time()
                time.sleep(5)
                ended = time.time()
                time.sleep(0.1)
            os.sched_setscheduler(tid, os.SCHED_OTHER, os.sched_param(0))
        samples = [s for s in agent.samples.since(started) if s.arrived < ended]
        worst = unbroken_ns = pairs = 0
        for last, sample in zip([samples[0], *samples], samples):
            low, high = watch.around(process.pid, sample)
            ext, ext_last = sample.vm(name)["ext"], last.vm(name)["ext"]
            off = 100 * max(low - ext["cpu_ns"], ext["cpu_ns"] - high) / low
            if off > BOUND_PERCENT:
                print(f"at {sample.time - started:.3f} s: {ext['cpu_ns']} ns, not {low} to {high}; "
                      f"{ext['switches']} switches")
            worst = max(worst, off)
            if sample is not last and ext["switches"] == ext_last["switches"]:
                pairs += 1
                unbroken_ns += ext["cpu_ns"] - ext_last["cpu_ns"]
        print(
            f"spinning thread: {len(samples)} samples at most {worst:.4f} % outside of two "
            f"readings of its clock; it did not leave its CPU between {pairs} pairs of samples, and grew by "
            f"{unbroken_ns / 1e6:.1f} ms in them"
        )
        self.assertLessEqual(worst, BOUND_PERCENT)
        self.assertGreaterEqual(pairs, 3, "it does leave its CPU: the test shows nothing")
        self.assertGreater(unbroken_ns, pairs * 200e6)

    def do_io(self, guest, order):
        """(what the guest counted, growth by the agent of each guest, requests in it that may be of
        before: the kernel did not tell of their end, which is counted when it is noticed)."""
        before = self.agent.samples.next()
        said = guest.run(order)
        time.sleep(0.1)  # the last completion is the guest's before it is the agent's next sample
        after = self.agent.samples.next()
        self.assertNotIn("block", after.missing)
        growth = {
            each.name: grown(totals(after.vm(each.name)), totals(before.vm(each.name)))
            for each in self.guests
        }
        others = {name: each for name, each in growth.items() if name != guest.name}
        late = lost_completions(after) - lost_completions(before)
        self.assert_idle(others, late)
        return said, growth, late

    def assert_idle(self, growth, late):
        """None of them did anything now. A request of before whose end the kernel did not tell of
        is counted when the kernel uses its place again, which another's may be: at most `late`."""
        ops = sum(v for each in growth.values() for key, v in each.items() if key.endswith("_ops"))
        self.assertLessEqual(ops, late, growth)
        if late == 0:
            self.assertEqual({v for each in growth.values() for v in each.values()}, {0}, growth)

    def test_3_block_is_what_the_guest_counted(self):
        for order in ("io write 0 4096 4000", "io read 0 16384 3000", "io read 0 512 2000"):
            said, agent, late = self.do_io(self.direct, order)
            kind = order.split()[1]
            for figure, of_one in ((f"{kind}_ops", 1), (f"{kind}_bytes", LARGEST_REQUEST_BYTES)):
                truth = said[f"after_{figure}"] - said[f"before_{figure}"]
                value = agent[self.direct.name][figure]
                off = percent_off(value, truth)
                print(f"cache=none, {order}: {figure} {value} of {truth} ({off:+.3f} %), {late} may be of before")
                self.assertGreaterEqual(off, -BLOCK_BOUND_PERCENT, figure)
                self.assertLessEqual(percent_off(value - late * of_one, truth), BLOCK_BOUND_PERCENT, figure)

    def test_4_block_through_the_hosts_cache(self):
        for guest in (self.cached, self.uring):
            order = "io write 0 8192 4000 --fsync-every 8"
            cgroup = CgroupIo(guest.pid)
            os.sync()
            kernel_before = cgroup.written_bytes()
            said, agent, _ = self.do_io(guest, order)
            kernel_bytes = cgroup.written_bytes() - kernel_before
            figures = agent[guest.name]
            truth = said["after_write_bytes"] - said["before_write_bytes"]
            off = percent_off(figures["write_bytes"], kernel_bytes)
            print(
                f"{guest.name}, {order}: {figures['write_bytes']} bytes written, its control group "
                f"{kernel_bytes} ({off:+.3f} %), the guest's {truth}; in {figures['write_ops']} "
                f"writes and {figures['flush_ops']} flushes, the guest {said['ops']} and "
                f"{said['fsyncs']}"
            )
            self.assertLessEqual(abs(off), BLOCK_BOUND_PERCENT)
            # More than the guest's: where the host's file system writes an inode for a flush.
            self.assertGreaterEqual(
                percent_off(figures["write_bytes"], truth), -BLOCK_BOUND_PERCENT
            )
            if figures["flush_ops"]:  # else the disk has no cache to flush
                # Fewer than the guest's: where the file system's journal commits at that moment for
                # another process, whose flush is the journal's own.
                off = percent_off(figures["flush_ops"], said["fsyncs"])
                self.assertLessEqual(off, 1)
                self.assertGreaterEqual(off, -20)

    def test_5_write_back_is_charged_to_nobody_else(self):
        before = self.agent.samples.next()
        said = self.cached.run("io write 0 4096 2000")  # without a flush
        os.sync()
        after = self.agent.samples.next()
        growth = {
            guest.name: grown(totals(after.vm(guest.name)), totals(before.vm(guest.name)))
            for guest in self.guests
        }
        own = growth.pop(self.cached.name)["write_bytes"]
        version = 1 if pathlib.Path("/sys/fs/cgroup/blkio").exists() else 2
        print(
            f"write-back after the guest's {said['bytes']} bytes, cgroup v{version}: "
            f"{own} bytes charged to it"
        )
        self.assert_idle(growth, lost_completions(after) - lost_completions(before))
        self.assertLessEqual(own, said["bytes"])
        if version == 2:
            self.assertGreater(own, 0.9 * said["bytes"])

    def compared_at_rest(self, process):
        """The next comparison of which both ways were read while the guests stood still."""
        with stopped(*self.pids.values()):
            os.set_blocking(process.stdout.fileno(), False)
            process.stdout.read()  # printed before
            os.set_blocking(process.stdout.fileno(), True)
            process.stdout.readline()  # may have been read before
            return json.loads(process.stdout.readline())

    def test_6_compare_agrees(self):
        command = [AGENT, "compare", "--json", "--libvirt", self.lab.uri]
        with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as process:
            compared = map(json.loads, iter(process.stdout.readline, b""))
            try:
                next(c for c in compared if all(vm["cpu_ns"]["libvirt"] for vm in c["vms"]))
                first = self.compared_at_rest(process)
                between = list(itertools.islice(compared, 8))
                last = self.compared_at_rest(process)
            finally:
                process.terminate()
        self.assertEqual(process.returncode, 0)

        def counted(comparison, name, way):
            (vm,) = (vm for vm in comparison["vms"] if vm["name"] == name)
            return vm["cpu_ns"][way]

        for name in self.pids:
            ebpf, proc, libvirt = (
                counted(last, name, way) - counted(first, name, way)
                for way in ("ebpf", "proc", "libvirt")
            )
            off = percent_off(proc, ebpf)
            print(
                f"{name}: {ebpf / 1e6:.3f} ms by eBPF, {proc / 1e6:.3f} ms by /proc "
                f"({off:+.4f} %), {libvirt / 1e6:.3f} ms by libvirt, which answers in its own time"
            )
            self.assertGreater(ebpf, 0)
            self.assertLessEqual(abs(off), 1)
            rates = {
                way: [
                    vm["cpu_percent"][way]
                    for comparison in between
                    for vm in comparison["vms"]
                    if vm["name"] == name and vm["cpu_percent"][way] is not None
                ]
                for way in ("ebpf", "proc", "libvirt")
            }
            self.assertGreaterEqual(min(map(len, rates.values())), 6, f"{name}: {rates}")
            print("  % by second: " + "; ".join(
                f"{way} " + " ".join(f"{rate:.1f}" for rate in values)
                for way, values in rates.items()
            ))
        for way in ("ebpf", "proc", "libvirt"):
            costs = sorted(comparison["cost_us"][way] for comparison in between)
            print(f"a sample by {way}: median {costs[len(costs) // 2]:.0f} us of CPU time")
            self.assertGreater(costs[0], 0)

    def test_7_bpftool_names_the_fields(self):
        pins = pinned()
        self.assertEqual(pins.keys(), MAPS.keys())
        for name, (struct, member) in MAPS.items():
            entries = bpftool("map", "dump", "pinned", pins[name])
            if entries:
                value = entries[0].get("formatted", entries[0])["value"]
                self.assertIn(member, value, f"{name}: {value}")
            shown = bpftool("map", "show", "pinned", pins[name])
            types = bpftool("btf", "dump", "id", shown["btf_id"])["types"]
            named = [each for each in types if each["name"] == struct and each["kind"] == "STRUCT"]
            self.assertEqual(len(named), 1, f"{name} has no {struct} in its BTF")
            self.assertIn(member, [each["name"] for each in named[0]["members"]])
            print(f"{name}: {len(entries)} entries of {struct}, by name")
        vms = bpftool("map", "dump", "pinned", pins["vms"])
        keys = [each.get("formatted", each)["key"] for each in vms]
        self.assertLessEqual(set(self.pids.values()), set(keys))

    def test_8_block_counters_go_on_after_a_kill(self):
        name = self.direct.name
        self.direct.run("io write 0 4096 200")
        before = self.agent.samples.next()
        self.agent.end(signal.SIGKILL)
        type(self).agent = self.enterClassContext(Agent("--libvirt", self.lab.uri))
        after = self.agent.samples.first(lambda s: not s.missing and s.named(name))
        self.assertGreaterEqual(totals(before.vm(name))["write_ops"], 199)
        self.assertEqual(totals(after.vm(name)), totals(before.vm(name)))
        said, agent, _ = self.do_io(self.direct, "io write 0 4096 2000")
        off = percent_off(agent[name]["write_ops"], said["ops"])
        lost = lost_completions(self.agent.samples.all[-1])
        print(
            f"after a restart: {agent[name]['write_ops']} writes of {said['ops']} ({off:+.3f} %), "
            f"{lost} completions in all that the kernel did not tell of"
        )
        self.assertLessEqual(abs(off), BLOCK_BOUND_PERCENT)

    def test_9_pins_stay_until_told(self):
        refused = unpin()
        self.assertEqual(refused.returncode, 1)
        self.assertIn("an agent is running", refused.stderr)
        self.assertEqual(len(refused.stderr.splitlines()), 1)
        code, _ = self.agent.end()
        self.assertEqual(code, 0)
        self.assertTrue(PINS.exists())
        done = unpin()
        self.assertEqual((done.returncode, done.stdout), (0, f"{len(MAPS)} pinned maps removed\n"))
        self.assertFalse(PINS.exists())


if __name__ == "__main__":
    agent_process.main(lab.why_not)
