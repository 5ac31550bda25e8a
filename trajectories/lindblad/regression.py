"""Two-time correlations by quantum regression: g² of clicks, of bundles, and away from the steady state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from ..checks import bin_edges, nonnegative_number
from ..detectors import Detector
from ..errors import InvalidInput
from ..model import OpenSystem
from ..results import Correlation, Estimate
from .chebyshev import Expansion
from .detected import NOISE, DetectedSystem
from .inputs import checked_operator, checked_state, checked_times
from .packed import Vector, pack, packed_generator
from .propagation import observe, propagate
from .steady_state import SteadyState

Detectors = Mapping[str, Detector] | None


def rates(steady: SteadyState, detectors: Detectors = None) -> dict[str, Estimate]:
    """Return the click rate of every channel, λ_k = η_k Tr[c_k†c_k ρ] + d_k, in ω_b.

    Raises
    ------
    InvalidInput
        An unknown channel, or a detector with dead time or jitter.
    """
    detected = DetectedSystem(steady.system, None, detectors)
    rho = pack(steady.rho)
    return {name: Estimate(float(detected.effect(name) @ rho)) for name in detected.names}


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


def cross_correlation(steady: SteadyState, first_mode: str, second_mode: str) -> float:
    """Return g₁_oo'(0) = ⟨o†o o'†o'⟩/(⟨o†o⟩⟨o'†o'⟩), the cross correlation of the paper's Fig. 3.

    For one mode with itself this is ⟨o†o†oo⟩/⟨o†o⟩², normally ordered.

    Parameters
    ----------
    steady : SteadyState
        The stationary state; its system has a space.
    first_mode, second_mode : str
        Names of modes or atoms of the space.

    Raises
    ------
    InvalidInput
        No space, an unknown name, or a mode that is empty.
    """
    lower = [bundle_operator(steady.system, (name,)) for name in (first_mode, second_mode)]
    both = lower[1] @ lower[0]
    joint = _norm(steady, both)
    occupations = [_norm(steady, operator) for operator in lower]
    if min(occupations) <= NOISE:
        raise InvalidInput(f"{first_mode!r} and {second_mode!r} hold {occupations} quanta; both must be occupied")
    return joint / (occupations[0] * occupations[1])


def bundle_correlation(steady: SteadyState, operator: Any, tau: ArrayLike = 0.0) -> NDArray[np.float64]:
    """Return the generalised second-order correlation of a bundle, the paper's Eq. (3).

    g₂(τ) = ⟨B†(0) B†(τ) B(τ) B(0)⟩/⟨B†B⟩² = Tr[B†B e^{L|τ|} BρB†]/Tr[B†Bρ]², with B = o o' for a pair.

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    operator : sequence of str, or array of shape (N, N)
        B: names of modes, whose lowering operators are multiplied in the order written, such as
        ``("photon", "magnon")`` or ``("photon", "photon")``, or any matrix.
    tau : array_like
        Delays in 1/ω_b of any sign and shape; the correlation is even in τ.

    Returns
    -------
    ndarray
        Of the shape of `tau`.

    Raises
    ------
    InvalidInput
        An unknown mode, a matrix of another dimension, or a bundle that the state does not contain.

    Notes
    -----
    Sánchez Muñoz et al., Nat. Photon. 8, 550 (2014), for B = aⁿ.
    """
    bundle = bundle_operator(steady.system, operator)
    delays = np.abs(checked_times(tau, "tau", lowest=-np.inf))
    rate = _norm(steady, bundle)
    if rate <= NOISE * float(sparse.linalg.norm(bundle)) ** 2:
        raise InvalidInput(f"the state holds no such bundle: ⟨B†B⟩={rate:.3g}; choose another operator")
    after = bundle @ (bundle @ steady.rho).conj().T / rate
    number = pack((bundle.conj().T @ bundle).toarray())
    difference = pack(after - steady.rho)
    longest = float(delays.max(initial=0.0))
    if longest == 0.0:
        return np.full(delays.shape, 1.0 + float(number @ difference) / rate)
    expansion = Expansion(packed_generator(steady.system), longest)
    values = observe(expansion, difference, number[None], delays.reshape(-1))[0][:, 0]
    return (1.0 + values / rate).reshape(delays.shape)


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


def bundle_operator(system: OpenSystem, operator: Any) -> sparse.csr_array:
    """Return a product of lowering operators, or the matrix given."""
    if isinstance(operator, str):
        raise InvalidInput(f"operator={operator!r} must be a sequence of mode names, such as ({operator!r},)")
    names = operator if isinstance(operator, Sequence) and all(isinstance(o, str) for o in operator) else None
    if names is None:
        return checked_operator(system, operator, "bundle operator")
    if not names:
        raise InvalidInput("operator names no mode; give at least one")
    if system.space is None:
        raise InvalidInput("mode names need a system with a space; give the operator as a matrix")
    bundle = system.space.identity()
    for name in names:
        bundle = bundle @ system.space.lower(name)
    return sparse.csr_array(bundle)


def _norm(steady: SteadyState, operator: sparse.csr_array) -> float:
    """Return ⟨B†B⟩ = Tr[BρB†]."""
    return float(np.real(np.trace(operator @ (operator @ steady.rho).conj().T)))
