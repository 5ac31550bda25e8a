"""Counting: click rates, and the statistics of counts in a window of time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trajectories.checks import positive_number, positive_numbers
from trajectories.errors import InvalidInput
from trajectories.records.clicks import ClickRecord
from trajectories.results import Estimate, Histogram

from ..clicks.inputs import checked_channels, detected_numbers
from ..clicks.streams import Clicks, ClickStream, stream
from ..clicks.ticks import counting_window
from ..statistics.resampling import Pooled, Sums, ratio
from ..statistics.resampling_units import (
    MIN_UNITS,
    ResamplingUnits,
    add_up,
    choose_resampling_units,
    widened,
)
from .counting_kernels import window_counts

# Windows in a trajectory whose numbers are exact in floating point.
MOST_WINDOWS = 2.0**53


def rates(record: Clicks) -> dict[str, Estimate]:
    """Estimate the click rate of every channel: λ̂_k = Σ_r N_k,r/Σ_r T_r.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.

    Returns
    -------
    dict of str to Estimate
        Rates in ω_b by channel name. A channel that never clicked has rate 0 and no error.

    Raises
    ------
    InvalidInput
        Anything that is not clicks; see `stream`.

    Notes
    -----
    Exact: λ_k = Tr[c_k† c_k ρ].

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> {name: rate.value for name, rate in tj.analysis.rates(record).items()}
    {'a': 0.04, 'b': 0.03}
    """
    record = stream(record)
    return dict(zip(record.channel_names, rates_pooled(record).jackknife().estimates(), strict=True))


def rates_pooled(record: Clicks) -> Pooled:
    """Return `rates` in a form that can be resampled, with its covariance over channels."""
    record = stream(record)
    units = choose_resampling_units(record)
    clicks = units.clicks(record)
    return Pooled({"numerator": clicks, "denominator": units.time()}, ratio, units, _events(clicks))


def rate_history(record: Clicks) -> tuple[NDArray[np.float64], dict[str, list[Estimate]]]:
    """Estimate the click rates from growing parts of the record: λ̂_k(j) = Σ_{u≤j} N_k,u/Σ_{u≤j} T_u.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.

    Returns
    -------
    time : ndarray of shape (n_units,)
        Time observed up to each resampling unit (trajectories, groups of them, or blocks), in 1/ω_b.
    rates : dict of str to list of Estimate
        The rates that this much gives, by channel, the last one that of `rates`; no errors below ten units.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> rng = np.random.default_rng(1)
    >>> times = np.sort(rng.uniform(0.0, 50.0, (40, 20)), axis=1)
    >>> record = tj.ClickRecord.from_arrays(
    ...     np.repeat(np.arange(40), 20), times.ravel(), rng.integers(0, 2, 800),
    ...     channel_names=["a", "b"], start=np.zeros(40), stop=np.full(40, 50.0),
    ... )
    >>> time, rates = tj.analysis.rate_history(record)
    >>> float(time[-1]), round(rates["a"][-1].value, 3)
    (2000.0, 0.19)
    """
    pooled = rates_pooled(record := stream(record))
    clicks, time = pooled.sums["numerator"], pooled.sums["denominator"]
    number, total = clicks.cumsum(axis=0), time.cumsum(axis=0)
    value = number / total
    units = np.arange(1, len(total) + 1)[:, None]
    # Σ (n − λt)² of the first units, with the rate λ of these units.
    squares = (clicks**2).cumsum(axis=0) - 2.0 * value * (clicks * time).cumsum(axis=0)
    squares += value**2 * (time**2).cumsum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(np.maximum(squares, 0.0) * units / (units - 1.0)) / total
    error[(error == 0.0) | (units < MIN_UNITS) | (not pooled.units.reliable)] = np.nan
    method = f"pooled so far; spread over {pooled.units.label}"
    history = {
        name: [
            Estimate(float(v), float(e), int(n), method)
            for v, e, n in zip(value[:, k], error[:, k], number[:, k], strict=True)
        ]
        for k, name in enumerate(record.channel_names)
    }
    return total[:, 0], history


def fano(record: Clicks, windows: Sequence[float], channels: str | Sequence[str] | None = None) -> list[Estimate]:
    """Estimate the Fano factor F(T) = Var N/⟨N⟩ of the detected clicks in a window of duration T.

    Every trajectory is cut into adjoining windows of duration T from its start on; a shorter rest is left out.
    The variance has the divisor n − 1 for n windows.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    windows : sequence of float
        Values of T in 1/ω_b.
    channels : str or sequence of str, optional
        Channels counted together; every channel of the record when not given.

    Returns
    -------
    list of Estimate
        F of every T, with the number of windows behind it; NaN without clicks. Where fewer than five independent
        groups of windows hold two clicks, the error is not known (± ?): a few pairs more would change F by more
        than it has changed from one group to the next.

    Raises
    ------
    InvalidInput
        A window that is not positive or fits into no trajectory, or unknown channels.

    Notes
    -----
    Exact at finite T: Var N = λT + 2∫₀ᵀ (T − s)(G₂(s) − λ²) ds.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> rng = np.random.default_rng(1)
    >>> times = np.sort(rng.uniform(0.0, 50.0, (40, 20)), axis=1)
    >>> record = tj.ClickRecord.from_arrays(
    ...     np.repeat(np.arange(40), 20), times.ravel(), rng.integers(0, 2, 800),
    ...     channel_names=["a", "b"], start=np.zeros(40), stop=np.full(40, 50.0),
    ... )
    >>> [found] = tj.analysis.fano(record, [5.0])
    >>> abs(found.value - 1.0) < 4 * found.standard_error
    True
    """
    return fano_estimates(fano_pooled(record, windows, channels))


def mandel_q(
    record: Clicks, windows: Sequence[float], channels: str | Sequence[str] | None = None
) -> list[Estimate]:
    """Estimate the Mandel parameter Q(T) = F(T) − 1; parameters, result and errors are those of `fano`.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> rng = np.random.default_rng(1)
    >>> times = np.sort(rng.uniform(0.0, 50.0, (40, 20)), axis=1)
    >>> record = tj.ClickRecord.from_arrays(
    ...     np.repeat(np.arange(40), 20), times.ravel(), rng.integers(0, 2, 800),
    ...     channel_names=["a", "b"], start=np.zeros(40), stop=np.full(40, 50.0),
    ... )
    >>> [found] = tj.analysis.mandel_q(record, [5.0])
    >>> abs(found.value) < 4 * found.standard_error
    True
    """
    return [Estimate(e.value - 1.0, e.standard_error, e.n, e.method) for e in fano(record, windows, channels)]


def fano_pooled(record: Clicks, windows: Sequence[float], channels: str | Sequence[str] | None = None) -> Pooled:
    """Return `fano` in a form that can be resampled, with its covariance over T; its counts are windows."""
    record = stream(record)
    names = checked_channels(record, channels)
    durations = positive_numbers(windows, "windows")
    units = choose_resampling_units(record, reach=max(durations))
    number = np.hstack([_windows(record, units, d, f"windows[{i}]") for i, d in enumerate(durations)])
    first, second = np.zeros_like(number), np.zeros_like(number)
    for part, here in units.parts(record):
        for i, duration in enumerate(durations):
            unit, count = _counted(part, here, names, duration)
            add_up(first, unit, i, count)
            add_up(second, unit, i, count.astype(np.float64) ** 2)
    sums = {"windows": number, "first": first, "second": second}
    return Pooled(sums, _variance_over_mean, units, _events(number))


def fano_estimates(pooled: Pooled) -> list[Estimate]:
    """Return the estimates of `fano_pooled`, without an error where too few groups of windows hold two clicks.

    F − 1 is a sum over pairs less the mean. Where hardly a pair was seen, the mean alone varies from one group to
    the next, and tells nothing of how many pairs there may be.
    """
    pairs = _factorial_moments(pooled).jackknife().errors
    return [
        estimate if math.isfinite(error) else replace(estimate, standard_error=math.nan)
        for estimate, error in zip(pooled.jackknife().estimates(), pairs, strict=True)
    ]


def factorial_moments_pooled(
    record: Clicks, windows: Sequence[float], channels: str | Sequence[str] | None = None
) -> Pooled:
    """Return ⟨N(N − 1)⟩/⟨N⟩² = 1 + (F − 1)/⟨N⟩ of every window T; its counts are pairs N(N − 1)/2.

    It has the information of `fano`, and the same arguments, but counts pairs: where hardly any window has two
    clicks, F is 1 − ⟨N⟩ to an accuracy that does not test the pairs.
    """
    return _factorial_moments(fano_pooled(record, windows, channels))


def _factorial_moments(pooled: Pooled) -> Pooled:
    def moments(sums: Sums) -> NDArray[np.float64]:
        return sums["windows"] * (sums["second"] - sums["first"]) / sums["first"] ** 2

    pairs = 0.5 * (pooled.sums["second"] - pooled.sums["first"]).sum(axis=0)
    return Pooled(pooled.sums, moments, pooled.units, np.round(pairs).astype(np.int64))


def count_distribution(record: Clicks, window: float, channels: str | Sequence[str] | None = None) -> Histogram:
    """Estimate the distribution P(N) of the number of detected clicks in a window of duration T.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    window : float
        T in 1/ω_b; trajectories are cut as in `fano`.
    channels : str or sequence of str, optional
        Channels counted together; every channel of the record when not given.

    Returns
    -------
    Histogram
        P(N) for N = 0 … largest number seen, in bins N − ½ … N + ½.

    Raises
    ------
    InvalidInput
        A window that is not positive or fits into no trajectory, or unknown channels.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> tj.analysis.count_distribution(record, 2.0).value
    array([0.92, 0.02, 0.06])
    """
    record = stream(record)
    names = checked_channels(record, channels)
    duration = positive_number(window, "window")
    units = choose_resampling_units(record, reach=duration)
    per_unit = _windows(record, units, duration, "window")
    seen = np.zeros((units.count, 1))
    for part, here in units.parts(record):
        unit, count = _counted(part, here, names, duration)
        seen = widened(seen, int(count.max(initial=0)) + 1)
        add_up(seen, unit, count)
    seen[:, :1] = per_unit - seen.sum(axis=1, keepdims=True)
    counts = _events(seen)
    resampled = Pooled({"numerator": seen, "denominator": per_unit}, ratio, units, counts).jackknife()
    edges = np.arange(-0.5, len(counts))
    method = f"probability of N clicks in a window of {duration:g}; {resampled.method}"
    return Histogram(edges, resampled.value, resampled.errors, counts, method, unit=record.unit, quantity="clicks")


def _events(per_unit: NDArray[Any]) -> NDArray[np.int64]:
    """Return the events of all units together."""
    return per_unit.sum(axis=0).astype(np.int64)


def _windows(record: ClickStream, units: ResamplingUnits, duration: float, what: str) -> NDArray[np.float64]:
    """Return the windows of every unit, shape (units, 1); refuse a duration that fits into no trajectory."""
    longest = float((record.stop - record.start).max())
    if longest > MOST_WINDOWS * duration:
        raise InvalidInput(f"{what}={duration:g} fits more than 2⁵³ times into {longest:g}; lengthen it")
    windows = units.windows_of(duration)
    if not windows.any():
        raise InvalidInput(f"{what}={duration:g} is longer than every trajectory ({longest:g}); shorten it")
    return units.windows_per_unit(duration, windows)


def _counted(
    record: ClickRecord, units: ResamplingUnits, names: tuple[str, ...], duration: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return unit and clicks of every window that is not empty."""
    unit = np.empty(len(record), dtype=np.int64)
    count = np.empty(len(record), dtype=np.int64)
    clicks = (record.stamp, record.channel, record.offsets, detected_numbers(record, names))
    stamped = counting_window(record, duration)
    filled = window_counts(*clicks, units.windows_of(duration), stamped, units.stamped, unit, count)
    return unit[:filled], count[:filled]


def _variance_over_mean(sums: Sums) -> NDArray[np.float64]:
    number, first, second = sums["windows"], sums["first"], sums["second"]
    return (second - first**2 / number) / (number - 1.0) / (first / number)
