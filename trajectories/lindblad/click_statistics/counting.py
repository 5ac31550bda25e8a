"""Counting statistics: rates, the Fano factor at finite time, and cumulants at zero frequency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import comb

import numpy as np
from numpy.typing import NDArray

from ...checks import integer, positive_numbers
from ...detectors import Detector
from ...results import Estimate
from ..answers import estimates_of
from ..detector_memory.dead_time import RegisteredRate
from ..detector_memory.memory import has_memory, rate_with_memory, refuse_dead_time, without_memory
from ..detector_memory.paralysable import paralysed_fano
from ..inputs import checked_channels
from ..reduced.model import ReducedModel
from ..solver import Model, solver_of, total_rate
from ..steady_state import SteadyState
from ..superoperators.detected import DetectedSystem
from ..superoperators.hermitian_vectors import Vector, pack


def fano(
    steady: SteadyState,
    windows: Sequence[float],
    channels: str | Sequence[str] | None = None,
    detectors: Mapping[str, Detector] | None = None,
) -> list[Estimate]:
    """Return the Fano factor of the counts in a window, F(T) = Var N/⟨N⟩.

    F(T) = 1 + (2/λT) ∫₀ᵀ (T − s) (Tr[𝒥 e^{Ls} 𝒥ρ] − λ²) ds, with 𝒥 summed over the channels and λ = Tr 𝒥ρ. The
    double integral is that of the series for e^{Ls}, exact for slow and for fast motion. The detector of a single
    channel may have a dead time, up to 30 dimensions unless it is paralysable: F(T) = 1 + (2/T) ∫₀ᵀ
    (T − s)(r(s) − λ) ds with the rate r of registered events after one (`dead_time`, `paralysable`).

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    windows : sequence of float
        Values of T in 1/ω_b.
    channels : str or sequence of str, optional
        Channels counted together; all when not given.
    detectors : mapping of str to Detector, optional
        Efficiency and dark counts by channel.

    Returns
    -------
    list of Estimate
        F of every T, exact. Mandel's Q is F − 1.

    Raises
    ------
    InvalidInput
        Unknown channels, none that ever clicks, windows that are not positive, a detector with jitter or
        afterpulses, or one with dead time among several channels or above 30 dimensions.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> steady = tj.lindblad.steady_state(tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)]))
    >>> [round(found.value, 4) for found in tj.lindblad.fano(steady, [1.0, 1000.0])]
    [0.6669, 0.7036]
    """
    durations = positive_numbers(windows, "windows")
    names = checked_channels(steady.system, channels)
    detector = (detectors or {}).get(names[0])
    if len(names) == 1 and has_memory(detector, "dead_time"):
        assert detector is not None
        total_rate(steady, names, without_memory(detectors))
        return _fano_with_dead_time(steady, names[0], detector, durations)
    refuse_dead_time(detectors, names, "the Fano factor of several channels")
    total_rate(steady, names, detectors)

    def compute(model: Model) -> NDArray[np.float64]:
        rate = model.total_rate(model.rho)
        return np.asarray(1.0 + 2.0 * _excess_pairs(model, durations) / (rate * durations))

    horizon = float(durations.max())
    answer = solver_of(steady).answer(compute, names, detectors, horizon=horizon, stationary=True)
    return estimates_of(answer)


def _fano_with_dead_time(
    steady: SteadyState, name: str, detector: Detector, durations: NDArray[np.float64]
) -> list[Estimate]:
    """Return the Fano factor of one channel whose detector has a dead time."""
    if detector.paralysable:
        return paralysed_fano(steady, name, detector, durations)
    curve = RegisteredRate(steady, name, detector, float(durations.max()))
    pairs = curve.integral(durations, order=2) - 0.5 * curve.rate * durations**2
    return [Estimate(float(value)) for value in 1.0 + 2.0 * pairs / durations]


def _excess_pairs(model: Model, durations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ∫₀ᵀ (T − s) (Tr[𝒥 e^{Ls} 𝒥ρ] − λ²) ds for every T.

    Tr[𝒥 e^{Ls}(𝒥ρ − λρ)] is the integrand without a difference of large numbers. A small model has it from the
    curves of g², pair by pair, which it keeps; the whole space is followed once.
    """
    motion = model.motion(float(durations.max()))
    if not isinstance(model, ReducedModel):
        excess: Vector = model.jumps(model.rho) - model.total_rate(model.rho) * model.rho
        return motion.observe(excess, model.total_effect()[None], durations, integrals=2)[2][:, 0]
    names = [name for name in model.names if model.clicks(name, model.rho)]
    rates = np.array([model.rate(name, model.rho) for name in names])
    readers = np.array([model.effect(name) for name in names]) / rates[:, None]
    total = np.zeros(len(durations))
    for name, rate in zip(names, rates, strict=True):
        click = model.jump(name, model.rho) / rate - model.rho
        total += rate * (motion.observe(click, readers, durations, integrals=2)[2] @ rates)
    return total


def cumulants(
    steady: SteadyState,
    channels: str | Sequence[str] | None = None,
    order: int = 3,
    detectors: Mapping[str, Detector] | None = None,
) -> NDArray[np.float64]:
    """Return the cumulant rates of the counts at long times, C_n = lim κ_n(T)/T.

    They are the derivatives at s = 0 of the leading eigenvalue of L + (eˢ − 1)𝒥, found by perturbation theory:
    C_n = Σ_{m=1}^{n} (n over m) Tr[𝒥 ρ_{n−m}] and L ρ_n = −Σ_{m=1}^{n} (n over m)(𝒥 − C_m) ρ_{n−m}, with ρ_0 = ρ
    and Tr ρ_n = 0.

    Parameters
    ----------
    steady, channels, detectors
        As in `fano`.
    order : int
        Number of cumulants.

    Returns
    -------
    ndarray of shape (order,)
        C_1 = λ, C_2 = λ F(∞), C_3, …, in ω_b.

    Raises
    ------
    InvalidInput
        As in `fano`, or an order below 1.

    Notes
    -----
    Flindt, Novotný, Braggio, Sassetti and Jauho, Phys. Rev. Lett. 100, 150601 (2008).

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> steady = tj.lindblad.steady_state(tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)]))
    >>> tj.lindblad.cumulants(steady, order=2).round(4)
    array([0.4444, 0.3128])
    """
    integer(order, "order", 1)
    names = checked_channels(steady.system, channels)
    total_rate(steady, names, detectors)

    def compute(model: Model) -> NDArray[np.float64]:
        effect, motion = model.total_effect(), model.motion(0.0)
        states = [model.rho]
        values: list[float] = []
        for n in range(1, order + 1):
            values.append(sum(comb(n, m) * float(effect @ states[n - m]) for m in range(1, n + 1)))
            if n == order:
                break
            source = np.zeros_like(states[0])
            for m in range(1, n + 1):
                source -= comb(n, m) * (model.jumps(states[n - m]) - values[m - 1] * states[n - m])
            source -= float(model.identity @ source) * states[0]  # rounding only: L reaches traceless matrices
            solution = motion.solve(source, traceless=True)
            states.append(solution - float(model.identity @ solution) * states[0])
        return np.array(values)

    return solver_of(steady).answer(compute, names, detectors, horizon=0.0, starts=order, stationary=True).value


Detectors = Mapping[str, Detector] | None


def rates(steady: SteadyState, detectors: Detectors = None) -> dict[str, Estimate]:
    """Return the click rate of every channel, λ_k = η_k Tr[c_k†c_k ρ] + d_k, in ω_b.

    Jitter does not change it. Afterpulses turn it into λ/(1 − p), and with a dead time it is the rate of the
    clicks that find the detector alive (`memory.rate_with_memory`).

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    detectors : mapping of str to Detector, optional
        Detectors by channel; ideal where not given.

    Raises
    ------
    InvalidInput
        An unknown channel, or a detector with dead time and afterpulses at once, which have no formula.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> steady = tj.lindblad.steady_state(tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)]))
    >>> round(tj.lindblad.rates(steady)["atom"].value, 6)
    0.444444
    >>> half = {"atom": tj.Detector(efficiency=0.5, dark_rate=0.01)}
    >>> round(tj.lindblad.rates(steady, detectors=half)["atom"].value, 6)
    0.232222
    """
    detected = DetectedSystem(steady.system, None, without_memory(detectors))
    rho = pack(steady.rho)
    found = {name: Estimate(float(detected.effect(name) @ rho)) for name in detected.names}
    for name, detector in (detectors or {}).items():
        if has_memory(detector, "dead_time", "afterpulsing") and detected.clicks(name, rho):
            found[name] = rate_with_memory(steady, name, detector)
    return found
