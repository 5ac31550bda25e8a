"""Detector effects in a measured record: cable delays, dead time, afterpulses, dark counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trajectories.checks import positive_number, shown
from trajectories.detectors import Detector
from trajectories.errors import InvalidInput
from trajectories.notebook import Shown, Summary
from trajectories.records.corrections import unfolded
from trajectories.results import Estimate
from trajectories.time_units import NATURAL, TimeUnit

from ..clicks.streams import Clicks, ClickStream, stream
from ..clicks.ticks import whole_tick_edges
from ..estimators.correlations import count_pairs
from ..estimators.counting import rates
from ..statistics.resampling import Pooled, Sums

# Lags that a search for a delay divides its range into, and the deviation in σ that chance does not explain.
LAGS = 2000
SIGNIFICANT = 5.0
# Lags that stand out by this share of the largest deviation are as likely to be the delay.
ALIKE = 0.8
# Widths of the bins in units of the narrowest. Narrower ones are taken where they show this share of the largest
# deviation, or a deviation that is significant by itself.
SCALES, ENOUGH, PLAIN = (1, 4, 16, 64), 0.4, 15.0
# Fewest bins from which a median level is taken.
LEAST_BINS = 16
# Bins of the autocorrelation in which afterpulses are looked for.
SHORT_BINS = 40


def find_delay(record: Clicks, first: str, second: str, reach: float, resolution: float | None = None) -> Estimate:
    """Find the delay of one channel behind another: where their cross-correlation peaks, or dips.

    The pairs are counted by lag; the feature is the lag whose count deviates most from the median count, with the
    neighbours that deviate with it. The delay is the centre of gravity of its excess (or lack) of pairs. In a
    synced (T3) record lags are whole periods; the time within the period comes from the phases of the two channels
    after the pulse.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    first, second : str
        Channels; a positive delay means that `second` lags behind, which
        ``delayed(record, {second: -delay})`` corrects.
    reach : float
        Largest |delay| that is looked for, in the record's unit.
    resolution : float, optional
        Width of the lag bins, a whole number of ticks; when not given, from reach/1000 up, as the feature needs.

    Returns
    -------
    Estimate
        Its error holds the counting noise of the centre of gravity and the width of a bin.

    Raises
    ------
    InvalidInput
        Unknown channels, a reach that is not positive, too few pairs, no lag that stands out by five σ, or several
        that do.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> times = np.arange(1.0, 1001.0)
    >>> both = np.column_stack([times, times + 0.25]).ravel()
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 2000, both, [0, 1] * 1000, channel_names=["a", "b"], start=0.0, stop=1002.0
    ... )
    >>> round(tj.analysis.find_delay(record, "a", "b", reach=0.4, resolution=0.02).value, 2)
    0.25
    """
    record = stream(record)
    width = 2.0 * positive_number(reach, "reach") / LAGS if resolution is None else resolution
    width = max(positive_number(width, "resolution"), record.tick or 0.0)
    half = max(round(reach / width), 2)
    wanted: NDArray[np.float64] = np.arange(-half, half + 1).astype(np.float64) * width
    edges = whole_tick_edges(record, wanted)
    counted = count_pairs(record, [(first, second)], edges)
    fine = counted.counts[:, 0].sum(axis=0).astype(np.float64)
    if fine.sum() < 100:
        raise InvalidInput(
            f"only {int(fine.sum())} pairs within reach={reach:g}; lengthen the reach or the record"
        )
    # A broad feature is significant in broad bins only; the narrowest of these locate it best.
    wanted_scales = [scale for scale in SCALES if len(fine) >= LEAST_BINS * scale] if resolution is None else []
    found = [_deviation(fine, counted.overlap.sum(axis=0), g) for g in wanted_scales or [1]]
    largest = max(float(np.abs(z).max()) for *_, z in found)
    if largest < SIGNIFICANT:
        raise InvalidInput(
            f"no lag of {first} and {second} within {reach:g} stands out (the largest by {largest:.1f} σ); "
            "lengthen the reach, or change the resolution"
        )
    limit = max(SIGNIFICANT, min(ENOUGH * largest, PLAIN))
    scale, pairs, level, z = next(entry for entry in found if np.abs(entry[-1]).max() >= limit)
    edges = edges[::scale][: len(pairs) + 1]
    at = int(np.argmax(np.abs(z)))
    sign = np.sign(z[at])
    inside = sign * (pairs - level) >= 0.1 * abs(pairs[at] - level[at])
    low = at - int(np.argmin(inside[at::-1])) + 1 if not inside[: at + 1].all() else 0
    high = at + int(np.argmin(inside[at:])) if not inside[at:].all() else len(inside)
    feature = slice(low, high)
    # Whole ticks stand for the lags from half a tick before to half a tick after them.
    shift = 0.0 if record.tick is None else 0.5 * record.tick
    centre = 0.5 * (edges[1:] + edges[:-1]) - shift
    apart = np.ones(len(z), dtype=bool)
    apart[feature] = False
    alike = np.flatnonzero(apart & (sign * z >= max(ALIKE * abs(z[at]), SIGNIFICANT)))
    if len(alike):
        raise InvalidInput(
            f"lags of {first} and {second} at {centre[at]:.6g} and {centre[alike[0]]:.6g} stand out equally, as "
            "with pulsed light; take the synced (T3) record, or a reach below half the time between pulses"
        )
    excess = sign * (pairs - level)[feature]
    delay = float(excess @ centre[feature] / excess.sum())
    noise = float(np.sqrt(pairs[feature] @ (centre[feature] - delay) ** 2) / excess.sum())
    width = float(edges[1] - edges[0])
    method = f"centre of the {'peak' if sign > 0 else 'dip'} of {abs(z[at]):.0f} σ, pairs by lag"
    error = float(np.hypot(noise, width / np.sqrt(12.0)))
    if record.clock is not None and record.clock.fine is not None:
        behind, within, within_error = _behind_pulses(record, first, second)
        delay += behind
        if noise + within_error < 0.25 * record.clock.tick and scale * width < 1.5 * record.clock.tick:
            # This gives the whole number of periods; the rest follows from the times after the pulses.
            delay = within + float(np.round((delay - within) / record.clock.tick)) * record.clock.tick
            error, method = within_error, f"{method}; within the period by the phases after the pulse"
    return Estimate(delay, error, int(pairs[feature].sum()), method)


def _behind_pulses(record: ClickStream, first: str, second: str) -> tuple[float, float, float]:
    """Return how much later after its pulse the second channel clicks on average; and by phase, with its error.

    The phase of Σ exp(2πi t/T) over the times t after the pulse is not changed by a uniform background.
    """
    assert record.clock is not None
    assert record.clock.fine is not None
    period, fine = record.clock.tick, record.clock.fine
    counts: dict[str, NDArray[np.float64]] = {first: np.zeros(1), second: np.zeros(1)}
    for block in record.blocks():
        assert block.within is not None
        for name in counts:
            here = np.bincount(block.within[block.channel == block.channel_number(name)]).astype(np.float64)
            size = max(len(here), len(counts[name]))
            counts[name] = np.pad(counts[name], (0, size - len(counts[name]))) + np.pad(
                here, (0, size - len(here))
            )
    means, phases, variance = [], [], 0.0
    for count in counts.values():
        angle = 2.0 * np.pi * (np.arange(len(count)) + 0.5) * fine / period
        turned = complex(count @ np.exp(1j * angle))
        phases.append(float(np.angle(turned)))
        means.append(float(count @ np.arange(len(count))) * fine / max(count.sum(), 1.0))
        variance += float(count @ np.sin(angle - phases[-1]) ** 2) / max(abs(turned), 1e-300) ** 2
    turn = period / (2.0 * np.pi)
    return means[1] - means[0], (phases[1] - phases[0]) * turn, float(np.sqrt(variance)) * turn


def _deviation(
    fine: NDArray[np.float64], overlap: NDArray[np.float64], scale: int
) -> tuple[int, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the scale, and for bins widened by it pairs, median level and deviations in σ."""
    whole = len(fine) // scale * scale
    pairs, room = (values[:whole].reshape(-1, scale).sum(axis=1) for values in (fine, overlap))
    level = float(np.median(pairs / room)) * room
    level = np.where(level > 0, level, pairs.sum() / room.sum() * room)
    return scale, pairs, level, (pairs - level) / np.sqrt(np.maximum(level, 1.0))


@dataclass(frozen=True, repr=False)
class DetectorMemory(Shown):
    """Detector properties measured from the short waits of a channel.

    Attributes
    ----------
    dead_time : float
        Shortest wait between two of its clicks; NaN with fewer than two.
    missing : Estimate
        Lack of pairs at short lags in units of time, ∫(1 − g²)dτ over the lags before the first pair: the dead
        time, if the light is uncorrelated.
    afterpulsing : Estimate
        Probability that a click is followed by an afterpulse within the reach: the pairs in excess of what later
        lags predict, per click.
    reach : float
        Largest lag that was used; the background is taken from as long a stretch after it.
    unit : TimeUnit
        Of the times.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> times = np.cumsum(np.random.default_rng(1).exponential(1.0, 5000) + 0.2)
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 5000, times, [0] * 5000, channel_names=["a"], start=0.0, stop=times[-1] + 1.0
    ... )
    >>> found = tj.analysis.detector_memory(record, "a", reach=5.0)
    >>> found.reach, 0.2 < found.dead_time < 0.21
    (5.0, True)
    """

    dead_time: float
    missing: Estimate
    afterpulsing: Estimate
    reach: float
    unit: TimeUnit = NATURAL

    def _summary(self) -> Summary:
        rows = [
            ("shortest wait", self.unit.of(f"{self.dead_time:.6g}")),
            ("lack of pairs", str(self.missing)),
            ("afterpulses a click", str(self.afterpulsing)),
        ]
        return Summary(f"Detector from lags up to {self.unit.of(f'{self.reach:g}')}", ("", "value"), rows)


def detector_memory(record: Clicks, channel: str, reach: float) -> DetectorMemory:
    """Measure dead time and afterpulsing of a detector from the short waits between its clicks.

    Measure with uncorrelated light: a bunched source looks like afterpulses. A cross-correlation of two detectors
    behind a beam splitter has neither.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    channel : str
        The detector's channel.
    reach : float
        Afterpulses come within this time.

    Returns
    -------
    DetectorMemory

    Raises
    ------
    InvalidInput
        An unknown channel, or a reach that is not positive.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> times = np.cumsum(np.random.default_rng(1).exponential(1.0, 5000) + 0.2)
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 5000, times, [0] * 5000, channel_names=["a"], start=0.0, stop=times[-1] + 1.0
    ... )
    >>> found = tj.analysis.detector_memory(record, "a", reach=5.0)
    >>> 0.2 < found.dead_time < 0.21, abs(found.missing.value - 0.2) < 4 * found.missing.standard_error
    (True, True)
    """
    record = stream(record)
    number = record.channel_number(channel)
    length = positive_number(reach, "reach")
    if record.clock is not None and record.clock.fine is not None:  # waits are shorter than the period of the sync
        record = record.through(lambda block, _: unfolded(block))
    shortest = np.inf
    for block in record.blocks():
        mine = np.flatnonzero(block.channel == number)
        wait = np.diff(block.stamp[mine])[np.diff(block.trajectory[mine]) == 0]
        shortest = min(shortest, float(wait.min()) if len(wait) else np.inf)
    dead = shortest * (record.tick or 1.0) if np.isfinite(shortest) else float("nan")
    edges = whole_tick_edges(record, np.linspace(0.0, 2.0 * length, 2 * SHORT_BINS + 1))
    counted = count_pairs(record, [(channel, channel)], edges)
    half = (len(edges) - 1) // 2
    pairs = counted.counts[:, 0].astype(np.float64)
    silent = int(np.argmax(pairs.sum(axis=0) > 0)) if pairs.any() else half
    sums = {"pairs": pairs, "overlap": counted.overlap, "clicks": counted.clicks[channel]}

    def values(s: Sums) -> NDArray[np.float64]:
        level = s["pairs"][..., half:].sum(axis=-1) / s["overlap"][..., half:].sum(axis=-1)
        near = slice(silent, half)
        extra = s["pairs"][..., near].sum(axis=-1) - level * s["overlap"][..., near].sum(axis=-1)
        before = s["overlap"][..., : silent + 1]
        lack = (1.0 - s["pairs"][..., : silent + 1] / (level[..., None] * before)) * np.diff(edges)[: silent + 1]
        return np.stack([extra / s["clicks"][..., 0], lack.sum(axis=-1)], axis=-1)

    counts = np.full(2, int(pairs[:, :half].sum()))
    afterpulsing, missing = Pooled(sums, values, counted.units, counts).jackknife().estimates()
    return DetectorMemory(dead, missing, afterpulsing, length, record.unit)


def dark_detectors(dark: Clicks, detectors: Mapping[str, Detector] | None = None) -> dict[str, Detector]:
    """Return detectors with the dark rates that a record without light shows.

    Parameters
    ----------
    dark : ClickRecord or Run
        Clicks that were taken with the light blocked; its channels are those of the measurement.
    detectors : mapping of str to Detector, optional
        Their other properties: efficiencies, dead times. Ideal where not given.

    Returns
    -------
    dict of str to Detector
        In the unit of time of the record, one for each of its channels.

    Raises
    ------
    InvalidInput
        Detectors of channels that the record lacks, or anything that `stream` refuses.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> found = tj.analysis.dark_detectors(record)
    >>> {name: detector.dark_rate for name, detector in found.items()}
    {'a': 0.04, 'b': 0.03}
    """
    known = dict(detectors or {})
    found = rates(dark)
    for name in known:
        if name not in found:
            raise InvalidInput(f"detectors name {shown(name)}, which the dark record lacks; leave it out")
    return {name: replace(known.get(name, Detector()), dark_rate=rate.value) for name, rate in found.items()}
