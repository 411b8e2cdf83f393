"""The lab's command line."""

import argparse
import pathlib
import signal
import sys

from .core import TREE, Lab
from .domain import Guest
from .errors import LabError
from .guard import wait_and_take_down

EXAMPLES = """\
examples:
  lab up 3                               a libvirtd of its own and guest1, guest2, guest3
  lab add busy --duty 30 --cache none    another guest, with a CPU load of 30 % from boot on
  lab load guest1 cpu 60 30              60 % of a CPU for 30 s, in a running guest
  lab load guest1 mem 64M 30             64 MiB of its memory; also 50%
  lab load guest1 disk 50 30             its disk is busy for half of the time
  lab load guest1 io write 100 4096 500  500 direct writes of 4 KiB, 100 a second
  lab status                             guests, pids, and the URI for virsh and the agent
  lab down                               ends and removes all of it
  lab run all --report build/report      every scenario, on guests of its own; or: lab run 2 9 10
  lab demo                               four guests whose loads come and go, until ^C
"""


def main(words=None):
    arguments = _parser().parse_args(words)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        lab = Lab(arguments.directory, arguments.binaries)
        if arguments.command in ("add", "load", "status") and not lab.exists:
            raise LabError(f"there is no lab in {arguments.directory}; start one with: lab up 1")
        return arguments.act(lab, arguments) or 0
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except Terminated:
        return 143


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

    guest = _guest_options()
    up = commands.add_parser(
        "up", help="start the lab with guests guest1 to guestN", parents=[guest]
    )
    up.add_argument("count", type=int, metavar="N")
    up.set_defaults(act=_up)

    add = commands.add_parser("add", help="start one guest more", parents=[guest])
    add.add_argument("name", metavar="NAME")
    add.set_defaults(act=_add)

    load = commands.add_parser("load", help="make a load in a running guest, print its figures")
    load.add_argument("name", metavar="GUEST")
    load.add_argument(
        "order",
        nargs=argparse.REMAINDER,
        metavar="cpu PERCENT SECONDS | mem SIZE SECONDS | disk PERCENT SECONDS |"
        " io read|write RATE BYTES COUNT | usage | stop",
    )
    load.set_defaults(act=_load)

    commands.add_parser("status", help="what runs").set_defaults(act=_status)
    commands.add_parser("down", help="end and remove all of it").set_defaults(act=_down)

    run = commands.add_parser(
        "run", help="run scenarios on guests of their own, and hold virtpulse against them"
    )
    run.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="numbers, or all")
    run.add_argument("--report", type=pathlib.Path, metavar="DIR", help="write a report there")
    run.add_argument("--list", action="store_true", help="say what scenarios there are")
    run.set_defaults(act=_run)

    commands.add_parser("demo", help="four guests whose loads come and go, until ^C").set_defaults(
        act=_demo
    )
    commands.add_parser("guard").set_defaults(act=_guard)  # for Lab itself; see guard.py
    return parser


def _guest_options():
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--memory", type=int, default=128, metavar="MIB")
    options.add_argument("--vcpus", type=int, default=1, metavar="N")
    options.add_argument("--disk", type=int, default=64, metavar="MIB")
    options.add_argument(
        "--cache", choices=("none", "writeback", "writethrough", "directsync", "unsafe")
    )
    options.add_argument("--io", choices=("native", "threads", "io_uring"))
    options.add_argument("--duty", type=float, metavar="PERCENT", help="CPU load from boot on")
    options.add_argument("--duty-threads", type=int, default=1, metavar="N")
    options.add_argument(
        "--io-load",
        metavar="'write RATE BYTES COUNT'",
        help="disk load from boot on; COUNT 0 never ends",
    )
    options.add_argument("--pin", metavar="CPUS", help="CPUs of the host: 0 or 0-1 or 0,2")
    options.add_argument("--shares", type=int, metavar="N", help="weight against other guests (1024)")
    options.add_argument(
        "--quota", type=float, metavar="PERCENT", help="of one CPU, the most that it is given"
    )
    options.add_argument(
        "--urgent", action="store_true", help="goes before whatever else wants a CPU"
    )
    options.add_argument("--no-network", action="store_true", help="without an interface")
    return options


def _guest(name, arguments):
    return Guest(
        name,
        memory_mib=arguments.memory,
        vcpus=arguments.vcpus,
        disk_mib=arguments.disk,
        cache=arguments.cache,
        io=arguments.io,
        duty_percent=arguments.duty,
        duty_threads=arguments.duty_threads,
        io_load=arguments.io_load,
        network=not arguments.no_network,
        pin=arguments.pin,
        shares=arguments.shares,
        quota_percent=arguments.quota,
        urgent=arguments.urgent,
    )


def _up(lab, arguments):
    lab.up()
    started = []
    for name in (f"guest{number}" for number in range(1, arguments.count + 1)):
        known = lab.guests.get(name)
        if known is None:
            started.append(lab.start(_guest(name, arguments)))
        elif known.pid is None:
            started.append(lab.start(name))
    for guest in started:
        guest.wait_booted()
    _status(lab, arguments)


def _add(lab, arguments):
    lab.start(_guest(arguments.name, arguments)).wait_booted()
    _status(lab, arguments)


def _load(lab, arguments):
    guest = lab.guests.get(arguments.name)
    if guest is None:
        raise LabError(f"there is no guest {arguments.name}; lab status lists them")
    guest.wait_booted()
    for name, value in guest.run(" ".join(arguments.order), timeout=None).items():
        print(f"{name}={value}")


def _status(lab, _):
    print(lab.uri)
    for name, guest in lab.guests.items():
        state = guest.state if lab.libvirtd_pid else "libvirtd does not run"
        print(f"{name:20} {guest.pid or '-':>8} {state}")


def _down(lab, _):
    lab.down()


def _run(_, arguments):
    from .validation.run import list_scenarios, run_scenarios

    if arguments.list:
        return list_scenarios()
    return run_scenarios(arguments.scenarios, arguments.report, arguments.binaries)


def _demo(lab, _):
    from .demo import demo

    return demo(lab)


def _guard(lab, _):
    wait_and_take_down(lab)


class Terminated(BaseException):
    """SIGTERM, as something that what is under way is left by, cleanly."""


def _terminate(*_):
    raise Terminated
