"""A disk that nobody else uses: a loop device, and programs that read and write it as VMs do."""

import contextlib
import pathlib
import shutil
import subprocess
import tempfile
import time

from agent_process import BINARIES

DISK_BYTES = 128 << 20


def diskstats(disk):
    """Reads and writes of a disk, and the ms that they took."""
    for line in pathlib.Path("/proc/diskstats").read_text().splitlines():
        fields = line.split()
        if fields[2] == disk:
            return {"read_ops": int(fields[3]), "read_ms": int(fields[6]),
                    "write_ops": int(fields[7]), "write_ms": int(fields[10])}
    raise AssertionError(f"no {disk} in /proc/diskstats")


def umount(where, patience_s=10):
    """Where udev runs it may look at a loop device that is being detached, which then stays for a moment."""
    deadline = time.monotonic() + patience_s
    while True:
        done = subprocess.run(["umount", where], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.1)


class LoopDisk:
    """Of a file in a directory, or in one of its own where none is given."""

    def __init__(self, where=None, size=DISK_BYTES, direct_io=True):
        self._where, self._size, self._direct_io = where, size, direct_io

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
            image = (self._where or directory) / "disk"
            # Written once, so that no later write has to find room for it.
            image.write_bytes(bytes(self._size))
            direct_io = "on" if self._direct_io else "off"
            done = subprocess.run(["losetup", "--find", "--show", f"--direct-io={direct_io}", image],
                                  capture_output=True, text=True, check=True)
            self.device = done.stdout.strip()
            stack.callback(subprocess.run, ["losetup", "--detach", self.device], check=True)
            self.disk = self.device.removeprefix("/dev/")
            # To the agent it is its executable's name that makes it a virtual machine.
            self.machine = directory / "qemu-system-x86_64"
            shutil.copy(BINARIES / "guest-io", self.machine)
            self._ending = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._ending.close()

    @contextlib.contextmanager
    def io(self, program, *words, group=None):
        """A process that reads or writes the disk until the end; it says its totals then. In a control
        group, where one is given."""
        command = [str(word) for word in (program, *words, "--device", self.device)]
        if group:
            command = ["sh", "-c", 'echo $$ > "$0"/cgroup.procs && exec "$@"', str(group), *command]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


class StackedDisk(LoopDisk):
    """A loop device made of another one, `below`."""

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.below = stack.enter_context(LoopDisk())
            self.machine = self.below.machine
            done = subprocess.run(
                ["losetup", "--find", "--show", "--direct-io=on", self.below.device],
                capture_output=True, text=True, check=True)
            self.device = done.stdout.strip()
            stack.callback(subprocess.run, ["losetup", "--detach", self.device], check=True)
            self.disk = self.device.removeprefix("/dev/")
            self._ending = stack.pop_all()
        return self


class FreezableDisk(LoopDisk):
    """Of a file in a file system that can be frozen: what is written to the disk then stays in flight."""

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            below = stack.enter_context(LoopDisk())
            self._where = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
            subprocess.run(["mkfs.ext4", "-q", below.device], check=True)
            subprocess.run(["mount", below.device, self._where], check=True)
            stack.callback(umount, self._where)
            self._size = DISK_BYTES // 4
            # Direct I/O of an ext4 file does not wait while its file system is frozen.
            self._direct_io = False
            super().__enter__()
            self._below = stack.pop_all()
        return self

    def __exit__(self, *details):
        super().__exit__(*details)
        self._below.close()

    @contextlib.contextmanager
    def frozen(self):
        subprocess.run(["fsfreeze", "--freeze", self._where], check=True)
        try:
            yield
        finally:
            subprocess.run(["fsfreeze", "--unfreeze", self._where], check=True)


def found_in(sample, pid, disk):
    """(a VM's counters on a disk, the VM) in a sample; None where it has none."""
    return next(((block, vm) for vm in sample.vms if vm["ext"].get("pid") == pid
                 for block in vm["ext"].get("block", []) if block["dev"] == disk), None)


def block_of(sample, pid, disk):
    """A VM's counters on a disk in a sample; None where it has none."""
    found = found_in(sample, pid, disk)
    return found[0] if found else None


def why_not():
    done = subprocess.run(["losetup", "--find"], capture_output=True, text=True, check=False)
    return f"no loop device: {done.stderr.strip()}" if done.returncode else None
