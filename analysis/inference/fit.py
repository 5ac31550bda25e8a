"""fit(): maximum likelihood of a model's parameters from clicks, with errors and profile intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trajectories.checks import finite_number, shown
from trajectories.detectors import Detector
from trajectories.errors import InvalidInput, TrajectoriesError
from trajectories.lindblad import steady_state
from trajectories.model.system import OpenSystem
from trajectories.notebook import Shown, Summary
from trajectories.records.clicks import ClickRecord
from trajectories.results import Estimate, read_only

from ..clicks.streams import Clicks
from .likelihood_maximum import climb, inverse, profile_ends
from .replay import replay
from .subject import in_memory

# Where a state was dark, ln λ has a spike to −∞ at parameters that would have made it dark a little earlier or
# later, and far from the maximum there are many of them. The search begins with ln(λ + ελ̄), λ̄ the mean click
# rate, and ends with ε = 0. Within a few errors of the maximum such spikes are rare.
SMOOTHING = (0.3, 0.03, 0.0)

Family = Callable[..., Any]
Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Fit(Shown):
    """Parameters that make a record most likely.

    Attributes
    ----------
    names : tuple of str
        What was fitted.
    values : ndarray of shape (n_parameters,)
        Where the likelihood is largest.
    covariance : ndarray of shape (n_parameters, n_parameters)
        Inverse of the observed information, −∂²ln L/∂θ_i∂θ_j at the maximum.
    intervals : ndarray of shape (n_parameters, 2)
        Profile-likelihood intervals at `confidence`; NaN where an end was not found or not asked for.
    confidence : float
        Nominal coverage of `intervals`.
    log_likelihood : float
        ln L at the maximum.
    evaluations : int
        How often the record was replayed.
    n_clicks : int
        Clicks in the record.
    """

    names: tuple[str, ...]
    values: Vector
    covariance: Vector
    intervals: Vector
    confidence: float
    log_likelihood: float
    evaluations: int
    n_clicks: int

    @property
    def standard_errors(self) -> Vector:
        """Square roots of the diagonal of the covariance."""
        return np.sqrt(np.diag(self.covariance))

    def __getitem__(self, name: str) -> Estimate:
        """Return one parameter with its standard error."""
        if name not in self.names:
            raise InvalidInput(f"{shown(name)} was not fitted; {', '.join(self.names)} were")
        i = self.names.index(name)
        return Estimate(float(self.values[i]), float(self.standard_errors[i]), self.n_clicks, "maximum likelihood")

    def _summary(self) -> Summary:
        rows = [
            (name, str(self[name]), f"{low:.6g} … {high:.6g}")
            for name, (low, high) in zip(self.names, self.intervals.tolist(), strict=True)
        ]
        heads = ("parameter", "value", f"{self.confidence:.0%} interval")
        return Summary(f"Fit to {self.n_clicks} clicks", heads, rows, f"ln L = {self.log_likelihood:.3f}")

    def __str__(self) -> str:
        """Return a table: value, standard error, interval."""
        lines = [f"{'parameter':16} {'value':>14} {'error':>10}   {self.confidence:.0%} interval"]
        rows = zip(self.names, self.values, self.standard_errors, self.intervals, strict=True)
        lines += [
            f"{name:16} {value:14.8g} {error:10.2g}   {low:.8g} … {high:.8g}"
            for name, value, error, (low, high) in rows
        ]
        lines.append(
            f"ln L = {self.log_likelihood:.3f} after {self.evaluations} replays of {self.n_clicks} clicks"
        )
        return "\n".join(lines)


def fit(
    record: Clicks,
    family: Family,
    start: Mapping[str, float],
    *,
    initial: str | ArrayLike = "steady",
    detectors: Mapping[str, Detector] | None = None,
    confidence: float = 0.95,
    profile: bool = True,
) -> Fit:
    """Fit parameters of a model to the clicks by maximum likelihood.

    ln L(θ) = Σ over gaps of ln S + Σ over clicks of ln λ_k, with the no-click probability S and the rate λ_k of
    the channel that clicked predicted from all clicks before (`trajectories.engine.replay`): nothing is binned and
    nothing is left out. The maximum is found by damped Newton steps; standard errors come from
    the curvature there, intervals from the profile: all values that some choice of the other parameters makes no
    more than half the χ²₁ quantile less likely.

    Parameters
    ----------
    record : ClickRecord, Run, or whatever `stream` takes
        The clicks.
    family : callable
        Takes the parameters by name and returns the `OpenSystem` that they make, or an object with `.system()`.
    start : mapping of str to float
        Parameters to fit, and where to start. A start several widths of a resonance away may end in another
        maximum.
    initial : {"steady"} or array_like
        State at the start of every trajectory: the steady state of each trial system, or a ket or density matrix.
    detectors : mapping of str to Detector, optional
        Efficiency and dark counts by channel; those in the record's provenance when not given.
    confidence : float
        Nominal coverage of the intervals, in (0, 1).
    profile : bool
        Whether to compute profile intervals, which takes some ten replays an end and parameter.

    Returns
    -------
    Fit

    Raises
    ------
    InvalidInput
        No parameter, a start that is not finite or that the family refuses, clicks that the start cannot make, or
        a record without clicks.
    ConvergenceError
        No maximum, or one without curvature: the clicks do not tell these parameters apart.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> from trajectories import analysis as an
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> def atom(rabi, gamma):
    ...     return tj.OpenSystem(rabi / 2 * (sigma + sigma.T), [tj.Channel("atom", np.sqrt(gamma) * sigma)])
    >>> record = tj.simulate(atom(2.0, 1.0), trajectories=20, duration=50.0, seed=1, progress=False)
    >>> found = an.fit(record, atom, {"rabi": 1.8, "gamma": 1.2}, profile=False)
    >>> all(abs(found[name].value - true) < 4 * found[name].standard_error
    ...     for name, true in (("rabi", 2.0), ("gamma", 1.0)))
    True
    """
    record = in_memory(record)
    names, first = _checked_start(record, start)
    if not 0.0 < finite_number(confidence, "confidence") < 1.0:
        raise InvalidInput(f"confidence={confidence} must lie between 0 and 1")
    likelihood = _Likelihood(record, family, names, initial, detectors)
    likelihood.require(first)
    at = first
    for likelihood.smoothing in SMOOTHING:
        peak, information = climb(likelihood, at)
        at = peak.at
    covariance = inverse(information)
    intervals = np.full((len(names), 2), np.nan)
    if profile:
        intervals = profile_ends(likelihood, peak, covariance, confidence)
    return Fit(
        names,
        read_only(peak.at),
        read_only(covariance),
        read_only(intervals),
        float(confidence),
        peak.total,
        likelihood.evaluations,
        len(record),
    )


def _checked_start(record: ClickRecord, start: Mapping[str, float]) -> tuple[tuple[str, ...], Vector]:
    if not isinstance(record, ClickRecord) or not len(record):
        raise InvalidInput("fit needs a ClickRecord with clicks; a silent one tells nothing")
    if not isinstance(start, Mapping) or not start or not all(isinstance(name, str) for name in start):
        raise InvalidInput(f"start={shown(start)} must name at least one parameter and where it starts")
    return tuple(start), np.array([finite_number(value, f"start[{name!r}]") for name, value in start.items()])


class _Likelihood:
    """ln L of the record as a function of the parameters, by trajectory; smoothed while a start is far away."""

    def __init__(
        self,
        record: ClickRecord,
        family: Family,
        names: tuple[str, ...],
        initial: str | ArrayLike,
        detectors: Mapping[str, Detector] | None,
    ) -> None:
        self._record, self._family, self._names = record, family, names
        self._initial, self._detectors = initial, detectors
        self._floor = record.counts().sum(axis=0) / record.total_time
        self.smoothing = 0.0
        self.evaluations = 0

    def require(self, at: Vector) -> None:
        """Raise what the start does wrong."""
        if not np.isfinite(self._evaluate(at)).all():
            raise InvalidInput(
                "the model at the start cannot make these clicks; check its channels and start values"
            )

    def __call__(self, at: Vector) -> Vector:
        """Return ln L of each trajectory; −∞ where the family has no such system."""
        try:
            with np.errstate(all="ignore"):  # floating-point warnings of the family at trial parameters
                return self._evaluate(at)
        except TrajectoriesError:
            return np.full(self._record.n_trajectories, -np.inf)

    def _evaluate(self, at: Vector) -> Vector:
        self.evaluations += 1
        made = self._family(**dict(zip(self._names, at.tolist(), strict=True)))
        system = made if isinstance(made, OpenSystem) or not hasattr(made, "system") else made.system()
        if not isinstance(system, OpenSystem):
            raise InvalidInput(f"the family returns {type(made).__name__}; it must return an OpenSystem")
        start: Any = self._initial
        if isinstance(start, str):
            if start != "steady":
                raise InvalidInput(f"initial={shown(start)} must be 'steady', a ket or a density matrix")
            start = steady_state(system)
        seen = replay(self._record, system, start, detectors=self._detectors)
        if not self.smoothing:
            return seen.log_likelihoods
        chosen = seen.intensity[np.arange(len(self._record)), seen.channel]
        gained = np.log(chosen + self.smoothing * self._floor[seen.channel])
        size = self._record.n_trajectories
        rows = self._record.trajectory
        return read_only(np.bincount(rows, gained, size) - np.bincount(seen.trajectory, seen.hazard, size))
