"""What the agent still may do once it runs: its capabilities, and what it is refused."""

import contextlib
import http.client
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time
import unittest
import unittest.mock

import agent_process
from agent_process import AGENT, FAKE_QEMU, NAME, Agent, fake_qemu, schedstat, threads_of
from cpu_group import CpuGroup
from patience import UNHELD_S

CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE = 2, 19
# /proc/PID/io can be read by nobody but the process's user without the second.
KEPT = {"ebpf": 1 << CAP_SYS_PTRACE, "proc": 1 << CAP_SYS_PTRACE | 1 << CAP_DAC_READ_SEARCH}
NOBODY = 65534


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(port, target="/metrics", method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, target, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer, text


def status(pid, tid):
    """Members of /proc/PID/task/TID/status, by name."""
    text = pathlib.Path(f"/proc/{pid}/task/{tid}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


@contextlib.contextmanager
def unified_group(pid):
    """A cgroup of version 2 with one process in it; None where nobody can make one."""
    mounts = [line.split() for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()]
    tops = [words[4] for words in mounts if words[words.index("-") + 1] == "cgroup2"]
    if not tops:
        yield None
        return
    path = pathlib.Path(tops[0]) / f"virtpulse-{NAME}"
    path.mkdir()
    try:
        (path / "cgroup.procs").write_text(str(pid))
        yield path
    finally:
        (path.parent / "cgroup.procs").write_text(str(pid))
        path.rmdir()


def kernel_figures(pid, group, unified):
    """What the kernel says now of what a frame has: name -> number."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    figures = {"major_faults": int(fields[9]), "throttled_ns": group.throttled_ns()}
    for tid in threads_of(pid):
        name = pathlib.Path(f"/proc/{pid}/task/{tid}/comm").read_text()
        if name.startswith("CPU 0/"):
            figures["vcpu 0"] = schedstat(pid, tid)[0]
    if unified is not None and (unified / "cpu.pressure").exists():
        some = (unified / "cpu.pressure").read_text().splitlines()[0]
        figures["cpu pressure"] = int(some.rpartition("=")[2])
    return figures


def told_figures(ext):
    """The same in the ext of a VM."""
    figures = {"major_faults": ext["major_faults"],
               "throttled_ns": ext["cgroup"]["throttled_ns"]}
    if "pressure_us" in ext["cgroup"]:
        figures["cpu pressure"] = ext["cgroup"]["pressure_us"]["cpu"][0]
    for number, cpu_ns, *_ in ext.get("vcpu", []):
        figures[f"vcpu {number}"] = cpu_ns
    return figures


class PrivilegesTest(unittest.TestCase):
    def setUp(self):
        self.addClassCleanup(agent_process.end_class_unpinned)

    def check_all_threads(self, agent, kept, at_least):
        threads = agent_process.threads_of(agent.pid)
        self.assertGreaterEqual(len(threads), at_least)
        for tid in threads:
            now = status(agent.pid, tid)
            for key in ("CapEff", "CapPrm", "CapBnd"):
                self.assertEqual(int(now[key], 16), kept, f"{key} of {now['Name']}")
            for key in ("CapInh", "CapAmb"):
                self.assertEqual(int(now[key], 16), 0, f"{key} of {now['Name']}")
            self.assertEqual(now["NoNewPrivs"].strip(), "1")
            self.assertEqual(now["Seccomp"].strip(), "2", "no filter")
        print(f"{len(threads)} threads hold the capabilities {now['CapEff'].strip()}; "
              f"seccomp {now['Seccomp'].strip()}")

    def test_it_holds_what_reading_needs_and_a_filter(self):
        for source in ("ebpf", "proc"):
            # libvirt's thread and that of name servers are made after the sandbox was entered.
            with self.subTest(source), \
                    Agent("--source", source, "--libvirt", "qemu:///system", "--collector",
                          "localhost:9", "--interval", "100ms") as agent:
                agent.samples.first(lambda sample: sample.number > 3)
                self.check_all_threads(agent, KEPT[source], 2)
                self.assertFalse([line for line in agent.log if "privileges" in line])
                code, seconds = agent.end()
                self.assertEqual(code, 0)
                self.assertLess(seconds, UNHELD_S)

    def test_prometheus_can_fetch_what_the_frame_says(self):
        port = free_port()
        with fake_qemu(f"{NAME}scraped", FAKE_QEMU_THREADS=2), \
                Agent("--source", "ebpf", "--libvirt", "none", "--interval", "200ms",
                      "--prometheus", f"127.0.0.1:{port}") as agent:
            seen = agent.samples.first(
                lambda sample: sample.named(f"{NAME}scraped") and
                sample.vm(f"{NAME}scraped")["ext"].get("cpu_ns") is not None)
            before = seen.vm(f"{NAME}scraped")

            def of_vm(text, name):
                found = re.findall(rf'^{name}\{{domain="{NAME}scraped",host="[^"]+",'
                                   rf'uuid="{before["uuid"]}"\}} (\S+)$', text, re.MULTILINE)
                self.assertEqual(len(found), 1, text)
                return float(found[0])
            answer, text = fetch(port)
            self.assertEqual(answer.status, 200, text)
            after = agent.samples.next().vm(f"{NAME}scraped")
            cpu_s = of_vm(text, "libvirt_domain_info_cpu_time_seconds_total")
            self.assertGreaterEqual(cpu_s, before["ext"]["cpu_ns"] * 1e-9 - 1e-9)
            self.assertLessEqual(cpu_s, after["ext"]["cpu_ns"] * 1e-9 + 1e-9)
            self.assertEqual(of_vm(text, "libvirt_domain_info_vstate"), before["state"])
            self.assertIn("\nvirtpulse_agent_cpu_seconds_total{", text)
            self.assertNotIn("virtpulse_host_up", text)

            answer, openmetrics = fetch(port, Accept="application/openmetrics-text;version=1.0.0")
            self.assertTrue(answer.headers["Content-Type"].startswith("application/openmetrics-text"))
            self.assertTrue(openmetrics.endswith("# EOF\n"))
            self.assertEqual(fetch(port, "/")[0].status, 404)
            self.assertEqual(fetch(port, method="POST")[0].status, 405)
            self.assertEqual(fetch(port, method="HEAD"), (unittest.mock.ANY, ""))
            # The sandbox is on, and a connection that is held open does not delay the end.
            self.check_all_threads(agent, KEPT["ebpf"], 2)
            with socket.create_connection(("127.0.0.1", port)):
                code, seconds = agent.end()
            self.assertEqual(code, 0)
            self.assertLess(seconds, UNHELD_S)
        if not shutil.which("promtool"):
            self.skipTest("promtool (Debian package prometheus) is not installed")
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True,
                                 text=True, timeout=30, check=False)
        self.assertEqual((checked.returncode, checked.stdout, checked.stderr), (0, "", ""))

    def test_it_still_sees_what_is_of_other_users(self):
        """By /proc that needs the capability; by eBPF, threads born and adopted later."""
        process = subprocess.Popen([str(FAKE_QEMU), "-name", f"guest={NAME}other"],
                                   stdin=subprocess.DEVNULL, user=NOBODY, group=NOBODY)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        for source in ("ebpf", "proc"):
            with self.subTest(source), \
                    Agent("--source", source, "--libvirt", "none", "--interval", "200ms") as agent:
                sample = agent.samples.first(lambda sample: sample.named(f"{NAME}other"))
                sample = agent.samples.first(
                    lambda sample: sample.named(f"{NAME}other") and
                    sample.vm(f"{NAME}other")["ext"].get("cpu_ns") is not None)
                vm = sample.vm(f"{NAME}other")
                self.assertIn("block", vm["ext"])
                with fake_qemu(f"{NAME}late", FAKE_QEMU_THREADS=3):
                    agent.samples.first(
                        lambda sample: sample.named(f"{NAME}late") and
                        sample.vm(f"{NAME}late")["ext"].get("threads", 0) >= 3)
                self.assertEqual(agent.samples.next().missing, {})

    def test_it_still_reads_cgroups_faults_and_pressure(self):
        """Of a VM under a quota, each between what the kernel said just before and just after."""
        with fake_qemu(f"{NAME}cg", "-smp", "1", FAKE_QEMU_THREADS=2, FAKE_QEMU_LOAD=100) as vm, \
                CpuGroup(f"virtpulse-{NAME}", quota_percent=20) as group:
            group.take(vm.pid)
            where = unified_group(vm.pid) if group.version == 1 else \
                contextlib.nullcontext(group.path)
            with where as unified:
                for source in ("ebpf", "proc"):
                    with self.subTest(source):
                        self.check_figures(source, vm.pid, group, unified)

    def check_figures(self, source, pid, group, unified):
        with Agent("--source", source, "--libvirt", "none", "--interval", "200ms") as agent:
            def is_fresh(sample):
                cgroup = next((vm["ext"].get("cgroup", {}) for vm in sample.named(f"{NAME}cg")), {})
                return cgroup.get("age_ms") == 0 and cgroup.get("throttled_ns", 0) > 0

            agent.samples.first(is_fresh)
            before = kernel_figures(pid, group, unified)
            sample = agent.samples.first(is_fresh, time.time())
            after = kernel_figures(pid, group, unified)
        told = told_figures(sample.vm(f"{NAME}cg")["ext"])
        if source == "ebpf":
            self.assertIn("vcpu 0", told)
        self.assertEqual("cpu pressure" in told, "cpu pressure" in before)
        for name, value in told.items():
            if name not in before:
                continue
            self.assertGreaterEqual(value, before[name], name)
            self.assertLessEqual(value, after[name], name)
        print(source, {name: (before.get(name), value, after.get(name))
                       for name, value in told.items()})

    def test_what_it_writes_to_must_be_open_before(self):
        """A file to write that is named later is not made: here by way of /proc."""
        with Agent("--source", "ebpf", "--libvirt", "none") as agent:
            agent.samples.next()
            held = {os.readlink(f"/proc/{agent.pid}/fd/{fd}")
                    for fd in os.listdir(f"/proc/{agent.pid}/fd")
                    if self.may_write(agent.pid, fd)}
            files = {path for path in held if path.startswith("/")}
            print(f"open to write: {sorted(held)}")
            self.assertLessEqual(files, {"/dev/null"}, "files that it could still write to")

    @staticmethod
    def may_write(pid, fd):
        text = pathlib.Path(f"/proc/{pid}/fdinfo/{fd}").read_text()
        flags = int(text.split("flags:")[1].split()[0], 8)
        return flags & os.O_ACCMODE != os.O_RDONLY


if __name__ == "__main__":
    agent_process.main(lambda: None if AGENT.exists() else f"no {AGENT}")
