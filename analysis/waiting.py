"""Exclusive waiting times between detected clicks, with the censored end of every trajectory handled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trajectories.checks import bin_edges
from trajectories.errors import InvalidInput
from trajectories.records.clicks import ClickRecord
from trajectories.results import Estimate, Histogram, read_only

from .inputs import checked_channels, detected_numbers
from .resampling import Pooled, Sums
from .units import Units, choose_units
from .waiting_kernels import next_clicks, tally_waits

# The next-click probabilities are followed on bins that double every four, down to T · 2^-40.
STEPS_PER_OCTAVE, OCTAVES = 4, 40


def waiting_times(
    record: ClickRecord,
    first: str,
    second: str,
    edges: ArrayLike,
    channels: Sequence[str] | None = None,
) -> Histogram:
    """Estimate the exclusive waiting time distribution W(τ, second | first).

    The density of the wait from a click of `first` to the next detected click, where that one is in `second`:
    Ŵ(B) = Ŝ(b) d_second(B)/(n(B) |B|), Ŝ(b') = Ŝ(b) [1 − d(B)/n(B)] for the bin B = [b, b'), with d(B) clicks
    among n(B) waits. It integrates to P(second | first) ≤ 1.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    first, second : str
        Detected channels, equal ones allowed.
    edges : array_like of shape (n_bins + 1,)
        Ascending edges of τ in 1/ω_b, from 0 up; bins are half-open, edges[b] ≤ τ < edges[b + 1]. Clicks at
        one time follow each other, in the order of the record, after a wait of 0.
    channels : sequence of str, optional
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
    """
    bins = bin_edges(edges, lowest=0.0)
    pooled, counts = waiting_times_pooled(record, first, second, bins, channels)
    resampled = pooled.jackknife()
    method = f"density of the wait per click of {first}, exclusive, product-limit; {resampled.method}"
    return Histogram(bins, resampled.value, resampled.errors_where(counts), counts, method)


def waiting_times_pooled(
    record: ClickRecord,
    first: str,
    second: str,
    edges: ArrayLike,
    channels: Sequence[str] | None = None,
) -> tuple[Pooled, NDArray[np.int64]]:
    """Return `waiting_times` in a form that can be resampled, with its covariance over bins, and event counts."""
    bins = bin_edges(edges, lowest=0.0)
    names = checked_channels(record, channels)
    number = _position(names, second)
    # What happens before the first edge decides who is still waiting there.
    skipped = int(bins[0] > 0)
    grid = np.concatenate([[0.0], bins]) if skipped else bins
    sums, units = _next_click_sums(record, names, first, grid, reach=float(bins[-1]))
    width = np.diff(bins)

    def density(s: Sums) -> NDArray[np.float64]:
        return incidence(s)[:, skipped:, number] / width

    counts = sums["events"][:, skipped:, number].sum(axis=0).astype(np.int64)
    return Pooled(sums, density, units), counts


def next_click_probabilities(
    record: ClickRecord, first: str, channels: Sequence[str] | None = None
) -> dict[str, Estimate]:
    """Estimate in which channel the next detected click after one of `first` falls: P(l | first) = ∫₀^∞ W dτ.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    first : str
        Detected channel.
    channels : sequence of str, optional
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
    """
    names = checked_channels(record, channels)
    longest = float((record.stop - record.start).max())
    grid = np.append(0.0, longest * 2.0 ** (np.arange(-STEPS_PER_OCTAVE * OCTAVES, 1) / STEPS_PER_OCTAVE))
    sums, units = _next_click_sums(record, names, first, grid, reach=0.0)

    def total(s: Sums) -> NDArray[np.float64]:
        followed = incidence(s)
        # The longest bins, that nobody could be followed through, add nothing; without a start there is no value.
        started = np.where(s["at_risk"][:, :1] > 0, 0.0, np.nan)
        return started + np.nansum(followed, axis=1)

    counts = sums["events"].sum(axis=(0, 1)).astype(np.int64)
    estimates = Pooled(sums, total, units).jackknife().estimates(counts)
    return dict(zip(names, estimates, strict=True))


def incidence(sums: Sums) -> NDArray[np.float64]:
    """Return the product-limit probability that a wait ends in each bin by each cause.

    From at_risk (m, n_bins) and events (m, n_bins, n_causes), in the shape of the latter; NaN from the first bin
    that nobody waiting could be followed through.
    """
    hazard = sums["events"] / sums["at_risk"][..., None]
    survival = np.cumprod(1.0 - hazard.sum(axis=-1), axis=-1)
    before = np.concatenate([np.ones_like(survival[:, :1]), survival[:, :-1]], axis=-1)
    # Where all waits have ended none is left at risk, and the probability is 0 although 0/0 is not.
    ended = before == 0.0
    ended = np.logical_or.accumulate(ended, axis=-1)
    return np.where(ended[..., None], 0.0, before[..., None] * hazard)


def wait_sums(
    waits: tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]],
    units: Units,
    grid: NDArray[np.float64],
    causes: int,
) -> dict[str, NDArray[np.float64]]:
    """Return what `incidence` needs, per unit, from the columns (wait, cause, horizon, unit)."""
    at_risk = np.zeros((units.count, len(grid) - 1), dtype=np.int64)
    events = np.zeros((units.count, len(grid) - 1, causes), dtype=np.int64)
    tally_waits(*waits, read_only(grid), at_risk, events)
    return {"at_risk": at_risk.astype(np.float64), "events": events.astype(np.float64)}


def _next_click_sums(
    record: ClickRecord, names: tuple[str, ...], first: str, grid: NDArray[np.float64], reach: float
) -> tuple[dict[str, NDArray[np.float64]], Units]:
    number = _position(names, first)
    units = choose_units(record, reach=reach)
    capacity = int((record.channel == record.channel_number(first)).sum())
    start = np.empty(capacity, dtype=np.int64)
    wait = np.empty(capacity)
    cause = np.empty(capacity, dtype=np.int64)
    stream = (record.time, record.channel, record.offsets, detected_numbers(record, names))
    next_clicks(*stream, number, start, wait, cause)
    trajectory, time = record.trajectory[start], record.time[start]
    waits = (wait, cause, record.stop[trajectory] - time, units.at(trajectory, time))
    return wait_sums(waits, units, grid, len(names)), units


def _position(names: tuple[str, ...], channel: str) -> int:
    if channel not in names:
        raise InvalidInput(f"channel {channel!r} is not detected; the detected ones are {', '.join(names)}")
    return names.index(channel)
