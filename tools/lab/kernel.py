"""The guests' kernels: Debian's cloud kernels, downloaded once and unpacked, never installed."""

import lzma
import os
import pathlib
import re
import subprocess
import tempfile
from contextlib import contextmanager

from .errors import Missing

LAB_SERIES = "6.1"
# The newest kernel of a release, by the name that asks for it, and the oldest that makes sense.
NEWEST_OF = {"backports": ("trixie-backports", (6, 17)), "sid": ("sid", (6, 17))}
# The releases that have a series which this system's own sources lack; trixie-backports has the others.
RELEASES = {"5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie"}
KEYRING = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def cloud_kernel(cache, say=lambda line: None, wanted=LAB_SERIES):
    """An unpacked cloud kernel under `cache`: the newest that is there, or else the newest that Debian
    has. `wanted` is a series ("6.12") or a key of NEWEST_OF."""
    root = pathlib.Path(cache) / "kernel"
    prefix = "linux-image-"
    if wanted in NEWEST_OF:
        root /= wanted
    else:
        prefix += f"{wanted}."
    there = sorted(root.glob(f"{prefix}*"), key=_version)
    if there:
        return Kernel(there[-1])
    root.mkdir(parents=True, exist_ok=True)
    if wanted in NEWEST_OF:
        release, least = NEWEST_OF[wanted]
        with _sources_of(release, root) as options:
            return _download(root, options, say, least=least)
    if _offered((), wanted):
        return _download(root, (), say, wanted)
    with _sources_of(RELEASES.get(wanted, "trixie-backports"), root) as options:
        return _download(root, options, say, wanted)


class Kernel:
    """An unpacked kernel."""

    def __init__(self, root):
        # Where / is not merged into /usr, or was not when the package was made.
        modules = next(path for top in ("usr/lib", "lib")
                       for path in pathlib.Path(root).glob(f"{top}/modules/*"))
        self.release = modules.name
        images = pathlib.Path(root) / f"boot/vmlinuz-{self.release}", modules / "vmlinuz"
        self.image = next(path for path in images if path.exists())
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


def _offered(options, series):
    """The kernel packages of `series`, or of all, that apt finds with `options`. Their names have 6.1.0-56,
    or 6.12.117+deb12. Up to 6.18 a kernel is one package; later its image and its modules are packages of
    their own, of which the modules are the first to go from a mirror."""
    number = re.escape(series) if series else r"[0-9]+\.[0-9]+"
    pattern = rf"^linux-(image|binary|modules)-{number}\.[0-9]+[-+][a-z0-9]+-cloud-amd64$"
    found = _run("apt-cache", *options, "search", "--names-only", pattern,
                 what="cannot ask apt for a kernel")
    return {line.split()[0] for line in found.splitlines()}


def _download(root, options, say, series="", least=()):
    """Downloads and unpacks the newest kernel of `series`, or of all, that apt finds with `options`."""
    names = _offered(options, series)
    kernels = [name for name in names if name.startswith("linux-image-") and
               (name.replace("image", "binary") not in names or name.replace("image", "modules") in names)]
    if not kernels:
        raise Missing(f"apt offers no cloud kernel {series} with its modules for the guests")
    kernel = max(kernels, key=_version)
    if tuple(_version(kernel)) < least:
        raise Missing(f"the newest cloud kernel is {kernel}, which is older than "
                      f"{'.'.join(map(str, least))}")
    version = kernel.removeprefix("linux-image-")
    packages = sorted(name for name in names if name.endswith(f"-{version}"))
    say(f"downloading {' '.join(packages)}")
    with tempfile.TemporaryDirectory(prefix=".download-", dir=root) as name:
        partial = pathlib.Path(name) / "unpacked"
        _run("apt-get", *options, "download", *packages, cwd=name, what=f"cannot download {kernel}")
        for file in pathlib.Path(name).glob("*.deb"):
            _run("dpkg", "-x", file, partial, what=f"cannot unpack {file.name}")
        # Only when complete, so that an interrupted run leaves nothing that looks like a kernel.
        try:
            partial.rename(root / kernel)
        except OSError:
            pass  # somebody else was faster
    return Kernel(root / kernel)


@contextmanager
def _sources_of(release, root):
    """Options that let apt see `release` alone, from the mirror that this system uses: with its list of
    sources and all that it downloads in a directory of their own."""
    if not KEYRING.exists():
        raise Missing(f"no {KEYRING} to check the packages of {release} by; install "
                      "debian-archive-keyring")
    targets = _run("apt-get", "indextargets", "--format", "$(LABEL) $(COMPONENT) $(SITE)",
                   "Created-By: Packages", what="cannot ask apt for its sources")
    sites = [line.split()[2] for line in targets.splitlines() if line.startswith("Debian main ")]
    if not sites:
        raise Missing(f"apt has no source of Debian's own to take {release} from")
    with tempfile.TemporaryDirectory(prefix=".apt-", dir=root) as name:
        directory = pathlib.Path(name)
        for parts in ("lists/partial", "cache/archives/partial"):
            (directory / parts).mkdir(parents=True)
        sources = directory / "sources.list"
        sources.write_text(f"deb [arch=amd64 signed-by={KEYRING}] {sites[0]} {release} main\n")
        settings = {"Dir::Etc::sourcelist": sources, "Dir::Etc::sourceparts": "-",
                    "Dir::State::lists": directory / "lists", "Dir::Cache": directory / "cache",
                    "Acquire::Languages": "none"}
        options = [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]
        _run("apt-get", *options, "--error-on=any", "update", what=f"cannot list what {release} has")
        yield options


def _version(name):
    return [int(number) for number in re.findall(r"\d+", pathlib.Path(name).name)]


def _run(*command, what, cwd=None):
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False,
                              env=os.environ | {"LC_ALL": "C"})
    except FileNotFoundError:
        raise Missing(f"{what}: {command[0]} is not installed") from None
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise Missing(f"{what}: {lines[-1]}")
    return done.stdout
