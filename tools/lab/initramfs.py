"""The guests' whole root file system: busybox, our generators, the virtio modules, one script."""

import pathlib
import shutil
import stat
import subprocess

from .errors import Missing

# What the guest's devices need; what these depend on comes along.
MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_balloon")
PROGRAMS = ("cpu-load", "guest-io")


def write_initramfs(target, kernel, binaries):
    """Writes the archive to `target`, uncompressed: an emulated CPU is slow at unpacking."""
    archive = _Archive()
    for directory in ("bin", "dev", "proc", "sys", "modules"):
        archive.directory(directory)
    archive.file("init", (pathlib.Path(__file__).parent / "init").read_bytes(), executable=True)
    archive.file("bin/busybox", _static("busybox", busybox()), executable=True)
    for name in PROGRAMS:
        archive.file(f"bin/{name}", _static(name, pathlib.Path(binaries) / name), executable=True)
    for number, (name, data) in enumerate(kernel.modules(*MODULES)):
        archive.file(f"modules/{number:02}-{name}.ko", data)
    target.write_bytes(archive.finish())


def busybox():
    """The path of busybox."""
    path = shutil.which("busybox")
    if path is None:
        raise Missing("busybox is not installed; install busybox-static")
    return path


def _static(name, path):
    try:
        data = pathlib.Path(path).read_bytes()
    except OSError as error:
        raise Missing(f"no {name} for the guests: {path}: {error.strerror}") from None
    if subprocess.run(["ldd", path], capture_output=True, check=False).returncode == 0:
        remedy = "; install busybox-static" if name == "busybox" else ""
        raise Missing(f"{path} is not static, so the guests cannot run it{remedy}")
    return data


class _Archive:
    """A cpio archive in the one format that the kernel reads ("newc", 070701)."""

    def __init__(self):
        self._parts = []
        self._inode = 0

    def directory(self, name):
        self._entry(name, stat.S_IFDIR | 0o755, b"")

    def file(self, name, data, executable=False):
        self._entry(name, stat.S_IFREG | (0o755 if executable else 0o644), data)

    def finish(self):
        self._entry("TRAILER!!!", 0, b"")
        return b"".join(self._parts)

    def _entry(self, name, mode, data):
        self._inode += 1
        path = name.encode() + b"\0"
        numbers = [self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0]
        header = b"070701" + b"".join(b"%08x" % number for number in numbers)
        for part in (header + path, data):
            self._parts.append(part + b"\0" * (-len(part) % 4))
