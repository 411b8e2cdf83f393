"""The guests' whole root file system: busybox, programs, the virtio modules, one script."""

import pathlib
import shutil
import stat
import subprocess

from .errors import LabError, Missing

# What the guest's devices need; what these depend on comes along.
MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_balloon")
PROGRAMS = ("cpu-load", "mem-load", "disk-load", "guest-io")


def write_initramfs(target, kernel, binaries):
    """Writes the lab guests' archive to `target`."""
    archive = Archive()
    archive.basis(pathlib.Path(__file__).parent / "init", kernel, MODULES)
    for name in PROGRAMS:
        archive.program(f"bin/{name}", pathlib.Path(binaries) / name)
    target.write_bytes(archive.finish())


def busybox():
    """The path of busybox."""
    path = shutil.which("busybox")
    if path is None:
        raise Missing("busybox is not installed; install busybox-static")
    return path


class Archive:
    """A root file system as a cpio archive in the one format that the kernel reads ("newc",
    070701), uncompressed: an emulated CPU is slow at unpacking."""

    def __init__(self):
        self._parts = []
        self._names = set()

    def basis(self, script, kernel, modules):
        """What every guest has: `script` as its first process, busybox, and `modules` of `kernel`
        with what they depend on, numbered in loading order."""
        for directory in ("dev", "proc", "sys", "modules"):
            self._directory(directory)
        self.file("init", pathlib.Path(script).read_bytes(), executable=True)
        self.program("bin/busybox", busybox())
        for number, (name, data) in enumerate(kernel.modules(*modules)):
            self.file(f"modules/{number:02}-{name}.ko", data)

    def program(self, name, path):
        """The program at `path` as `name`; the shared libraries that it wants come along, at their
        own paths."""
        try:
            data = pathlib.Path(path).read_bytes()
        except OSError as error:
            raise LabError(f"no {name} for the guests: {path}: {error.strerror}") from None
        self.file(name, data, executable=True)
        for library in _libraries(path):
            self.file(library.lstrip("/"), pathlib.Path(library).read_bytes(), executable=True)

    def file(self, name, data, executable=False):
        """A file and the directories that it is in. One that is there already stays."""
        if name in self._names:
            return
        for parent in reversed(pathlib.PurePosixPath(name).parents[:-1]):
            self._directory(str(parent))
        self._entry(name, stat.S_IFREG | (0o755 if executable else 0o644), data)

    def finish(self):
        """The archive's bytes."""
        self._entry("TRAILER!!!", 0, b"")
        return b"".join(self._parts)

    def _directory(self, name):
        if name not in self._names:
            self._entry(name, stat.S_IFDIR | 0o755, b"")

    def _entry(self, name, mode, data):
        self._names.add(name)
        path = name.encode() + b"\0"
        numbers = [len(self._names), mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0]
        header = b"070701" + b"".join(b"%08x" % number for number in numbers)
        for part in (header + path, data):
            self._parts.append(part + b"\0" * (-len(part) % 4))


def _libraries(path):
    """The loader and the shared libraries of a program; none where it is static."""
    listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=False)
    found = []
    for line in listed.stdout.splitlines() if listed.returncode == 0 else []:
        name, _, target = line.strip().partition(" => ")
        if target.startswith("not found"):
            raise Missing(f"{path} wants {name}, which is not installed")
        library = (target or name).split(" (")[0]
        if library.startswith("/"):  # the vdso is no file
            found.append(library)
    return found
