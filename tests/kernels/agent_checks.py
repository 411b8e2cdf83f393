"""The agent itself: that nothing is missing, and that one that is killed is followed by another."""

import re

from kernel_case import (CPU_PERCENT, FLUSHES, READ_SECTORS, SECTOR, WORKER_NS, WRITES, WRITTEN_SECTORS,
                         KernelCase, figure)


# The agents to which nothing is refused, see `init`.
RUNS = "first", "again"


def refusal(log):
    """Why an agent reads /proc, by its log; None where it has eBPF."""
    found = re.search(r"VM figures come from /proc: (.*)", log)
    return found.group(1) if found else None


class Agent(KernelCase):
    def test_it_is_ebpf_and_nothing_is_missing(self):
        for name in RUNS:
            self.assertGreater(len(self.boot.frames[name]), 5, name)
            for frame in self.boot.frames[name]:
                self.assertEqual(frame["ext"]["source"], "ebpf", self.boot.logs[name])
                self.assertNotIn("missing", frame["ext"])
        self.assertEqual(self.boot.words["agent-exit"], "0", self.boot.logs["again"])

    def test_what_another_compiler_makes_is_taken_too(self):
        if not self.boot.others:
            self.skipTest("there is no other compiler")
        loaded = re.search(r"programs loaded:(.*)", self.boot.logs["first"]).group(1).split()
        self.assertGreater(len(loaded), 10)
        self.assertEqual({name: self.boot.others[name] for name in loaded}, dict.fromkeys(loaded, ""))

    def test_nothing_found_no_place_and_no_completion_was_lost(self):
        for name in RUNS:
            cost = self.boot.frames[name][-1]["ext"]["self"]
            print(f"  {name}: {cost}")
            self.assertEqual(cost["update_failures"], 0)
            self.assertEqual(cost["lost_completions"], 0)

    def test_the_agent_mounts_bpffs_and_pins_its_counters_there(self):
        kind, *pins = self.boot.words["bpffs"].split()
        self.assertEqual(kind, "bpf")
        for name in ("vms", "threads", "waits", "ended_waits", "culprits", "vm_block", "requests",
                     "devices", "vcpus", "cgroups", "failures", "agents"):
            self.assertIn(name, pins)

    def test_counters_of_cpu_lose_nothing_while_there_is_no_agent(self):
        for name in ("load", "burn", "reader", "cached", "second"):
            with self.subTest(name):
                new = name == "second"  # born after the other marks
                want = (self.boot.machines["resumed"][name].run_ns if new else
                        self.kernel_grown(name, "counted", "resumed", "run_ns"))
                got = (self.boot.vm("resumed", name)["ext"]["cpu_ns"] if new else
                       self.grown(name, "counted", "resumed", "cpu_ns"))
                self.near(f"{name} cpu_ns over the gap", got, want, CPU_PERCENT)
                if not new:
                    # The same instant, by clocks that are read anew: not the later start.
                    self.assertLess(abs(self.grown(name, "counted", "resumed", "since")), 10**9)
        # Of threads that were born and died meanwhile nobody knows; no more than that is lost.
        got = self.grown("churn", "counted", "resumed", "cpu_ns")
        want = self.kernel_grown("churn", "counted", "resumed", "cgroup_us") * 1000
        figure("churn cpu_ns over the gap", got, want)
        self.assertGreater(got, 0)
        self.assertLessEqual(got, want * (1 + CPU_PERCENT / 100))

    def test_the_second_agent_counts_on(self):
        for name in ("load", "burn", "reader", "cached", "second"):
            with self.subTest(name):
                self.near(f"{name} cpu_ns", self.grown(name, "resumed", "end", "cpu_ns"),
                          self.kernel_grown(name, "resumed", "end", "run_ns"), CPU_PERCENT)
        used = self.kernel_grown("churn", "resumed", "end", "cgroup_us") * 1000
        self.near("churn cpu_ns", self.grown("churn", "resumed", "end", "cpu_ns"), used, CPU_PERCENT,
                  events=used / WORKER_NS)

        reads, writes, flushes = (self.disk("vda", "resumed", "end", field)
                                  for field in (READ_SECTORS, WRITES, FLUSHES))
        self.check_block("reader", "vda", "resumed", "end", read_bytes=reads * SECTOR)
        self.check_block("second", "vda", "resumed", "end", write_ops=writes - flushes,
                         flush_ops=flushes)
        written = self.disk("vdb", "resumed", "end", WRITTEN_SECTORS) * SECTOR
        self.check_block("cached", "vdb", "resumed", "end", write_bytes=written)

    def test_block_counters_go_on_where_the_first_agent_left_them(self):
        for name, disk, key in (("reader", "vda", "read_bytes"), ("cached", "vdb", "write_bytes")):
            before = self.boot.block("counted", name, disk)[key]
            after = self.boot.block("resumed", name, disk)
            self.assertGreaterEqual(after[key], before, name)
            self.assertEqual(after["in_flight"], 0, name)

    def test_a_vm_that_ended_is_gone(self):
        pid = self.boot.machines["counted"]["writer"].pid
        for mark in ("resumed", "end"):
            self.assertNotIn(pid, [vm["ext"]["pid"] for vm in self.boot.seen[mark]["vms"]])

    def test_a_refused_program_costs_its_own_figures(self):
        """tests/privileged refuses the other programs. The machines run while a program is refused."""
        for program, figures in (("vp_md_end_flush", "block_md_flush"), ("vp_getrq", "block_start"),
                                 ("vp_kvm_exit", "kvm")):
            with self.subTest(program):
                _, first, *_, last = self.boot.frames[f"refused-{program}"]
                is_loaded = program in self.programs("again")
                missing = last["ext"].get("missing", {})
                print(f"  {program}: {missing}")
                self.assertEqual(last["ext"]["source"], "ebpf")
                self.assertEqual(missing.keys(), {figures} if is_loaded else set())
                for reason in missing.values():
                    self.assertTrue(reason.startswith(f"the kernel refused {program}: R0 !read_ok"))
                self.assertNotIn(program, self.programs(f"refused-{program}"))
                before, after = (self.ext(frame, "nested") for frame in (first, last))
                self.assertGreater(after["cpu_ns"], before["cpu_ns"])
                self.assertEqual("kvm" in after, figures != "kvm")
                if "kvm" in after:
                    self.assertGreater(after["kvm"]["exits"], before["kvm"]["exits"])
                before, after = (self.ext(frame, "mirror")["block"] for frame in (first, last))
                self.assertGreater(sum(block["write_ops"] for block in after),
                                   sum(block["write_ops"] for block in before))

    def ext(self, frame, name):
        pid = next(machines[name].pid for machines in self.boot.machines.values() if name in machines)
        return next(vm["ext"] for vm in frame["vms"] if vm["ext"].get("pid") == pid)

    def programs(self, run):
        """Those that an agent had loaded, by its log."""
        return re.search(r"programs loaded:(.*)", self.boot.logs[run]).group(1).split()


class Storm(KernelCase):
    """Agents that are killed at every moment of their lives, beside machines that switch, fork and do I/O."""

    MARKS = ("storming", "calmed")

    def test_agents_are_killed_at_every_moment(self):
        self.assertEqual(len(self.boot.killed), 12)
        for signal in ("KILL", "TERM"):
            moments = {"while it loads": 0, "before its first frame": 0, "at its samples": 0}
            for how, loaded, frames in self.boot.killed:
                if how == signal:
                    moments["while it loads" if loaded == "0" else "at its samples" if int(frames) else
                            "before its first frame"] += 1
            print(f"  {signal}: {moments}")
            # One that is loading ends by SIGTERM only when it has loaded.
            self.assertGreater(moments["while it loads"] + moments["before its first frame"], 2)
            self.assertGreater(moments["before its first frame"], 0)
            self.assertGreater(moments["at its samples"], 1)

    def test_cpu_time_is_right_after_agents_were_killed(self):
        for name in ("busy", "reader", "mapped"):
            with self.subTest(name):
                self.near(f"{name} cpu_ns", self.grown(name, *self.MARKS, "cpu_ns"),
                          self.kernel_grown(name, *self.MARKS, "run_ns"), CPU_PERCENT)
                # The same instant, by clocks that are read anew.
                self.assertLess(abs(self.grown(name, *self.MARKS, "since")), 10**9)

    def test_block_counters_go_on_after_agents_were_killed(self):
        for name, disk, key in (("reader", "vda", "read_bytes"), ("mapped", "vdc", "write_bytes")):
            done = self.block_grown(name, disk, *self.MARKS, key)
            of = READ_SECTORS if key == "read_bytes" else WRITTEN_SECTORS
            said = self.disk(disk, *self.MARKS, of) * SECTOR
            figure(f"{name} {key}", done, said)
            self.assertGreater(done, 0)
            self.assertLessEqual(done, said)
            self.assertEqual(self.boot.block("calmed", name, disk)["in_flight"], 0)


class TooOld(KernelCase):
    """A kernel on which the agent is not to have eBPF: it says so, and reads /proc."""

    def test_it_reads_proc_and_says_why(self):
        why = refusal(self.boot.logs["first"])
        print(f"  {self.boot.kernel}: {why}")
        self.assertIsNotNone(why, self.boot.logs["first"])
        self.assertTrue(why.startswith("this kernel has no "), why)
        for frame in self.boot.frames["first"]:
            self.assertEqual(frame["ext"]["source"], "proc")
        self.assertEqual(self.boot.words["agent-exit"], "0")

    def test_cpu_time_comes_from_proc(self):
        self.near("load cpu_ns", self.grown("load", "watched", "counted", "cpu_ns"),
                  self.kernel_grown("load", "watched", "counted", "run_ns"), CPU_PERCENT)


class Health(KernelCase):
    def test_the_kernel_complains_of_nothing(self):
        """No warning, lock-up, stall or oops, from boot to the end."""
        if self.boot.complaints:
            self.fail("\n\n".join(self.boot.complaints))
