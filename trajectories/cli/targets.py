"""Targets: what ``--until`` asks of a run, such as "g2(photon,magnon) error < 1%"."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..checks import positive_number, shown
from ..errors import InvalidInput
from ..lindblad.inputs import bundle_channels, bundle_window, two_of
from ..names import parted, printable

if TYPE_CHECKING:
    from ..model import OpenSystem
    from ..records import Run
    from ..results import Estimate

EXAMPLE = "write 'g2(photon,magnon) error < 1%' or 'bundles(photon,magnon) >= 10000'"
FORM = re.compile(
    r"\s*(?P<what>\w+)\s*\((?P<names>.*)\)\s*(?P<bound>error\s*<|>=)\s*(?P<limit>[^%]+?)\s*(?P<percent>%?)\s*"
)
# Events below which an error is too uncertain for a decision.
LEAST_EVENTS = 100
# The answer in that case: many more trajectories.
UNKNOWN = math.inf

# From a run, channels and the bundle window to what is bounded.
Measure = Callable[["Run", Sequence[str], float | None], "Estimate"]


@dataclass(frozen=True)
class Target:
    """A bound on what a run has measured; made by `read_target`, called with a `Run`.

    Attributes
    ----------
    text : str
        As it was written.
    measure : callable
        From a run to the estimate that is meant.
    limit : float
        The bound: of the standard error from above, or of the number of events from below.
    of : {"value", "relative", "events"}
        What is bounded: the error of the value, the error in units of the value, or the number of events.
    """

    text: str
    measure: Callable[[Run], Estimate]
    limit: float
    of: str

    def __call__(self, run: Run) -> float:
        """Return how many times as many trajectories it takes; 1 or less when the run suffices."""
        return self._growth(self.measure(run))

    def report(self, run: Run) -> str:
        """Say how far the run is."""
        found = self.measure(run)
        reached = f"{found.n} events" if self.of == "events" else f"{found} from {found.n} events"
        return (
            f"{printable(self.text)}: {'reached' if self._growth(found) <= 1.0 else 'not reached'}, with {reached}"
        )

    def _growth(self, found: Estimate) -> float:
        if self.of == "events":
            return self.limit / found.n if found.n else UNKNOWN
        allowed = self.limit * (abs(found.value) if self.of == "relative" else 1.0)
        if found.n < LEAST_EVENTS or not math.isfinite(found.standard_error) or not allowed > 0.0:
            return UNKNOWN
        return (
            found.standard_error / allowed
        ) ** 2  # errors fall as one over the root of the number of trajectories


def checked_form(text: str) -> re.Match[str]:
    """Return the parts of a target; refuse what has not its form."""
    form = FORM.fullmatch(text)
    if form is None:
        raise InvalidInput(f"--until {shown(text)} is no target; {EXAMPLE}")
    return form


def read_target(text: str, system: OpenSystem, window: float | None) -> Target:
    """Read a target.

    Parameters
    ----------
    text : str
        ``QUANTITY(channels) error < X`` with a quantity of `ESTIMATES` and X in its unit or in %; or
        ``EVENTS(channels) >= N`` with events of `EVENTS`. Two channels are separated by a comma.
    system : OpenSystem
        What is simulated.
    window : float or None
        Gap that separates bundles, and the longest lag of g2, in 1/ω_b; None means 3/κ.

    Raises
    ------
    InvalidInput
        Another form, an unknown quantity or channel, a limit that is no positive number, or no bundle window.
    """
    form = checked_form(text)
    counts = form["bound"] == ">="
    known = EVENTS if counts else ESTIMATES
    if form["what"] not in known:
        raise InvalidInput(
            f"--until {shown(text)} bounds {form['what']!r}; {form['bound']} bounds one of {', '.join(known)}"
        )
    measure, wanted = known[form["what"]]
    names = [name if name in system.channel_names else name.strip() for name in parted(form["names"], ",")]
    unknown = [name for name in names if name not in system.channel_names]
    if unknown:
        there = ", ".join(system.channel_names)
        raise InvalidInput(f"--until {shown(text)} names the channel {unknown[0]!r}; there are {there}")
    if len(names) != wanted or len(set(names)) != wanted:
        needs = "two different channels" if wanted == 2 else "one channel"
        raise InvalidInput(f"--until {shown(text)} needs {needs} in brackets")
    if wanted == 2:  # refused now, not after the first clicks
        two_of(bundle_channels(system, None) if form["what"] != "g2" else system.channel_names, *names)
        window = bundle_window(system, window)
    if counts and form["percent"]:
        raise InvalidInput(f"--until {shown(text)} counts events; give a number, not a percentage")
    limit = _limit(form["limit"], text) / (100.0 if form["percent"] else 1.0)
    of = "events" if counts else "relative" if form["percent"] else "value"
    return Target(text, lambda run: measure(run, names, window), limit, of)


def _limit(text: str, target: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise InvalidInput(f"--until {shown(target)} has the limit {text!r}, no number; {EXAMPLE}") from error
    return positive_number(number, f"--until {shown(target)}: limit")


def _rate(run: Run, names: Sequence[str], window: float | None) -> Estimate:
    from trajectories import analysis

    return analysis.rates(run)[names[0]]


def _g2(run: Run, names: Sequence[str], window: float | None) -> Estimate:
    """ĝ² averaged over lags of either sign up to the bundle window."""
    from trajectories import analysis

    from ..results import Estimate

    assert window is not None
    first, second = names
    found = analysis.g2(run, first, second, [-window, window])
    return Estimate(float(found.value[0]), float(found.standard_error[0]), int(found.counts[0]), found.method)


def _purity(run: Run, names: Sequence[str], window: float | None) -> Estimate:
    from trajectories import analysis

    first, second = names
    return analysis.pair_purity(run, first, second, window)


def _order(run: Run, names: Sequence[str], window: float | None) -> Estimate:
    from trajectories import analysis

    first, second = names
    return analysis.order_fraction(run, first, second, window)


def _bundles(run: Run, names: Sequence[str], window: float | None) -> Estimate:
    from trajectories import analysis

    in_order = sorted(names, key=run.metadata["channel_names"].index)
    return analysis.composition_rates(run, window, max_size=2)[tuple(in_order)]


# Each with the number of channels that it takes.
ESTIMATES: dict[str, tuple[Measure, int]] = {
    "g2": (_g2, 2),
    "rate": (_rate, 1),
    "purity": (_purity, 2),
    "order": (_order, 2),
    "bundles": (_bundles, 2),
}
EVENTS: dict[str, tuple[Measure, int]] = {"clicks": (_rate, 1), "bundles": (_bundles, 2)}
