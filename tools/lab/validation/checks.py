"""What a scenario finds: figures with what was expected of them, and why."""

import dataclasses

MET, MISSED, NOTED = "met", "MISSED", "noted"

# /proc/stat only looks which task runs at each tick: of a load that begins and ends with the ticks it
# sees less, and the more so the shorter its turns are. Seen: 16.7 % where 28.6 % were used by the
# scheduler's clock (three at 15 %), 11.9 % of 15.0 %, 44.4 % of 49.8 %.
TICKS_SEE = 0.4


@dataclasses.dataclass(frozen=True)
class Check:
    """One line of a scenario's table. `expected` and `measured` are numbers in `unit`, or words;
    None is unknown, which is never what was expected."""

    what: str
    expected: float | str | None
    measured: float | str | None
    unit: str
    bound: str  # in words: "± 1", "at least"
    verdict: str
    why: str  # why so much is expected, and no more and no less

    @property
    def difference(self):
        numbers = (int, float)
        if isinstance(self.expected, numbers) and isinstance(self.measured, numbers):
            return self.measured - self.expected
        return None


class Checks:
    """The checks of one scenario, as it makes them."""

    def __init__(self, say):
        self.all = []
        self._say = say

    @property
    def verdict(self):
        return MISSED if any(check.verdict == MISSED for check in self.all) else MET

    def near(self, what, expected, measured, within, unit, why):
        """That a figure is as expected, give or take `within`."""
        known = expected is not None and measured is not None
        good = known and abs(measured - expected) <= within
        self._add(what, expected, measured, unit, f"± {number(within)}", good, why)

    def between(self, what, least, most, measured, unit, why):
        good = None not in (least, most, measured) and least <= measured <= most
        self._add(what, f"{show(least)} to {show(most)}", measured, unit, "", good, why)

    def at_least(self, what, least, measured, unit, why):
        good = least is not None and measured is not None and measured >= least
        self._add(what, least, measured, unit, "at least", good, why)

    def host_sees(self, what, used_percent, measured):
        """That the host's CPU figure has what was used for certain; all else comes on top of it."""
        self.at_least(
            what, None if used_percent is None else TICKS_SEE * used_percent, measured,
            "% of all CPUs",
            "It is part of the host's CPU time. /proc/stat only looks which task runs at each tick: "
            "of loads that begin and end with the ticks it sees less, 0.6 of them in the worst run seen.",
        )  # fmt: skip

    def at_most(self, what, most, measured, unit, why):
        good = most is not None and measured is not None and measured <= most
        self._add(what, most, measured, unit, "at most", good, why)

    def holds(self, what, expected, measured, good, why):
        """That something is so; both in words."""
        self._add(what, expected, measured, "", "", good, why)

    def note(self, what, measured, unit="", why=""):
        """A figure of which nothing is expected."""
        self._append(Check(what, None, measured, unit, "", NOTED, why))

    def _add(self, what, expected, measured, unit, bound, good, why):
        verdict = MET if good else MISSED
        self._append(Check(what, expected, measured, unit, bound, verdict, why))

    def _append(self, check):
        self.all.append(check)
        expected = "" if check.expected is None else f", expected {show(check.expected)}"
        bound = f" ({check.bound})" if check.bound else ""
        self._say(
            f"    {check.verdict:6} {check.what}: {show(check.measured)} {check.unit}".rstrip()
            + expected
            + bound
        )


def number(value):
    """A number as a person reads it."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value)}"
    return f"{value:.2f}" if abs(value) < 1000 else f"{value:.0f}"


def show(value):
    if value is None:
        return "unknown"
    return value if isinstance(value, str) else number(value)
