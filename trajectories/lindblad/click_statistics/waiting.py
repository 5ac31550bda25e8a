"""Exclusive waiting times: when, and in which channel, the next detected click comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...checks import bin_edges, positive_numbers
from ...detectors import Detector
from ...results import Estimate, Histogram
from ..answers import estimates_of, in_its_unit
from ..detector_memory.dead_time import registered_waits
from ..detector_memory.memory import has_memory, refuse_dead_time, without_memory
from ..inputs import among, checked_channels
from ..solver import Model, require_clicks, solver_of
from ..steady_state import SteadyState


@in_its_unit
def waiting_times(
    steady: SteadyState,
    first: str,
    second: str,
    edges: ArrayLike,
    channels: str | Sequence[str] | None = None,
    detectors: Mapping[str, Detector] | None = None,
) -> Histogram:
    """Return the exclusive waiting-time density, averaged over bins.

    W(τ, l | k) = Tr[𝒥_l e^{L0 τ} 𝒥_k ρ]/λ_k: the next detected click after one in k comes after τ and is in l.
    Of a single channel the detector may have a dead time (`dead_time`).

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    first, second : str
        Detected channels k and l, equal ones allowed.
    edges : array_like of shape (n_bins + 1,)
        Ascending edges of τ in 1/ω_b, from 0 up.
    channels : str or sequence of str, optional
        Detected channels: no click of these lies between. All when not given.
    detectors : mapping of str to Detector, optional
        Efficiency and dark counts by channel.

    Returns
    -------
    Histogram
        Density in ω_b per click of `first`, zero standard error. Over all τ and l it integrates to one minus
        the probability that no further click comes.

    Raises
    ------
    InvalidInput
        Unknown or undetected channels, one that never clicks, bad edges, a detector with jitter, or one with dead
        time among several channels.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> steady = tj.lindblad.steady_state(tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)]))
    >>> tj.lindblad.waiting_times(steady, "atom", "atom", [0.0, 1.0, 2.0]).value.round(4)
    array([0.1923, 0.4605])
    """
    bins = bin_edges(edges, lowest=0.0)
    names = checked_channels(steady.system, channels)
    among(first, names), among(second, names)
    detector = (detectors or {}).get(first)
    if names == (first,) and has_memory(detector, "dead_time"):
        assert detector is not None
        require_clicks(steady, (first,), without_memory(detectors))
        found = registered_waits(steady, first, detector, bins)
        nothing = np.zeros(len(bins) - 1)
        return Histogram(bins, found.value, nothing, nothing.astype(np.int64), found.method, found.error)
    refuse_dead_time(detectors, names, "the wait among several channels")
    require_clicks(steady, (first,), detectors)

    def compute(model: Model) -> NDArray[np.float64]:
        start = model.jump(first, model.rho) / model.rate(first, model.rho)
        motion = model.click_free_motion(float(bins[-1]))
        primitive = motion.observe(start, model.effect(second)[None], bins, integrals=1)[1][:, 0]
        return np.diff(primitive) / np.diff(bins)

    horizon = float(bins[-1])
    answer = solver_of(steady).answer(
        compute, names, detectors, horizon=horizon, curve=True, judged=(first, second)
    )
    nothing = np.zeros(len(bins) - 1)
    method = f"exact density of the wait per click of {first}"
    return Histogram(bins, answer.value, nothing, nothing.astype(np.int64), method, answer.error)


def waiting_time_matrix(
    steady: SteadyState,
    firsts: Sequence[str],
    edges: ArrayLike,
    channels: str | Sequence[str] | None = None,
    detectors: Mapping[str, Detector] | None = None,
) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Return the values of `waiting_times` after a click of each of some channels, keyed (first, second).

    All detected channels are second ones; one motion serves them together.
    """
    bins = bin_edges(edges, lowest=0.0)
    names = checked_channels(steady.system, channels)
    for first in firsts:
        among(first, names)
    require_clicks(steady, firsts, detectors)

    def compute(model: Model) -> NDArray[np.float64]:
        motion, effects = model.click_free_motion(float(bins[-1])), np.array([model.effect(k) for k in names])
        found = []
        for first in firsts:
            start = model.jump(first, model.rho) / model.rate(first, model.rho)
            primitive = motion.observe(start, effects, bins, integrals=1)[1]
            found.append(np.diff(primitive, axis=0).T / np.diff(bins))
        return np.array(found)

    answer = solver_of(steady).answer(
        compute,
        names,
        detectors,
        horizon=float(bins[-1]),
        starts=len(firsts),
        curve=True,
        judged=tuple(firsts),
    )
    return {(k, m): answer.value[i, j] for i, k in enumerate(firsts) for j, m in enumerate(names)}


def next_click_probabilities(
    steady: SteadyState,
    first: str,
    channels: str | Sequence[str] | None = None,
    detectors: Mapping[str, Detector] | None = None,
) -> dict[str, Estimate]:
    """Return in which channel the next detected click falls: P(l|k) = ∫₀^∞ W(τ, l|k) dτ = −Tr[𝒥_l L0⁻¹ 𝒥_k ρ]/λ_k.

    Parameters
    ----------
    steady, first, channels, detectors
        As in `waiting_times`.

    Returns
    -------
    dict of str to Estimate
        Keyed by detected channel. The sum is one minus the probability that no further click comes; that is
        zero in a unique steady state whose detected channels click at all.

    Raises
    ------
    InvalidInput
        As in `waiting_times`.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> steady = tj.lindblad.steady_state(system)
    >>> found = tj.lindblad.next_click_probabilities(steady, "b")
    >>> {name: round(share.value, 4) for name, share in found.items()}
    {'a': 0.84, 'b': 0.16}
    """
    names = checked_channels(steady.system, channels)
    among(first, names)
    require_clicks(steady, (first,), detectors)

    def compute(model: Model) -> NDArray[np.float64]:
        click = model.jump(first, model.rho) / model.rate(first, model.rho)
        # L0 is invertible: a state without clicks for ever would be a second steady state.
        dwell = model.click_free_motion(0.0).solve(-click)
        return np.array([model.effect(name) @ dwell for name in names])

    answer = solver_of(steady).answer(compute, names, detectors, horizon=0.0, judged=(first,))
    return dict(zip(names, estimates_of(answer), strict=True))


def no_click_probability(
    steady: SteadyState,
    channel: str,
    durations: ArrayLike,
    detectors: Mapping[str, Detector] | None = None,
) -> NDArray[np.float64]:
    """Return the probability that a channel does not click for a time T, Tr e^{(L − 𝒥_k)T} ρ.

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    channel : str
        Name of channel k; clicks of other channels are ignored.
    durations : array_like of shape (n,)
        Times T in 1/ω_b, positive.
    detectors : mapping of str to Detector, optional
        Efficiency and dark counts by channel.

    Returns
    -------
    ndarray of shape (n,)
        Probabilities, not below 1e-300.

    Raises
    ------
    InvalidInput
        An unknown channel, times that are not positive, or a detector with dead time or jitter.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> steady = tj.lindblad.steady_state(tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)]))
    >>> tj.lindblad.no_click_probability(steady, "atom", [1.0, 10.0]).round(4)
    array([0.5801, 0.0068])
    """
    times, place = np.unique(positive_numbers(np.atleast_1d(durations), "durations"), return_inverse=True)
    names = checked_channels(steady.system, (channel,))

    def compute(model: Model) -> NDArray[np.float64]:
        free = model.click_free_motion(float(times[-1]))
        return free.observe(model.rho, model.identity[None], times)[0, :, 0]

    survival = solver_of(steady).answer(compute, names, detectors, horizon=float(times[-1]), curve=True).value
    return np.asarray(np.clip(survival, 1e-300, 1.0)[place])
