"""From sums that are additive over units to values with calibrated errors: the one mechanism of all estimators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trajectories.checks import integer
from trajectories.group_errors import ROUNDING, known_errors
from trajectories.results import Estimate, read_only

from .resampling_units import ResamplingUnits

Sums = Mapping[str, NDArray[np.float64]]
Values = Callable[[NDArray[np.float64]], NDArray[np.float64]]
# Directions whose variance is below this share of that of independent values with the same errors are left out of
# T². Values that a conservation law binds hardly vary along it, and only by the curvature of the estimator.
STIFF = 0.02


@dataclass(frozen=True)
class TestResult:
    """A hypothesis test.

    Attributes
    ----------
    statistic : float
        The test statistic; NaN when the data cannot give one.
    p_value : float
        Probability of a statistic at least as large when the null hypothesis holds.
    n : int
        Number of events behind it.
    method : str
        Null hypothesis, statistic, and how the p-value was obtained.

    Examples
    --------
    >>> import trajectories as tj
    >>> found = tj.analysis.TestResult(statistic=1.2, p_value=0.3, n=100, method="χ²")
    >>> found.p_value > 0.05
    True
    """

    __test__ = False  # pytest takes classes of this name for test cases

    statistic: float
    p_value: float
    n: int
    method: str


@dataclass(frozen=True, eq=False)
class Resampled:
    """Values with their joint error from resampling.

    Attributes
    ----------
    value : ndarray of shape (k,)
        The pooled estimates.
    deviations : ndarray of shape (m, k)
        Deviations of the resampled values, scaled so that their products sum to the covariance.
    counts : ndarray of int64, shape (k,)
        Events behind every value.
    method : str
        How they were obtained.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> rng = np.random.default_rng(1)
    >>> times = np.sort(rng.uniform(0.0, 50.0, (40, 20)), axis=1)
    >>> record = tj.ClickRecord.from_arrays(
    ...     np.repeat(np.arange(40), 20), times.ravel(), rng.integers(0, 2, 800),
    ...     channel_names=["a", "b"], start=np.zeros(40), stop=np.full(40, 50.0),
    ... )
    >>> found = tj.analysis.pooled(tj.analysis.rates, record).jackknife()
    >>> found.value.round(3), found.standard_error.round(3)
    (array([0.19, 0.21]), array([0.008, 0.008]))
    """

    value: NDArray[np.float64]
    deviations: NDArray[np.float64]
    counts: NDArray[np.int64]
    method: str

    @cached_property
    def standard_error(self) -> NDArray[np.float64]:
        """Standard errors, shape (k,); NaN where the record is too small to give them, 0 where it is rounding."""
        spread = np.sqrt((self.deviations**2).sum(axis=0))
        return read_only(np.where(spread <= ROUNDING * np.abs(self.value), 0.0, spread))

    @cached_property
    def covariance(self) -> NDArray[np.float64]:
        """Covariance matrix, shape (k, k); its rank is below the number of units."""
        return read_only(self.deviations.T @ self.deviations)

    def only(self, chosen: NDArray[np.bool_]) -> Resampled:
        """Return some of the values."""
        return Resampled(self.value[chosen], self.deviations[:, chosen], self.counts[chosen], self.method)

    def critical_value(self, level: float = 0.95, draws: int = 4000, seed: int = 0) -> float:
        """Return c with P(max |z| ≤ c) = level, for the simultaneous band value ± c·standard_error.

        The maximum of |z| over all values is drawn from the normal distribution with the resampled
        correlations (multiplier bootstrap). Values without an error are left out.
        """
        integer(draws, "draws", 1)
        integer(seed, "seed", 0)
        usable = np.isfinite(self.standard_error) & (self.standard_error > 0)
        if not usable.any():
            return float("nan")
        scaled = self.deviations[:, usable] / self.standard_error[usable]
        normal = np.random.default_rng(seed).standard_normal((draws, len(scaled)))
        return float(np.quantile(np.abs(normal @ scaled).max(axis=1), level))

    def chi_squared(self, exact: ArrayLike | None = None) -> tuple[float, int]:
        """Return (value − exact)ᵀ C⁺ (value − exact) and the rank of C; `exact` is 0 when not given."""
        return self.t_squared(exact)[:2]

    def t_squared(self, exact: ArrayLike | None = None) -> tuple[float, int, float]:
        """Return T² = (value − exact)ᵀ C⁺ (value − exact), the rank r of C⁺, and C's degrees of freedom f.

        Values are measured in their standard errors, and of their correlation matrix the directions are kept along
        which the variance is at least 2 % of that of independent values. With h_u the part that resampled value u
        has in T², Σ h_u = r, the spread of C makes T² larger by Σ h_u² − r/m on average, and that of f normal
        deviations by r(r + 1)/f: hence f, at most m − 1. Where few groups carry the covariance it is about their
        number. `exact` is 0 when not given.
        """
        usable = np.isfinite(self.standard_error) & (self.standard_error > 0)
        difference = (self.value - (0.0 if exact is None else np.asarray(exact, dtype=np.float64)))[usable]
        if not len(difference):
            return float("nan"), 0, 0.0
        scaled = self.deviations[:, usable] / self.standard_error[usable]
        strength, directions = np.linalg.eigh(scaled.T @ scaled)
        kept = strength > STIFF
        white = directions[:, kept] / np.sqrt(strength[kept])
        statistic, rank = float(((difference / self.standard_error[usable] @ white) ** 2).sum()), int(kept.sum())
        size = len(scaled)
        leverage = ((scaled @ white) ** 2).sum(axis=1)
        excess = float((leverage**2).sum()) - rank / size
        return statistic, rank, min(rank * (rank + 1.0) / excess if excess > 0.0 else np.inf, size - 1.0)

    def estimates(self) -> list[Estimate]:
        """Return every value as an Estimate; without events behind it, it has no error."""
        columns = zip(self.value, self.errors, self.counts, strict=True)
        return [Estimate(float(value), float(error), int(n), self.method) for value, error, n in columns]

    @cached_property
    def errors(self) -> NDArray[np.float64]:
        """Standard errors, shape (k,); NaN where they cannot be known.

        No events, or some that happen to agree, show no spread when they are resampled; a spread that rests on
        fewer than five effective independent groups is no measure of the error (see `known_errors`).
        """
        known = known_errors(self.standard_error, self.value, self.deviations)
        return read_only(np.where(self.counts > 0, known, np.nan))


@dataclass(frozen=True, eq=False)
class Pooled:
    """A function of sums pooled over units, θ = f(Σ_u s_u), ready to be resampled.

    Parameters
    ----------
    sums : mapping of str to ndarray of shape (units, …)
        What the estimator adds up, per unit; more units append rows.
    function : callable
        Maps sums with any leading axis m to values of shape (m, k); it pools first, then divides.
    units : ResamplingUnits
        What the rows are.
    counts : ndarray of int64, shape (k,)
        Events behind every value.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> rng = np.random.default_rng(1)
    >>> times = np.sort(rng.uniform(0.0, 50.0, (40, 20)), axis=1)
    >>> record = tj.ClickRecord.from_arrays(
    ...     np.repeat(np.arange(40), 20), times.ravel(), rng.integers(0, 2, 800),
    ...     channel_names=["a", "b"], start=np.zeros(40), stop=np.full(40, 50.0),
    ... )
    >>> pooled = tj.analysis.pooled(tj.analysis.rates, record)
    >>> pooled.value.round(3), pooled.counts, pooled.jackknife().covariance.shape
    (array([0.19, 0.21]), array([379, 421]), (2, 2))
    """

    sums: Sums
    function: Callable[[Sums], NDArray[np.float64]]
    units: ResamplingUnits
    counts: NDArray[np.int64]

    @cached_property
    def value(self) -> NDArray[np.float64]:
        """The pooled estimates, shape (k,)."""
        return self._evaluate({name: rows.sum(axis=0, keepdims=True) for name, rows in self.sums.items()})[0]

    def mapped(self, function: Values, counts: NDArray[np.int64] | None = None) -> Pooled:
        """Return a function of these values, which maps (m, k) to (m, l), with the events behind its values.

        When `counts` are not given, each value keeps its events.
        """
        kept = self.counts if counts is None else counts
        return Pooled(self.sums, lambda sums: function(self.function(sums)), self.units, kept)

    def only(self, chosen: NDArray[Any]) -> Pooled:
        """Return some of the values."""
        return self.mapped(lambda values: values[:, chosen], self.counts[chosen])

    def jackknife(self) -> Resampled:
        """Leave out one unit at a time: C = (G − 1)/G Σ_u (θ₋ᵤ − θ̄)(θ₋ᵤ − θ̄)ᵀ over G units."""
        count = self.units.count
        replicates = self._evaluate({k: rows.sum(axis=0, keepdims=True) - rows for k, rows in self.sums.items()})
        scale = np.sqrt((count - 1.0) / count)
        return self._resampled(replicates, scale, f"pooled; jackknife over {self.units.label}")

    def bootstrap(self, resamples: int = 1000, seed: int = 0) -> Resampled:
        """Draw units with replacement: C is the covariance of θ over `resamples` draws."""
        count = self.units.count
        integer(resamples, "resamples", 2)
        integer(seed, "seed", 0)
        draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1.0 / count), size=resamples)
        drawn = draws.astype(np.float64)
        replicates = self._evaluate({name: np.tensordot(drawn, rows, 1) for name, rows in self.sums.items()})
        scale = 1.0 / np.sqrt(resamples - 1.0)
        return self._resampled(replicates, scale, f"pooled; {resamples} bootstraps over {self.units.label}")

    def _evaluate(self, sums: Sums) -> NDArray[np.float64]:
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.function(sums)

    def _resampled(self, replicates: NDArray[np.float64], scale: float, method: str) -> Resampled:
        if not self.units.reliable:
            blank = np.full_like(replicates, np.nan)
            return Resampled(
                self.value, blank, self.counts, f"pooled; too little for an error ({self.units.label})"
            )
        return Resampled(self.value, scale * (replicates - replicates.mean(axis=0)), self.counts, method)


def ratio(sums: Sums) -> NDArray[np.float64]:
    """Return Σ numerator / Σ denominator, the function of the simplest pooled estimates."""
    return sums["numerator"] / sums["denominator"]
