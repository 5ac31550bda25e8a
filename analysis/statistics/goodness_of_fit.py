"""Tests of fit: estimates against exact values, and a replayed record against what was predicted of each click."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from trajectories.group_errors import known_errors
from trajectories.results import Estimate

from .resampling import Pooled, TestResult

# Gaps further apart than this are not compared by the test of independence.
SERIAL_LAGS = 10
# Clicks are grouped by their predicted probability between these edges, as long as a group is not too small.
PROBABILITY_EDGES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98)
# Variance, in clicks, that a group or a combination of groups needs for its sum to be nearly normal.
LEAST_VARIANCE = 20.0
# Below so many predicted clicks their number is not nearly normal; and the largest f = 2^j of `number_of_few`.
FEW_CLICKS, MOST_DOUBLED = 50.0, 200
# A click as improbable as this, all clicks and channels of the record counted, rejects a model by itself.
HARDLY_POSSIBLE = 1e-9


def hotelling(
    pooled: Pooled, exact: ArrayLike, n: int, groups: ArrayLike | None = None, shares: bool = False
) -> TestResult:
    """Test pooled estimates against exact values by Hotelling's T² = dᵀ C⁺ d with the resampled covariance C.

    The deviations d are those of √value, or of arcsin √value for shares of a whole, unless all exact values are 0:
    those of counts are then nearer to normal, and their errors do not follow the counts.

    Parameters
    ----------
    pooled : Pooled
        The estimates.
    exact : array_like of shape (k,)
        Their exact values.
    n : int
        Events behind them.
    groups : array_like of shape (k,), optional
        How many independent groups of events each exact value expects. Where the record's own error of a value
        cannot be known, as where few events are seen, the value is tested against as many Poisson events as that.
    shares : bool
        Whether the values are shares of a whole, between 0 and 1; the rarer one of a share and its rest is then
        what `groups` counts.

    Returns
    -------
    TestResult
        p-value from Snedecor's F with (rank, f − rank + 1) degrees of freedom, f being those of the covariance
        (see `Resampled.t_squared`); NaN where there are too few units, or too few of them contribute.
    """
    known = np.asarray(exact, dtype=np.float64)
    if not np.any(known):
        resampled = pooled.jackknife()
    else:
        scale = _angle if shares else np.sqrt
        resampled = pooled.mapped(scale).jackknife()
        known = scale(known)
    sure, p_values = np.ones(len(known), dtype=np.bool_), []
    if groups is None:
        certain = (resampled.standard_error == 0.0) & ~np.isclose(resampled.value, known, atol=0.0)
        if certain.any():  # there is no spread to compare with
            return TestResult(float("inf"), 0.0, n, f"{int(certain.sum())} values without spread differ")
    elif pooled.units.reliable:
        sure = np.isfinite(known_errors(resampled.standard_error, resampled.value, resampled.deviations))
        expected = np.broadcast_to(np.asarray(groups, dtype=np.float64), known.shape)
        unsure = pooled.value[~sure], np.asarray(exact, dtype=np.float64)[~sure]
        few = few_groups(*unsure, expected[~sure], shares)
        p_values += few[np.isfinite(few)].tolist()
    statistic, rank, freedom = resampled.only(sure).t_squared(known[sure])
    if 0 < rank <= freedom:
        denominator = freedom - rank + 1.0
        p_values.append(float(special.fdtrc(rank, denominator, statistic * denominator / (rank * freedom))))
    p_value = min(1.0, len(p_values) * min(p_values)) if p_values else float("nan")
    return TestResult(statistic, p_value, n, f"T² of {rank} values; {resampled.method}")


def few_groups(value: ArrayLike, exact: ArrayLike, groups: ArrayLike, shares: bool = False) -> NDArray[np.float64]:
    """Return two-sided p-values of values that are no more certain than as many Poisson events as `groups`.

    Of the events, groups · value/exact are seen; of shares above one half the rest is tested. NaN where there
    is no value.
    """
    seen, known = np.asarray(value, dtype=np.float64), np.asarray(exact, dtype=np.float64)
    expected = np.asarray(groups, dtype=np.float64)
    if shares:
        seen, known = np.where(known > 0.5, 1.0 - seen, seen), np.minimum(known, 1.0 - known)
    events = seen / known * expected
    fewer, more = special.gammaincc(events + 1.0, expected), special.gammainc(np.maximum(events, 1e-300), expected)
    p_values = np.where(expected > 0.0, np.minimum(1.0, 2.0 * np.minimum(fewer, more)), 1.0)
    return np.where(np.isfinite(events), p_values, np.nan)


def student(
    pooled: Pooled, exact: Estimate | float, groups: float | None = None, share: bool = False
) -> TestResult:
    """Test one pooled estimate against its exact value; see `deviation`."""
    resampled = pooled.jackknife()
    return deviation(resampled.estimates()[0], exact, resampled.t_squared()[2] + 1.0, groups, share)


def deviation(
    estimate: Estimate, exact: Estimate | float, units: float, groups: float | None = None, share: bool = False
) -> TestResult:
    """Test one estimate, whose error comes from `units` resampled ones, against its exact value by Student's t.

    The statistic is the deviation on the scale of `hotelling`, by propagation of the error:
    2(√value − √exact)/(error/√value), for few counts nearer to Student's t than the plain deviation, whose error
    follows the count. Where the error is not known, and the exact value expects so many independent `groups` of
    events, the value is tested against as many Poisson events.
    """
    z, value = estimate.deviation(exact), estimate.value
    known = exact.value if isinstance(exact, Estimate) else exact
    if np.isnan(z) and groups is not None and known > 0.0:
        p_value = float(few_groups(value, known, groups, share))
        method = f"no more certain than {groups:.0f} Poisson events; {estimate.method}"
        return TestResult(z, p_value, estimate.n, method)
    if share and 0.0 < value < 1.0 and np.isfinite(z) and value != known:
        z *= 2.0 * np.sqrt(value * (1.0 - value)) * float(_angle(value) - _angle(known)) / (value - known)
    elif not share and value > 0.0 and known > 0.0 and np.isfinite(z):
        z *= 2.0 / (1.0 + np.sqrt(known / value))
    p_value = float(2.0 * special.stdtr(units - 1, -abs(z)))
    return TestResult(z, p_value, estimate.n, f"t; {estimate.method}")


def _angle(share: ArrayLike) -> NDArray[np.float64]:
    """Return arcsin √share, whose error does not depend on the share."""
    return np.arcsin(np.sqrt(np.clip(share, 0.0, 1.0)))


def total_hazard(hazard: NDArray[np.float64], clicks: int) -> TestResult:
    """Test the number of clicks N against what was predicted on the way: (N − Λ)/√Λ, Λ = Σ −ln S over all gaps."""
    predicted = float(hazard.sum())
    # A gap that underflows to probability zero leaves no predicted number to divide by.
    z = (clicks - predicted) / np.sqrt(predicted) if np.isfinite(predicted) else float("-inf")
    return TestResult(z, float(2.0 * special.ndtr(-abs(z))), clicks, "z of the number of clicks, given the past")


def number_of_few(predicted: float, clicks: int) -> float:
    """Return a p-value of N clicks of which few were predicted: Λ in all, from what went before each.

    For any f, f^N e^{−(f − 1)Λ} is 1 at the most on average, however the clicks depend on each other, because
    N − Λ is a martingale. So is the mean of it over some f, and its inverse is a p-value: too large rather than
    too small, never the contrary. The f are 0, 1/4, 1/2 for too few clicks, and 2^j with the weights 1/j(j + 1).
    """
    if not np.isfinite(predicted):
        return 1.0
    doubled = np.arange(1.0, MOST_DOUBLED + 1.0)
    factors = np.concatenate([[0.0, 0.25, 0.5], 2.0**doubled])
    weights = 0.5 * np.concatenate([np.full(3, 1.0 / 3.0), 1.0 / (doubled * (doubled + 1.0))])
    with np.errstate(divide="ignore"):
        logarithms = np.log(weights) - (factors - 1.0) * predicted
        if clicks:
            logarithms += clicks * np.log(factors)
    return float(np.exp(min(0.0, -special.logsumexp(logarithms))))


def rare_clicks(
    hazard: NDArray[np.float64], probability: NDArray[np.float64], channel: NDArray[np.int16]
) -> TestResult | None:
    """Test numbers of clicks that were predicted to be too few for a normal law: of all, and of each channel.

    Of a channel those clicks are counted before which another one was more probable. The smallest p-value is
    multiplied by the number of all that there can be, not of those found: which are few is seen from the clicks.

    None where there are no such numbers. Parameters are those of `total_hazard` and `channel_choice`.
    """
    channels = probability.shape[1] if probability.shape[1] > 1 else 0
    numbers = []
    if hazard.sum() < FEW_CLICKS:
        numbers.append((float(hazard.sum()), len(channel)))
    for k in range(channels):
        of_channel = probability[:, k]
        if (of_channel * (1.0 - of_channel)).sum() < LEAST_VARIANCE:
            rare = of_channel < 0.5
            numbers.append((float(of_channel[rare].sum()), int((channel[rare] == k).sum())))
    if not numbers:
        return None
    p_values = [number_of_few(*number) for number in numbers]
    predicted, seen = numbers[int(np.argmin(p_values))]
    p_value = min(1.0, (1 + channels) * min(p_values))
    return TestResult(
        float(seen), p_value, seen, f"{seen} clicks, {predicted:.3g} predicted; {1 + channels} numbers"
    )


def rescaled_time(gaps: NDArray[np.float64]) -> TestResult:
    """Test by Kolmogorov and Smirnov whether e^{−gap} is uniform for gaps in rescaled time."""
    from scipy import stats  # a third of a second, which those who ask for no such test are spared

    found = stats.kstest(np.exp(-gaps), "uniform")
    return TestResult(float(found.statistic), float(found.pvalue), len(gaps), "KS of the survival at every gap")


def serial_independence(gaps: NDArray[np.float64]) -> TestResult:
    """Test whether gaps in rescaled time are independent: n(n + 2) Σ_j r_j²/(n − j) over lags j.

    r_j = Σ_i z_i z_{i+j}/Σ_i z_i² of the normal scores z of the gaps; the sum is χ² (Ljung and Box, Biometrika 65,
    297 (1978)). The scores are divided by their own spread, so that few gaps with an unusual spread do not make
    all r_j large at once.
    """
    survival = np.clip(np.exp(-gaps), 1e-300, 1.0 - 1e-16)
    scores = -special.ndtri(survival)
    lags = min(SERIAL_LAGS, len(gaps) // 10)
    n, power = len(gaps), float(np.sum(scores**2))
    terms = [(np.sum(scores[j:] * scores[:-j]) / power) ** 2 / (n - j) for j in range(1, lags + 1)]
    statistic = n * (n + 2.0) * float(np.sum(terms))
    p_value = float(special.chdtrc(lags, statistic)) if lags else float("nan")
    return TestResult(statistic, p_value, len(gaps), f"χ² of {lags} lags")


def channel_choice(probability: NDArray[np.float64], channel: NDArray[np.int16]) -> TestResult:
    """Test whether clicks fall into the channels with the probabilities that were predicted for each.

    For every channel the clicks are grouped by the probability p predicted for it. The excesses Σ(1 − p) or Σ(−p)
    of the groups, to one of which each click contributes in every channel, have the covariance Σ diag(p) − ppᵀ
    exactly; their χ² is taken in the directions along which the sum is nearly normal. A single click that is
    nearly impossible rejects by itself.

    Parameters
    ----------
    probability : ndarray of shape (n_clicks, n_channels)
        Predicted probabilities.
    channel : ndarray of int, shape (n_clicks,)
        The channel that clicked.
    """
    size, channels = probability.shape
    # The last group of probabilities is fixed by the others: every click falls into one of them.
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
    p_value = float(special.chdtrc(rank, statistic)) if rank else float("nan")
    rarest = float(probability[np.arange(size), channel].min()) * size * channels
    if rarest < HARDLY_POSSIBLE:
        return TestResult(float("inf"), rarest, size, "a click in a channel that can hardly click")
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
