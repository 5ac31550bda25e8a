"""The report of a run: a table of estimates beside exact values, and pictures of the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from trajectories.detectors import Detector
from trajectories.errors import InvalidInput
from trajectories.names import counted, display
from trajectories.records.clicks import ClickRecord
from trajectories.records.detection_log import recorded_detectors
from trajectories.results import Estimate, Histogram
from trajectories.stages import staged
from trajectories.time_units import TimeUnit

from .. import plot
from ..bundles.table import Bundles, find_bundles
from ..clicks.inputs import bundle_channels, bundle_window
from ..clicks.streams import Clicks, ClickStream, stream
from ..estimators.bundle_rates import pair_purity
from ..estimators.counting import rates
from ..estimators.ordering import lag_histogram, order_fraction

# Bundles that the stretch of the click stream shows, and bins of the lag histogram.
SHOWN_BUNDLES = 12
LAG_BINS = 40
# Samples of the populations round a bundle.
POPULATION_SAMPLES = 1200
# Early bundles are cheap to follow again; one among the first fifty is typical.
EARLY_BUNDLES = 50


@staged("estimates")
def summary(
    record: Clicks,
    pair: tuple[str, str] | None = None,
    window: float | None = None,
    exact: Mapping[str, float] | None = None,
) -> str:
    """Return the table that a run ends with.

    Each channel's click rate with its standard error beside the exact rate η_k Tr(c_kρc_k†) + d_k of the steady
    state, where the record carries it, with the detectors that the record went through, and the deviation in
    standard errors; then the bundles of a pair of channels.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    pair : tuple of two str, optional
        Channels whose two-click bundles are reported.
    window : float, optional
        Gap δ that separates bundles, in 1/ω_b; by default 3/κ of the record's parameters.
    exact : mapping of str to float, optional
        Exact ``"purity"`` and ``"order"`` (share with the pair's first channel first), for comparison.

    Raises
    ------
    InvalidInput
        An unknown channel, or no window and no κ to take it from.
    """
    record = stream(record)
    total = record.unit.of(f"{record.total_time:.4g}")
    lines = [f"{counted(record.n_trajectories, 'trajectory', 'trajectories')}, {len(record)} clicks in {total}"]
    exact_rates = _exact_rates(record)
    rate = ("rate in " if "/" in record.unit.rate else "rate/") + record.unit.rate
    lines += ["", f"{'channel':20} {'clicks':>8}  {rate:>24}  {'exact':>11}  {'deviation':>9}"]
    for name, estimate in rates(record).items():
        error = f"{estimate.standard_error:10.1e}" if np.isfinite(estimate.standard_error) else f"{'?':>10}"
        row = f"{display(name):20} {estimate.n:8d}  {estimate.value:11.4e} ± {error}"
        if name in exact_rates:
            row += f"  {exact_rates[name]:11.4e}  {_deviation(estimate, exact_rates[name]):>9}"
        lines.append(row)
    if pair is not None:
        lines += ["", *_pair_lines(record, pair, window, exact or {})]
    return "\n".join(lines) + "\n"


def _exact_rates(record: ClickStream) -> dict[str, float]:
    """Return the exact rates that a record carries, as detectors without dead time and afterpulses see them."""
    rates_of_clicks = (record.provenance.get("steady_state") or {}).get("rates", {})
    periodic = record.provenance.get("periodic_state") or {}
    # Of a run that started by running for some periods before they are those of some trajectories, not exact.
    per_pulse = None if "warm_up_periods" in periodic else periodic.get("clicks_per_pulse")
    if per_pulse is not None and record.provenance.get("period"):
        rates_of_clicks = {name: mean / record.provenance["period"] for name, mean in per_pulse.items()}
    try:
        detectors = recorded_detectors(record)
    except InvalidInput:
        return {}
    seen = {name: detectors.get(name, Detector()) for name in rates_of_clicks}
    return {
        name: detector.efficiency * rates_of_clicks[name] + detector.dark_rate
        for name, detector in seen.items()
        if not detector.dead_time and not detector.afterpulsing
    }


def _pair_lines(
    record: ClickStream, pair: tuple[str, str], window: float | None, exact: Mapping[str, float]
) -> list[str]:
    first, second = pair
    name = f"{display(first)}–{display(second)}"
    purity = pair_purity(record, first, second, window)
    bundles = sum(len(find_bundles(part, window)) for part in record.blocks())
    lines = [
        f"bundles: clicks of {', '.join(map(display, bundle_channels(record, None)))} closer than "
        f"δ = {record.unit.of(f'{bundle_window(record, window):g}')}",
        f"  {name + ' bundles':34} {purity.n} of {bundles} bundles, single clicks included",
    ]
    shares = {
        "purity": ("purity: share of quanta in them", purity),
        "order": (f"{display(first)} first", order_fraction(record, first, second, window)),
    }
    for key, (label, estimate) in shares.items():
        row = f"  {label:34} {estimate!s:18}"
        if key in exact:
            row += f"  exact {exact[key]:.4f}  {_deviation(estimate, exact[key])}"
        lines.append(row.rstrip())
    return lines


def _deviation(estimate: Estimate, exact: float) -> str:
    """Return the deviation in standard errors as text; a dash where the clicks give no error."""
    return estimate.deviation_text(exact)


def _of_pair(bundles: Bundles, pair: tuple[str, str]) -> NDArray[np.bool_]:
    """Which bundles are exactly one click of each channel of the pair, seen whole."""
    chosen: NDArray[np.bool_] = bundles.complete & bundles.of_kind(pair)
    return chosen


def lag_edges(window: float) -> NDArray[np.float64]:
    """Return the bins in which `pictures` draws the lags of bundles closer than `window`, in 1/ω_b."""
    return np.linspace(-window, window, LAG_BINS + 1)


@staged("pictures")
def pictures(
    record: Clicks,
    folder: Path,
    pair: tuple[str, str] | None = None,
    window: float | None = None,
    exact_lags: Histogram | None = None,
) -> list[Path]:
    """Draw a stretch of the click stream and the signed-lag histogram of the pair; return the files.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    folder : pathlib.Path
        Where the PNG files go; made if it is missing.
    pair, window
        As in `summary`; without a pair only the click stream is drawn.
    exact_lags : Histogram, optional
        The exact lag density of the pair, drawn over the estimate; see `trajectories.lindblad.lag_histogram`.
    """
    record = stream(record)
    if len(record) == 0:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    files = [plot.save(click_picture(record, window), folder / "click_stream.png")]
    if pair is not None:
        histogram = lag_histogram(record, *pair, lag_edges(bundle_window(record, window)), window)
        axes = plot.lag_histogram(histogram, exact_lags, first=pair[0], second=pair[1])
        files.append(plot.save(axes, folder / "lag_histogram.png"))
    return files


def click_picture(record: Clicks, window: float | None = None) -> Axes:
    """Draw a stretch of the trajectory with the most clicks, about a dozen bundles long.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks; at least one.
    window : float, optional
        As in `summary`; bundles are not shaded where there is no window and no κ to take it from.
    """
    most, chosen, row = -1, None, 0
    for part in stream(record).blocks():
        clicks = np.diff(part.offsets)
        if clicks.max() > most:
            most, chosen, row = int(clicks.max()), part, int(np.argmax(clicks))
    assert chosen is not None  # a stream has a block
    try:
        bundles = find_bundles(chosen, window)
    except InvalidInput:
        bundles = None
    start, stop = _stretch(chosen, row, bundles)
    return plot.click_stream(chosen, row, start, stop, bundles=bundles)


def _stretch(record: ClickRecord, row: int, bundles: Bundles | None) -> tuple[float, float]:
    """Choose a stretch of a trajectory that holds a dozen bundles, or a dozen clicks where there are none."""
    times = record.time[record.offsets[row] : record.offsets[row + 1]]
    if bundles is not None and np.count_nonzero(bundles.trajectory == row) > 1:
        times = bundles.stop[bundles.trajectory == row]
    last = float(times[min(SHOWN_BUNDLES, len(times) - 1)])
    begin, end = float(record.start[row]), float(record.stop[row])
    return begin, min(end, begin + 1.05 * (last - begin)) if last > begin else end


@dataclass(frozen=True)
class TypicalBundle:
    """One bundle of a pair, chosen to be drawn in detail.

    Attributes
    ----------
    row : int
        Trajectory of the record that holds it.
    trajectory : int
        Number of that trajectory in its run; the row itself where the record does not say.
    times : ndarray
        Sample times round it, ascending.
    clicks : dict of str to ndarray
        Click times in that stretch, by channel.
    """

    row: int
    trajectory: int
    times: NDArray[np.float64]
    clicks: dict[str, NDArray[np.float64]]
    unit: TimeUnit


def typical_bundle(record: Clicks, pair: tuple[str, str], window: float | None = None) -> TypicalBundle | None:
    """Choose an early bundle of a pair, of about the median length and without other clicks; None without any.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    pair, window
        As in `summary`.
    """
    record = stream(record)
    early = np.zeros((0, 3))  # start, length and row of the earliest ones
    first = 0
    for part in record.blocks():
        bundles = find_bundles(part, window)
        # Nothing between the two clicks, not even of a channel that belongs to no bundle.
        chosen = _of_pair(bundles, pair) & (bundles.last_click == bundles.first_click + 1)
        rows = first + bundles.trajectory[chosen]
        early = np.concatenate([early, np.column_stack([bundles.start[chosen], bundles.length[chosen], rows])])
        early = early[np.argsort(early[:, 0], kind="stable")[:EARLY_BUNDLES]]
        first += part.n_trajectories
    if len(early) == 0:
        return None
    start, length, row = early[np.argmin(np.abs(early[:, 1] - np.median(early[:, 1])))]
    return _surroundings(record, int(row), float(start), float(length), bundle_window(record, window))


def _surroundings(record: ClickStream, row: int, start: float, length: float, window: float) -> TypicalBundle:
    """Return the clicks and the sample times round a bundle."""
    margin = 2.0 * max(window, 2.0 * length)
    begin, end = (
        max(float(record.start[row]), start - margin),
        min(float(record.stop[row]), start + length + margin),
    )
    first = 0
    for part in record.blocks():
        if row < first + part.n_trajectories:
            break
        first += part.n_trajectories
    mine = slice(*part.offsets[[row - first, row - first + 1]])
    times, channels = part.time[mine], part.channel[mine]
    inside = (times >= begin) & (times <= end)
    times, channels = times[inside], channels[inside]
    # Samples just before and after every click, so that the jumps are drawn upright.
    samples = np.concatenate([np.linspace(begin, end, POPULATION_SAMPLES), times - 1e-6, times + 1e-6])
    samples = np.sort(samples[(samples >= begin) & (samples <= end)])
    clicks = {name: times[channels == k] for k, name in enumerate(record.channel_names) if (channels == k).any()}
    numbers = part.provenance.get("run_trajectories")
    return TypicalBundle(row, row if numbers is None else int(numbers[row - first]), samples, clicks, record.unit)


def population_picture(bundle: TypicalBundle, populations: Mapping[str, NDArray[np.float64]], path: Path) -> Path:
    """Draw dressed-state populations of one trajectory round a bundle (the paper's Fig. 2(d)–(g)).

    Parameters
    ----------
    bundle : TypicalBundle
        What `typical_bundle` chose.
    populations : mapping of str to ndarray
        Population of each state at ``bundle.times``.
    path : pathlib.Path
        The PNG file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    ax = plot.populations(bundle.times, populations, clicks=bundle.clicks, unit=bundle.unit)
    return plot.save(ax, path)
