"""Exclusive waiting times: when, and in which channel, the next detected click comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...checks import bin_edges, positive_numbers
from ...detectors import Detector
from ...results import Estimate, Histogram
from ..inputs import among
from ..steady_state import SteadyState
from ..superoperators.detected import DetectedSystem
from ..superoperators.hermitian_vectors import pack, unpack
from ..superoperators.inverse import Inverse, choose_resolvent
from ..superoperators.liouvillian import Liouvillian
from ..superoperators.propagation import observe

Matrix = NDArray[np.complex128]


def waiting_times(
    steady: SteadyState,
    first: str,
    second: str,
    edges: ArrayLike,
    channels: Sequence[str] | None = None,
    detectors: Mapping[str, Detector] | None = None,
) -> Histogram:
    """Return the exclusive waiting-time density, averaged over bins.

    W(τ, l | k) = Tr[𝒥_l e^{L0 τ} 𝒥_k ρ]/λ_k: the next detected click after one in k comes after τ and is in l.

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    first, second : str
        Detected channels k and l, equal ones allowed.
    edges : array_like of shape (n_bins + 1,)
        Ascending edges of τ in 1/ω_b, from 0 up.
    channels : sequence of str, optional
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
        Unknown or undetected channels, one that never clicks, bad edges, or a detector with dead time or jitter.
    """
    bins = bin_edges(edges, lowest=0.0)
    detected = DetectedSystem(steady.system, channels, detectors)
    among(first, detected.names), among(second, detected.names)
    rho = pack(steady.rho)
    start = detected.jump(first, rho) / detected.rate(first, rho)
    effect = detected.effect(second)[None]
    primitive = observe(detected.click_free(float(bins[-1])), start, effect, bins, integrals=1)[1][:, 0]
    value = np.diff(primitive) / np.diff(bins)
    nothing = np.zeros(len(value))
    return Histogram(
        bins, value, nothing, nothing.astype(np.int64), f"exact density of the wait per click of {first}"
    )


def next_click_probabilities(
    steady: SteadyState,
    first: str,
    channels: Sequence[str] | None = None,
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
    """
    detected = DetectedSystem(steady.system, channels, detectors)
    among(first, detected.names)
    liouvillian = Liouvillian(steady.system)
    rho = pack(steady.rho)
    click = unpack(detected.jump(first, rho) / detected.rate(first, rho))

    def click_free(state: Matrix) -> Matrix:
        clicks = liouvillian.jump(state, detected.efficiencies) + detected.dark * state
        return liouvillian.apply(state) - clicks

    # L0 is invertible: a state without clicks for ever would be a second steady state.
    inverse = Inverse(liouvillian, choose_resolvent(steady.system), click_free)
    dwell = pack(inverse.solve(-click))
    return {name: Estimate(float(detected.effect(name) @ dwell)) for name in detected.names}


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
        Name of channel k; whatever else clicks is not looked at.
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
    """
    times, place = np.unique(positive_numbers(np.atleast_1d(durations), "durations"), return_inverse=True)
    watched = DetectedSystem(steady.system, (channel,), detectors)
    free = watched.click_free(float(times[-1]))
    survival = observe(free, pack(steady.rho), watched.identity[None], times)[0, :, 0]
    return np.asarray(np.clip(survival, 1e-300, 1.0)[place])
