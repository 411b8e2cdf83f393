"""Programs that the kernel refuses, each in turn: the agent runs on without their figures and no
others, says which and why, and keeps the pinned counters."""

import errno
import os
import signal
import subprocess
import time
import unittest

import agent_process
from agent_process import (
    AGENT,
    BINARIES,
    NAME,
    PINS,
    Agent,
    bpftool,
    fake_qemu,
    percent_off,
    pinned,
    process_clock_ns,
    stopped,
    threads_of,
)
from loop_disk import LoopDisk, block_of, diskstats, why_not
from waiting import kernel_figures

REFUSE = BINARIES.parent / "fixtures/refuse-programs.so"
CPU_PERCENT = 0.1
# Some kernels lose one completion in a thousand.
COUNT_PERCENT = 0.5

CORE = {"vp_sched_switch", "vp_process_fork", "vp_process_exec", "vp_adopt", "vp_confirm_vm"}
# Of each other program: what is then missing, and the members of a VM's ext that go with it.
LOSSES = {
    "vp_migrate_task": ("waits", {"wait", "vcpu's waits"}),
    "vp_wakeup_new": ("late_threads", set()),
    "vp_retire_lost": ("lost_threads", set()),
    "vp_rq_complete": ("block", {"block"}),
    "vp_rq_requeue": ("block", {"block"}),
    "vp_rq_merge": ("block", {"block"}),
    "vp_rq_issue": ("block", {"block"}),
    "vp_expire_request": ("block_expiry", set()),
    "vp_kvm_entry": ("kvm", set()),  # no guest runs by KVM on machines of all kinds
    "vp_kvm_exit": ("kvm", set()),
    "vp_io_start": (None, set()),  # vp_getrq takes its place
    "vp_getrq": ("block_start", set()),
    "vp_md_end_flush": ("block_md_flush", set()),
}
# By what --without names: its programs, and what goes with it.
LEFT_OUT = {
    "waits": ({"vp_migrate_task"}, {"wait", "vcpu's waits"}),
    "block": ({program for program in LOSSES
               if program.startswith(("vp_rq_", "vp_io_", "vp_getrq", "vp_md_", "vp_expire_"))},
              {"block"}),
    "kvm": ({"vp_kvm_entry", "vp_kvm_exit"}, set()),
}
# Of every VM.
FIGURES = {"cpu_ns", "run_delay_ns", "switches", "threads", "role", "wait", "block"}
ENOTSUPP = 524  # of the kernel alone
NOT_WRITTEN = r"R0 !read_ok"  # what the verifier says of the program that it is shown


def refusing(*programs, how="verifier"):
    """The environment of an agent to which the kernel refuses these, see refuse_programs.cpp."""
    return os.environ | {"LD_PRELOAD": str(REFUSE), "REFUSE": ",".join(programs),
                         "REFUSE_HOW": str(how)}


class RefusedTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(agent_process.end_class_unpinned)
        cls.loop = cls.enterClassContext(LoopDisk())
        cls.writer = cls.enterClassContext(cls.loop.io(cls.loop.machine, "write", 200, 4096, 0))
        cls.name = f"{NAME}refused"
        cls.burner = cls.enterClassContext(fake_qemu(cls.name, "-smp", "1", FAKE_QEMU_LOAD=40))
        with cls.agent("--log-level", "debug") as agent:
            agent.wait_for_log("programs loaded:")
            cls.loaded = next(line for line in agent.log if "programs loaded:" in line)
            cls.loaded = set(cls.loaded.partition("loaded:")[2].split())

    @staticmethod
    def agent(*options, environment=None):
        return Agent("--libvirt", "none", "--interval", "250ms", *options, environment=environment)

    def both(self, sample):
        """The ext of the VM that computes and of the one that writes; None where one is not there."""
        burner = next((vm["ext"] for vm in sample.named(self.name)), {})
        writer = next((vm["ext"] for vm in sample.vms if vm["ext"].get("pid") == self.writer.pid),
                      {})
        return (burner, writer) if "cpu_ns" in burner and "cpu_ns" in writer else None

    def at_rest(self, agent):
        """A sample, and the CPU time and writes by the kernel, while both VMs stand still."""
        with stopped(self.burner.pid, self.writer.pid):
            time.sleep(0.05)  # what is at the device ends
            sample = agent.samples.first(self.both, time.time())
            return sample, process_clock_ns(self.burner.pid), diskstats(self.loop.disk)["write_ops"]

    def check_figures(self, agent, gone):
        """What is not gone is there, and true; what is gone is in no sample."""
        agent.samples.first(lambda sample: self.both(sample) and (
            "block" in gone or block_of(sample, self.writer.pid, self.loop.disk)))
        first, clock, writes = self.at_rest(agent)
        time.sleep(1)
        last, clock_after, writes_after = self.at_rest(agent)
        (burner, _), (burner_after, writer_after) = self.both(first), self.both(last)
        off = percent_off(burner_after["cpu_ns"] - burner["cpu_ns"], clock_after - clock)
        self.assertLessEqual(abs(off), CPU_PERCENT)
        for sample in agent.samples.all:
            for ext in self.both(sample) or ():
                self.assertFalse(gone & ext.keys(), ext)
                if "vcpu's waits" in gone:
                    self.assertTrue(all(len(vcpu) == 3 for vcpu in ext.get("vcpu", [])), ext)
        for figure in FIGURES - gone:
            self.assertIn(figure, burner_after)
            self.assertIn(figure, writer_after)
        self.assertIn("vcpu", burner_after)
        done = None
        if "block" not in gone:
            done = (block_of(last, self.writer.pid, self.loop.disk)["write_ops"] -
                    block_of(first, self.writer.pid, self.loop.disk)["write_ops"])
            wanted = writes_after - writes
            self.assertLessEqual(abs(done - wanted), max(1, wanted * COUNT_PERCENT / 100))
        return f"CPU {off:+.4f} % off, {done} of {writes_after - writes} writes"

    def check_refused(self, programs, missing, gone, how="verifier", reason=NOT_WRITTEN):
        with self.agent("--source", "ebpf", environment=refusing(*programs, how=how)) as agent:
            seen = self.check_figures(agent, gone)
            sample = agent.samples.all[-1]
            self.assertEqual(sample.host["ext"]["source"], "ebpf")
            self.assertEqual(agent.end()[0], 0)
        print(f"{' '.join(programs)}: {seen}; {sample.missing}")
        self.assertEqual(sample.missing.keys(), missing)
        for text in sample.missing.values():
            self.assertRegex(text, rf"^the kernel refused vp_\w+: {reason}")
        warnings = [line for line in agent.log if " warning: " in line]
        said = [line for line in warnings if "the kernel refused the BPF program" in line]
        self.assertEqual(len(said), len(programs), agent.log)
        for program, line in zip(programs, said):
            self.assertRegex(line, rf"the kernel refused the BPF program {program}: {reason}$")
        told = [line for line in warnings if "not available: " in line]
        self.assertEqual(len(told), len(missing), agent.log)
        self.assertEqual(len(warnings), len(said) + len(told), agent.log)

    def test_each_program_that_is_loaded_is_tried(self):
        self.assertLessEqual(self.loaded, CORE | LOSSES.keys())
        self.assertLessEqual(CORE, self.loaded)

    def test_a_refused_program_costs_its_own_figures(self):
        for program, (missing, gone) in LOSSES.items():
            if program not in self.loaded:
                continue
            with self.subTest(program):
                self.check_refused([program], {missing} - {None}, gone)

    def check_left_out(self, *names):
        gone = set().union(*(LEFT_OUT[name][1] for name in names))
        options = ("--source", "ebpf", "--log-level", "debug", "--without", ",".join(names))
        with self.agent(*options) as agent:
            agent.samples.first(self.both)
            delays = []
            for _ in range(2):
                with stopped(self.burner.pid):
                    ext = self.both(agent.samples.first(self.both, time.time()))[0]
                    # The kernel's own has phantom waits in it; without waits so has ours.
                    delay = ext["run_delay_ns"] + ext.get("wait", {}).get("phantom_ns", 0)
                    delays.append((delay, ext["switches"],
                                   *kernel_figures(self.burner.pid)[1:]))
                time.sleep(0.5)
            seen = self.check_figures(agent, gone)
            sample = agent.samples.all[-1]
            self.assertEqual(agent.end()[0], 0)
        self.assertEqual(sample.missing.keys(), set(names))
        for text in sample.missing.values():
            self.assertTrue(text.startswith("left out by --without"), text)
        loaded = next(line for line in agent.log if "programs loaded:" in line)
        loaded = set(loaded.partition("loaded:")[2].split())
        left_out = set().union(*(LEFT_OUT[name][0] for name in names))
        self.assertEqual(loaded, self.loaded - left_out)
        delay, switches, kernel_delay, kernel_switches = (
            after - before for before, after in zip(*delays))
        self.assertEqual(switches, kernel_switches)
        self.assertLessEqual(abs(delay - kernel_delay), kernel_delay * CPU_PERCENT / 100)
        print(f"without {' '.join(names)}: {seen}, waited {delay} of {kernel_delay} ns; "
              f"{sample.missing}")

    def test_figures_that_are_not_wanted_are_missing_and_no_others(self):
        for names in (["waits"], ["block"], ["kvm"], list(LEFT_OUT)):
            with self.subTest(names):
                self.check_left_out(*names)

    def test_without_either_way_to_see_what_is_queued(self):
        if "vp_io_start" not in self.loaded:
            self.skipTest("this kernel has only one of them")
        self.check_refused(["vp_io_start", "vp_getrq"], {"block_start"}, set())

    def test_several_are_refused(self):
        self.check_refused(["vp_migrate_task", "vp_rq_issue"], {"waits", "block"},
                           LOSSES["vp_migrate_task"][1] | {"block"})

    def test_a_program_that_is_refused_before_the_verifier_begins(self):
        for number, reason in ((errno.EPERM, "Operation not permitted"),
                               (errno.EINVAL, "Invalid argument"),
                               (errno.E2BIG, "Argument list too long"),
                               (ENOTSUPP, "not supported by this kernel")):
            with self.subTest(reason):
                self.check_refused(["vp_wakeup_new"], {"late_threads"}, set(), number, reason)

    def test_a_program_that_cannot_be_attached(self):
        for program in ("vp_wakeup_new", "vp_rq_issue", "vp_io_start"):
            if program not in self.loaded:
                continue
            missing, gone = LOSSES[program]
            with self.subTest(program):
                self.check_refused([program], {missing} - {None}, gone, "attach",
                                   "cannot be attached: Operation not supported")

    def test_without_one_of_the_core_it_is_proc_with_the_reason(self):
        for program in CORE:
            environment = refusing(program)
            with self.subTest(program), self.agent(environment=environment) as agent:
                sample = agent.samples.first(self.both)
                self.assertEqual(sample.host["ext"]["source"], "proc")
                self.assertEqual(agent.end()[0], 0)
                print(*agent.log, sep="\n")
                self.assertEqual(len(agent.log), 1)
                why = f"the kernel refused {program}: {NOT_WRITTEN}"
                self.assertIn(f"VM figures come from /proc: {why}", agent.log[0])
                done = subprocess.run([AGENT, "--libvirt", "none", "--source", "ebpf", "--count",
                                       "1"], env=environment, capture_output=True, text=True,
                                      timeout=30, check=False)
                self.assertEqual((done.returncode, done.stderr),
                                 (1, f"virtpulse-agent: no eBPF here: {why}\n"))


    def test_without_a_map_it_is_proc_with_the_reason(self):
        # One that is not pinned, and so is made by each agent.
        with self.agent(environment=refusing("cpus", how=errno.ENOMEM)) as agent:
            sample = agent.samples.first(self.both)
            self.assertEqual(sample.host["ext"]["source"], "proc")
            print(*agent.log, sep="\n")
            self.assertEqual(len(agent.log), 1)
            self.assertRegex(agent.log[0], "from /proc: cannot load the BPF object: map 'cpus': .*"
                                           "Cannot allocate memory")


class KeptTest(unittest.TestCase):
    """What becomes of pinned counters."""

    def setUp(self):
        self.addCleanup(agent_process.end_class_unpinned)
        self.name = f"{NAME}kept"
        self.enterContext(fake_qemu(self.name, FAKE_QEMU_LOAD=30))
        self.before = self.run_agent()

    def run_agent(self, *options, environment=None, source="ebpf"):
        """The VM's ext in some sample of an agent that is then killed; self.log is its log."""
        with Agent("--libvirt", "none", "--interval", "250ms", "--log-level", "info", *options,
                   environment=environment) as agent:
            sample = agent.samples.first(
                lambda sample: "cpu_ns" in next(iter(sample.named(self.name)), {}).get("ext", {}))
            self.assertEqual(sample.host["ext"]["source"], source, agent.log)
            agent.end(signal.SIGKILL)
            self.log = agent.log
        return sample.vm(self.name)["ext"]

    def check_they_go_on(self, after):
        self.assertEqual(after["since"], self.before["since"])
        self.assertGreaterEqual(after["cpu_ns"], self.before["cpu_ns"])

    def test_a_refused_load_leaves_them_alone(self):
        """Whatever the kernel's error: EINVAL is what it says of a helper that it does not know."""
        pins = pinned()
        for how in ("verifier", errno.EINVAL, errno.EPERM, "attach"):
            with self.subTest(how):
                self.run_agent(environment=refusing("vp_sched_switch", how=how), source="proc")
                self.assertEqual(pinned(), pins)
                after = self.run_agent()
                self.check_they_go_on(after)
                self.assertTrue(any("going on with the counters of 1 VMs" in line
                                    for line in self.log), self.log)

    def test_they_go_on_while_a_program_is_refused(self):
        self.check_they_go_on(self.run_agent(environment=refusing("vp_rq_issue", how=errno.EINVAL)))
        self.check_they_go_on(self.run_agent())

    def test_pairs_find_room_while_waits_are_not_reported(self):
        """Their map fills all the same, and has to be kept from being full."""
        rivals = [self.enterContext(fake_qemu(f"{NAME}rival{number}", FAKE_QEMU_LOAD=100))
                  for number in range(2)]
        with Agent("--libvirt", "none", "--interval", "250ms", "--most-culprits", 64,
                   environment=refusing("vp_migrate_task")) as agent:
            for rival in rivals:
                for tid in threads_of(rival.pid):
                    os.sched_setaffinity(tid, {0})
            sample = agent.samples.first(
                lambda sample: sample.host["ext"]["self"]["maps"]["culprits"][0] >= 2)
            print(sample.host["ext"]["self"]["maps"])
            self.assertEqual(sample.missing.keys(), {"waits"})
            self.assertEqual(sample.host["ext"]["self"]["maps"]["culprits"][1], 64)

    def test_only_an_agent_that_counts_removes_those_of_other_versions(self):
        old = PINS / "v1"
        old.mkdir()
        self.run_agent(environment=refusing("vp_adopt"), source="proc")
        self.assertTrue(old.exists())
        self.run_agent()
        self.assertFalse(old.exists())

    def test_room_for_another_number_of_pairs_costs_only_the_pairs(self):
        self.check_they_go_on(self.run_agent("--most-culprits", 4096))
        said = "the pinned pairs start again from 0: their map has room for 4096 now"
        self.assertTrue(any(said in line for line in self.log), self.log)
        self.check_they_go_on(self.run_agent("--most-culprits", 4096))
        self.assertFalse(any("start again" in line for line in self.log), self.log)

    def test_maps_of_another_layout_are_replaced_by_an_agent_that_counts(self):
        vms = pinned()["vms"]
        vms.unlink()
        bpftool("map", "create", vms, "type", "hash", "key", 4, "value", 8, "entries", 16, "name",
                "vms")
        pins = self.map_ids()
        self.run_agent(environment=refusing("vp_adopt"), source="proc")
        self.run_agent("--most-culprits", 4096, environment=refusing("vp_adopt", how="attach"),
                       source="proc")
        self.assertEqual(self.map_ids(), pins, "a refused load has left them alone")
        after = self.run_agent()
        self.assertGreater(after["since"], self.before["since"])
        said = "the pinned counters start again from 0: their maps had another layout"
        self.assertTrue(any(said in line for line in self.log), self.log)
        self.assertFalse(set(self.map_ids().values()) & set(pins.values()))
        self.before = after
        self.check_they_go_on(self.run_agent())

    @staticmethod
    def map_ids():
        """{name of the pin: the kernel's number of the map}"""
        return {name: bpftool("map", "show", "pinned", path)["id"]
                for name, path in pinned().items()}


if __name__ == "__main__":
    agent_process.main(why_not)
