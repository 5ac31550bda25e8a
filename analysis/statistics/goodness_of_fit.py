"""Tests of fit: estimates against exact values, and a replayed record against what was predicted of each click."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from trajectories.results import Estimate

from .resampling import Pooled, TestResult

# Gaps further apart than this are not compared by the test of independence.
SERIAL_LAGS = 10
# Clicks are grouped by their predicted probability between these edges, as long as a group is not too small.
PROBABILITY_EDGES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98)
# Variance, in clicks, that a group or a combination of groups needs for its sum to be nearly normal.
LEAST_VARIANCE = 20.0
# A click as improbable as this, all clicks and channels of the record counted, rejects a model by itself.
HARDLY_POSSIBLE = 1e-9


def hotelling(pooled: Pooled, exact: ArrayLike, n: int) -> TestResult:
    """Test pooled estimates against exact values by Hotelling's T² = dᵀ C⁻¹ d with the resampled covariance C.

    Parameters
    ----------
    pooled : Pooled
        The estimates.
    exact : array_like of shape (k,)
        Their exact values.
    n : int
        Events behind them.

    Returns
    -------
    TestResult
        p-value from Snedecor's F with (rank, units − rank) degrees of freedom; NaN where there are too few units.
    """
    known = np.asarray(exact, dtype=np.float64)
    if not np.any(known):
        resampled = pooled.jackknife()
    else:  # square roots of counts are nearer to normal, and their errors do not follow the counts
        resampled = Pooled(pooled.sums, lambda sums: np.sqrt(pooled.function(sums)), pooled.units).jackknife()
        known = np.sqrt(known)
    certain = (resampled.standard_error == 0.0) & ~np.isclose(resampled.value, known, atol=0.0)
    if certain.any():  # as where many events are expected and none is seen: there is no spread to compare with
        return TestResult(float("inf"), 0.0, n, f"{int(certain.sum())} values without spread differ")
    statistic, rank = resampled.chi_squared(known)
    units = pooled.units.count
    p_value = float("nan")
    if 0 < rank < units:
        p_value = float(stats.f.sf(statistic * (units - rank) / (rank * (units - 1)), rank, units - rank))
    return TestResult(statistic, p_value, n, f"T² of {rank} values; {resampled.method}")


def deviation(estimate: Estimate, exact: Estimate | float, units: int) -> TestResult:
    """Test one estimate, whose error comes from `units` resampled ones, against its exact value by Student's t.

    The statistic is 2(√value − √exact)/(error/√value), for few counts nearer to Student's t than the plain
    deviation, whose error follows the count.
    """
    z, known = estimate.deviation(exact), exact.value if isinstance(exact, Estimate) else exact
    if estimate.value > 0.0 and known > 0.0 and np.isfinite(z):  # on the scale of square roots, as in `hotelling`
        z *= 2.0 / (1.0 + np.sqrt(known / estimate.value))
    p_value = float(2.0 * stats.t.sf(abs(z), units - 1))
    return TestResult(z, p_value, estimate.n, f"t; {estimate.method}")


def total_hazard(hazard: NDArray[np.float64], clicks: int) -> TestResult:
    """Test the number of clicks N against what was predicted on the way: (N − Λ)/√Λ, Λ = Σ −ln S over all gaps."""
    predicted = float(hazard.sum())
    # A gap that underflows to probability zero leaves no predicted number to divide by.
    z = (clicks - predicted) / np.sqrt(predicted) if np.isfinite(predicted) else float("-inf")
    return TestResult(z, float(2.0 * stats.norm.sf(abs(z))), clicks, "z of the number of clicks, given the past")


def rescaled_time(gaps: NDArray[np.float64]) -> TestResult:
    """Test by Kolmogorov and Smirnov whether e^{−gap} is uniform for gaps in rescaled time."""
    found = stats.kstest(np.exp(-gaps), "uniform")
    return TestResult(float(found.statistic), float(found.pvalue), len(gaps), "KS of the survival at every gap")


def serial_independence(gaps: NDArray[np.float64]) -> TestResult:
    """Test whether gaps in rescaled time are independent: n(n + 2) Σ_j r_j²/(n − j) over lags j.

    r_j = Σ_i z_i z_{i+j}/Σ_i z_i² of the normal scores z of the gaps; the sum is χ² (Ljung and Box, Biometrika 65,
    297 (1978)). Divided by their own spread the scores of few gaps do not make all r_j large at once.
    """
    survival = np.clip(np.exp(-gaps), 1e-300, 1.0 - 1e-16)
    scores = stats.norm.isf(survival)
    lags = min(SERIAL_LAGS, len(gaps) // 10)
    n, power = len(gaps), float(np.sum(scores**2))
    terms = [(np.sum(scores[j:] * scores[:-j]) / power) ** 2 / (n - j) for j in range(1, lags + 1)]
    statistic = n * (n + 2.0) * float(np.sum(terms))
    return TestResult(statistic, float(stats.chi2.sf(statistic, lags)), len(gaps), f"χ² of {lags} lags")


def channel_choice(probability: NDArray[np.float64], channel: NDArray[np.int16]) -> TestResult:
    """Test whether clicks fall into the channels with the probabilities that were predicted for each.

    For every channel the clicks are grouped by the probability p predicted for it. The excesses Σ(1 − p) or Σ(−p)
    of the groups, of which each click adds to one a channel, have the covariance Σ diag(p) − ppᵀ exactly; their χ²
    is taken in the directions along which the sum is nearly normal. A click that is all but impossible rejects by
    itself.

    Parameters
    ----------
    probability : ndarray of shape (n_clicks, n_channels)
        Predicted probabilities.
    channel : ndarray of int, shape (n_clicks,)
        The channel that clicked.
    """
    size, channels = probability.shape
    # The last group of probabilities is fixed by the others: each click falls somewhere.
    tested = np.argsort(-(probability * (1.0 - probability)).sum(axis=0))[1:]
    groups = [_grouped(probability[:, k]) for k in tested]
    cells = np.cumsum([0] + [int(group.max()) + 1 for group in groups])
    excess = np.zeros(cells[-1])
    covariance = np.zeros((cells[-1], cells[-1]))
    for a, k in enumerate(tested):
        p, mine = probability[:, k], slice(cells[a], cells[a + 1])
        excess[mine] = np.bincount(groups[a], (channel == k) - p)
        covariance[mine, mine] = np.diag(np.bincount(groups[a], p * (1.0 - p)))
        for b in range(a):
            width = cells[b + 1] - cells[b]
            joint = np.bincount(groups[a] * width + groups[b], -p * probability[:, tested[b]])
            joint = np.append(joint, np.zeros((cells[a + 1] - cells[a]) * width - len(joint)))
            block = joint.reshape(-1, width)
            other = slice(cells[b], cells[b + 1])
            covariance[mine, other], covariance[other, mine] = block, block.T
    strength, directions = np.linalg.eigh(covariance)
    kept = strength >= LEAST_VARIANCE
    statistic, rank = float(((directions[:, kept].T @ excess) ** 2 / strength[kept]).sum()), int(kept.sum())
    p_value = float(stats.chi2.sf(statistic, rank)) if rank else float("nan")
    rarest = float(probability[np.arange(size), channel].min()) * size * channels
    if rarest < HARDLY_POSSIBLE:
        return TestResult(float("inf"), rarest, size, "a click in a channel that hardly can click")
    return TestResult(statistic, p_value, size, f"χ² of {rank} groups of predicted probability")


def _grouped(probability: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number groups of clicks with similar probability, each with enough variance of its own."""
    fine = np.searchsorted(PROBABILITY_EDGES, probability, side="right") - 1
    fine = np.maximum(fine, 0)
    variance = np.bincount(fine, probability * (1.0 - probability), len(PROBABILITY_EDGES))
    return merged(variance, LEAST_VARIANCE)[fine]


def merged(amount: ArrayLike, least: float) -> NDArray[np.int64]:
    """Merge neighbouring cells until each holds at least `least`; return the number of the group of every cell.

    What is left over at the end joins the last group.
    """
    group = np.zeros(len(np.asarray(amount)), dtype=np.int64)
    number, gathered = 0, 0.0
    for i, value in enumerate(np.asarray(amount)):
        group[i] = number
        gathered += value
        if gathered >= least:
            number, gathered = number + 1, 0.0
    if number and gathered < least:
        group[group == number] = number - 1
    return group


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Return p-values adjusted for the number of tests, whatever their dependence (Holm, 1979).

    The i-th smallest of m becomes max_{j≤i} min(1, (m − j + 1) p_j).
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.minimum(1.0, p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(stepped)
    return adjusted
