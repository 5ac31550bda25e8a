"""Clicks of several channels together, exactly: n-fold coincidences in a window, and g³ against two waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...checks import bin_edges, channels_among, positive_number
from ...detectors import Detector
from ...errors import ConvergenceError
from ...results import Coincidences, Estimate, TripleCorrelation
from ..inputs import among
from ..steady_state import SteadyState
from ..superoperators.detected import DetectedSystem
from ..superoperators.doubling import DoublingMotion
from ..superoperators.hermitian_vectors import Vector, pack
from ..superoperators.motions import SeriesMotion, motion_of

Detectors = Mapping[str, Detector] | None
# Nodes of the quadrature over an inner time, doubled until two agree to this relative accuracy.
NODES, MOST_NODES, AGREEMENT = 8, 256, 1e-8


def coincidences(
    steady: SteadyState, channels: Sequence[str], window: float, detectors: Detectors = None
) -> Coincidences:
    """Return how often n channels click within a window: one click in each, all closer than w.

    R = Σ over the orders of the channels of ∫ Tr[𝒥_n e^{Lτ_{n−1}} … e^{Lτ₁} 𝒥₁ρ] over τ₁ + … + τ_{n−1} < w: the
    last integral through the series for ∫e^{Lτ}dτ, the others by Gauss and Legendre, refined until
    two agree to 1e-8.

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    channels : sequence of str
        At least two different channels, in any order.
    window : float
        w in 1/ω_b.
    detectors : mapping of str to Detector, optional
        Efficiency and dark counts by channel.

    Returns
    -------
    Coincidences
        Exact.

    Raises
    ------
    InvalidInput
        Unknown channels, fewer than two or one twice, one that never clicks, or a window that is not positive.
    ConvergenceError
        A window too long for the quadrature; shorten it.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> steady = tj.lindblad.steady_state(system)
    >>> found = tj.lindblad.coincidences(steady, ("a", "b"), window=1.0)
    >>> round(found.rate.value, 5), round(found.ratio.value, 2)
    (0.00559, 44.55)
    """
    names = channels_among(channels, steady.system.channel_names, least=2)
    length = positive_number(window, "window")
    detected = DetectedSystem(steady.system, None, detectors)
    rho = pack(steady.rho)
    rates = [detected.rate(name, rho) for name in names]
    motion = motion_of(steady.system, length)
    total, nodes = np.nan, NODES
    while True:
        before = total
        rule = np.polynomial.legendre.leggauss(nodes)
        total = sum(
            _ordered(detected, motion, detected.jump(order[0], rho), order[1:], length, rule)
            for order in permutations(names)
        )
        if len(names) == 2 or abs(total - before) <= AGREEMENT * abs(total):
            break
        if nodes >= MOST_NODES:
            raise ConvergenceError(f"window={length:g} is too long for a quadrature of {nodes}; shorten it")
        nodes *= 2
    chance = len(names) * length ** (len(names) - 1) * float(np.prod(rates))
    return Coincidences(names, length, Estimate(total), Estimate(chance), Estimate(total / chance))


def _ordered(
    detected: DetectedSystem,
    motion: SeriesMotion | DoublingMotion,
    state: Vector,
    rest: tuple[str, ...],
    length: float,
    rule: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> float:
    """Return the integral over the waits for the channels of `rest`, in this order, all within `length`."""
    if len(rest) == 1:
        effect = detected.effect(rest[0])[None]
        return float(motion.observe(state, effect, np.array([length]), integrals=1)[1, 0, 0])
    nodes, weights = rule
    waits = 0.5 * length * (nodes + 1.0)
    later = motion.propagate(state, waits)
    values = [
        _ordered(detected, motion, detected.jump(rest[0], now), rest[1:], length - wait, rule)
        for now, wait in zip(later, waits, strict=True)
    ]
    return float(0.5 * length * weights @ values)


def g3(
    steady: SteadyState,
    first: str,
    second: str,
    third: str,
    edges1: ArrayLike,
    edges2: ArrayLike,
    detectors: Detectors = None,
) -> TripleCorrelation:
    """Return the third-order correlation of three channels that click one after the other.

    g³(τ₁, τ₂) = Tr[𝒥₃ e^{Lτ₂} 𝒥₂ e^{Lτ₁} 𝒥₁ ρ]/(λ₁λ₂λ₃), averaged exactly over the bins of both waits.

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    first, second, third : str
        Channels in the order of their clicks; equal ones allowed.
    edges1, edges2 : array_like of shape (n + 1,) and (m + 1,)
        Ascending edges of both waits in 1/ω_b, from 0 up.
    detectors : mapping of str to Detector, optional
        Efficiency and dark counts by channel.

    Returns
    -------
    TripleCorrelation
        Exact values, zero standard error.

    Raises
    ------
    InvalidInput
        Unknown channels, one that never clicks, or bad edges.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> steady = tj.lindblad.steady_state(tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)]))
    >>> tj.lindblad.g3(steady, "atom", "atom", "atom", [0.0, 1.0], [0.0, 1.0]).value.round(4)
    array([[0.1935]])
    """
    bins1, bins2 = bin_edges(edges1, lowest=0.0), bin_edges(edges2, lowest=0.0)
    detected = DetectedSystem(steady.system, None, detectors)
    names = (first, second, third)
    for name in names:
        among(name, detected.names)
    rho = pack(steady.rho)
    rates = float(np.prod([detected.rate(name, rho) for name in names]))
    motion = motion_of(steady.system, float(max(bins1[-1], bins2[-1])))
    states = np.diff(motion.propagate(detected.jump(first, rho), bins1, integral=True), axis=0)
    effect = detected.effect(third)[None]
    table = [
        np.diff(motion.observe(detected.jump(second, state), effect, bins2, integrals=1)[1, :, 0])
        for state in states
    ]
    value = np.array(table) / (np.diff(bins1)[:, None] * np.diff(bins2)) / rates
    nothing = np.zeros(value.shape)
    return TripleCorrelation(names, bins1, bins2, value, nothing, nothing.astype(np.int64))
