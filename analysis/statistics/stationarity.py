"""stationarity(): whether the click rate of a channel is the same all along the observation windows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from trajectories.checks import integer

from ..clicks.streams import Clicks, stream
from .goodness_of_fit import hotelling
from .interruptions import longest_waits, neighbouring_counts, of_several
from .resampling import Pooled, TestResult, ratio
from .resampling_units import MIN_TRAJECTORIES, ResamplingUnits, add_up, choose_resampling_units


def stationarity(record: Clicks, channel: str, n_parts: int = 10) -> TestResult:
    """Test whether the click rate of a channel is the same all along the observation windows.

    Every window is cut into `n_parts` equal parts. Their rates, pooled over trajectories, are compared by
    Hotelling's T² = dᵀ C⁻¹ d, where d are the deviations from their mean and C is the resampled covariance.
    With fewer than 20 trajectories, where the covariance comes from blocks of time and an interruption distorts
    it, two more tests are joined with it by Šidák's correction: whether the longest waits follow the law of the
    others, and whether the parts differ by more than neighbouring stretches do.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    channel : str
        Channel name.
    n_parts : int
        Number of parts, at least 2.

    Returns
    -------
    TestResult
        T² and its p-value from Snedecor's F with (rank, units − rank) degrees of freedom, or the worst of three
        tests with the p-value of all; NaN without clicks or with too few of them.

    Raises
    ------
    InvalidInput
        An unknown channel or n_parts below 2.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> rng = np.random.default_rng(1)
    >>> times = np.sort(rng.uniform(0.0, 50.0, (40, 20)), axis=1)
    >>> record = tj.ClickRecord.from_arrays(
    ...     np.repeat(np.arange(40), 20), times.ravel(), rng.integers(0, 2, 800),
    ...     channel_names=["a", "b"], start=np.zeros(40), stop=np.full(40, 50.0),
    ... )
    >>> tj.analysis.stationarity(record, "a", n_parts=4).p_value > 0.01
    True
    """
    record = stream(record)
    number = record.channel_number(channel)
    count = integer(n_parts, "n_parts", 2)
    units = choose_resampling_units(record, multiple=count)
    clicks = np.zeros((units.count, count))
    for block, here in units.parts(record):
        chosen = block.channel == number
        trajectory, time = block.trajectory[chosen], block.time[chosen]
        position = (time - block.start[trajectory]) / (block.stop - block.start)[trajectory]
        part = np.minimum((position * count).astype(np.int64), count - 1)
        add_up(clicks, here.at(trajectory, time), part)
    sums = {"numerator": clicks, "denominator": _time_in_parts(units, record.stop - record.start, count)}
    parts = Pooled(sums, lambda s: _deviations(ratio(s)), units, clicks.sum(axis=0).astype(np.int64))
    found = hotelling(parts, np.zeros(count), int(clicks.sum()))
    found = replace(found, method=f"equal rates of {channel} in {count} parts; {found.method}")
    if record.n_trajectories >= MIN_TRAJECTORIES:
        return found
    tests = [found, longest_waits(record, number), neighbouring_counts(record, number, count)]
    known = [test for test in tests if np.isfinite(test.p_value)]
    if not known:
        return found
    worst = min(known, key=lambda test: test.p_value)
    p_value = of_several(worst.p_value, len(known))
    return replace(worst, p_value=p_value, n=found.n, method=f"{worst.method}; the worst of {len(known)} tests")


def _deviations(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values - values.mean(axis=-1, keepdims=True)


def _time_in_parts(units: ResamplingUnits, duration: NDArray[np.float64], parts: int) -> NDArray[np.float64]:
    """Return the time of every unit in every part; blocks never cross from one part into the next."""
    blocks = units.columns.blocks
    if not (blocks > 1).any():
        return np.repeat(units.total(units.columns.first, duration / parts), parts, axis=1)
    block = np.arange(units.count) - np.repeat(units.columns.first, blocks)
    part = block * parts // np.repeat(blocks, blocks)
    time = np.zeros((units.count, parts))
    add_up(time, np.arange(units.count), part, np.repeat(units.columns.length, blocks))
    return time
