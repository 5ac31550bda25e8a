"""g² of clicks by quantum regression, in the steady state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...checks import bin_edges, channels_among
from ...detectors import Detector
from ...errors import InvalidInput
from ...results import Correlation
from ..answers import in_its_unit
from ..detector_memory.dead_time import one_of_two_dead, registered_g2
from ..detector_memory.memory import Blur, blurred, has_memory, refuse_dead_time, without_memory
from ..inputs import checked_detectors, checked_times
from ..solver import Model, require_clicks, solver_of
from ..steady_state import SteadyState
from ..superoperators.detected import NOISE, NOTHING, DetectedSystem
from ..superoperators.hermitian_vectors import Vector, pack
from ..superoperators.motions import MOST_DOUBLED
from .counting import rates

Detectors = Mapping[str, Detector] | None


@in_its_unit
def g2(steady: SteadyState, first: str, second: str, edges: ArrayLike, detectors: Detectors = None) -> Correlation:
    """Return the second-order correlation of two channels, averaged over lag bins.

    g²_kl(τ) = Tr[𝒥_l e^{Lτ} 𝒥_k ρ]/(λ_k λ_l) for τ > 0, where k clicks first, and g²_kl(−τ) = g²_lk(τ); the
    average over a bin is exact, ∫e^{Lτ}dτ being summed with the series for e^{Lτ}. Loss does not change
    g², dark counts do; jitter and afterpulses convolve it (`memory.Blur`). How other channels are
    detected does not matter. With a dead time g² of one channel with itself is that of registered events
    (`dead_time`): to two dead times at any dimension, beyond them up to 30 dimensions, and at any of a paralysable
    detector. With a dead time in one of two channels there are values of lags at which that one clicks first, and
    up to 16 dimensions of all.

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    first, second : str
        Channels k and l, equal ones allowed.
    edges : array_like of shape (n_bins + 1,)
        Ascending edges of the lag t_second − t_first in 1/ω_b; bins may lie at or across negative lags.
    detectors : mapping of str to Detector, optional
        Efficiency, dark counts, jitter and afterpulses by channel.

    Returns
    -------
    Correlation
        Exact values, zero standard error.

    Raises
    ------
    InvalidInput
        Unknown channels, one that never clicks, bad edges, a dead time in both of two different channels, or two
        of dead time, jitter and afterpulses at once, which have no formula.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> steady = tj.lindblad.steady_state(tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)]))
    >>> tj.lindblad.g2(steady, "atom", "atom", [0.0, 0.5, 1.0]).value.round(4)
    array([0.1489, 0.7309])
    """
    bins = bin_edges(edges)
    checked_detectors(steady.system, without_memory(detectors))
    if first == second and has_memory((detectors or {}).get(first), "dead_time"):
        return _with_dead_time(steady, first, bins, (detectors or {})[first])
    if one_is_dead(detectors, first, second):
        return _one_dead(steady, first, second, bins, detectors or {})
    refuse_dead_time(detectors, (first, second), "g² of two channels")
    return _seen(steady, [(first, second)], bins, detectors)[first, second]


@in_its_unit
def g2_of_halves(
    steady: SteadyState, first: str, second: str, edges: ArrayLike, detectors: Detectors = None
) -> Correlation:
    """Return the correlation of two detectors against |lag|: the mean of g² of the two orders.

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    first, second : str
        Two different channels.
    edges : array_like of shape (n_bins + 1,)
        Ascending edges of |lag| in 1/ω_b, from 0 up.
    detectors : mapping of str to Detector, optional
        Efficiency and dark counts by channel.

    Returns
    -------
    Correlation
        Exact values, zero standard error.

    Raises
    ------
    InvalidInput
        Unknown or equal channels, one that never clicks, bad edges, or a detector with dead time or jitter.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> halves = [tj.Channel(name, 0.5**0.5 * sigma) for name in ("left", "right")]
    >>> steady = tj.lindblad.steady_state(tj.OpenSystem(sigma + sigma.T, halves))
    >>> tj.lindblad.g2_of_halves(steady, "left", "right", [0.0, 0.5, 1.0]).value.round(4)
    array([0.1489, 0.7309])
    """
    bins = bin_edges(edges, lowest=0.0)
    channels_among((first, second), steady.system.channel_names, least=2)
    found = _binned(steady, [(first, second), (second, first)], bins, detectors)
    one, other = found[first, second], found[second, first]
    value, error = 0.5 * (one.value + other.value), 0.5 * (one.numerical_error + other.numerical_error)
    return replace(one, value=value, numerical_error=error)


@in_its_unit
def g2_matrix(
    steady: SteadyState, edges: ArrayLike, detectors: Detectors = None
) -> dict[tuple[str, str], Correlation]:
    """Return `g2` of every ordered pair of channels, keyed (first, second).

    Channels that never click are left out; above 30 dimensions those too whose rate is below 1e-14 ‖c†c‖_F, which
    doubles do not resolve; and pairs with a dead time for which `g2` has no value.

    Parameters
    ----------
    steady, edges, detectors
        As in `g2`.

    Raises
    ------
    InvalidInput
        As in `g2`, but for pairs that are left out.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> steady = tj.lindblad.steady_state(system)
    >>> curves = tj.lindblad.g2_matrix(steady, [0.0, 1.0])
    >>> {pair: float(curve.value[0].round(2)) for pair, curve in curves.items()}
    {('a', 'a'): 0.18, ('a', 'b'): 25.19, ('b', 'a'): 63.92, ('b', 'b'): 0.18}
    """
    bins = bin_edges(edges)
    dead = [name for name, detector in (detectors or {}).items() if has_memory(detector, "dead_time")]
    clicking = [name for name in _clicking(steady, without_memory(detectors)) if name not in dead]
    pairs = [(first, second) for first, second in product(clicking, repeat=2)]
    found = _seen(steady, pairs, bins, detectors) if pairs else {}
    for name in (name for name in _clicking(steady, without_memory(detectors)) if name in dead):
        with suppress(InvalidInput):  # too many dimensions, or jitter as well
            found[name, name] = _with_dead_time(steady, name, bins, (detectors or {})[name])
        for other in clicking:
            for pair in ((name, other), (other, name)):
                with suppress(InvalidInput):
                    found[pair] = _one_dead(steady, *pair, bins, detectors or {})
    return found


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

    Raises
    ------
    InvalidInput
        Unknown channels, one that never clicks, lags that are not finite, or a detector of either with a memory.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> steady = tj.lindblad.steady_state(tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)]))
    >>> tj.lindblad.g2_at(steady, "atom", "atom", [0.5, 1.0, 100.0]).round(4)
    array([0.4066, 1.0263, 1.    ])
    """
    lags = checked_times(tau, "tau", lowest=-np.inf)
    flat = lags.reshape(-1)
    detectors = without_memory(detectors, (first, second))
    require_clicks(steady, (first, second), detectors)
    horizon = float(np.abs(flat).max(initial=0.0))

    def compute(model: Model) -> NDArray[np.float64]:
        result = np.empty_like(flat)
        for chosen, earlier, later in ((flat >= 0, first, second), (flat < 0, second, first)):
            if chosen.any():
                result[chosen] = _after(model, earlier, (later,), np.abs(flat[chosen]), horizon, 0)[0][:, 0]
        return result

    starts = 1 if first == second or (flat >= 0).all() else 2
    answer = solver_of(steady).answer(
        compute,
        None,
        detectors,
        horizon=horizon,
        starts=starts,
        stationary=True,
        curve=True,
        judged=(first, second),
    )
    return answer.value.reshape(lags.shape)


def _clicking(steady: SteadyState, detectors: Detectors) -> tuple[str, ...]:
    """Return the channels whose rate is more than rounding noise."""
    detected = DetectedSystem(steady.system, None, detectors)
    rho = pack(steady.rho)
    noise = NOTHING if steady.system.dimension <= MOST_DOUBLED else NOISE
    return tuple(name for name in detected.names if detected.clicks(name, rho, noise))


def _seen(
    steady: SteadyState, pairs: list[tuple[str, str]], edges: NDArray[np.float64], detectors: Detectors
) -> dict[tuple[str, str], Correlation]:
    """Return bin averages of g² of some pairs, with what jitter and afterpulses make of them."""
    plain = without_memory(detectors)
    found, sharp = {}, []
    for pair in pairs:
        blur = Blur(*pair, detectors)
        if not blur.active:
            sharp.append(pair)
            continue
        fine = _binned(steady, [pair], blur.cells(edges), plain)[pair]
        rate = rates(steady, detectors)[pair[0]].value
        found[pair] = blurred(blur, fine, edges, rate)
    if sharp:
        found |= _binned(steady, sharp, edges, plain)
    return {pair: found[pair] for pair in pairs}


def one_is_dead(detectors: Detectors, first: str, second: str) -> bool:
    """Say whether just one of two different channels has a dead time."""
    dead = [has_memory((detectors or {}).get(name), "dead_time") for name in (first, second)]
    return first != second and dead[0] != dead[1]


def _one_dead(
    steady: SteadyState, first: str, second: str, edges: NDArray[np.float64], detectors: Mapping[str, Detector]
) -> Correlation:
    """Return bin averages of g² of two channels of which one has a dead time."""
    require_clicks(steady, (first, second), without_memory(detectors))
    value, error, way = one_of_two_dead(steady, (first, second), detectors, edges)
    nothing = np.zeros(len(value))
    return Correlation(first, second, edges, value, nothing, nothing.astype(np.int64), way, error)


def _with_dead_time(steady: SteadyState, name: str, edges: NDArray[np.float64], detector: Detector) -> Correlation:
    """Return bin averages of g² of one channel whose detector has a dead time."""
    rate = rates(steady, {name: detector})[name].value
    value, error, way = registered_g2(steady, name, detector, rate, edges)
    nothing = np.zeros(len(value))
    return Correlation(name, name, edges, value, nothing, nothing.astype(np.int64), way, error)


def _binned(
    steady: SteadyState, pairs: list[tuple[str, str]], edges: NDArray[np.float64], detectors: Detectors
) -> dict[tuple[str, str], Correlation]:
    """Return bin averages of g² of some pairs, from differences of ∫₀^τ g² of both signs."""
    names = tuple(dict.fromkeys(name for pair in pairs for name in pair))
    require_clicks(steady, names, detectors)
    zero = np.zeros((len(edges), len(names)))
    starting = {k for k, _ in pairs if edges[-1] > 0} | {j for _, j in pairs if edges[0] < 0}
    # Every lag that occurs, ascending: negative lags are the other order's, and start from the same clicks.
    lags, place = np.unique(np.abs(edges), return_inverse=True)

    def compute(model: Model) -> NDArray[np.float64]:
        after = {name: _after(model, name, names, lags, float(lags[-1]), 1)[1] for name in starting}
        primitive = [
            np.where(
                edges > 0,
                after.get(first, zero)[place, names.index(second)],
                -after.get(second, zero)[place, names.index(first)],
            )
            for first, second in pairs
        ]
        return np.diff(np.reshape(primitive, (len(pairs), len(edges))), axis=1) / np.diff(edges)

    horizon = float(lags[-1])
    answer = solver_of(steady).answer(
        compute,
        None,
        detectors,
        horizon=horizon,
        starts=len(starting),
        stationary=True,
        curve=True,
        judged=names,
    )
    nothing = np.zeros(len(edges) - 1)
    return {
        (first, second): Correlation(
            first, second, edges, value, nothing, nothing.astype(np.int64), answer.method, error
        )
        for (first, second), value, error in zip(pairs, answer.value, answer.error, strict=True)
    }


def _after(
    model: Model,
    first: str,
    seconds: Sequence[str],
    lags: NDArray[np.float64],
    horizon: float,
    integrals: int,
) -> NDArray[np.float64]:
    """Return g² (and ∫₀^τ g²) after a click in `first`, shape (integrals + 1, n_lags, n_seconds)."""
    key = ("g2", first, tuple(seconds), lags.tobytes(), integrals)
    if key not in model.memory:
        # ρ itself does not move, so only the difference from it is followed: it decays, and g² tends to 1.
        click: Vector = model.jump(first, model.rho) / model.rate(first, model.rho) - model.rho
        effects = np.array([model.effect(name) / model.rate(name, model.rho) for name in seconds])
        values = model.motion(horizon or 1.0).observe(click, effects, lags, integrals=integrals)
        values[0] += 1.0
        if integrals:
            values[1] += lags[:, None]
        model.memory[key] = values
    return np.asarray(model.memory[key])
