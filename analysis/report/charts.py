"""The data of a report's charts: what the page draws, and what its CSV files hold."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trajectories.errors import InvalidInput
from trajectories.names import display, printable
from trajectories.results import Correlation, Histogram

from ..bundles.table import find_bundles
from ..clicks.streams import Clicks, stream
from .analysis_results import AnalysisResults, Curve, Scan

# Half width of a 95 % band in standard errors, where none for all bins at once is known.
POINTWISE = 1.959963984540054
# Clicks of the strip, and how many of them it shows at first.
STRIP, SHOWN = 3000, 60
HINT = "Point at the chart for values; drag to move; Ctrl + wheel, or + and −, to zoom; arrow keys step."


@dataclass(frozen=True)
class Chart:
    """One interactive chart.

    Attributes
    ----------
    name : str
        Name of the picture that it replaces.
    spec : dict
        What the page's script draws, as JSON holds it.
    rows : list of rows
        The same as a table, heads first.
    """

    name: str
    spec: dict[str, Any]
    rows: list[list[Any]]

    def csv(self) -> str:
        """Return the table as CSV."""
        text = io.StringIO()
        rows = [["" if x is None else x for x in row] for row in self.rows]
        csv.writer(text, lineterminator="\n").writerows(rows)
        return text.getvalue()


def charts(found: AnalysisResults, record: Clicks) -> dict[str, Chart]:
    """Return the charts by the name of the picture that they replace.

    Parameters
    ----------
    found : AnalysisResults
        From `analyse`.
    record : ClickRecord or Run
        The clicks that it analysed.
    """
    lag, rate = f"lag τ ({found.unit.name})", found.unit.rate
    made: list[Chart] = []
    clicks = stream(record)
    if len(clicks):
        made.append(_strip(clicks, found))
    if curves := found.curves.get("g2"):
        # The pair whose bundles are analysed comes first.
        pairs = sorted(curves, key=lambda pair: found.pair is None or set(pair) != set(found.pair))
        choices = {" and ".join(map(display, pair)): {"clicks": curves[pair]} for pair in pairs}
        made.append(_binned("g2", choices, lag, "g²(τ)", reference=1.0))
    if "purity" in found.scans:
        series = {f"n = {n}": scan for (n,), scan in found.scans["purity"].items()}
        window = f"bundle window δ ({found.unit.name})"
        made.append(_points("purity", {"": series}, window, "purity π_n", logx=True))
    for name, title in (("lags", "density"), ("asymmetry", "(N₊ − N₋)/(N₊ + N₋)")):
        for curve in found.curves.get(name, {}).values():
            words, unit = (lag, f"{title} ({rate})") if name == "lags" else (f"|lag| ({found.unit.name})", title)
            reference = 0.0 if name == "asymmetry" else None
            made.append(_binned(name, {"": {"clicks": curve}}, words, unit, reference=reference))
    if waits := found.curves.get("waits"):
        series_of = {display(name): curve for (name,), curve in waits.items()}
        chart = _binned("waits", {"": series_of}, f"wait ({found.unit.name})", f"density ({rate})")
        chart.spec.update(logx=True, logy=True)
        made.append(chart)
    if "fano" in found.scans:
        scan = found.scans["fano"][("fano",)]
        words = f"counting time T ({found.unit.name})"
        made.append(_points("fano", {"": {"clicks": scan}}, words, "Fano factor", logx=True, reference=1.0))
    if scans := found.scans.get("rates"):
        choices_of = {display(name): {"clicks": scan} for (name,), scan in scans.items()}
        made.append(_points("convergence", choices_of, f"time observed ({found.unit.name})", f"rate ({rate})"))
    return {chart.name: chart for chart in made}


def _binned(
    name: str,
    choices: Mapping[str, Mapping[str, Curve]],
    xlabel: str,
    ylabel: str,
    *,
    reference: float | None = None,
) -> Chart:
    rows: list[list[Any]] = [["curve", "series", "from", "to", "value", "standard error", "events", "exact"]]
    listed = []
    for choice, series in choices.items():
        drawn = []
        for label, curve in series.items():
            drawn.append(_of_bins(label, curve))
            exact = _exact(curve.exact, len(curve.estimate.value))
            estimate = curve.estimate
            edges = estimate.edges.tolist()
            columns = (_plain(estimate.value), _plain(estimate.standard_error), estimate.counts.tolist(), exact)
            rows += [
                [choice, label, edges[k], edges[k + 1], *(column[k] for column in columns)]
                for k in range(len(estimate.value))
            ]
        listed.append({"name": choice, "series": drawn})
    lowest = min(float(curve.estimate.edges[0]) for series in choices.values() for curve in series.values())
    spec = _spec(name, "bins", listed, xlabel, ylabel, reference)
    return Chart(name, spec | {"maylogx": lowest >= 0.0, "logx": False}, rows)


def _points(
    name: str,
    choices: Mapping[str, Mapping[str, Scan]],
    xlabel: str,
    ylabel: str,
    *,
    logx: bool = False,
    reference: float | None = None,
) -> Chart:
    rows: list[list[Any]] = [["curve", "series", "at", "value", "standard error", "events", "exact"]]
    listed = []
    for choice, series in choices.items():
        drawn = []
        for label, scan in series.items():
            value = _plain(np.array([estimate.value for estimate in scan.estimates]))
            error = _plain(np.array([estimate.standard_error for estimate in scan.estimates]))
            exact = [None] * len(value) if scan.exact is None else _plain(np.array(scan.exact))
            some = None if all(x is None for x in exact) else exact
            accidental = None if scan.accidental is None else _plain(scan.accidental)
            drawn.append(
                {
                    "name": printable(label),
                    "x": list(scan.points),
                    "value": value,
                    "error": error,
                    "exact": some,
                    "accidental": accidental,
                    "band": POINTWISE if scan.critical is None else scan.critical,
                    "atonce": scan.critical is not None,
                }
            )
            counts = [estimate.n for estimate in scan.estimates]
            columns = zip(scan.points, value, error, counts, exact, strict=True)
            rows += [[choice, label, *row] for row in columns]
        listed.append({"name": choice, "series": drawn})
    spec = _spec(name, "points", listed, xlabel, ylabel, reference)
    return Chart(name, spec | {"maylogx": True, "logx": logx, "fromzero": name != "convergence"}, rows)


def _spec(
    name: str, kind: str, choices: list[dict[str, Any]], xlabel: str, ylabel: str, reference: float | None
) -> dict[str, Any]:
    return {
        "id": name,
        "kind": kind,
        "choices": choices,
        "xlabel": xlabel,
        "ylabel": ylabel,
        "reference": reference,
        "fromzero": reference != 0.0,
        "logy": False,
        "hint": "",
        "alt": f"{ylabel} against {xlabel}. {HINT}",
    }


def _strip(record: Any, found: AnalysisResults) -> Chart:
    """Return clicks of the busiest trajectory, of which the page shows some and lets the rest be moved to."""
    most, chosen, row = -1, None, 0
    for part in record.blocks():
        counted = np.diff(part.offsets)
        if counted.max() > most:
            most, chosen, row = int(counted.max()), part, int(np.argmax(counted))
    assert chosen is not None  # a stream with clicks has a block
    mine = slice(int(chosen.offsets[row]), int(min(chosen.offsets[row + 1], chosen.offsets[row] + STRIP)))
    time, channel = chosen.time[mine], chosen.channel[mine]
    try:
        bundles = find_bundles(chosen, found.window)
        some = (bundles.trajectory == row) & (bundles.size > 1) & (bundles.start <= time[-1])
        shaded = np.column_stack([bundles.start[some], bundles.stop[some]]).tolist()
    except InvalidInput:  # no window
        shaded = []
    start = float(chosen.start[row])
    names = [display(name) for name in record.channel_names]
    last = float(time[min(SHOWN, len(time) - 1)])
    margin = 0.02 * (last - start) or 1.0
    unit = found.unit.name
    spec = {
        "id": "clicks",
        "kind": "strip",
        "choices": [{"name": "", "series": []}],
        "channels": names,
        "clicks": [time[channel == k].tolist() for k in range(len(names))],
        "bundles": shaded,
        "start": start - margin,
        "stop": float(time[-1]) + margin,
        "view": [start - margin, last + margin],
        "unit": unit,
        "xlabel": f"time ({unit})",
        "hint": f"{len(time)} clicks. {HINT}",
        "alt": f"Clicks of {', '.join(names)} against time, one row a channel. {HINT}",
    }
    rows: list[list[Any]] = [["time", "channel"], *([t, names[k]] for t, k in zip(time, channel, strict=True))]
    return Chart("clicks", spec, rows)


def _of_bins(label: str, curve: Curve) -> dict[str, Any]:
    estimate = curve.estimate
    counted = (estimate.counts > 0) | np.isfinite(estimate.standard_error)
    exact = _exact(curve.exact, len(estimate.value))
    return {
        "name": printable(label),
        "x": estimate.edges.tolist(),
        "value": [v if known else None for v, known in zip(_plain(estimate.value), counted, strict=True)],
        "error": _plain(estimate.standard_error),
        "exact": None if all(x is None for x in exact) else exact,
        "band": POINTWISE if curve.critical is None else curve.critical,
        "atonce": curve.critical is not None,
    }


def _exact(exact: Correlation | Histogram | None, size: int) -> list[float | None]:
    """Return exact values bin by bin; None where there are none, or other bins."""
    if exact is None or len(exact.value) != size:
        return [None] * size
    return _plain(exact.value)


def _plain(values: NDArray[Any] | Iterable[float]) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
