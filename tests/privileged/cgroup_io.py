"""What a process's control group has written, by the kernel's own count: an oracle that the writes
of other programs on the machine do not disturb."""

import contextlib
import os
import pathlib
import unittest

CGROUPS = pathlib.Path("/sys/fs/cgroup")


class CgroupIo:
    """Counts from its making on."""

    def __init__(self, pid):
        groups = {}
        for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            groups[controllers] = path
        self._unified = "blkio" not in groups
        if self._unified:
            self._directory = CGROUPS / groups[""].lstrip("/")
            return
        self._directory = CGROUPS / "blkio" / groups["blkio"].lstrip("/")
        # Version 1 only counts where a limit is set: one that is never reached.
        for device in self._disks():
            (self._directory / "blkio.throttle.write_bps_device").write_text(f"{device} {1 << 50}\n")

    @staticmethod
    def _disks():
        # Whole disks that are hardware: what is on a loop device would be counted twice.
        return [
            (block / "dev").read_text().strip()
            for block in pathlib.Path("/sys/block").iterdir()
            if (block / "device").exists()
        ]

    def written_bytes(self):
        if self._unified:
            disks = self._disks()
            return sum(
                int(field.removeprefix("wbytes="))
                for line in (self._directory / "io.stat").read_text().splitlines()
                if line.split()[0] in disks
                for field in line.split()
                if field.startswith("wbytes=")
            )
        counted = (self._directory / "blkio.throttle.io_service_bytes_recursive").read_text()
        return sum(
            int(fields[2])
            for fields in map(str.split, counted.splitlines())
            if len(fields) == 3 and fields[1] == "Write"
        )


@contextlib.contextmanager
def group_of_a_vm():
    """A directory as libvirt makes it for one VM, where block I/O is accounted."""
    top = CGROUPS / "blkio"
    if not top.exists():
        top = CGROUPS
        if "io" not in (top / "cgroup.controllers").read_text().split():
            raise unittest.SkipTest("no cgroup here has the io controller")
        (top / "cgroup.subtree_control").write_text("+io")
    group = top / f"machine-qemu-{os.getpid()}.scope"
    group.mkdir()
    try:
        yield group
    finally:
        group.rmdir()
