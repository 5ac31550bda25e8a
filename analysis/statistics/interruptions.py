"""Tests of whether a record was interrupted: by its longest waits, and by rates of neighbouring stretches.

With few trajectories the errors of rates come from blocks of time, and an interruption makes the record look as if
its correlations lasted as long as the record: then blocks give no error. Here waits are compared with other waits,
and neighbouring stretches with each other; an interruption changes neither.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ..clicks.streams import ClickStream
from .resampling import TestResult

# How many of the longest waits are examined, and how many of them are suspected to be interruptions.
MOST_WAITS, SUSPECTS = 200, (1, 2, 4)
# A tail of waits: this share of them, and no fewer than LEAST_WAITS.
TAIL, LEAST_WAITS = 0.01, 12
# Cells of time, and the fewest stretches among which neighbours are compared.
CELLS, LEAST_STRETCHES = 4096, 40


def of_several(smallest: float, tests: int) -> float:
    """Return the p-value of the smallest of several, 1 − (1 − p)^n (Šidák): exact for independent tests."""
    return float(-np.expm1(tests * np.log1p(-smallest))) if smallest < 1.0 else 1.0


def longest_waits(record: ClickStream, number: int) -> TestResult:
    """Test whether the longest waits of a channel follow the law of the others, up to the ends of observation.

    The tail of the waits of a stationary record is exponential, so that D_j = j (X_j − X_{j+1}) of the longest
    waits X₁ ≥ X₂ ≥ … are independent and of one mean: the first j of k are compared with the rest by
    F(2j, 2(k − j)).
    """
    kept = np.zeros(0)
    clicks = 0
    for block in record.blocks():
        mine = np.flatnonzero(block.channel == number)
        row, time = block.trajectory[mine], block.time[mine]
        clicks += len(mine)
        # Waits end at the next click or with the window, and begin with one or the other.
        rows = np.arange(block.n_trajectories)
        edges = np.concatenate([time, block.start, block.stop])
        owner = np.concatenate([row, rows, rows])
        order = np.lexsort((edges, owner))
        waits = np.diff(edges[order])[np.diff(owner[order]) == 0]
        kept = np.sort(np.concatenate([kept, waits]))[::-1][: MOST_WAITS + 1]
    count = int(np.clip(TAIL * clicks, LEAST_WAITS, MOST_WAITS))
    if len(kept) <= count:
        return TestResult(float("nan"), float("nan"), clicks, "longest waits: too few")
    scaled = np.arange(1, count + 1) * -np.diff(kept[: count + 1])
    best, p_value = 0.0, 1.0
    for j in SUSPECTS:
        rest = scaled[j:].mean()
        ratio = float(scaled[:j].mean() / rest) if rest > 0 else float("inf" if scaled[:j].any() else "nan")
        p = float(special.fdtrc(2 * j, 2 * (count - j), ratio))
        if np.isfinite(p) and p < p_value:
            best, p_value = ratio, p
    return TestResult(best, of_several(p_value, len(SUSPECTS)), clicks, f"the longest of {count} long waits")


def neighbouring_counts(record: ClickStream, number: int, parts: int) -> TestResult:
    """Test whether the counts in equal parts differ by more than neighbouring stretches do.

    The variance per click comes from ½⟨(n_{i+1} − n_i)²⟩/⟨n⟩ of stretches as long as it takes for that to settle;
    a slow change of the rate, or a step, hardly enters it.
    """
    duration = record.stop - record.start
    cells = np.maximum((CELLS * duration / duration.sum()).astype(np.int64), parts)
    offsets = np.concatenate([[0], np.cumsum(cells)])
    counts = np.zeros(int(offsets[-1]))
    clicks, part_counts, first = 0, np.zeros(parts), 0
    for block in record.blocks():
        mine = np.flatnonzero(block.channel == number)
        row = block.trajectory[mine]
        position = (block.time[mine] - block.start[row]) / (block.stop - block.start)[row]
        cell = np.minimum((position * cells[first + row]).astype(np.int64), cells[first + row] - 1)
        np.add.at(counts, offsets[first + row] + cell, 1)
        part_counts += np.bincount(np.minimum((position * parts).astype(np.int64), parts - 1), minlength=parts)
        clicks += len(mine)
        first += block.n_trajectories
    method = f"counts in {parts} parts against neighbouring stretches"
    stretches = np.split(counts, offsets[1:-1])
    level, error = _settled(stretches)
    if not np.isfinite(level) or clicks < 10 * parts:
        return TestResult(float("nan"), float("nan"), clicks, method)
    mean = clicks / parts
    statistic = float(((part_counts - mean) ** 2).sum() / (level * mean) / (parts - 1))
    p_value = float(special.fdtrc(parts - 1, max(2.0 / error**2, 1.0), statistic))
    return TestResult(statistic, p_value, clicks, method)


def _settled(stretches: list[NDArray[np.float64]]) -> tuple[float, float]:
    """Return the variance per click between neighbours once their length no longer changes it, and its error."""
    values, errors = [], []
    while sum(map(len, stretches)) >= LEAST_STRETCHES:
        pooled = np.concatenate(stretches)
        steps = np.concatenate([np.diff(part) for part in stretches])
        if pooled.mean() == 0 or len(steps) < LEAST_STRETCHES // 2:
            break
        values.append(0.5 * float((steps**2).mean()) / float(pooled.mean()))
        # Neighbouring differences share a stretch: 3 instead of 2 in the variance of their mean square.
        errors.append(float(np.sqrt(3.0 / len(steps))))
        stretches = [part[: len(part) // 2 * 2].reshape(-1, 2).sum(axis=1) for part in stretches]
    if not values:
        return float("nan"), float("nan")
    for low in range(len(values)):
        longer = range(low + 1, len(values))
        # Few clicks in a stretch make the error of a variance larger than that of normal counts.
        if all(abs(values[high] - values[low]) <= 3.0 * errors[high] * values[low] for high in longer):
            # Of the settled lengths the longest whose error is still small is taken.
            usable = [k for k in (low, *longer) if errors[k] <= 0.2] or [low]
            return values[usable[-1]], errors[usable[-1]]
    return float("nan"), float("nan")
