"""Targets of ``--until``, such as "g2(photon,magnon) error < 1%"."""

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
# Growth factor in that case: many more trajectories.
UNKNOWN = math.inf

# Function of a run, channels and the bundle window that returns the estimate.
Measure = Callable[["Run", Sequence[str], float | None], "Estimate"]


@dataclass(frozen=True)
class Target:
    """A bound on an estimate from a run; made by `read_target`, called with a `Run`.

    Attributes
    ----------
    text : str
        The target as written.
    measure : callable
        Function of a run that returns the estimate.
    limit : float
        Upper bound of the standard error, or lower bound of the number of events.
    of : {"value", "relative", "events"}
        Quantity that is bounded: the standard error, the relative standard error, or the number of events.
    """

    text: str
    measure: Callable[[Run], Estimate]
    limit: float
    of: str

    def __call__(self, run: Run) -> float:
        """Return the factor by which the number of trajectories must grow; 1 or less if the run suffices."""
        return self._growth(self.measure(run))

    def report(self, run: Run) -> str:
        """Return a line that says whether the target is reached."""
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
    """Return the parts of a target; refuse text of another form."""
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
        The simulated system.
    window : float or None
        Largest gap inside a bundle, and the longest lag of g2, in 1/ω_b; None means 3/κ.

    Raises
    ------
    InvalidInput
        Another form, an unknown quantity or channel, a limit that is not positive, or no bundle window.
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
    if wanted == 2:  # so that a missing window is refused now
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


# Each with the number of its channels.
ESTIMATES: dict[str, tuple[Measure, int]] = {
    "g2": (_g2, 2),
    "rate": (_rate, 1),
    "purity": (_purity, 2),
    "order": (_order, 2),
    "bundles": (_bundles, 2),
}
EVENTS: dict[str, tuple[Measure, int]] = {"clicks": (_rate, 1), "bundles": (_bundles, 2)}
