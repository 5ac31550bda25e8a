"""fit(): maximum likelihood of a model's parameters from clicks, with errors and profile intervals."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trajectories.checks import finite_number, shown
from trajectories.detectors import Detector
from trajectories.engine.replay.replay import Replay
from trajectories.errors import ConvergenceError, InvalidInput, TrajectoriesError
from trajectories.lindblad import steady_state
from trajectories.lindblad.pulses.periodic import affordable_periodic_state
from trajectories.model.system import OpenSystem
from trajectories.notebook import Shown, Summary
from trajectories.records.clicks import ClickRecord
from trajectories.records.detection_log import recorded_detectors
from trajectories.results import Estimate, read_only
from trajectories.stages import Stage, call

from ..clicks.streams import Clicks
from .likelihood_maximum import (
    GAIN,
    FlatError,
    climb,
    information_at,
    inverse,
    profile_ends,
    require_inside,
    require_slopes,
    squared_scores,
)
from .replay import Replayer
from .subject import in_memory
from .validation import filter_tests

# ln λ has a spike to −∞ at parameters for which the state is dark at the moment of a click; far from the maximum
# there are many such spikes. The search begins with ln(λ + ελ̄), where λ̄ is the mean click rate, and ends with ε
# = 0. Within a few standard errors of the maximum the spikes are rare: the maxima before the last are found to
# half of one.
SMOOTHING = (0.3, 0.03, 0.0)
ROUGH_GAIN = 0.125
# Where clicks are this improbable in the model at the maximum, that is said.
CONTRADICTED = 1e-6
# What can be fitted of a detector.
FITTED = ("efficiency", "dark_rate")

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
    bounds : ndarray of shape (n_parameters,)
        Cramér–Rao bounds: no unbiased estimate from so long a record has a smaller standard error. The Fisher
        information behind them is Σ_n s_ns_nᵀ, with s_n what the n-th gap and click add to the score.
    """

    names: tuple[str, ...]
    values: Vector
    covariance: Vector
    intervals: Vector
    confidence: float
    log_likelihood: float
    evaluations: int
    n_clicks: int
    bounds: Vector

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
        head = f"{'parameter':16} {'value':>14} {'error':>10} {'bound':>10}   {self.confidence:.0%} interval"
        rows = zip(self.names, self.values, self.standard_errors, self.bounds, self.intervals, strict=True)
        lines = [head] + [
            f"{name:16} {value:14.8g} {error:10.2g} {bound:10.2g}   {low:.8g} … {high:.8g}"
            for name, value, error, bound, (low, high) in rows
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
    progress: bool = True,
) -> Fit:
    """Fit parameters of a model to the clicks by maximum likelihood.

    ln L(θ) = Σ over gaps of ln S + Σ over clicks of ln λ_k, with the no-click probability S and the rate λ_k of
    the channel that clicked predicted from all clicks before (`trajectories.engine.replay`): nothing is binned and
    nothing is left out. The maximum is found by damped Newton steps. Standard errors come from the curvature at
    the maximum. Profile intervals hold all values of a parameter for which ln L, maximised over the other
    parameters, is at most half the χ²₁ quantile below its maximum.

    Parameters
    ----------
    record : ClickRecord, Run, or whatever `stream` takes
        The clicks.
    family : callable
        Takes the parameters by name and returns the `OpenSystem` that they make, or an object with `.system()`.
    start : mapping of str to float
        Parameters to fit, and where to start; "photon.efficiency" or "photon.dark_rate" is that of a detector, and
        is not given to the family. A start several widths of a resonance away may end in another
        maximum; where the clicks contradict the model there, a warning says so.
    initial : {"steady"} or array_like
        State at the start of every trajectory: the steady or periodic state of each trial system, or a ket or
        density matrix.
    detectors : mapping of str to Detector, optional
        Efficiency and dark counts by channel; those in the record's provenance when not given.
    confidence : float
        Nominal coverage of the intervals, in (0, 1).
    profile : bool
        Whether to compute profile intervals, which takes about ten replays for each end of each interval.
    progress : bool
        Whether to name what takes long, at a terminal and in a notebook.

    Returns
    -------
    Fit

    Raises
    ------
    InvalidInput
        No parameter, a start that is not finite, that the family refuses or at which the clicks are impossible, or
        a record without clicks.
    ConvergenceError
        No maximum, or parameters that the clicks do not determine one by one; the message names them.

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
    names, first = checked_parameters(record, start)
    if not 0.0 < finite_number(confidence, "confidence") < 1.0:
        raise InvalidInput(f"confidence={confidence} must lie between 0 and 1")
    likelihood = RecordLikelihood(record, family, names, initial, detectors)
    with call("fit", progress):
        likelihood.require(first)
        found = _maximised(likelihood, names, first, float(confidence), profile, len(record))
        tests = filter_tests(likelihood.replay(found.values))
    if tests:
        worst = min(tests, key=lambda name: tests[name].p_value)
        p_value = len(tests) * tests[worst].p_value
        if p_value < CONTRADICTED:
            warnings.warn(
                f"the model here does not predict the clicks ({worst}: p = {p_value:.1g}): it is wrong, "
                "or another maximum is higher; start elsewhere, and compare ln L",
                stacklevel=2,
            )
    return found


def _maximised(
    likelihood: RecordLikelihood,
    names: tuple[str, ...],
    first: Vector,
    confidence: float,
    profile: bool,
    clicks: int,
) -> Fit:
    """Find the maximum of ln L, errors and intervals."""
    try:
        at, known = first, None
        for smoothing in likelihood.stages:
            likelihood.begin(at, smoothing)
            known = information_at(likelihood, at) if known is None else known
            gain = GAIN if smoothing == likelihood.stages[-1] else ROUGH_GAIN
            peak, there = climb(likelihood, at, known, gain)
            at, known = peak.at, peak.information
        covariance = inverse(there.information)
        require_inside(likelihood, peak)
        squares = squared_scores(there.scores)
        require_slopes(squares)
    except FlatError as error:
        raise ConvergenceError(_moves_together(names, at, error.direction)) from error
    except ConvergenceError as error:
        named = re.sub(r"parameter (\d+)", lambda found: names[int(found[1])], str(error))
        raise ConvergenceError(named) from error
    bounds = np.sqrt(np.diag(np.linalg.inv(squares)))
    intervals = np.full((len(names), 2), np.nan)
    if profile:
        intervals = profile_ends(likelihood, peak, covariance, confidence)
    return Fit(
        names,
        read_only(peak.at),
        read_only(covariance),
        read_only(intervals),
        confidence,
        peak.total,
        likelihood.evaluations,
        clicks,
        read_only(bounds),
    )


def _moves_together(names: tuple[str, ...], at: Vector, direction: Vector) -> str:
    """Say which parameters the record determines only in combination, and how they move together."""
    size = np.where(at != 0.0, np.abs(at), 1.0)
    share = direction / size
    share = share / share[np.argmax(np.abs(share))]
    moved = [
        f"{name} {100 * one:+.3g} {'%' if value else 'hundredths'}"
        for name, one, value in zip(names, share, at, strict=True)
        if abs(one) > 1e-3
    ]
    return f"the likelihood does not change if {', '.join(moved)} change together; fit fewer of them"


def checked_parameters(record: ClickRecord, start: Mapping[str, float]) -> tuple[tuple[str, ...], Vector]:
    """Return names and values of parameters of a record that has clicks."""
    if not isinstance(record, ClickRecord) or not len(record):
        raise InvalidInput("fit needs a record with clicks, but this one has none; give a longer one")
    if not isinstance(start, Mapping) or not start or not all(isinstance(name, str) for name in start):
        raise InvalidInput(f"start={shown(start)} must name at least one parameter and its start")
    return tuple(start), np.array([finite_number(value, f"start[{name!r}]") for name, value in start.items()])


class RecordLikelihood:
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
        self._initial = initial
        self._fields = {name: tuple(name.rsplit(".", 1)) for name in names if "." in name}
        for name, (channel, field) in self._fields.items():
            if channel not in record.channel_names or field not in FITTED:
                known = ", ".join(f"{record.channel_names[0]}.{key}" for key in FITTED)
                raise InvalidInput(
                    f"start[{name!r}] is no parameter of a recorded channel's detector, such as {known}"
                )
        self._seen_with = recorded_detectors(record) if detectors is None else dict(detectors)
        self._like: Replayer | None = None
        self._floor = record.counts().sum(axis=0) / record.total_time
        self.smoothing = 0.0
        self.evaluations = 0

    @property
    def stages(self) -> tuple[float, ...]:
        """Smoothings of the climb; none where detectors are fitted, because it acts like dark counts."""
        return SMOOTHING[-1:] if self._fields else SMOOTHING

    def room(self, at: Vector) -> Vector:
        """Return how far each parameter is from the end of its range."""
        found = np.full(len(at), np.inf)
        for i, name in enumerate(self._names):
            if name in self._fields:
                found[i] = min(at[i], 1.0 - at[i]) if self._fields[name][1] == "efficiency" else at[i]
        return found

    def begin(self, at: Vector, smoothing: float) -> None:
        """Build reduced models from now on like that of these parameters, so that ln L has no steps."""
        self._like, self.smoothing = None, smoothing
        system, start, detectors = self._model(at)
        replayer = Replayer(self._record, system, start, detectors)
        if replayer.filter is not None and not replayer.filter.exact:
            replayer.replay(self._record)
            self._like = replayer

    def require(self, at: Vector) -> None:
        """Raise `InvalidInput` where the start has no system, or one in which the clicks are impossible."""
        if not np.isfinite(self._evaluate(at)).all():
            raise InvalidInput(
                "these clicks are impossible in the model at start=; check its channels and start values"
            )

    def __call__(self, at: Vector) -> Vector:
        """Return what each gap adds to ln L; −∞ where the family has no such system."""
        try:
            with np.errstate(all="ignore"):  # floating-point warnings of the family at trial parameters
                return self._evaluate(at)
        except TrajectoriesError:
            return np.full(len(self._record) + self._record.n_trajectories, -np.inf)

    def _model(self, at: Vector) -> tuple[OpenSystem, Any, dict[str, Detector]]:
        """Return the system, the initial state and the detectors of some parameters."""
        values = dict(zip(self._names, at.tolist(), strict=True))
        detectors = dict(self._seen_with)
        for name, (channel, field) in self._fields.items():
            detectors[channel] = replace(detectors.get(channel, Detector()), **{field: values.pop(name)})
        made = self._family(**values)
        system = made if isinstance(made, OpenSystem) or not hasattr(made, "system") else made.system()
        if not isinstance(system, OpenSystem):
            raise InvalidInput(f"the family returns {type(made).__name__}; it must return an OpenSystem")
        start: Any = self._initial
        if isinstance(start, str):
            if start != "steady":
                raise InvalidInput(f"initial={shown(start)} must be 'steady', a ket or a density matrix")
            start = affordable_periodic_state(system).rho if system.depends_on_time else steady_state(system)
        return system, start, detectors

    def _evaluate(self, at: Vector) -> Vector:
        self.evaluations += 1
        with Stage(f"fit, replay {self.evaluations}", covers=True):
            return self._replayed(at)

    def replay(self, at: Vector) -> Replay:
        """Replay the record through the model that some parameters make."""
        system, start, detectors = self._model(at)
        return Replayer(self._record, system, start, detectors, like=self._like).replay(self._record)

    def _replayed(self, at: Vector) -> Vector:
        seen = self.replay(at)
        chosen = seen.intensity[np.arange(len(self._record)), seen.channel]
        if self.smoothing:
            chosen = chosen + self.smoothing * self._floor[seen.channel]
        parts = -seen.hazard
        with np.errstate(divide="ignore"):
            parts[seen.ended] += np.log(chosen)
        if not self.smoothing:
            parts[seen.forbidden[seen.trajectory]] = -np.inf
        return np.asarray(parts)
