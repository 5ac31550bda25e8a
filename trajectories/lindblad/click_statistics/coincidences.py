"""Clicks of several channels together, exactly: n-fold coincidences in a window, and g³ against two waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...checks import bin_edges, channels_among, delays_of, resolved_duration
from ...detectors import Detector
from ...errors import ConvergenceError
from ...results import Coincidences, Estimate, TripleCorrelation
from ..answers import in_its_unit
from ..inputs import among
from ..steady_state import SteadyState
from ..superoperators.detected import DetectedSystem
from ..superoperators.doubling import DoublingMotion
from ..superoperators.hermitian_vectors import Vector, pack
from ..superoperators.motions import SeriesMotion, motion_of

Detectors = Mapping[str, Detector] | None
# Nodes of the quadrature over an inner time, doubled until two agree to this relative accuracy.
NODES, MOST_NODES, AGREEMENT = 8, 256, 1e-8


@in_its_unit
def coincidences(
    steady: SteadyState,
    channels: Sequence[str],
    window: float,
    delays: Mapping[str, float] | None = None,
    detectors: Detectors = None,
) -> Coincidences:
    """Return how often n channels click within a window: one click in each, all closer than w.

    R = Σ over the orders of the channels of ∫ Tr[𝒥_n e^{Lτ_{n−1}} … e^{Lτ₁} 𝒥₁ρ] over τ₁ + … + τ_{n−1} < w: the
    last integral by the series for ∫e^{Lτ}dτ, the others by Gauss–Legendre quadrature between the kinks of the
    integrand, refined until two agree to 1e-8. With delays d the integral is over the waits for which all t_k +
    d_k lie within w.

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    channels : sequence of str
        At least two different channels, in any order.
    window : float
        w in 1/ω_b.
    delays : mapping of str to float, optional
        What is added to the times of a channel before they are compared; 0 where not given.
    detectors : mapping of str to Detector, optional
        Efficiency and dark counts by channel.

    Returns
    -------
    Coincidences
        Exact.

    Raises
    ------
    InvalidInput
        Unknown channels, fewer than two or one twice, one that never clicks, a window that is not positive, or a
        delay of a channel that is not among them.
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
    length = resolved_duration(window, "window", len(names) - 1)
    detected = DetectedSystem(steady.system, None, detectors)
    added = delays_of(names, delays)
    rho = pack(steady.rho)
    rates = [detected.rate(name, rho) for name in names]
    motion = motion_of(steady.system, length + max(added.values()) - min(added.values()))
    total, nodes = np.nan, NODES
    while True:
        before = total
        rule = np.polynomial.legendre.leggauss(nodes)
        total = sum(
            _Ordered(detected, motion, added, length, rule).integral(
                detected.jump(order[0], rho), 0.0, (added[order[0]],), order[1:]
            )
            for order in permutations(names)
        )
        if len(names) == 2 or abs(total - before) <= AGREEMENT * abs(total):
            break
        if nodes >= MOST_NODES:
            raise ConvergenceError(f"window={length:g} is too long for a quadrature of {nodes}; shorten it")
        nodes *= 2
    chance = len(names) * length ** (len(names) - 1) * float(np.prod(rates))
    return Coincidences(
        names, length, Estimate(total), Estimate(chance), Estimate(total / chance), tuple(added[n] for n in names)
    )


@dataclass(frozen=True)
class _Ordered:
    """Integrals over the waits between clicks in a given order, delayed times of all within `length`."""

    detected: DetectedSystem
    motion: SeriesMotion | DoublingMotion
    delays: Mapping[str, float]
    length: float
    rule: tuple[NDArray[np.float64], NDArray[np.float64]]

    def integral(self, state: Vector, now: float, delayed: tuple[float, ...], rest: tuple[str, ...]) -> float:
        """Return the integral over the waits for the channels of `rest`, in this order.

        The last click came at `now`, behind which the state is `state`; `delayed` are the delayed times so far.
        """
        shift, low, high = self._range(now, delayed, rest[0])
        if high <= low:
            return 0.0
        if len(rest) == 1:
            effect = self.detected.effect(rest[0])[None]
            found = self.motion.observe(state, effect, np.array([low, high]), integrals=1)[1, :, 0]
            return float(found[1] - found[0])
        nodes, weights = self.rule
        ends = np.array([low, *self._kinks(low, high, shift, delayed, rest), high])
        widths = np.diff(ends)
        waits = (ends[:-1, None] + 0.5 * widths[:, None] * (nodes + 1.0)).ravel()
        weight = (0.5 * widths[:, None] * weights).ravel()
        later = [self.detected.jump(rest[0], x) for x in self.motion.propagate(state, waits)]
        known = [(now + wait, (*delayed, shift + wait)) for wait in waits.tolist()]
        if len(rest) > 2:
            values = [self.integral(x, *times, rest[1:]) for x, times in zip(later, known, strict=True)]
            return float(weight @ values)
        # The last integrals of all nodes at once, from the other end.
        bounds = np.array([self._range(*times, rest[1])[1:] for times in known])
        open_ = np.flatnonzero(bounds[:, 1] > bounds[:, 0])
        if not len(open_):
            return 0.0
        effect = self.detected.effect(rest[1])
        found = self.motion.propagate(effect, bounds[open_].ravel(), integral=True, adjoint=True)
        return float(weight[open_] @ [(found[2 * i + 1] - found[2 * i]) @ later[k] for i, k in enumerate(open_)])

    def _range(self, now: float, delayed: tuple[float, ...], name: str) -> tuple[float, float, float]:
        """Return the delayed time of a next click that comes at once, and the shortest and longest wait for it."""
        shift = now + self.delays[name]
        return shift, max(max(delayed) - self.length - shift, 0.0), min(delayed) + self.length - shift

    def _kinks(
        self, low: float, high: float, shift: float, delayed: tuple[float, ...], rest: tuple[str, ...]
    ) -> list[float]:
        """Return the waits at which the region of the later ones changes its shape."""
        differences = {self.delays[one] - self.delays[other] for one in rest for other in rest}
        ends = {
            time + side * self.length + difference - shift
            for time in delayed
            for side in (-1.0, 0.0, 1.0)
            for difference in differences
        }
        least = 1e-9 * self.length
        kept: list[float] = []
        for end in sorted(ends):
            if low + least < end < high - least and (not kept or end > kept[-1] + least):
                kept.append(end)
        return kept


@in_its_unit
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
    for name, bins in (("edges1", bins1), ("edges2", bins2)):
        resolved_duration(float(np.diff(bins).min()), f"narrowest bin of {name}")
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
