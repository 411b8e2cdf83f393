"""The control groups that libvirt makes for the guests, in each hierarchy of the machine."""

import os
import pathlib


def hierarchies():
    """Where control group hierarchies are mounted, of version 1 and 2."""
    found = []
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.split()[0] in ("cgroup", "cgroup2"):
            found.append(pathlib.Path(before.split()[4]))
    return found


def hierarchy(controller):
    """Where the hierarchy of version 1 with this controller is mounted; None where there is none."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split()
        if kind == "cgroup" and controller in options.split(","):
            return pathlib.Path(before.split()[4])
    return None


def of_guest(name):
    """The groups of a guest of this name, whoever started it."""
    return [
        group
        for hierarchy in hierarchies()
        for group in (hierarchy / "machine").glob("qemu-*.libvirt-qemu")
        if group.name.split("-", 2)[2] == f"{name}.libvirt-qemu"
    ]


def machine_groups():
    """The parents of all guests' groups that there are now."""
    groups = (hierarchy / "machine" for hierarchy in hierarchies())
    return [group for group in groups if group.is_dir()]


def remove(group):
    """Removes a group and those in it, as far as nothing runs there."""
    for directory, _, _ in os.walk(group, topdown=False):
        try:
            os.rmdir(directory)
        except OSError:
            pass  # in use or gone; who must know looks again afterwards
