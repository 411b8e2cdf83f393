"""Runs scenarios: one lab and one product for all of them, guests of its own for each."""

import ast
import contextlib
import dataclasses
import importlib.util
import os
import pathlib
import sqlite3
import time

from ..core import TREE, Lab, why_not
from ..errors import LabError
from . import report
from .bench import Bench, NotPresent
from .checks import MISSED
from .libvirt_watch import LibvirtWatch
from .machine import MachineWatch, description
from .plot import svg
from .product import Product

SCENARIOS = pathlib.Path(__file__).parents[1] / "scenarios"
NOT_PRESENT, FAILED = "not present", "failed"


@dataclasses.dataclass
class Session:
    """What all scenarios of a run share."""

    lab: Lab
    product: Product
    libvirt: LibvirtWatch
    machine: MachineWatch
    prefix: str  # of the guests' names


@dataclasses.dataclass
class Result:
    """What came of one scenario."""

    key: str
    title: str
    text: str
    verdict: str
    reason: str = ""  # why it was not run to its end
    checks: list = dataclasses.field(default_factory=list)
    picture: str = ""
    noise: dict | None = None
    seconds: float = 0


@dataclasses.dataclass
class Run:
    """A whole run, as the report shows it."""

    facts: list
    results: list
    seconds: float = 0

    @property
    def missed(self):
        return [result for result in self.results if result.verdict in (MISSED, FAILED)]

    @property
    def headline(self):
        ran = [result for result in self.results if result.verdict != NOT_PRESENT]
        absent = len(self.results) - len(ran)
        return (
            f"{len(ran) - len(self.missed)} of {len(ran)} scenarios met what was expected"
            + (f", {absent} not present" if absent else "")
            + f"; {self.seconds / 60:.1f} minutes in all."
        )


def scenario_files():
    return sorted(SCENARIOS.glob("[0-9][0-9]_*.py"))


def list_scenarios():
    for path in scenario_files():
        title, _ = _text(path)
        print(f"{int(path.name[:2]):3}  {title}")


def run_scenarios(wanted, report_directory=None, binaries=None):
    """Runs the scenarios of these numbers, or all; returns the exit code: 1 where one of them
    missed."""
    paths = _chosen(wanted)
    reason = why_not()
    if reason:
        raise LabError(reason)
    if report_directory:
        report_directory = report_directory.resolve()
        report_directory.mkdir(parents=True, exist_ok=True)
    directory = TREE / f"build/lab/run{os.getpid()}"
    begun = time.monotonic()
    with Lab(directory, binaries) as lab, contextlib.ExitStack() as stack:
        database = directory / "images" / "virtpulse.db"  # gone with the lab
        stack.callback(_keep, database, report_directory)
        facts = description(directory)
        load = os.getloadavg()
        facts.append(("begun", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())))
        facts.append(("load before", f"{load[0]:.2f} over one minute, {load[1]:.2f} over five"))
        machine = MachineWatch(directory)
        stack.callback(machine.end)
        product = Product(lab, database).start()
        libvirt = LibvirtWatch(lab.uri_read_only)
        stack.callback(libvirt.end)
        session = Session(lab, product, libvirt, machine, prefix=f"r{os.getpid()}-")
        run = Run(facts, [])
        for path in paths:
            run.results.append(_run_one(path, session))
            run.seconds = time.monotonic() - begun
            if report_directory:  # after each, so that a run that is broken off shows what it has
                report.write(report_directory, run)
    for title, verdict, what, _ in report.summary(run):
        print(f"{verdict:12} {title} ({what})")
    print(run.headline)
    if report_directory:
        print(f"the report is {report_directory / 'report.html'}")
    return 1 if run.missed else 0


def _run_one(path, session):
    title, text = _text(path)
    print(f"{title}", flush=True)
    bench = Bench(session, int(path.name[:2]), lambda line: print(line, flush=True))
    result = Result(path.stem, title, text, FAILED)
    try:
        _load(path).run(bench)
        result.verdict = bench.checks.verdict if bench.checks.all else FAILED
    except NotPresent as reason:
        result.verdict, result.reason = NOT_PRESENT, str(reason)
    except LabError as error:  # the next one may fare better
        result.reason = str(error)
    finally:
        result.noise = bench.noise() if result.verdict != NOT_PRESENT else None
        bench.close()
    result.checks = bench.checks.all
    result.seconds = bench.ended - bench.started
    if bench.panels:
        result.picture = svg(title, bench.panels, bench.started, bench.ended)
    print(f"    {result.verdict}{': ' + result.reason if result.reason else ''}", flush=True)
    return result


def _chosen(wanted):
    paths = {int(path.name[:2]): path for path in scenario_files()}
    if not wanted:
        raise LabError("say which scenarios: their numbers, or all; lab run --list shows them")
    if wanted == ["all"]:
        return list(paths.values())
    chosen = []
    for word in wanted:
        if not word.isdigit() or int(word) not in paths:
            raise LabError(f"there is no scenario {word}; lab run --list shows them")
        chosen.append(paths[int(word)])
    return chosen


def _text(path):
    """(title, the rest) of a scenario: the first line of its docstring, and what follows."""
    title, _, text = ast.get_docstring(ast.parse(path.read_text())).partition("\n")
    return title, text.strip()


def _load(path):
    spec = importlib.util.spec_from_file_location(f"lab.scenarios.{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _keep(database, directory):
    """The database goes with the report: every figure can be looked at again."""
    if directory and database.exists():
        (directory / "virtpulse.db").unlink(missing_ok=True)
        source = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        target = sqlite3.connect(directory / "virtpulse.db")
        with contextlib.closing(source), contextlib.closing(target):
            source.backup(target)
