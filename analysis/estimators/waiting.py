"""Exclusive waiting times between detected clicks, with the censored end of every trajectory handled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trajectories.checks import bin_edges
from trajectories.errors import InvalidInput
from trajectories.names import nearest
from trajectories.results import Estimate, Histogram, read_only

from ..clicks.inputs import checked_channels, detected_numbers
from ..clicks.streams import Clicks, ClickStream, stream
from ..clicks.ticks import edges_in_stamps, held_edges
from ..statistics.resampling import Pooled, Sums
from ..statistics.resampling_units import ResamplingUnits, choose_resampling_units
from .waiting_kernels import next_clicks, tally_waits

# The next-click probabilities are followed on bins that double every four, down to T · 2^-40.
STEPS_PER_OCTAVE, OCTAVES = 4, 40


def waiting_times(
    record: Clicks,
    first: str,
    second: str,
    edges: ArrayLike,
    channels: str | Sequence[str] | None = None,
) -> Histogram:
    """Estimate the exclusive waiting time distribution W(τ, second | first).

    The density of the wait from a click of `first` to the next detected click, where that one is in `second`:
    Ŵ(B) = Ŝ(b) d_second(B)/(n(B) |B|), Ŝ(b') = Ŝ(b) [1 − d(B)/n(B)] for the bin B = [b, b'), with d(B) clicks
    among n(B) waits. It integrates to P(second | first) ≤ 1.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    first, second : str
        Detected channels, equal ones allowed.
    edges : array_like of shape (n_bins + 1,)
        Ascending edges of τ in 1/ω_b, from 0 up; bins are half-open, edges[b] ≤ τ < edges[b + 1]. Clicks at
        one time follow each other, in the order of the record, after a wait of 0.
    channels : str or sequence of str, optional
        Detected channels: no click of these lies between. Every channel of the record when not given.

    Returns
    -------
    Histogram
        Density in ω_b per click of `first`; NaN in bins that no wait could be followed through.

    Raises
    ------
    InvalidInput
        Bad edges, or channels that are unknown or not detected.

    Notes
    -----
    The Aalen–Johansen (for the total over `second`, Kaplan–Meier) product-limit estimate on the bin edges.
    How long a wait can be followed is known for every click, seen to end or not: to the end of its
    trajectory. Every bin uses the waits that can be followed through the whole of it, so nothing is assumed
    about where in a bin clicks fall. Exact: Tr[J_second e^{L0 τ} J_first ρ]/λ_first.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> found = tj.analysis.waiting_times(record, "a", "b", [0.0, 1.0])
    >>> found.counts, found.value.round(3)
    (array([2]), array([0.5]))
    """
    record = stream(record)
    bins = bin_edges(edges, lowest=0.0)
    resampled = waiting_times_pooled(record, first, second, bins, channels).jackknife()
    method = f"density of the wait per click of {first}, exclusive, product-limit; {resampled.method}"
    return Histogram(bins, resampled.value, resampled.errors, resampled.counts, method, unit=record.unit)


def waiting_times_pooled(
    record: Clicks,
    first: str,
    second: str,
    edges: ArrayLike,
    channels: str | Sequence[str] | None = None,
) -> Pooled:
    """Return `waiting_times` in a form that can be resampled, with its covariance over bins."""
    bins = bin_edges(edges, lowest=0.0)
    names = checked_channels(record := stream(record), channels)
    number = _position(names, second)
    # Waits that end before the first edge are not at risk in the first bin.
    skipped = int(bins[0] > 0)
    stamps = edges_in_stamps(record, bins)
    grid = np.concatenate([[0], stamps]) if skipped else stamps
    sums, units = _next_click_sums(record, names, first, grid, reach=float(bins[-1]))
    width = np.diff(held_edges(record, stamps, split=True))

    def density(s: Sums) -> NDArray[np.float64]:
        return incidence(s)[:, skipped:, number] / width

    counts = sums["events"][:, skipped:, number].sum(axis=0).astype(np.int64)
    return Pooled(sums, density, units, counts)


def wait_hazards_pooled(
    record: Clicks,
    first: str,
    second: str,
    edges: ArrayLike,
    channels: str | Sequence[str] | None = None,
) -> Pooled:
    """Return the shares d_second(B)/n(B): of the waits that have lasted to a bin, those that `second` ends in it.

    They have the information of `waiting_times`, bin by bin, and the same arguments. Their errors are independent
    where waits are, and no conservation law binds them, unlike the densities of waits that all end, which sum to
    one. Exact: ∫_B W(τ, second | first) dτ divided by the probability of no click before B.
    """
    bins = bin_edges(edges, lowest=0.0)
    names = checked_channels(record := stream(record), channels)
    number = _position(names, second)
    skipped = int(bins[0] > 0)
    stamps = edges_in_stamps(record, bins)
    grid = np.concatenate([[0], stamps]) if skipped else stamps
    sums, units = _next_click_sums(record, names, first, grid, reach=float(bins[-1]))
    chosen = {"events": sums["events"][:, skipped:, number], "at_risk": sums["at_risk"][:, skipped:]}
    counts = chosen["events"].sum(axis=0).astype(np.int64)
    return Pooled(chosen, lambda s: s["events"] / s["at_risk"], units, counts)


def next_click_probabilities(
    record: Clicks, first: str, channels: str | Sequence[str] | None = None
) -> dict[str, Estimate]:
    """Estimate in which channel the next detected click after one of `first` falls: P(l | first) = ∫₀^∞ W dτ.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    first : str
        Detected channel.
    channels : str or sequence of str, optional
        Detected channels; every channel of the record when not given.

    Returns
    -------
    dict of str to Estimate
        Keyed by detected channel. The sum is one minus the probability that no further click comes for as
        long as any trajectory was followed.

    Raises
    ------
    InvalidInput
        Channels that are unknown or not detected.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> found = tj.analysis.next_click_probabilities(record, "a")
    >>> {name: round(share.value, 3) for name, share in found.items()}
    {'a': 0.25, 'b': 0.5}
    """
    names = checked_channels(record := stream(record), channels)
    longest = float((record.stop - record.start).max())
    grid = np.append(0.0, longest * 2.0 ** (np.arange(-STEPS_PER_OCTAVE * OCTAVES, 1) / STEPS_PER_OCTAVE))
    if record.tick is not None:
        grid = np.append(0, np.unique(np.ceil(grid[1:] / record.tick)))
    sums, units = _next_click_sums(record, names, first, grid, reach=0.0)

    def total(s: Sums) -> NDArray[np.float64]:
        followed = incidence(s)
        # Long bins, which no wait could be followed through, add nothing; without a start there is no value.
        started = np.where(s["at_risk"][:, :1] > 0, 0.0, np.nan)
        return started + np.nansum(followed, axis=1)

    counts = sums["events"].sum(axis=(0, 1)).astype(np.int64)
    estimates = Pooled(sums, total, units, counts).jackknife().estimates()
    return dict(zip(names, estimates, strict=True))


def incidence(sums: Sums) -> NDArray[np.float64]:
    """Return the product-limit probability that a wait ends in each bin by each cause.

    From at_risk (m, n_bins) and events (m, n_bins, n_causes), in the shape of the latter; NaN from the first bin
    through which no wait could be followed.
    """
    hazard = sums["events"] / sums["at_risk"][..., None]
    survival = np.cumprod(1.0 - hazard.sum(axis=-1), axis=-1)
    before = np.concatenate([np.ones_like(survival[:, :1]), survival[:, :-1]], axis=-1)
    # Where all waits have ended none is left at risk, and the probability is 0 although 0/0 is not.
    ended = before == 0.0
    ended = np.logical_or.accumulate(ended, axis=-1)
    return np.where(ended[..., None], 0.0, before[..., None] * hazard)


Waits: TypeAlias = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]


class WaitTally:
    """What `incidence` needs, per unit, added up from waits, in units of the stamps.

    Parameters
    ----------
    units : ResamplingUnits
        What is resampled.
    grid : ndarray of shape (n_bins + 1,)
        Bin edges from 0 up.
    causes : int
        Number of ways in which a wait can end.
    """

    def __init__(self, units: ResamplingUnits, grid: NDArray[np.float64], causes: int) -> None:
        self._grid = read_only(grid, np.float64)
        self._last = np.zeros((units.count, len(grid) - 1), dtype=np.int64)
        self._events = np.zeros((units.count, len(grid) - 1, causes), dtype=np.int64)

    def add(self, waits: Waits) -> None:
        """Add waits by the columns (wait, cause, horizon, unit)."""
        tally_waits(*waits, self._grid, self._last, self._events)

    def sums(self) -> dict[str, NDArray[np.float64]]:
        """Return at_risk of shape (units, n_bins) and events of shape (units, n_bins, causes)."""
        # A wait at risk in a bin was at risk in all bins before it.
        at_risk = self._last[:, ::-1].cumsum(axis=1)[:, ::-1]
        return {"at_risk": at_risk.astype(np.float64), "events": self._events.astype(np.float64)}


def _next_click_sums(
    record: ClickStream, names: tuple[str, ...], first: str, grid: NDArray[np.float64], reach: float
) -> tuple[dict[str, NDArray[np.float64]], ResamplingUnits]:
    number = _position(names, first)
    units = choose_resampling_units(record, reach=reach)
    tally = WaitTally(units, grid, len(names))
    for part, here in units.parts(record):
        capacity = int((part.channel == part.channel_number(first)).sum())
        start = np.empty(capacity, dtype=np.int64)
        wait = np.empty(capacity)
        cause = np.empty(capacity, dtype=np.int64)
        clicks = (part.stamp, part.channel, part.offsets, detected_numbers(part, names))
        next_clicks(*clicks, number, start, wait, cause)
        trajectory = part.trajectory[start]
        horizon = part.stop_stamp[trajectory] - part.stamp[start]
        tally.add((wait, cause, horizon, here.at(trajectory, part.time[start])))
    return tally.sums(), units


def _position(names: tuple[str, ...], channel: str) -> int:
    if channel not in names:
        detected = ", ".join(names)
        raise InvalidInput(
            f"channel {channel!r} is not detected; the detected ones are {detected}{nearest(channel, names)}"
        )
    return names.index(channel)
