"""What single pulses emit: counts of each pulse, when clicks come within it, and pairs within it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trajectories.checks import bin_edges, integer, positive_number
from trajectories.errors import InvalidInput
from trajectories.pulse_results import PulseCounts, PulseMap
from trajectories.records.clicks import ClickRecord
from trajectories.results import Estimate, Histogram

from ..clicks.inputs import checked_channels
from ..clicks.streams import Clicks, ClickStream, stream
from ..statistics.resampling import Pooled
from ..statistics.resampling_units import add_up, choose_resampling_units

# A pulse belongs to an observation window that holds it whole, up to this share of the period.
WHOLE = 1e-9


@dataclass(frozen=True, eq=False)
class Pulses:
    """Clicks of one block by the pulses that they belong to; pulses that an observation window cuts are left out.

    Attributes
    ----------
    unit : ndarray of int64, shape (n_clicks,)
        Resampling unit of each click's pulse.
    pulse : ndarray of int64, shape (n_clicks,)
        Number of the pulse, ascending; no two trajectories share a number.
    within : ndarray of float64, shape (n_clicks,)
        Time since the pulse.
    channel : ndarray of int16, shape (n_clicks,)
        Channel of each click.
    """

    unit: NDArray[np.int64]
    pulse: NDArray[np.int64]
    within: NDArray[np.float64]
    channel: NDArray[np.int16]


class PulsedRecord:
    """A record whose period is known, divided into whole pulses.

    Raises
    ------
    InvalidInput
        No period is known, another one is given, or no observation window holds a whole pulse.
    """

    def __init__(self, record: Clicks, period: float | None) -> None:
        self.record = stream(record)
        self.period = period_of(self.record, period)
        self.units = choose_resampling_units(self.record, reach=self.period)
        first, last = self._whole(self.record)
        counts = np.maximum(last - first, 0)
        if not counts.sum():
            raise InvalidInput(
                f"no observation window holds a whole period of {self.period:g}; give a longer record"
            )
        self.pulses = self.units.windows_per_unit(self.period, counts)

    def _whole(self, record: ClickRecord | ClickStream) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the first pulse of every trajectory, and the one after its last."""
        # Pulses of a synced record are counted from its sync pulse 0, others begin at multiples of the period.
        synced = record.clock is not None and record.clock.fine is not None
        origin = record.clock.origin if synced and record.clock is not None else 0.0
        first = np.ceil((record.start - origin) / self.period - WHOLE).astype(np.int64)
        last = np.floor((record.stop - origin) / self.period + WHOLE).astype(np.int64)
        return first, last

    def blocks(self) -> Iterator[Pulses]:
        """Yield the clicks block by block."""
        base = 0
        for part, here in self.units.parts(self.record):
            first, last = self._whole(part)
            number, within = _pulse_of(part, self.period)
            row = part.trajectory
            kept = (number >= first[row]) & (number < last[row])
            row, number, within = row[kept], number[kept], within[kept]
            offsets = np.concatenate([[0], np.cumsum(np.maximum(last - first, 0))])
            pulse = base + offsets[row] + (number - first[row])
            begun = np.maximum(number * self.period, part.start[row])
            if part.clock is not None and part.clock.fine is not None:
                begun = np.maximum(part.clock.origin[row] + number * self.period, part.start[row])
            yield Pulses(here.at(row, begun), pulse, within, part.channel[kept])
            base += int(offsets[-1])


def _pulse_of(record: ClickRecord, period: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the pulse number of every click, and its time since that pulse."""
    if record.clock is not None and record.clock.fine is not None:
        assert record.within is not None
        # In the middle of its step, which keeps edges at multiples of the step exact.
        middle: NDArray[np.float64] = np.asarray((record.within + 0.5) * record.clock.fine, dtype=np.float64)
        return record.stamp.astype(np.int64), middle
    # In the middle of its tick, for the same reason.
    time = record.time if record.tick is None else record.time + 0.5 * record.tick
    number = np.floor(time / period).astype(np.int64)
    return number, np.maximum(time - number * period, 0.0)


def period_of(record: ClickRecord | ClickStream, period: float | None) -> float:
    """Return the period of a record: its own, or the one given.

    Raises
    ------
    InvalidInput
        Neither, or two that differ.
    """
    own = None
    if record.clock is not None and record.clock.fine is not None:
        own = record.clock.tick
    elif record.clock is None and record.provenance.get("period") is not None:
        own = float(record.provenance["period"])
    if period is None:
        if own is None:
            raise InvalidInput("the record has no sync numbers and no period; give period= from pulse to pulse")
        return own
    given = positive_number(period, "period")
    if own is not None and abs(given - own) > WHOLE * own:
        raise InvalidInput(f"period={given:g} is not that of the record, {own:g}; leave it out")
    return given


def brightness(record: Clicks, channel: str, period: float | None = None) -> Estimate:
    """Estimate the mean number of clicks per pulse.

    Parameters
    ----------
    record : ClickRecord or Run
        Clicks of a pulsed system, or of a synced (T3) measurement.
    channel : str
        The channel.
    period : float, optional
        Time from pulse to pulse, where the record has none; pulses begin at its multiples.

    Raises
    ------
    InvalidInput
        An unknown channel, no period, or observation windows shorter than it.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> record = tj.ClickRecord.from_arrays(
    ...     np.arange(40), np.full(40, 1.5), np.zeros(40, int), channel_names=["a"], start=np.zeros(40),
    ...     stop=np.full(40, 4.0),
    ... )
    >>> tj.analysis.brightness(record, "a", period=2.0).value
    0.5
    """
    watched = PulsedRecord(record, period)
    number, clicks, total = watched.record.channel_number(channel), np.zeros((watched.units.count, 1)), 0
    for part in watched.blocks():
        chosen = part.channel == number
        add_up(clicks, part.unit[chosen])
        total += int(chosen.sum())
    pooled = Pooled(
        {"clicks": clicks, "pulses": watched.pulses},
        lambda s: s["clicks"] / s["pulses"],
        watched.units,
        np.array([total]),
    )
    return pooled.jackknife().estimates()[0]


def click_density(record: Clicks, channel: str, edges: ArrayLike, period: float | None = None) -> Histogram:
    """Estimate the density of clicks per pulse against the time since the pulse.

    Parameters
    ----------
    record, channel, period
        As for `brightness`.
    edges : array_like of shape (n_bins + 1,)
        Ascending edges in [0, T].

    Raises
    ------
    InvalidInput
        As for `brightness`, or bad edges.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> record = tj.ClickRecord.from_arrays(
    ...     np.arange(40), np.full(40, 1.5), np.zeros(40, int), channel_names=["a"], start=np.zeros(40),
    ...     stop=np.full(40, 4.0),
    ... )
    >>> tj.analysis.click_density(record, "a", [0.0, 1.0, 2.0], period=2.0).value
    array([0. , 0.5])
    """
    record = stream(record)
    watched, bins = PulsedRecord(record, period), bin_edges(edges, lowest=0.0)
    pooled = pooled_density(watched, channel, bins)
    found = pooled.jackknife()
    method = f"clicks per pulse and unit of time; {found.method}"
    return Histogram(bins, found.value, found.errors, found.counts, method, unit=record.unit)


def pooled_density(watched: PulsedRecord, channel: str, bins: NDArray[np.float64]) -> Pooled:
    """Return what `click_density` estimates in a form that can be resampled."""
    number, binned = watched.record.channel_number(channel), np.zeros((watched.units.count, len(bins) - 1))
    for part in watched.blocks():
        place = np.searchsorted(bins, part.within, side="right") - 1
        chosen = (part.channel == number) & (place >= 0) & (place < len(bins) - 1)
        add_up(binned, part.unit[chosen], place[chosen])
    counts, width = binned.sum(axis=0).astype(np.int64), np.diff(bins)
    sums = {"clicks": binned, "pulses": watched.pulses}
    return Pooled(sums, lambda s: s["clicks"] / s["pulses"] / width, watched.units, counts)


def pulse_counts(
    record: Clicks, channels: Sequence[str], most: int = 3, period: float | None = None
) -> PulseCounts:
    """Estimate the joint distribution of the clicks of one pulse, P(n_a, n_b, …).

    Parameters
    ----------
    record, period
        As for `brightness`.
    channels : sequence of str
        Channels whose clicks are counted.
    most : int
        Largest count that is resolved; the last entry along each axis is of so many clicks or more.

    Raises
    ------
    InvalidInput
        As for `brightness`, or channels named twice.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> record = tj.ClickRecord.from_arrays(
    ...     np.arange(40), np.full(40, 1.5), np.zeros(40, int), channel_names=["a"], start=np.zeros(40),
    ...     stop=np.full(40, 4.0),
    ... )
    >>> tj.analysis.pulse_counts(record, ["a"], most=2, period=2.0).probability
    array([0.5, 0.5, 0. ])
    """
    watched = PulsedRecord(record, period)
    names = checked_channels(watched.record, channels)
    integer(most, "most", 1, 40)
    found = pooled_counts(watched, names, most).jackknife()
    shape, total = (most + 1,) * len(names), int(watched.pulses.sum())
    return PulseCounts(
        names, found.value.reshape(shape), found.errors.reshape(shape), total, found.method, found.deviations
    )


def pooled_counts(watched: PulsedRecord, names: Sequence[str], most: int) -> Pooled:
    """Return what `pulse_counts` estimates, flattened, in a form that can be resampled."""
    numbers, shape = [watched.record.channel_number(name) for name in names], (most + 1,) * len(names)
    cells = np.zeros((watched.units.count, int(np.prod(shape))))
    for part in watched.blocks():
        chosen = np.isin(part.channel, numbers)
        pulses, first, place = np.unique(part.pulse[chosen], return_index=True, return_inverse=True)
        counts = [
            np.bincount(place[part.channel[chosen] == number], minlength=len(pulses)).clip(max=most)
            for number in numbers
        ]
        if len(pulses):
            add_up(cells, part.unit[chosen][first], np.ravel_multi_index(counts, shape))
    cells[:, 0] += watched.pulses[:, 0] - cells.sum(axis=1)
    sums = {"cells": cells, "pulses": watched.pulses}
    counted = cells.sum(axis=0).astype(np.int64)
    return Pooled(sums, lambda s: s["cells"] / s["pulses"], watched.units, counted)


def pulse_map(record: Clicks, first: str, second: str, edges: ArrayLike, period: float | None = None) -> PulseMap:
    """Estimate g²(t₁, t₂) within a pulse: pairs over what independent clicks of the same densities would make.

    Parameters
    ----------
    record, period
        As for `brightness`.
    first, second : str
        Channels, at t₁ and t₂.
    edges : array_like of shape (n_bins + 1,)
        Edges of both times since the pulse.

    Raises
    ------
    InvalidInput
        As for `click_density`.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> record = tj.ClickRecord.from_arrays(
    ...     np.repeat(np.arange(40), 2), np.tile([0.5, 1.5], 40), np.tile([0, 1], 40), channel_names=["a", "b"],
    ...     start=np.zeros(40), stop=np.full(40, 4.0),
    ... )
    >>> tj.analysis.pulse_map(record, "a", "b", [0.0, 1.0, 2.0], period=2.0).value[0, 1]
    np.float64(2.0)
    """
    watched, bins = PulsedRecord(record, period), bin_edges(edges, lowest=0.0)
    numbers = [watched.record.channel_number(name) for name in (first, second)]
    size, units = len(bins) - 1, watched.units.count
    pairs, ones, others = np.zeros((units, size * size)), np.zeros((units, size)), np.zeros((units, size))
    for part in watched.blocks():
        chosen = np.isin(part.channel, numbers)
        unit, pulse, channel = part.unit[chosen], part.pulse[chosen], part.channel[chosen]
        place = np.searchsorted(bins, part.within[chosen], side="right") - 1
        inside = (place >= 0) & (place < size)
        for table, number in ((ones, numbers[0]), (others, numbers[1])):
            mine = inside & (channel == number)
            add_up(table, unit[mine], place[mine])
        apart = 1
        while apart < len(pulse):
            here = np.flatnonzero(pulse[apart:] == pulse[:-apart])
            if not len(here):
                break
            for a, b in ((here, here + apart), (here + apart, here)):
                both = inside[a] & inside[b] & (channel[a] == numbers[0]) & (channel[b] == numbers[1])
                add_up(pairs, unit[a[both]], place[a[both]] * size + place[b[both]])
            apart += 1
    counts = pairs.sum(axis=0).astype(np.int64)

    def ratio(s: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        expected = s["ones"][..., :, None] * s["others"][..., None, :]
        with np.errstate(divide="ignore", invalid="ignore"):
            return s["pairs"] * s["pulses"] / expected.reshape(*expected.shape[:-2], size * size)

    sums = {"pairs": pairs, "ones": ones, "others": others, "pulses": watched.pulses}
    found = Pooled(sums, ratio, watched.units, counts).jackknife()  # type: ignore[arg-type]
    square = (size, size)
    return PulseMap(
        first,
        second,
        bins,
        found.value.reshape(square),
        found.errors.reshape(square),
        counts.reshape(square),
        found.method,
        watched.record.unit,
    )
