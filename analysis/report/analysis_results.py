"""AnalysisResults: every number of an analysis beside its exact value; as text, as JSON, for figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trajectories.names import printable
from trajectories.names import spelled as names_spelled
from trajectories.notebook import Shown, Summary
from trajectories.results import Correlation, Estimate, Histogram
from trajectories.time_units import NATURAL, TimeUnit

from ..statistics.resampling import TestResult

# Tests with a smaller p are marked in the table.
MARKED = 0.01
# Below so many events an estimate is too far from normal to be judged by its deviation.
LEAST_EVENTS = 50


@dataclass(frozen=True)
class Number:
    """One estimate with a name, and its exact value where that is known.

    `share` says that it is a share of a whole, and `least` from how many events on its error is trusted.
    """

    section: str
    name: str
    estimate: Estimate
    exact: float | None = None
    unit: str = ""
    share: bool = False
    least: int = LEAST_EVENTS

    @property
    def deviation(self) -> float | None:
        """(estimate − exact)/σ; None where either is not known."""
        if self.exact is None or not np.isfinite([self.exact, self.estimate.standard_error]).all():
            return None
        return self.estimate.deviation(self.exact)

    @property
    def deviation_text(self) -> str:
        """The deviation as text; nothing where it is not known."""
        known = self.exact is not None and self.deviation is not None
        return self.estimate.deviation_text(self.exact) if known and self.exact is not None else ""


@dataclass(frozen=True)
class Check:
    """One hypothesis test with a name."""

    section: str
    name: str
    result: TestResult


@dataclass(frozen=True)
class Curve:
    """A binned estimate, its exact counterpart in the same bins, and how wide a band for all bins at once is."""

    name: str
    estimate: Correlation | Histogram
    exact: Correlation | Histogram | None
    critical: float | None


@dataclass(frozen=True)
class Scan:
    """Estimates at points, the exact values there (NaN where not known), and the width of the common band."""

    name: str
    points: tuple[float, ...]
    estimates: tuple[Estimate, ...]
    exact: tuple[float, ...] | None
    critical: float | None
    accidental: tuple[float, ...] | None = None


@dataclass(frozen=True, repr=False)
class AnalysisResults(Shown):
    """Results of `analyse`.

    Attributes
    ----------
    facts : dict of str to str
        What was analysed.
    numbers : list of Number
        The table.
    checks : list of Check
        Hypothesis tests.
    curves, scans : dict
        What pictures are drawn from, by kind, then by channels or another name, as a tuple.
    pair : tuple of two str or None
        The channels whose bundles are analysed.
    window : float or None
        Bundle window δ, in `unit`.
    unit : TimeUnit
        Unit of all times.
    notes : list of str
        What could not be computed, and why.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> rng = np.random.default_rng(1)
    >>> times = np.sort(rng.uniform(0.0, 50.0, (40, 20)), axis=1)
    >>> record = tj.ClickRecord.from_arrays(
    ...     np.repeat(np.arange(40), 20), times.ravel(), rng.integers(0, 2, 800),
    ...     channel_names=["a", "b"], start=np.zeros(40), stop=np.full(40, 50.0),
    ... )
    >>> found = tj.analysis.analyse(record, pair=("a", "b"), window=1.0)
    >>> found.pair, found.window, len(found.numbers) > 10
    (('a', 'b'), 1.0, True)
    """

    facts: dict[str, str] = field(default_factory=dict)
    numbers: list[Number] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    curves: dict[str, dict[tuple[str, ...], Curve]] = field(default_factory=dict)
    scans: dict[str, dict[tuple[str, ...], Scan]] = field(default_factory=dict)
    pair: tuple[str, str] | None = None
    window: float | None = None
    unit: TimeUnit = NATURAL
    notes: list[str] = field(default_factory=list)

    def _summary(self) -> Summary:
        rows = [
            (
                number.name,
                str(number.estimate),
                "" if number.exact is None else f"{number.exact:.5g}",
                number.deviation_text,
            )
            for number in self.numbers
        ]
        title = "Analysis: " + ", ".join(f"{key} {value}" for key, value in list(self.facts.items())[:3])
        return Summary(title, ("", "estimate", "exact", "deviation"), rows, "print(….table()) shows all")

    def table(self) -> str:
        """Return the numbers and tests as text."""
        lines = [f"{name:14} {printable(value)}" for name, value in self.facts.items()]
        compared = any(number.exact is not None for number in self.numbers)
        beside = f"  {'exact':>11}  {'deviation':>9}" if compared else ""
        for section, rows in self._sections():
            lines += ["", f"{section:44} {'estimate':>25}{beside}"]
            lines += [
                f"  {name:42} {value:>25}  {exact:>11}  {deviation:>9}".rstrip()
                for name, value, exact, deviation in rows
            ]
        if self.checks:
            lines += ["", f"{'tests':44} {'statistic':>25}  {'p':>11}"]
            for check in self.checks:
                name = f"{check.section}: {check.name}"
                against = "  <<" if check.result.p_value < MARKED else ""
                lines.append(f"  {name:42} {check.result.statistic:25.4g}  {check.result.p_value:11.3g}{against}")
        lines += [""] * bool(self.notes) + [f"note: {printable(note)}" for note in self.notes]
        return "\n".join(lines)

    def rows(self, section: str) -> Iterator[tuple[str, str, str, str]]:
        """Yield name, estimate with unit, exact value and deviation of a section's numbers, as words."""
        for number in self.numbers:
            if number.section == section:
                exact = "" if number.exact is None else spelled_like(number.exact, number.estimate)
                deviation = number.deviation_text
                name = f"{number.name} ({number.unit})" if number.unit else number.name
                yield name, spelled(number.estimate), exact, deviation

    @property
    def sections(self) -> list[str]:
        """The sections of the table, in order."""
        return list(dict.fromkeys(number.section for number in self.numbers))

    def _sections(self) -> Iterator[tuple[str, list[tuple[str, str, str, str]]]]:
        for section in self.sections:
            yield section, list(self.rows(section))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON holds it; what is not a finite number becomes null."""
        numbers = [
            {
                "section": n.section,
                "name": n.name,
                "unit": n.unit,
                **_estimate(n.estimate),
                "exact": _number(n.exact),
                "deviation": _number(n.deviation),
            }
            for n in self.numbers
        ]
        checks = [
            {
                "section": c.section,
                "name": c.name,
                "statistic": _number(c.result.statistic),
                "p_value": _number(c.result.p_value),
                "n": c.result.n,
                "method": c.result.method,
            }
            for c in self.checks
        ]
        return {
            "facts": self.facts,
            "unit": self.unit.to_dict(),
            "pair": None if self.pair is None else list(self.pair),
            "window": self.window,
            "numbers": numbers,
            "tests": checks,
            "curves": {kind: _by_name(some, _curve) for kind, some in self.curves.items()},
            "scans": {kind: _by_name(some, _scan) for kind, some in self.scans.items()},
            "notes": self.notes,
        }


def spelled(estimate: Estimate) -> str:
    """Return an estimate as text whose digits its error justifies; a dash where there is none."""
    if estimate.standard_error == 0.0 and np.isfinite(estimate.value):  # known, such as the accidental level
        return f"{estimate.value:.4g}"
    return str(estimate) if np.isfinite(estimate.value) else "–"


def spelled_like(exact: float, estimate: Estimate) -> str:
    """Return an exact value with one digit more than `spelled` gives its estimate."""
    if not np.isfinite(estimate.standard_error) or estimate.standard_error == 0.0:
        return f"{exact:.5g}"
    mantissa, e, _ = spelled(estimate).partition(" ")[0].partition("e")
    decimals = len(mantissa.partition(".")[2])
    return f"{exact:.{decimals + 1}e}" if e else f"{exact:.{decimals + 1}f}"


def _by_name(some: Mapping[tuple[str, ...], Any], plain: Callable[[Any], Any]) -> dict[str, Any]:
    """Return curves or scans by names joined with "|", as `trajectories.names.spelled` does."""
    return {names_spelled(names, "|"): plain(one) for names, one in some.items()}


def _number(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)


def _list(values: Any) -> list[float | None]:
    return [_number(value) for value in values]


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {
        "value": _number(estimate.value),
        "standard_error": _number(estimate.standard_error),
        "n": estimate.n,
        "method": estimate.method,
    }


def _curve(curve: Curve) -> dict[str, Any]:
    estimate = curve.estimate
    return {
        "name": curve.name,
        "edges": estimate.edges.tolist(),
        "value": _list(estimate.value),
        "standard_error": _list(estimate.standard_error),
        "counts": estimate.counts.tolist(),
        "method": estimate.method,
        "simultaneous_band": _number(curve.critical),
        "exact": None if curve.exact is None else _list(curve.exact.value),
    }


def _scan(scan: Scan) -> dict[str, Any]:
    return {
        "name": scan.name,
        "points": list(scan.points),
        "estimates": [_estimate(estimate) for estimate in scan.estimates],
        "simultaneous_band": _number(scan.critical),
        "exact": None if scan.exact is None else _list(scan.exact),
        "accidental": None if scan.accidental is None else _list(scan.accidental),
    }
