"""The lab's command line."""

import argparse
import pathlib
import sys

from .core import TREE, Lab
from .domain import Guest
from .errors import LabError

EXAMPLES = """\
examples:
  lab up 3                               a libvirtd of its own and guest1, guest2, guest3
  lab add busy --duty 30 --cache none    another guest, with a CPU load of 30 % from boot on
  lab load guest1 cpu 60 30              60 % of a CPU for 30 s, in a running guest
  lab load guest1 io write 100 4096 500  500 direct writes of 4 KiB, 100 a second
  lab status                             guests, pids, and the URI for virsh and the agent
  lab down                               ends and removes all of it
"""


def main(words=None):
    arguments = _parser().parse_args(words)
    try:
        lab = Lab(arguments.directory, arguments.binaries)
        if arguments.command not in ("up", "down") and not lab.exists:
            raise LabError(f"there is no lab in {arguments.directory}; start one with: lab up 1")
        arguments.act(lab, arguments)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="lab",
        description="Real qemu guests under a libvirtd of their own.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--directory",
        type=pathlib.Path,
        default=TREE / "build/lab/default",
        help="where the lab lives (default: build/lab/default)",
    )
    parser.add_argument(
        "--binaries",
        type=pathlib.Path,
        help="where cpu-load and guest-io are (default: build/release/bin)",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="start the lab with guests guest1 to guestN")
    up.add_argument("count", type=int, metavar="N")
    up.set_defaults(act=_up)

    add = commands.add_parser("add", help="start one guest more")
    add.add_argument("name", metavar="NAME")
    add.add_argument("--memory", type=int, default=128, metavar="MIB")
    add.add_argument("--vcpus", type=int, default=1, metavar="N")
    add.add_argument("--disk", type=int, default=64, metavar="MIB")
    add.add_argument(
        "--cache", choices=("none", "writeback", "writethrough", "directsync", "unsafe")
    )
    add.add_argument("--io", choices=("native", "threads", "io_uring"))
    add.add_argument("--duty", type=float, metavar="PERCENT", help="CPU load from boot on")
    add.add_argument("--duty-threads", type=int, default=1, metavar="N")
    add.add_argument(
        "--io-load",
        metavar="'write RATE BYTES COUNT'",
        help="disk load from boot on; COUNT 0 never ends",
    )
    add.add_argument("--network", action="store_true", help="an interface on the lab's bridge")
    add.set_defaults(act=_add)

    load = commands.add_parser("load", help="make a load in a running guest, print its figures")
    load.add_argument("name", metavar="GUEST")
    load.add_argument(
        "order",
        nargs=argparse.REMAINDER,
        metavar="cpu PERCENT SECONDS | io read|write RATE BYTES COUNT | stop",
    )
    load.set_defaults(act=_load)

    commands.add_parser("status", help="what runs").set_defaults(act=_status)
    commands.add_parser("down", help="end and remove all of it").set_defaults(act=_down)
    return parser


def _up(lab, arguments):
    lab.up()
    started = []
    for name in (f"guest{number}" for number in range(1, arguments.count + 1)):
        known = lab.guests.get(name)
        if known is None:
            started.append(lab.start(Guest(name)))
        elif known.pid is None:
            started.append(lab.start(name))
    for guest in started:
        guest.wait_booted()
    _status(lab, arguments)


def _add(lab, arguments):
    guest = Guest(
        arguments.name,
        memory_mib=arguments.memory,
        vcpus=arguments.vcpus,
        disk_mib=arguments.disk,
        cache=arguments.cache,
        io=arguments.io,
        duty_percent=arguments.duty,
        duty_threads=arguments.duty_threads,
        io_load=arguments.io_load,
        network=arguments.network,
    )
    lab.start(guest).wait_booted()
    _status(lab, arguments)


def _load(lab, arguments):
    guest = lab.guests.get(arguments.name)
    if guest is None:
        raise LabError(f"there is no guest {arguments.name}; lab status lists them")
    for name, value in guest.run(" ".join(arguments.order), timeout=None).items():
        print(f"{name}={value}")


def _status(lab, _):
    print(lab.uri)
    for name, guest in lab.guests.items():
        state = guest.state if lab.libvirtd_pid else "libvirtd does not run"
        print(f"{name:20} {guest.pid or '-':>8} {state}")


def _down(lab, _):
    lab.down()
