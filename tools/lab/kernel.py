"""The guests' kernels: Debian's cloud kernels, downloaded once and unpacked, never installed."""

import lzma
import pathlib
import re
import subprocess

from .errors import Missing

LAB_SERIES = "6.1"


def cloud_kernel(cache, say=lambda line: None, series=LAB_SERIES):
    """The unpacked newest cloud kernel of `series` ("6.12") under `cache`, downloaded unless one is
    there."""
    root = pathlib.Path(cache) / "kernel"
    there = sorted(root.glob(f"linux-image-{series}.*/boot/vmlinuz-*"), key=_version)
    if there:
        return Kernel(there[-1].parent.parent)
    package = _newest_package(series)
    say(f"downloading {package}")
    root.mkdir(parents=True, exist_ok=True)
    _run("apt-get", "download", package, cwd=root, what=f"cannot download {package}")
    file = max(root.glob(f"{package}_*.deb"), key=lambda path: path.stat().st_mtime)
    # Renamed when complete, so that an interrupted run leaves nothing that looks like a kernel.
    partial = root / f".{package}.{file.stat().st_ino}"
    _run("dpkg", "-x", file, partial, what=f"cannot unpack {file.name}")
    file.unlink()
    try:
        partial.rename(root / package)
    except OSError:
        _run("rm", "-rf", partial, what=f"cannot remove {partial}")  # somebody else was faster
    return Kernel(root / package)


class Kernel:
    """An unpacked kernel package."""

    def __init__(self, root):
        self.image = next(pathlib.Path(root).glob("boot/vmlinuz-*"))
        self.release = self.image.name.removeprefix("vmlinuz-")
        modules = pathlib.Path(root) / "lib/modules" / self.release
        self._files = {
            path.name.split(".ko")[0].replace("-", "_"): path for path in modules.rglob("*.ko*")
        }

    def modules(self, *wanted):
        """[(name, bytes)] of the modules `wanted` and all that they depend on, in loading order.

        A name that is no module is taken to be built in: which ones are differs between kernels.
        """
        loaded = {}

        def load(name):
            path = self._files.get(name)
            if path is None or name in loaded:
                return
            data = path.read_bytes()
            if path.suffix == ".xz":
                data = lzma.decompress(data)
            # .modinfo is a run of NUL-terminated "key=value" strings.
            depends = re.search(rb"\0depends=([^\0]*)\0", data)
            for other in depends.group(1).decode().split(",") if depends else []:
                load(other.replace("-", "_"))
            loaded[name] = data

        for name in wanted:
            load(name)
        return list(loaded.items())


def _newest_package(series):
    # 6.1.0-56, and of the series that Debian 12 takes from later ones 6.12.117+deb12.
    pattern = rf"^linux-image-{re.escape(series)}\.[0-9]+[-+][a-z0-9]+-cloud-amd64$"
    found = _run("apt-cache", "search", "--names-only", pattern, what="cannot ask apt for a kernel")
    names = [line.split()[0] for line in found.splitlines()]
    if not names:
        raise Missing(f"apt offers no cloud kernel {series} for the guests; try apt-get update")
    return max(names, key=_version)


def _version(name):
    return [int(number) for number in re.findall(r"\d+", pathlib.Path(name).name)]


def _run(*command, what, cwd=None):
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Missing(f"{what}: {command[0]} is not installed") from None
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise Missing(f"{what}: {lines[-1]}")
    return done.stdout
