"""CPU, waiting for it, and the time of KVM, as the agent and as the kernel say it."""

from kernel_case import CPU_PERCENT, WORKER_NS, KernelCase, figure

# A vCPU that was stopped while it waited has waited longer for KVM already than was told to us.
KVM_PERCENT = 3
# The kernel's two clocks of it, cpu.stat's and that of the group's queue on a CPU, are read one
# after the other each time the quota is used up.
QUOTA_PERCENT = 5
TICK_NS = 4e6  # CONFIG_HZ is 250


class Cpu(KernelCase):
    def test_cpu_of_vms_that_were_there_before_the_agent(self):
        for name in ("load", "burn", "churn"):
            self.assertEqual(self.boot.vm("watched", name)["ext"]["cpu_ns"], 0, name)
        for name in ("load", "burn"):
            with self.subTest(name):
                for ours, theirs in (("cpu_ns", "run_ns"), ("run_delay_ns", "run_delay_ns"),
                                     ("switches", "switches")):
                    got = self.grown(name, "watched", "counted", ours)
                    if ours == "run_delay_ns":
                        # Since 6.12 the kernel's figure has sleep in it; ours was 0 at the first mark.
                        wait = self.boot.vm("counted", name)["ext"]["wait"]
                        got += wait.get("phantom_ns", 0)
                    self.near(f"{name} {ours}", got,
                              self.kernel_grown(name, "watched", "counted", theirs), CPU_PERCENT)

    def test_cpu_of_vms_that_began_after_the_agent(self):
        for name in ("writer", "reader", "cached"):
            with self.subTest(name):
                ext, machine = self.boot.vm("counted", name)["ext"], self.boot.machines["counted"]
                self.near(f"{name} cpu_ns", ext["cpu_ns"], machine[name].run_ns, CPU_PERCENT)

    def test_cpu_of_threads_that_came_and_went(self):
        """schedstat has living threads only; the cgroup has kept what the ended ones used."""
        got = self.grown("churn", "watched", "counted", "cpu_ns")
        cgroup = self.kernel_grown("churn", "watched", "counted", "cgroup_us") * 1000
        living = self.kernel_grown("churn", "watched", "counted", "run_ns")
        # A thread whose birth was kept from the agent is not counted, unless it lives for long.
        self.near("churn cpu_ns", got, cgroup, CPU_PERCENT, events=cgroup / WORKER_NS)
        self.assertGreater(cgroup, 2 * living, "the ended threads were to have used most of it")

    def test_threads_are_as_many_as_the_kernel_has(self):
        for mark, seen in self.boot.machines.items():
            if mark not in self.boot.seen:
                continue
            for name, machine in seen.items():
                if name != "network":
                    self.assertEqual(self.boot.vm(mark, name)["ext"]["threads"], machine.threads,
                                     f"{name} at {mark}")

    def test_a_vhost_worker_is_a_thread_of_its_vm_wherever_the_kernel_keeps_it(self):
        for mark, seen in self.boot.machines.items():
            if mark not in self.boot.seen or "network" not in seen:
                continue
            ext = self.boot.vm(mark, "network")["ext"]
            # Before 6.4 it is a kernel thread, which is none of the process's own two.
            own = 2 if self.boot.kernel.startswith("6.1.") else 3
            self.assertEqual((seen["network"].threads, ext["threads"]), (own, 3), mark)
            self.assertIn("vhost_ns", ext["role"])

    def test_a_thread_that_never_leaves_its_cpu_is_up_to_date_in_each_sample(self):
        pid = self.boot.machines["watched"]["burn"].pid
        first = self.boot.frames["first"].index(self.boot.seen["watched"])
        last = self.boot.frames["first"].index(self.boot.seen["counted"])
        seen = [(frame["time"], vm["ext"]) for frame in self.boot.frames["first"][first:last]
                for vm in frame["vms"] if vm["ext"]["pid"] == pid]
        all_used = all_elapsed = running = 0
        for (before, old), (after, new) in zip(seen, seen[1:]):
            elapsed_ns = (after - before) * 1e9
            used = new["cpu_ns"] - old["cpu_ns"] + new["run_delay_ns"] - old["run_delay_ns"]
            if used < elapsed_ns / 2:
                continue  # it was stopped for a part of that time, at either end
            running += 1
            all_used += used
            all_elapsed += elapsed_ns
        off = all_used / max(1, all_elapsed) - 1
        print(f"  burn ran or waited all the time in {running} samples, to {100 * off:+.2f} %")
        # A sample is read some time after its `time`, which emulation makes long; were the slice
        # that still runs left out, whole samples would show nothing at all.
        self.assertGreater(running, 10)
        self.assertLess(abs(off), 0.25)

    def test_a_thread_on_a_cpu_without_a_tick_is_up_to_date_in_each_sample(self):
        """The kernel itself brings its figure up to date once a second there."""
        frames = self.boot.frames["first"]
        first, last = (frames.index(self.boot.seen[mark]) for mark in ("lone", "lonely"))
        pid = self.boot.machines["lone"]["burn"].pid
        seen = [(frame["time"], vm["ext"]["cpu_ns"] + vm["ext"]["run_delay_ns"],
                 frame["ext"]["self"]["sample_ns"] + TICK_NS)
                for frame in frames[first:last] for vm in frame["vms"] if vm["ext"]["pid"] == pid]
        spans = [(new - old, (after - before) * 1e9, earlier_ns, later_ns)
                 for (before, old, earlier_ns), (after, new, later_ns) in zip(seen, seen[1:])]
        # It is stopped at both ends, and for the samples that the marks waited for.
        ran = [number for number, (used, elapsed, *_) in enumerate(spans) if used > elapsed / 10]
        inside = spans[ran[0] + 1:ran[-1]]
        print("  burn ran, of the time: " + " ".join(f"{used / elapsed:.2f}" for used, elapsed, *_ in inside))
        self.assertGreater(len(inside), 3)
        # It is read some time after `time`, at the latest when the sample has been made.
        for used, elapsed, earlier_ns, later_ns in inside:
            self.assertGreaterEqual(used, elapsed - earlier_ns)
            self.assertLessEqual(used, elapsed + later_ns)

    # --- waits for a CPU

    def waited(self, name, marks=("rivals", "fought")):
        """(grown by_ns, grown culprits, grown number of waits) from one mark to the other."""
        exts = [self.boot.vm(mark, name)["ext"] for mark in marks]
        old, new = (ext["wait"] for ext in exts)
        by = {who: ns - old["by_ns"].get(who, 0) for who, ns in new["by_ns"].items()}
        rows = {(row["who"], row.get("name")): row["ns"] for row in old["culprits"]}
        culprits = {(row["who"], row.get("name")):
                    row["ns"] - rows.get((row["who"], row.get("name")), 0)
                    for row in new["culprits"]}
        counted = [sum(wait["counts"]) + wait["merged"] for wait in (old, new)]
        return by, culprits, counted[1] - counted[0]

    def others_ran(self, cpu, *names, marks=("rivals", "fought")):
        """For how long others than these VMs, which are pinned to it, ran on a CPU."""
        old, new = (self.boot.cpus_ns[mark][cpu] for mark in marks)
        return new - old - sum(self.kernel_grown(name, *marks, "run_ns") for name in names)

    def test_waits_are_all_counted_and_charged(self):
        for name in ("burn", "rival", "capped"):
            with self.subTest(name):
                by, _, waits = self.waited(name)
                self.near(f"{name} waits", waits, self.grown(name, "rivals", "fought",
                                                             "switches"), CPU_PERCENT)
                self.near(f"{name} waited for all, ns", sum(by.values()),
                          self.grown(name, "rivals", "fought", "run_delay_ns"), CPU_PERCENT)

    def test_two_on_one_cpu_blame_each_other(self):
        for victim, culprit in (("burn", "rival"), ("rival", "burn")):
            with self.subTest(victim):
                by, culprits, _ = self.waited(victim)
                waited = sum(by.values())
                charged = culprits["vm", culprit]
                ran = self.kernel_grown(culprit, "rivals", "fought", "run_ns")
                figure(f"{victim} waited for {culprit}, ns", charged, ran)
                # Who runs while two threads of the victim wait is charged to each of them.
                twice = (self.kernel_grown(victim, "rivals", "fought", "other_delay_ns")
                         + waited * CPU_PERCENT / 100)
                # It also runs where the other one has not begun to wait yet, or has stopped before it.
                self.assertLessEqual(charged, ran + twice)
                # Others are charged with no more than they ran there.
                rest = waited - charged - sum(ns for who, ns in by.items()
                                              if who == "idle" or who.startswith("own_"))
                others = self.others_ran(1, victim, culprit)
                figure(f"{victim} waited for others, of what they ran", rest, others)
                self.assertLessEqual(rest, others + twice)

    def test_the_cpu_quota_is_told_apart(self):
        by, culprits, _ = self.waited("capped")
        marks = ("rivals", "fought")
        throttled = 1000 * (self.boot.quota["fought"][2] - self.boot.quota["rivals"][2])
        figure("capped waited for its quota, ns", by["quota"], throttled)
        # Its main thread waits for the quota too when it has something to do, as at a mark.
        also = self.kernel_grown("capped", *marks, "other_delay_ns")
        self.assertGreaterEqual(by["quota"], throttled * (1 - QUOTA_PERCENT / 100))
        self.assertLessEqual(by["quota"] - also, throttled * (1 + QUOTA_PERCENT / 100))
        # No other VM may run on its CPU. What else it waited for there, others had of that CPU.
        self.assertNotIn("vm", {who for who, ns in by.items() if ns})
        self.assertEqual([row for row in culprits if row[0] == "vm"], [])
        rest = sum(by.values()) - by["quota"] - by.get("idle", 0)
        others = self.others_ran(0, "capped")
        figure("capped waited for others, of what they ran", rest, others)
        self.assertLessEqual(rest, others)
        for name in ("burn", "rival"):
            self.assertNotIn("quota", {who for who, ns in self.waited(name)[0].items() if ns}, name)

    def test_a_groups_quota_during_sleep_is_no_part_of_the_next_wait(self):
        for name in ("sleeper", "mover"):
            with self.subTest(name):
                by, _, waits = self.waited(name, ("sleeping", "woken"))
                stopped_ns = 1000 * int(self.boot.words[f"stopped-{name}"])
                waited_ns = sum(by.values())
                print(f"  {name}: its group was stopped for {stopped_ns / 1e6:.0f} ms while it slept; then "
                      f"{waits} waits, {waited_ns / 1e6:.3f} ms, {by.get('quota', 0) / 1e6:.3f} of the quota")
                self.assertGreater(stopped_ns, waited_ns)
                self.assertGreater(waited_ns, 0)
                self.assertEqual(by.get("quota", 0), 0)

    def test_throttling_is_what_the_cgroup_says(self):
        for mark in ("rivals", "fought"):
            cgroup = self.boot.vm(mark, "capped")["ext"]["cgroup"]
            ours = [cgroup["periods"], cgroup["throttled_periods"], cgroup["throttled_ns"] // 1000]
            before, after = self.boot.quota[mark], self.boot.quota_after[mark]
            print(f"  capped at {mark}: {ours}; cpu.stat before {before}, after {after}")
            self.assertEqual(cgroup["age_ms"], 0)
            # It stands still: what may grow yet are the periods.
            self.assertEqual(before[1:], after[1:])
            self.assertEqual(ours[1:], after[1:])
            self.assertTrue(before[0] <= ours[0] <= after[0])
        periods, throttled, us = (new - old for old, new in zip(self.boot.quota["rivals"],
                                                                self.boot.quota["fought"]))
        self.assertGreater(throttled, 5)
        self.assertGreater(us, 0)
        self.assertLessEqual(throttled, periods)
        self.assertEqual(self.boot.vm("fought", "rival")["ext"]["cgroup"]["throttled_ns"], 0)

    # --- two threads of one core

    def test_vms_on_the_two_threads_of_a_core_are_seen(self):
        """In each sample, of each VM that is pinned: whether it ran, and another one beside it."""
        self.assertEqual(self.boot.words["siblings"], "0-1")
        placed = {"burn": "1", "rival": "1", "capped": "0"}
        self.assertEqual(self.boot.placed, placed)
        frames = self.boot.frames["first"]
        first, last = (frames.index(self.boot.seen[mark]) for mark in ("rivals", "fought"))
        exts = [{name: next(vm["ext"] for vm in frame["vms"]
                            if vm["ext"]["pid"] == self.boot.machines["fought"][name].pid)
                 for name in placed} for frame in frames[first:last + 1]]
        counts = dict.fromkeys(placed, 0)
        for number, (old, new) in enumerate(zip(exts, exts[1:])):
            # Of [number, cpu_ns, run_delay_ns] of the only vCPU.
            ran = {name for name in placed if new[name]["vcpu"][0][1] > old[name]["vcpu"][0][1]}
            for name, cpu in placed.items():
                beside = name in ran and any(placed[other] != cpu for other in ran)
                self.assertEqual(new[name]["smt_shared_vcpus_sampled"], int(beside),
                                 f"{name} in sample {number}, in which {ran} ran")
                counts[name] += beside
        print(f"  samples with another VM on the core: {counts}, of {len(exts) - 1}")
        self.assertGreater(min(counts.values()), 2)
        for vm in self.boot.seen["fought"]["vms"]:
            if vm["ext"]["pid"] not in {ext["pid"] for ext in exts[-1].values()}:
                self.assertEqual(vm["ext"].get("smt_shared_vcpus_sampled"), 0, "it stood still")

    def test_exits_are_those_that_kvm_counts(self):
        self.assertIn("counted", self.boot.kvm, "the guest of KVM did not run")
        marks = ("watched", "counted")
        theirs = [self.boot.kvm[mark] for mark in marks]
        # It was there before the agent, and stopped at the first mark: it has no exits yet then.
        ours = [self.boot.vm(mark, "nested")["ext"].get("kvm", {}) for mark in marks]
        grown = {key: ours[1][key] - ours[0].get(key, 0) for key in ours[1] if key != "reasons"}
        exits, poll_ok, poll_fail, wait = (new - old for old, new in zip(*theirs))
        print(f"  nested: {ours[1]['reasons']}")
        self.assertLessEqual(abs(grown["exits"] - exits), 2 + self.kept_from_the_agent())
        self.assertGreater(exits, 100)
        self.near("nested halt_wait_ns", grown["halt_wait_ns"], wait, KVM_PERCENT)
        # Whether it polls at all, KVM decides by how long the halts were.
        figure("nested halt_poll_ns", grown["halt_poll_ns"], poll_ok + poll_fail)
        self.assertLessEqual(abs(grown["halt_poll_ns"] - poll_ok - poll_fail),
                             KVM_PERCENT / 100 * (poll_ok + poll_fail))
        self.assertLessEqual(abs(grown["halt_poll_wasted_ns"] - poll_fail),
                             KVM_PERCENT / 100 * (poll_ok + poll_fail))
        elapsed_ns = 1e9 * (self.boot.seen["counted"]["time"] - self.boot.seen["watched"]["time"])
        vcpus = 2
        both = (grown["guest_ns"] + grown["outside_ns"]) / vcpus
        print(f"  nested: {grown['guest_ns'] / 1e6:.0f} ms in the guest and "
              f"{grown['outside_ns'] / 1e6:.0f} ms outside of {elapsed_ns / 1e6:.0f} ms")
        self.assertGreater(grown["guest_ns"], 0)
        self.assertLessEqual(both, 1.02 * elapsed_ns)
        names = {reason for reason, _, _ in ours[1]["reasons"]}
        self.assertLessEqual({"hlt", "io"}, names)
        self.assertNotIn("kvm", self.boot.vm("counted", "load")["ext"])

    def test_exits_of_vcpus_whose_threads_end_are_kept(self):
        """Threads of the second vCPU come and go all the time; so does the agent."""
        for one, other in (("watched", "counted"), ("resumed", "end")):
            exits = self.boot.kvm[other][0] - self.boot.kvm[one][0]
            ours = [self.boot.vm(mark, "nested")["ext"].get("kvm", {}).get("exits", 0)
                    for mark in (one, other)]
            figure(f"nested exits from {one} to {other}", ours[1] - ours[0], exits)
            self.assertLessEqual(abs(ours[1] - ours[0] - exits), 2 + self.kept_from_the_agent())
        for run in ("first", "again"):
            exits = [vm["ext"]["kvm"] for frame in self.boot.frames[run] for vm in frame["vms"]
                     if vm["ext"].get("kvm")]
            for old, new in zip(exits, exits[1:]):
                for figure_name in old.keys() - {"reasons"}:
                    self.assertGreaterEqual(new[figure_name], old[figure_name], figure_name)
            records = [frame["ext"]["self"]["maps"]["vcpus"][0] for frame in self.boot.frames[run]]
            print(f"  {run}: records of vCPUs at each sample {records}")
            # The vCPU that stays, the one that is run now, the ended ones', and one that ends meanwhile.
            self.assertLessEqual(max(records), 4)
        self.assertGreaterEqual(
            self.boot.vm("resumed", "nested")["ext"]["kvm"]["exits"],
            self.boot.vm("counted", "nested")["ext"]["kvm"]["exits"])
