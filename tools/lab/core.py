"""A lab: a directory, a libvirtd, its guests."""

import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import uuid

from . import cgroups
from .daemons import Daemons, program
from .domain import Guest, domain_xml
from .errors import LabError, Missing
from .guard import Guard
from .initramfs import busybox, write_initramfs
from .kernel import cloud_kernel
from .running import RunningGuest, make_urgent

TREE = pathlib.Path(__file__).resolve().parents[2]
CACHE = TREE / "build/lab/cache"
# Of looking for what lives in a lab that is to end.
MOST_ROUNDS = 5


def why_not():
    """Why the lab cannot run on this machine, in one line; None when it can."""
    try:
        if os.geteuid() != 0:
            raise Missing("the lab needs root")
        program("qemu-system-x86_64", "qemu-system-x86")
        program("libvirtd", "libvirt-daemon-system")
        program("virsh", "libvirt-clients")
        busybox()
        cloud_kernel(CACHE)
    except Missing as error:
        return str(error)
    return None


class Lab:
    """Real guests under a libvirtd of their own. Everything it makes is in `directory`, but for the
    processes, their control groups and one bridge; down() ends and removes all of it, also after
    a crash and from another process."""

    def __init__(self, directory, binaries=None, say=None):
        """`binaries` holds the generators (default: $VIRTPULSE_BIN, else the release build's);
        `say` takes progress lines (default: standard error)."""
        self.directory = pathlib.Path(directory).resolve()
        self._binaries = pathlib.Path(
            binaries or os.environ.get("VIRTPULSE_BIN") or TREE / "build/release/bin"
        ).resolve()
        self._say = say or (lambda line: print(f"lab: {line}", file=sys.stderr, flush=True))
        self._daemons = Daemons(self.directory, CACHE)
        self._guests = {}
        self._guard = None
        self._state_file = self.directory / "state.json"

    def __enter__(self):
        """Up for as long as this process lives: a guard takes the lab down should it be killed."""
        self.down()  # what an earlier run left by crashing
        self._guard = Guard(self.directory)
        try:
            return self.up()
        except BaseException:
            self.down(keep_logs=True)
            self._guard.dismiss()
            raise

    def __exit__(self, kind, error, trace):
        failed = kind is not None and issubclass(kind, Exception)  # and not only interrupted
        self.down(keep_logs=failed)
        self._guard.dismiss()
        if failed:
            self._say(f"logs and consoles are kept in {self.directory / 'log'}")

    # --- the lab as a whole

    @property
    def exists(self):
        """Whether it is up, or was and has not been taken down."""
        return self._state_file.exists()

    @property
    def uri(self):
        """For virsh and for the agent, from anywhere on the machine."""
        return f"qemu+unix:///system?socket={self._daemons.socket}"

    @property
    def uri_read_only(self):
        return f"{self.uri}-ro"

    @property
    def bridge(self):
        """The bridge on the host that guests with a network are on; None where there is none."""
        return self._state()["bridge"]

    @property
    def binaries(self):
        """The directory of the generators and of virtpulse's own programs."""
        return self._binaries

    @property
    def libvirtd_pid(self):
        """None when it does not run."""
        return self._daemons.libvirtd_pid

    def up(self):
        """Starts the daemons; what runs already stays."""
        if os.geteuid() != 0:
            raise Missing("the lab needs root")
        program("qemu-system-x86_64", "qemu-system-x86")
        # sockaddr_un holds 108 bytes.
        if len(str(self._daemons.socket)) + len("-ro") > 107:
            raise LabError(f"{self.directory} is too long a path for a socket; take a shorter one")
        for hidden in self._daemons.hidden:
            if self.directory.is_relative_to(pathlib.Path(hidden).resolve()):
                raise LabError(f"the lab's directory cannot be under {hidden}")
        kernel = cloud_kernel(CACHE, self._say)
        for name in ("log", "images"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        if not self._state_file.exists():
            (self.directory / "image").write_bytes(kernel.image.read_bytes())
            write_initramfs(self.directory / "initramfs", kernel, self._binaries)
            self._save(self._state())
        self._daemons.prepare(uuid.uuid5(uuid.NAMESPACE_URL, str(self.directory)))
        self.start_libvirtd()
        return self

    def down(self, keep_logs=False):
        """Ends and removes everything, and checks that nothing is left."""
        state = self._state()
        # Guests and daemons alike, without asking libvirt: it may be dead, or stopped by a test.
        # Again, as a program that was on its way in when we looked is a member by now; none comes
        # after the daemons, whose namespace it has to enter.
        for _ in range(MOST_ROUNDS):
            members = self._daemons.members()
            if not members:
                break
            self._daemons.end(members)
        for guest in self._guests.values():
            guest.close()
        self._guests = {}
        if state["bridge"] and _bridge_exists(state["bridge"]):
            _ip("link", "delete", state["bridge"])
        for name in state["guests"]:
            for group in cgroups.of_guest(name):
                cgroups.remove(group)
        before = state["machine_groups_before"]
        for group in cgroups.machine_groups():
            # Another lab may have its guests there: then it stays, and is that lab's to remove.
            if str(group) not in before and not any(group.glob("qemu-*")):
                cgroups.remove(group)
        left = self.remains()
        if left:
            raise LabError("the lab has left behind: " + ", ".join(left))
        for name in ("etc", "lib", "run", "images", *(() if keep_logs else ("log",))):
            shutil.rmtree(self.directory / name, ignore_errors=True)
        for name in ("image", "initramfs", "lock", "state.json"):
            (self.directory / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.directory.rmdir()  # unless there are logs, or somebody's own files

    def remains(self):
        """What there is of this lab outside its directory, in words."""
        state = self._state()
        left = [f"process {pid}" for pid in self._daemons.members()]
        mounts = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
        left += [f"mount {line.split()[4]}" for line in mounts if f" {self.directory}/" in line]
        for name in state["guests"]:
            left += [f"control group {group}" for group in cgroups.of_guest(name)]
        if state["bridge"] and _bridge_exists(state["bridge"]):
            left.append(f"bridge {state['bridge']}")
        return left

    def stop_libvirtd(self):
        """Ends libvirtd; the guests live on."""
        self._daemons.stop_libvirtd()

    def start_libvirtd(self):
        """Starts libvirtd and waits until it answers. The very first time takes long: it looks at
        what qemu can do."""
        started = time.monotonic()
        self._daemons.start()
        said = started
        while True:
            try:
                return self.virsh("version", timeout=10)
            except LabError as error:
                now = time.monotonic()
                if self.libvirtd_pid is None or now - started > 120:
                    log = self.directory / "log/libvirtd.log"
                    raise LabError(f"libvirtd does not answer: {error} (see {log})") from None
                if now - said > 5:
                    said = now
                    self._say(f"waiting for libvirtd for {now - started:.0f} s")
                time.sleep(0.1)

    def start_inside(self, name, *command):
        """Starts a program that ends with the lab, also after a crash; returns its subprocess. It
        sees the machine as the daemons do, and writes to log/NAME.log."""
        return self._daemons.start_inside(name, command)

    def virsh(self, *words, timeout=60):
        """Runs virsh on this lab; returns what it printed."""
        command = [program("virsh", "libvirt-clients"), "-q", "-c", self.uri, *words]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired:
            raise LabError(f"virsh {words[0]}: no answer from libvirtd in {timeout:g} s") from None
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or ["no reason given"]
            raise LabError(f"virsh {' '.join(words)}: {lines[-1].removeprefix('error: ')}")
        return done.stdout.strip()

    # --- guests

    @property
    def guests(self):
        """The guests started in this lab, by name, running or not."""
        names = self._state()["guests"]
        return {name: self._guests.get(name) or RunningGuest(self, name) for name in names}

    def define(self, guest):
        """Makes the guest known to libvirt, without starting it."""
        if guest.name in self._state()["guests"]:
            raise LabError(f"there is a guest {guest.name} in this lab already; take another name")
        # A guest's groups are named by libvirt's own numbers and its name; two libvirtds on one
        # machine would put two guests of one name into the same ones.
        if cgroups.of_guest(guest.name):
            raise LabError(f"a guest {guest.name} runs on this machine already; take another name")
        disk = self.directory / "images" / f"{guest.name}.raw"
        # Written, not sparse: an empty place is not read from the host's disk at all.
        with open(disk, "wb") as file:
            for _ in range(guest.disk_mib):
                file.write(bytes(1 << 20))
            os.fsync(file.fileno())
        (self._daemons.run / "lab").mkdir(exist_ok=True)
        with self._locked_state() as state:
            state["guests"].append(guest.name)
            if guest.network and state["bridge"] is None:
                state["bridge"] = _free_bridge()
            bridge = state["bridge"]
        if guest.network and not _bridge_exists(bridge):
            _ip("link", "add", bridge, "type", "bridge")
            _ip("link", "set", bridge, "up")
        xml = self.directory / "images" / f"{guest.name}.xml"
        xml.write_text(
            domain_xml(
                guest,
                kernel=self.directory / "image",
                initramfs=self.directory / "initramfs",
                disk=disk,
                console=self.console(guest.name),
                orders=f"/run/lab/{guest.name}",  # short in there; we reach it under its long name
                bridge=bridge,
            )
        )
        self.virsh("define", str(xml))
        running = RunningGuest(self, guest.name, guest)
        self._guests[guest.name] = running
        return running

    def start(self, guest):
        """Defines and starts a guest (a Guest, or the name of one defined before); returns it at
        once: wait_booted() waits for it."""
        running = self.define(guest) if isinstance(guest, Guest) else self.guests[guest]
        self.console(running.name).unlink(missing_ok=True)
        self.virsh("start", running.name)
        if running.guest is not None and running.guest.urgent:
            make_urgent(running.pid)
        return running

    def remove(self, name):
        """Ends a guest and forgets it: its definition, its disk, its console."""
        guest = self.guests[name]
        guest.close()
        if guest.pid is not None:
            self.virsh("destroy", name)
        self.virsh("undefine", name)
        self._guests.pop(name, None)
        for group in cgroups.of_guest(name):
            cgroups.remove(group)
        with self._locked_state() as state:
            state["guests"].remove(name)
        for path in (*(self.directory / "images").glob(f"{name}.*"), self.console(name)):
            path.unlink(missing_ok=True)

    def log(self, name):
        """The file with what a program of start_inside() said."""
        return self._daemons.log(name)

    def console(self, name):
        """The file with the guest's console."""
        return self.directory / "log" / f"{name}.console"

    def orders_socket(self, name):
        return self._daemons.run / "lab" / name

    def guest_pid(self, name):
        """None when it does not run."""
        try:
            pid = int((self._daemons.run / f"libvirt/qemu/{name}.pid").read_text())
        except (OSError, ValueError):
            return None
        return pid if pid in self._daemons.members() else None

    # --- what down() must know, also after a crash

    def _state(self):
        try:
            return json.loads(self._state_file.read_text())
        except FileNotFoundError:
            before = [str(group) for group in cgroups.machine_groups()]
            return {"machine_groups_before": before, "bridge": None, "guests": []}
        except ValueError as error:
            raise LabError(f"{self._state_file} is damaged: {error}") from None

    def _save(self, state):
        partial = self._state_file.with_suffix(".partial")
        partial.write_text(json.dumps(state))
        partial.replace(self._state_file)

    @contextlib.contextmanager
    def _locked_state(self):
        with open(self.directory / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self._state()
            yield state
            self._save(state)


def _bridge_exists(name):
    return pathlib.Path("/sys/class/net", name).exists()


def _free_bridge():
    names = (f"vplab{number}" for number in itertools.count())
    return next(name for name in names if not _bridge_exists(name))


def _ip(*words):
    command = [program("ip", "iproute2"), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"ip {' '.join(words)}: {done.stderr.strip()}")
