"""information(): Fisher information of a record about parameters per unit time, from the score along it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trajectories.checks import positive_number
from trajectories.detectors import Detector
from trajectories.errors import ConvergenceError, InvalidInput
from trajectories.notebook import Shown, Summary
from trajectories.results import Estimate, read_only
from trajectories.stages import staged

from ..clicks.streams import Clicks
from .fit import RecordLikelihood, checked_parameters
from .likelihood_maximum import FIRST_STEP, FLAT, INSIDE, scores_of, squared_scores
from .subject import in_memory

Array = NDArray[np.float64]

# Resampling units behind an error: trajectories, or so many stretches of the clicks of fewer.
LEAST_UNITS = 40


@dataclass(frozen=True, eq=False, repr=False)
class Information(Shown):
    """Fisher information per unit time of click records.

    Attributes
    ----------
    names : tuple of str
        The parameters.
    rate, standard_error : ndarray of shape (n_parameters, n_parameters)
        F/T in ω_b times the inverse units of the parameters, and its standard error from this record.
    score : ndarray of shape (n_parameters,)
        The record's score in units of its standard deviation √F: normal of mean 0 and variance 1 if the record
        came from the model, at these parameters.
    total_time : float
        Observed time, in 1/ω_b.
    n_clicks : int
        Clicks in the record.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> def atom(rabi):
    ...     return tj.OpenSystem(rabi / 2 * (sigma + sigma.T), [tj.Channel("atom", sigma)])
    >>> record = tj.simulate(atom(2.0), trajectories=50, duration=100.0, seed=1, progress=False)
    >>> found = tj.analysis.information(record, atom, {"rabi": 2.0})
    >>> exact = tj.lindblad.information_rate(atom, {"rabi": 2.0})
    >>> bool(abs(found.rate - exact)[0, 0] < 4 * found.standard_error[0, 0])
    True
    """

    names: tuple[str, ...]
    rate: Array
    standard_error: Array
    score: Array
    total_time: float
    n_clicks: int

    def _summary(self) -> Summary:
        diagonal = zip(np.diag(self.rate).tolist(), np.diag(self.standard_error).tolist(), strict=True)
        entries = [str(Estimate(rate, error)) for rate, error in diagonal]
        scores = [f"{score:+.1f}" for score in self.score.tolist()]
        rows = list(zip(self.names, entries, scores, strict=True))
        title = f"Fisher information of {self.n_clicks} clicks"
        return Summary(title, ("parameter", "F/T", "score/√F"), rows, "bounds() has the Cramér–Rao bounds")

    def bounds(self, time: float | None = None) -> dict[str, float]:
        """Return the Cramér–Rao bound of each parameter's standard error, the others being unknown too.

        Parameters
        ----------
        time : float, optional
            Observed time in 1/ω_b; that of the record when not given.

        Raises
        ------
        ConvergenceError
            Clicks that do not depend on a parameter, or on some only together.
        """
        span = self.total_time if time is None else positive_number(time, "time")
        size = np.sqrt(np.diag(self.rate))
        if not (size > 0.0).all() or np.linalg.eigvalsh(self.rate / np.outer(size, size))[0] < FLAT:
            raise ConvergenceError(
                f"the clicks do not determine {', '.join(self.names)} one by one, and bound none of them; "
                "ask for fewer parameters"
            )
        covariance = np.linalg.inv(self.rate / np.outer(size, size)) / np.outer(size, size) / span
        return dict(zip(self.names, np.sqrt(np.diag(covariance)).tolist(), strict=True))


@staged("Fisher information")
def information(
    record: Clicks,
    family: Callable[..., Any],
    at: Mapping[str, float],
    *,
    initial: str | ArrayLike = "steady",
    detectors: Mapping[str, Detector] | None = None,
    steps: Mapping[str, float] | None = None,
) -> Information:
    """Estimate the Fisher information per unit time that clicks carry about parameters.

    The score ∂ln L/∂θ of a trajectory is a sum of uncorrelated terms s_n of mean 0, one for each gap with the
    click that ends it. So F = E Σ_n s_n s_nᵀ, for ideal and for imperfect detectors; the record should come from
    the model at these parameters. `lindblad.information_rate` is the exact value where clicks are a renewal
    process.

    Parameters
    ----------
    record : ClickRecord, Run, or whatever `stream` takes
        The clicks. Channels that the record lacks are not detected; leave channels out to see what each
        contributes.
    family : callable
        Takes the parameters by name and returns the `OpenSystem` that they make, or an object with `.system()`.
    at : mapping of str to float
        The parameters and their values; "photon.efficiency" or "photon.dark_rate" is that of a detector.
    initial, detectors
        As in `fit`.
    steps : mapping of str to float, optional
        Steps of the numerical derivatives, 1e-4 of each parameter when not given; near a resonance give a small
        fraction of its width.

    Returns
    -------
    Information

    Raises
    ------
    InvalidInput
        No parameter, clicks that are impossible in the model, or a record without clicks.
    ConvergenceError
        A parameter on which the likelihood does not depend smoothly.

    Notes
    -----
    Radaelli, Smiga, Landi and Binder, arXiv:2402.06556 (2024).

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> def atom(rabi):
    ...     return tj.OpenSystem(rabi / 2 * (sigma + sigma.T), [tj.Channel("atom", sigma)])
    >>> record = tj.simulate(atom(2.0), trajectories=50, duration=100.0, seed=1, progress=False)
    >>> lossy = tj.analysis.apply_detectors(record, {"atom": tj.Detector(efficiency=0.3)}, seed=1)
    >>> ideal, lost = (tj.analysis.information(r, atom, {"rabi": 2.0}).rate[0, 0] for r in (record, lossy))
    >>> bool(lost < ideal)
    True
    """
    clicks = in_memory(record)
    names, centre = checked_parameters(clicks, at)
    likelihood = RecordLikelihood(clicks, family, names, initial, detectors)
    likelihood.require(centre)
    likelihood.begin(centre, 0.0)
    size = FIRST_STEP * np.maximum(np.abs(centre), FIRST_STEP)
    for name, step in (steps or {}).items():
        if name not in names:
            raise InvalidInput(f"steps[{name!r}] belongs to no parameter; those are {', '.join(names)}")
        size[names.index(name)] = positive_number(step, f"steps[{name!r}]")
    size = np.minimum(size, INSIDE * likelihood.room(centre))
    scores = scores_of(likelihood, centre, size)
    squares = squared_scores(scores)
    return Information(
        names,
        read_only(squares / clicks.total_time),
        read_only(_spread(scores, clicks.offsets) / clicks.total_time),
        read_only(scores.sum(axis=1) / np.sqrt(np.diag(squares))),
        clicks.total_time,
        len(clicks),
    )


def _spread(scores: Array, offsets: NDArray[np.int64]) -> Array:
    """Return the standard error of Σ_n s_n s_nᵀ from trajectories, or from long stretches of few."""
    starts = offsets[:-1] + np.arange(len(offsets) - 1)
    if len(starts) < LEAST_UNITS:
        starts = np.unique(np.linspace(0, scores.shape[1], LEAST_UNITS + 1)[:-1].astype(np.int64))
    products = scores[:, None, :] * scores[None, :, :]
    units = np.add.reduceat(products, starts, axis=2)
    count = units.shape[2]
    return np.asarray(units.std(axis=2, ddof=1) * np.sqrt(count))
