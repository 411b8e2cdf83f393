"""A libvirtd and a virtlogd that see the lab's directories where the machine's own would be.

They live in a private mount namespace. Configuration, state, cache and logs of libvirt, and all of
/run, are the lab's there: nothing of the machine's own libvirt is read or written, and without the
system bus in /run no systemd is asked to register the guests. The sockets are files in the lab's
run directory, so they can be connected to from outside.
"""

import os
import pathlib
import select
import shlex
import shutil
import signal
import subprocess
import time

from .errors import LabError, Missing

LIBVIRTD_CONF = """\
unix_sock_group = "root"
unix_sock_rw_perms = "0700"
auth_unix_rw = "none"
auth_unix_ro = "none"
host_uuid = "{uuid}"
log_outputs = "3:stderr"
"""

# As root without security labels: the guests' files are the lab's own, and libvirtd would otherwise
# look anew at what qemu can do before every start, because root and the qemu user see different
# accelerators.
QEMU_CONF = """\
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
"""


def program(name, package):
    """The path of a program, also of one that only root's PATH has."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path is None:
        raise Missing(f"{name} is not installed; install {package}")
    return path


class Daemons:
    """The two daemons of one lab directory, running or not."""

    def __init__(self, directory, cache):
        self._directory = pathlib.Path(directory)
        self.run = self._directory / "run"
        self._binds = {
            self._directory / "etc": "/etc/libvirt",
            self._directory / "lib": "/var/lib/libvirt",
            self._directory / "log": "/var/log/libvirt",
            # Kept from lab to lab: it holds what qemu can do, which takes seconds to find out.
            # libvirt checks it against qemu's and its own build times before it believes it.
            pathlib.Path(cache) / "libvirt": "/var/cache/libvirt",
            self.run: "/run",
        }
        self._children = []

    @property
    def hidden(self):
        """The machine's directories that the daemons and guests do not see."""
        return self._binds.values()

    @property
    def socket(self):
        return self.run / "libvirt/libvirt-sock"

    def log(self, name):
        """Where the program of this name writes what it says."""
        return self._directory / "log" / f"{name}.log"

    @property
    def libvirtd_pid(self):
        return self._pid("libvirtd")

    def prepare(self, host_uuid):
        """Writes the configuration and checks what the daemons need."""
        for name in ("libvirtd", "virtlogd"):
            program(name, "libvirt-daemon-system")
        for source, target in self._binds.items():
            source.mkdir(parents=True, exist_ok=True)
            if not os.path.isdir(target):
                raise Missing(f"{target} does not exist; install libvirt-daemon-system")
        (self._directory / "etc/libvirtd.conf").write_text(LIBVIRTD_CONF.format(uuid=host_uuid))
        (self._directory / "etc/qemu.conf").write_text(QEMU_CONF)
        (self._directory / "etc/virtlogd.conf").write_text('log_outputs = "3:stderr"\n')

    def start(self):
        """Starts what does not run."""
        if self._pid("virtlogd") is None:
            mounts = [
                f"mount --bind {shlex.quote(str(source))} {target}"
                for source, target in self._binds.items()
            ]
            virtlogd = program("virtlogd", "libvirt-daemon-system")
            self._spawn(
                "virtlogd",
                [program("unshare", "util-linux"), "--mount", "--propagation", "private"]
                + ["sh", "-c", " && ".join([*mounts, f"exec {virtlogd}"])],
            )
        if self._pid("libvirtd") is None:
            self._spawn(
                "libvirtd",
                [program("nsenter", "util-linux"), f"--mount=/proc/{self._pid('virtlogd')}/ns/mnt"]
                + [program("libvirtd", "libvirt-daemon-system")],
            )

    def start_inside(self, name, command):
        """Starts a program among the daemons: it is a member like they are, and so ends with the
        lab. Returns the subprocess; it writes to the log NAME.log."""
        inside = f"--mount=/proc/{self._pid('virtlogd')}/ns/mnt"
        return self._popen(name, [program("nsenter", "util-linux"), inside, *map(str, command)])

    def stop_libvirtd(self):
        """Ends libvirtd alone; guests live on."""
        if self.libvirtd_pid is not None:
            self.end([self.libvirtd_pid])

    def members(self):
        """The pids of everything that lives in the lab's namespace: the daemons and the guests.

        A process belongs to the lab if the lab's run directory is its /run; no pid is remembered,
        so none can have become somebody else's.
        """
        return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and self._is_member(pid)]

    def end(self, pids, patience=10):
        """Ends these members of the lab: SIGTERM, and SIGKILL to what still lives after `patience`
        seconds."""
        handles = []
        try:
            for pid in pids:
                try:
                    handle = os.pidfd_open(pid)
                except ProcessLookupError:
                    continue
                handles.append(handle)
                # Asked again now that the handle pins the process: the pid may be another's by now.
                if not self._is_member(pid):
                    os.close(handles.pop())
            for how, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 10)):
                for handle in handles:
                    try:
                        signal.pidfd_send_signal(handle, how)
                        # A stopped one hears no SIGTERM.
                        signal.pidfd_send_signal(handle, signal.SIGCONT)
                    except ProcessLookupError:
                        pass
                handles = _wait(handles, seconds)
        finally:
            for handle in handles:
                os.close(handle)
        for child in self._children:
            child.poll()  # collects what has ended
        if handles:
            raise LabError("a process of the lab does not end even on SIGKILL")

    def _is_member(self, pid):
        try:
            return os.path.samefile(f"/proc/{pid}/root/run", self.run)
        except OSError:
            return False  # ended meanwhile, or no lab there

    def _pid(self, name):
        try:
            pid = int((self.run / f"{name}.pid").read_text())
        except (OSError, ValueError):
            return None
        return pid if self._is_member(pid) else None

    def _spawn(self, name, command):
        child = self._popen(name, command)
        deadline = time.monotonic() + 30
        while self._pid(name) is None:
            if child.poll() is not None or time.monotonic() > deadline:
                log = self.log(name)
                lines = log.read_text(errors="replace").strip().splitlines() or ["no reason given"]
                raise LabError(f"{name} does not start: {lines[-1]} ({log})")
            time.sleep(0.02)

    def _popen(self, name, command):
        with open(self.log(name), "ab") as output:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._children.append(child)
        return child


def _wait(handles, seconds):
    """Waits until the processes have ended; closes their handles and returns the others."""
    deadline = time.monotonic() + seconds
    while handles:
        ended = select.select(handles, [], [], max(0, deadline - time.monotonic()))[0]
        if not ended:
            break
        for handle in ended:
            os.close(handle)
        handles = [handle for handle in handles if handle not in ended]
    return handles
