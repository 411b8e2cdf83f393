"""Where eBPF cannot be had the agent reads /proc and says why in one line; --source ebpf fails."""

import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

import agent_process
from agent_process import (
    AGENT,
    FAKE_QEMU,
    MAPS,
    NAME,
    Agent,
    percent_off,
    pinned,
    process_clock_ns,
    stopped,
)

UNPRIVILEGED = (
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
    *("--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"),
)
# Takes every bpffs off the place where the agent looks for one; the test's own namespace keeps it.
WITHOUT_BPFFS = (
    *("unshare", "--mount", "--propagation", "private", "sh", "-c"),
    "while mountpoint -q /sys/fs/bpf; do umount --lazy /sys/fs/bpf; done; exec \"$@\"",
    "sh",
)


def in_pid_namespace(host_procfs):
    """A PID namespace and /proc of its own, with the host's /proc at another place."""
    return ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
            "sh", "-c", f'mount --rbind /proc "{host_procfs}" && mount -t proc proc /proc && '
            'exec "$@"', "sh")


def end_first_inside(agent):
    """unshare waits for its child, which is the agent, and takes no signal for it."""
    children = pathlib.Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text()
    os.kill(int(children), signal.SIGTERM)
    return agent.end(0)


class FallbackTest(unittest.TestCase):
    def setUp(self):
        self.name = f"{NAME}fallback"
        self.addCleanup(agent_process.end_class_unpinned)

    def sysfs_without(self, missing):
        """A tree that is the machine's sysfs but for one place in it."""
        top = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        top.chmod(0o755)
        copy, real = top, pathlib.Path("/sys")
        for step in pathlib.Path(missing).parts:
            for each in os.listdir(real):
                if each != step:
                    (copy / each).symlink_to(real / each)
            copy, real = copy / step, real / step
            if str(real) != f"/sys/{missing}":
                copy.mkdir()
        return top

    def test_a_kvm_that_comes_after_the_agent_is_said(self):
        sysfs = self.sysfs_without("kernel/btf/kvm")
        modules = sysfs / "module"
        modules.unlink()
        modules.mkdir()
        with Agent("--libvirt", "none", "--source", "ebpf", "--path-sysfs", sysfs,
                   "--interval", "250ms") as agent:
            self.assertNotIn("kvm", agent.samples.next().missing)
            (modules / "kvm").mkdir()
            sample = agent.samples.first(lambda each: "kvm" in each.missing)
            print(sample.missing)
            self.assertIn("restart it", sample.missing["kvm"])

    def run_qemu(self, command=()):
        process = subprocess.Popen(
            [*command, FAKE_QEMU, "-name", f"guest={self.name}"],
            env=os.environ | {"FAKE_QEMU_LOAD": "40"},
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def check_falls_back(self, reason, *options, command=(), is_qemu_inside=True, end=Agent.end):
        process = self.run_qemu(command if is_qemu_inside else ())
        options = ("--libvirt", "none", *options)
        with Agent(*options, command=command) as agent:
            agent.samples.first(lambda s: s.named(self.name))
            figures = []
            for _ in range(2):
                with stopped(process.pid):
                    sample = agent.samples.next()
                    figures.append((sample.vm(self.name)["ext"], process_clock_ns(process.pid)))
                time.sleep(2)
            self.assertEqual(sample.host["ext"]["source"], "proc")
            self.assertEqual(end(agent)[0], 0)
        (first, clock_first), (last, clock_last) = figures
        off = percent_off(last["cpu_ns"] - first["cpu_ns"], clock_last - clock_first)
        print(f"{' '.join(agent.log)}; by /proc {off:+.4f} % off")
        self.assertLessEqual(abs(off), 0.1)
        self.assertEqual(len(agent.log), 1, agent.log)
        self.assertIn("VM figures come from /proc: ", agent.log[0])
        self.assertRegex(agent.log[0], reason)

        said = agent.log[0].partition("VM figures come from /proc: ")[2]
        done = subprocess.run(
            [*command, AGENT, *options, "--source", "ebpf", "--print", "json", "--count", "1"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr, f"virtpulse-agent: no eBPF here: {said}\n")

    def test_no_btf(self):
        sysfs = self.sysfs_without("kernel/btf/vmlinux")
        self.check_falls_back("no BTF", "--path-sysfs", sysfs)

    def test_no_privilege(self):
        self.check_falls_back("no privilege", command=UNPRIVILEGED)

    def test_a_pid_namespace_of_its_own(self):
        """As in a container that has the host's /proc elsewhere."""
        with tempfile.TemporaryDirectory() as procfs:
            self.check_falls_back(
                r"PID namespace.*hostPID: true, or --pid=host", "--path-procfs", procfs,
                command=in_pid_namespace(procfs), is_qemu_inside=False, end=end_first_inside)

    def test_no_bpffs(self):
        sysfs = self.sysfs_without("fs/bpf")
        self.check_falls_back(f"bpffs.* {sysfs}/fs/bpf", "--path-sysfs", sysfs)

    def test_asked_for(self):
        with Agent("--libvirt", "none", "--source", "proc") as agent:
            self.assertEqual(agent.samples.next().host["ext"]["source"], "proc")
        self.assertFalse(any("warn" in line for line in agent.log), agent.log)

    def test_bpffs_is_mounted_where_it_is_not(self):
        self.run_qemu()
        options = ("--libvirt", "none", "--source", "ebpf")
        with Agent(*options, command=WITHOUT_BPFFS) as agent:
            sample = agent.samples.first(lambda s: s.named(self.name))
            self.assertEqual(sample.host["ext"]["source"], "ebpf")
            mounts = pathlib.Path(f"/proc/{agent.pid}/mountinfo").read_text().splitlines()
            found = [line.split() for line in mounts if line.split()[4] == "/sys/fs/bpf"]
            self.assertEqual(len(found), 1, found)
            self.assertIn("nosuid", found[0][5])
            pins = pinned(pathlib.Path(f"/proc/{agent.pid}/root/sys/fs/bpf/virtpulse"))
            self.assertEqual(pins.keys(), MAPS.keys())
            self.assertEqual(agent.end()[0], 0)


if __name__ == "__main__":
    agent_process.main(lambda: None)
