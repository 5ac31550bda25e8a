"""Statistics of click records against known laws, each returned as a p-value.

A law is rejected below ALARM. The physics tests ask that a record passes, the planted-fault tests that a record
with a fault does not, by the same function.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.integrate import quad

import trajectories as tj
from trajectories.results import Expectation

# False-alarm rate of one statistic. The two suites compute fewer than 40 of them, and their seeds are fixed.
ALARM = 1e-6


def first_waits(record: tj.ClickRecord, count: int) -> NDArray[np.float64]:
    """Return the first `count` waits of every trajectory, shape (trajectories, count).

    A fixed number from each avoids the bias of intervals that the end of the window cuts off. `count` lies so far
    below the mean that a trajectory with fewer clicks is itself a rejection; it is filled up with zero waits.
    """
    waits = np.zeros((record.n_trajectories, count))
    for row, (low, high) in enumerate(zip(record.offsets[:-1], record.offsets[1:], strict=True)):
        times = record.time[low:high][:count]
        waits[row, : len(times)] = np.diff(times, prepend=record.start[row])
    return waits


def uniform_p(values: NDArray[np.float64]) -> float:
    """Kolmogorov–Smirnov p-value of numbers that should be independent and uniform in [0, 1]."""
    return float(stats.kstest(values.ravel(), "uniform").pvalue)


def fock_decay_p(record: tj.ClickRecord, quanta: int, kappa: float) -> float:
    """Decay of |n⟩: exactly n clicks, and the wait before the k-th of them is exponential with rate (n − k)κ."""
    if (np.diff(record.offsets) != quanta).any():
        return 0.0
    rates = kappa * (quanta - np.arange(quanta))
    return uniform_p(-np.expm1(-rates * first_waits(record, quanta)))


def channel_share_p(record: tj.ClickRecord, share: float) -> float:
    """Two ports of one mode: each click goes to channel 0 with the same probability, whatever came before."""
    first = int(np.count_nonzero(record.channel == 0))
    return float(stats.binomtest(first, len(record), share).pvalue)


def fluorescence_p(record: tj.ClickRecord, rabi: float, gamma: float, count: int) -> float:
    """Waits of resonance fluorescence, each of which starts in |g⟩.

    1 − S(t), S = e^{−γt/2} [(cos μt + (γ/4μ) sin μt)² + (Ω/2μ)² sin² μt], μ² = Ω²/4 − γ²/16.
    """
    t = first_waits(record, count)
    mu = np.sqrt(0.25 * rabi**2 - gamma**2 / 16.0)
    ground = np.cos(mu * t) + gamma / (4.0 * mu) * np.sin(mu * t)
    excited = 0.5 * rabi / mu * np.sin(mu * t)
    return uniform_p(1.0 - np.exp(-0.5 * gamma * t) * (ground**2 + excited**2))


def poisson_waits_p(record: tj.ClickRecord, rate: float, count: int) -> float:
    """Exponential waits of a Poisson stream."""
    return uniform_p(-np.expm1(-rate * first_waits(record, count)))


def poisson_counts_p(record: tj.ClickRecord, rate: float) -> float:
    """Index of dispersion about the known mean, Σ (N − λT)²/λT ~ χ², two-sided."""
    mean = rate * (record.stop - record.start)
    chi2 = float((((np.diff(record.offsets) - mean) ** 2) / mean).sum())
    law = stats.chi2(record.n_trajectories)
    return 2.0 * min(float(law.cdf(chi2)), float(law.sf(chi2)))


def pair_counts(record: tj.ClickRecord, first: int, second: int, edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count, for each trajectory, pairs in which `second` follows `first` with a lag in each bin."""
    counts = np.zeros((record.n_trajectories, len(edges) - 1), dtype=np.int64)
    for row, (low, high) in enumerate(zip(record.offsets[:-1], record.offsets[1:], strict=True)):
        time, channel = record.time[low:high], record.channel[low:high]
        lags = time[channel == second][None, :] - time[channel == first][:, None]
        counts[row] = np.histogram(lags[lags > 0.0], edges)[0]
    return counts


def correlation_p(
    record: tj.ClickRecord,
    channels: tuple[int, int],
    edges: NDArray[np.float64],
    rates: tuple[float, float],
    g2: Callable[[float], float],
) -> float:
    """Hotelling's T² of the pair counts of stationary trajectories about λ_k λ_l ∫_B g²(τ) (T − τ) dτ."""
    duration = float(record.stop[0])
    expected = np.array(
        [
            rates[0] * rates[1] * quad(lambda tau: g2(tau) * (duration - tau), low, high)[0]
            for low, high in pairwise(edges)
        ]
    )
    counts = pair_counts(record, *channels, edges)
    size, bins = counts.shape
    difference = counts.mean(axis=0) - expected
    statistic = size * difference @ np.linalg.solve(np.cov(counts.T), difference)
    return float(stats.f.sf(statistic * (size - bins) / (bins * (size - 1)), bins, size - bins))


def rate_z(record: tj.ClickRecord, channel: int, rate: float) -> float:
    """Deviation of the pooled click rate from the exact one in σ, the larger of the spread and Poisson's σ."""
    counts = record.counts()[:, channel]
    expected = rate * record.total_time
    spread = counts.std(ddof=1) * np.sqrt(len(counts))
    return float((counts.sum() - expected) / max(spread, np.sqrt(expected)))


def bernstein_excess(
    average: Expectation, exact: NDArray[np.float64], spread: float, alarm: float
) -> NDArray[np.float64]:
    """Return |mean − exact| of sampled averages over the empirical Bernstein bound.

    P(|mean − μ| > √(2V ln(3/x)/n) + 3b ln(3/x)/n) ≤ x for n independent values in an interval of length b with
    sample variance V (Audibert, Munos and Szepesvári, Theor. Comput. Sci. 410, 1876 (2009)). It holds for any
    distribution, also where a rare jump has not happened yet and the sample variance is zero.
    """
    log = np.log(3.0 / alarm)
    bound = np.sqrt(2.0 * log) * average.standard_error + 3.0 * spread * log / average.n
    return np.abs(average.value - exact) / bound
