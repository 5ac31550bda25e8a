"""Counting: click rates, their stationarity, and the statistics of counts in a window of time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from trajectories.checks import integer, positive_number, positive_numbers
from trajectories.errors import InvalidInput
from trajectories.records.clicks import ClickRecord
from trajectories.results import Estimate, Histogram

from .counting_kernels import window_counts
from .inputs import checked_channels, detected_numbers
from .resampling import Pooled, Sums, TestResult, ratio
from .units import Units, choose_units


def rates(record: ClickRecord) -> dict[str, Estimate]:
    """Estimate the click rate of every channel: λ̂_k = Σ_r N_k,r/Σ_r T_r.

    Parameters
    ----------
    record : ClickRecord
        The clicks.

    Returns
    -------
    dict of str to Estimate
        Rates in ω_b by channel name. A channel that never clicked has rate 0 and no error.

    Notes
    -----
    Exact: λ_k = Tr[c_k† c_k ρ].
    """
    pooled = rates_pooled(record)
    clicks = pooled.sums["numerator"].sum(axis=0).astype(np.int64)
    return dict(zip(record.channel_names, pooled.jackknife().estimates(clicks), strict=True))


def rates_pooled(record: ClickRecord) -> Pooled:
    """Return `rates` in a form that can be resampled, with its covariance over channels."""
    units = choose_units(record)
    return Pooled({"numerator": units.clicks(record), "denominator": units.time()}, ratio, units)


def stationarity(record: ClickRecord, channel: str, n_parts: int = 10) -> TestResult:
    """Test whether the click rate of a channel is the same all along the observation windows.

    Every window is cut into `n_parts` equal parts. Their rates, pooled over trajectories, are compared by
    Hotelling's T² = dᵀ C⁻¹ d, where d are the deviations from their mean and C is the resampled covariance.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    channel : str
        Channel name.
    n_parts : int
        Number of parts, at least 2.

    Returns
    -------
    TestResult
        T² and its p-value from Snedecor's F with (rank, units − rank) degrees of freedom; NaN without clicks
        or with too few units.

    Raises
    ------
    InvalidInput
        An unknown channel or n_parts below 2.
    """
    number = record.channel_number(channel)
    parts = integer(n_parts, "n_parts", 2)
    units = choose_units(record, multiple=parts)
    chosen = record.channel == number
    trajectory, time = record.trajectory[chosen], record.time[chosen]
    duration = record.stop - record.start
    position = (time - record.start[trajectory]) / duration[trajectory]
    part = np.minimum((position * parts).astype(np.int64), parts - 1)
    sums = {
        "numerator": units.tally(units.at(trajectory, time), part, parts),
        "denominator": _time_in_parts(units, duration, parts),
    }
    resampled = Pooled(sums, lambda s: _deviations(ratio(s)), units).jackknife()
    statistic, rank = resampled.chi_squared()
    free = units.count - rank
    method = f"equal rates of {channel} in {parts} parts; Hotelling T², {resampled.method}"
    p_value = float("nan")
    if rank > 0 and free > 0:
        p_value = float(stats.f.sf(statistic * free / (rank * (units.count - 1)), rank, free))
    return TestResult(statistic, p_value, len(time), method)


def fano(record: ClickRecord, windows: Sequence[float], channels: Sequence[str] | None = None) -> list[Estimate]:
    """Estimate the Fano factor F(T) = Var N/⟨N⟩ of the detected clicks in a window of duration T.

    Every trajectory is cut into adjoining windows of duration T from its start on; a shorter rest is left out.
    The variance has the divisor n − 1 for n windows.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    windows : sequence of float
        Values of T in 1/ω_b.
    channels : sequence of str, optional
        Channels counted together; every channel of the record when not given.

    Returns
    -------
    list of Estimate
        F of every T, with the number of windows behind it; NaN without clicks.

    Raises
    ------
    InvalidInput
        A window that is not positive or fits into no trajectory, or unknown channels.

    Notes
    -----
    Exact at finite T: Var N = λT + 2∫₀ᵀ (T − s)(G₂(s) − λ²) ds.
    """
    pooled, counts = fano_pooled(record, windows, channels)
    return pooled.jackknife().estimates(counts)


def mandel_q(
    record: ClickRecord, windows: Sequence[float], channels: Sequence[str] | None = None
) -> list[Estimate]:
    """Estimate the Mandel parameter Q(T) = F(T) − 1; parameters, result and errors are those of `fano`."""
    return [Estimate(e.value - 1.0, e.standard_error, e.n, e.method) for e in fano(record, windows, channels)]


def fano_pooled(
    record: ClickRecord, windows: Sequence[float], channels: Sequence[str] | None = None
) -> tuple[Pooled, NDArray[np.int64]]:
    """Return `fano` in a form that can be resampled, with its covariance over T, and window counts."""
    names = checked_channels(record, channels)
    durations = positive_numbers(windows, "windows")
    units = choose_units(record, reach=max(durations))
    moments = []
    for i, duration in enumerate(durations):
        per_unit, unit, count = _counted(record, names, duration, units, f"windows[{i}]")
        moments.append([per_unit, units.total(unit, count), units.total(unit, count.astype(np.float64) ** 2)])
    number, first, second = (np.hstack(columns) for columns in zip(*moments, strict=True))
    sums = {"windows": number, "first": first, "second": second}
    return Pooled(sums, _variance_over_mean, units), number.sum(axis=0).astype(np.int64)


def count_distribution(record: ClickRecord, window: float, channels: Sequence[str] | None = None) -> Histogram:
    """Estimate the distribution P(N) of the number of detected clicks in a window of duration T.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    window : float
        T in 1/ω_b; trajectories are cut as in `fano`.
    channels : sequence of str, optional
        Channels counted together; every channel of the record when not given.

    Returns
    -------
    Histogram
        P(N) for N = 0 … largest number seen, in bins N − ½ … N + ½.

    Raises
    ------
    InvalidInput
        A window that is not positive or fits into no trajectory, or unknown channels.
    """
    names = checked_channels(record, channels)
    duration = positive_number(window, "window")
    units = choose_units(record, reach=duration)
    per_unit, unit, count = _counted(record, names, duration, units, "window")
    largest = int(count.max(initial=0))
    seen = units.tally(unit, count, largest + 1)
    seen[:, :1] = per_unit - seen.sum(axis=1, keepdims=True)
    resampled = Pooled({"numerator": seen, "denominator": per_unit}, ratio, units).jackknife()
    counts = seen.sum(axis=0).astype(np.int64)
    edges = np.arange(-0.5, largest + 1.0)
    method = f"probability of N clicks in a window of {duration:g}; {resampled.method}"
    return Histogram(edges, resampled.value, resampled.errors_where(counts), counts, method)


def _counted(
    record: ClickRecord, names: tuple[str, ...], duration: float, units: Units, what: str
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the windows of every unit, and unit and clicks of every window that is not empty."""
    lengths = record.stop - record.start
    windows = units.windows_of(duration)
    if not windows.any():
        raise InvalidInput(f"{what}={duration:g} is longer than every trajectory ({lengths.max():g}); shorten it")
    unit = np.empty(len(record), dtype=np.int64)
    count = np.empty(len(record), dtype=np.int64)
    stream = (record.time, record.channel, record.offsets, detected_numbers(record, names))
    filled = window_counts(*stream, windows, duration, units.columns, unit, count)
    return units.windows_per_unit(duration, windows), unit[:filled], count[:filled]


def _variance_over_mean(sums: Sums) -> NDArray[np.float64]:
    number, first, second = sums["windows"], sums["first"], sums["second"]
    return (second - first**2 / number) / (number - 1.0) / (first / number)


def _deviations(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values - values.mean(axis=-1, keepdims=True)


def _time_in_parts(units: Units, duration: NDArray[np.float64], parts: int) -> NDArray[np.float64]:
    """Return the time of every unit in every part; blocks never cross from one part into the next."""
    blocks = units.columns.blocks
    if not (blocks > 1).any():
        return np.repeat(units.total(units.columns.first, duration / parts), parts, axis=1)
    block = np.arange(units.count) - np.repeat(units.columns.first, blocks)
    part = block * parts // np.repeat(blocks, blocks)
    return units.tally(np.arange(units.count), part, parts, np.repeat(units.columns.length, blocks))
