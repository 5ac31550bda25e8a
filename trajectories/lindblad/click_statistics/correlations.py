"""g² of clicks by quantum regression, in the steady state and after any start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...checks import bin_edges, nonnegative_number
from ...detectors import Detector
from ...model import OpenSystem
from ...results import Correlation
from ..inputs import checked_state, checked_times
from ..steady_state import SteadyState
from ..superoperators.detected import NOISE, DetectedSystem
from ..superoperators.hermitian_vectors import Vector, pack
from ..superoperators.propagation import observe, propagate

Detectors = Mapping[str, Detector] | None


def g2(steady: SteadyState, first: str, second: str, edges: ArrayLike, detectors: Detectors = None) -> Correlation:
    """Return the second-order correlation of two channels, averaged over lag bins.

    g²_kl(τ) = Tr[𝒥_l e^{Lτ} 𝒥_k ρ]/(λ_k λ_l) for τ > 0, where k clicks first, and g²_kl(−τ) = g²_lk(τ); the
    average over a bin is exact, ∫e^{Lτ}dτ being summed with the series for e^{Lτ}. Loss does not change
    g², dark counts do.

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    first, second : str
        Channels k and l, equal ones allowed.
    edges : array_like of shape (n_bins + 1,)
        Ascending edges of the lag t_second − t_first in 1/ω_b; bins may lie at or across negative lags.
    detectors : mapping of str to Detector, optional
        Efficiency and dark counts by channel.

    Returns
    -------
    Correlation
        Exact values, zero standard error.

    Raises
    ------
    InvalidInput
        Unknown channels, one that never clicks, bad edges, or a detector with dead time or jitter.
    """
    bins = bin_edges(edges)
    pair = _PairCorrelations(steady, (first, second), detectors, float(np.abs(bins).max()))
    return pair.binned(first, second, bins)


def g2_matrix(
    steady: SteadyState, edges: ArrayLike, detectors: Detectors = None
) -> dict[tuple[str, str], Correlation]:
    """Return `g2` of every ordered pair of channels, keyed (first, second).

    Channels that never click are left out.
    """
    bins = bin_edges(edges)
    clicking = _clicking(steady, detectors)
    pairs = _PairCorrelations(steady, clicking, detectors, float(np.abs(bins).max()))
    return {(k, j): pairs.binned(k, j, bins) for k, j in product(clicking, repeat=2)}


def g2_at(
    steady: SteadyState, first: str, second: str, tau: ArrayLike, detectors: Detectors = None
) -> NDArray[np.float64]:
    """Return g²_kl(τ) at given lags; see `g2`.

    Parameters
    ----------
    steady, first, second, detectors
        As in `g2`.
    tau : array_like
        Lags in 1/ω_b of any sign, shape and order; zero is the limit τ → 0⁺, where `first` clicks first.

    Returns
    -------
    ndarray
        Of the shape of `tau`.
    """
    lags = checked_times(tau, "tau", lowest=-np.inf)
    flat = lags.reshape(-1)
    pair = _PairCorrelations(steady, (first, second), detectors, float(np.abs(flat).max(initial=0.0)))
    result = np.empty_like(flat)
    for forward, chosen in ((True, flat >= 0), (False, flat < 0)):
        if chosen.any():
            earlier, later = (first, second) if forward else (second, first)
            result[chosen] = pair.after(earlier, np.abs(flat[chosen]), 0)[0][:, pair.position(later)]
    return result.reshape(lags.shape)


def _clicking(steady: SteadyState, detectors: Detectors) -> tuple[str, ...]:
    """Return the channels whose rate is more than rounding noise."""
    detected = DetectedSystem(steady.system, None, detectors)
    rho = pack(steady.rho)
    return tuple(name for name in detected.names if detected.clicks(name, rho))


def transient_g2(
    system: OpenSystem, rho0: ArrayLike, first: str, second: str, t: float, tau: ArrayLike
) -> NDArray[np.float64]:
    """Return the correlation away from the steady state, from a given initial state.

    g²_kl(t, t + τ) = Tr[J_l e^{Lτ} J_k ρ(t)]/(λ_k(t) λ_l(t + τ)) with ρ(t) = e^{Lt} ρ(0) and λ(t) = Tr[Jρ(t)].

    Parameters
    ----------
    system : OpenSystem
        The system.
    rho0 : array_like of shape (N,) or (N, N)
        Initial ket or density matrix.
    first, second : str
        Channels k and l.
    t : float
        Time of the first click in 1/ω_b.
    tau : array_like
        Delays in 1/ω_b, not negative, of any shape.

    Returns
    -------
    ndarray
        Of the shape of `tau`; NaN where λ_l(t + τ) is zero but for rounding.

    Raises
    ------
    InvalidInput
        A bad state or time, unknown channels, or a first channel that cannot click at time t.
    """
    start = nonnegative_number(t, "t")
    delays = checked_times(tau, "tau")
    initial = checked_state(system, rho0)
    detected = DetectedSystem(system, None, None)
    for name in (first, second):
        system.channel(name)
    longest = max(start, float(delays.max(initial=0.0))) or 1.0
    expansion = detected.evolution(longest)
    now = propagate(expansion, pack(initial), np.array([start]))[0]
    rate = detected.rate(first, now)
    effect = detected.effect(second)[None]
    noise = NOISE * float(np.linalg.norm(effect))
    flat = delays.reshape(-1)
    joint = observe(expansion, detected.jump(first, now), effect, flat)[0][:, 0]
    later = observe(expansion, now, effect, flat)[0][:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        result = np.where(later > noise, joint / (rate * later), np.nan)
    return result.reshape(delays.shape)


class _PairCorrelations:
    """g² between some channels; the motion after a click in each is followed once for all second ones."""

    def __init__(self, steady: SteadyState, names: Sequence[str], detectors: Detectors, longest: float) -> None:
        for name in names:
            steady.system.channel(name)
        self.names = tuple(dict.fromkeys(names))
        self.detected = DetectedSystem(steady.system, None, detectors)
        self.rho = pack(steady.rho)
        self.rates = {name: self.detected.rate(name, self.rho) for name in self.names}
        self.expansion = self.detected.evolution(longest or 1.0)
        self.effects = np.array([self.detected.effect(name) / self.rates[name] for name in self.names])
        self._known: dict[tuple[str, bytes, int], NDArray[np.float64]] = {}

    def position(self, name: str) -> int:
        return self.names.index(name)

    def after(self, first: str, lags: NDArray[np.float64], integrals: int) -> NDArray[np.float64]:
        """Return g² (and ∫₀^τ g²) after a click in `first`, shape (integrals + 1, n_lags, n_channels)."""
        key = (first, lags.tobytes(), integrals)
        if key not in self._known:
            # ρ itself does not move, so only the difference from it is followed: it decays, and g² tends to 1.
            click: Vector = self.detected.jump(first, self.rho) / self.rates[first] - self.rho
            values = observe(self.expansion, click, self.effects, lags, integrals=integrals)
            values[0] += 1.0
            if integrals:
                values[1] += lags[:, None]
            self._known[key] = values
        return self._known[key]

    def binned(self, first: str, second: str, edges: NDArray[np.float64]) -> Correlation:
        """Return the bin averages from differences of ∫₀^τ g², of both signs."""
        primitive = np.zeros(len(edges))
        for sign, earlier, later in ((1.0, first, second), (-1.0, second, first)):
            chosen = sign * edges > 0
            if chosen.any():
                lags = np.ascontiguousarray(sign * edges[chosen])
                primitive[chosen] = sign * self.after(earlier, lags, 1)[1][:, self.position(later)]
        value = np.diff(primitive) / np.diff(edges)
        nothing = np.zeros(len(value))
        return Correlation(first, second, edges, value, nothing, nothing.astype(np.int64))
