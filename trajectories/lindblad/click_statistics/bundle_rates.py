"""Bundles: detected clicks closer than δ belong together; rates by size, order and composition, purity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations_with_replacement, product

import numpy as np
from numpy.typing import NDArray

from ...checks import integer, nonnegative_number, positive_numbers
from ...names import ByChannels
from ...results import Estimate
from ..answers import Answer, estimates_of
from ..bundles.cluster_maps import cluster_maps, maps_of_windows
from ..bundles.pair_bundles import pair_bundles
from ..inputs import Channels, Detectors, bundle_channels, bundle_window
from ..solver import Model, solver_of, total_rate
from ..steady_state import SteadyState


def composition_rates(
    steady: SteadyState,
    window: float | None = None,
    channels: Channels = None,
    max_size: int | None = None,
    detectors: Detectors = None,
) -> ByChannels[Estimate]:
    """Return how often bundles of each composition are emitted: `order_rates` summed over the orders.

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    window : float, optional
        δ in 1/ω_b; 3/κ when not given and the system's parameters name κ.
    channels : str or sequence of str, optional
        Detected channels; all but those of atoms and other finite factors when not given, because the atom's
        photon is at another frequency.
    max_size : int, optional
        Largest number of clicks in a bundle; 3 when not given.
    detectors : mapping of str to Detector, optional
        Efficiency and dark counts by channel.

    Returns
    -------
    ByChannels of Estimate
        Rates in ω_b, keyed ("photon",), ("photon", "magnon"), …: names in channel order, repeated for their
        multiplicity; small bundles first. They are found as ``["photon+magnon"]`` too.

    Raises
    ------
    InvalidInput
        Bad window, size or channels, or a detector with dead time or jitter.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> steady = tj.lindblad.steady_state(system)
    >>> found = tj.lindblad.composition_rates(steady, window=2.0, max_size=2)
    >>> round(found["a"].value, 5), round(found["a+b"].value, 5)
    (0.00085, 0.00691)
    """
    names = bundle_channels(steady.system, channels)
    size = 3 if max_size is None else max_size
    return by_composition(order_rates(steady, window, names, size, detectors), names, size)


def by_composition(
    ordered: Mapping[tuple[str, ...], Estimate], names: Sequence[str], max_size: int
) -> ByChannels[Estimate]:
    """Return what `order_rates` of these channels gives, summed over the orders."""
    totals = {
        members: 0.0 for size in range(1, max_size + 1) for members in combinations_with_replacement(names, size)
    }
    errors = dict.fromkeys(totals, 0.0)
    for order, rate in ordered.items():
        members = tuple(sorted(order, key=names.index))
        totals[members] += rate.value
        errors[members] += rate.numerical_error
    found = ((m, Estimate(value, numerical_error=errors[m])) for m, value in totals.items())
    return ByChannels(found, separator="+")


def order_rates(
    steady: SteadyState,
    window: float | None = None,
    channels: Channels = None,
    max_size: int = 3,
    detectors: Detectors = None,
) -> ByChannels[Estimate]:
    """Return how often bundles with each sequence of channels are emitted.

    R(k₁ > … > k_n) = Tr[E 𝒥_{k_n} K … K 𝒥_{k₁} E ρ],  E = e^{L0 δ},  K = ∫₀^δ e^{L0 t} dt,  where L0 is the motion
    without detected clicks.

    Parameters
    ----------
    steady, window, channels, max_size, detectors
        As in `composition_rates`.

    Returns
    -------
    ByChannels of Estimate
        Rates in ω_b, keyed ("photon",), ("photon", "magnon"), …, first click first, found as ``["photon>magnon"]``
        too.

    Raises
    ------
    InvalidInput
        As in `composition_rates`.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> steady = tj.lindblad.steady_state(system)
    >>> found = tj.lindblad.order_rates(steady, window=2.0, max_size=2)
    >>> round(found["b>a"].value, 5), round(found["a>b"].value, 5)
    (0.00536, 0.00155)
    """
    integer(max_size, "max_size", 1)
    names, delta = bundle_channels(steady.system, channels), bundle_window(steady.system, window)
    sequences = [s for size in range(1, max_size + 1) for s in product(names, repeat=size)]

    def compute(model: Model) -> NDArray[np.float64]:
        maps = cluster_maps(model, delta)
        return np.array([maps.rate(sequence) for sequence in sequences])

    # Every sequence is cut in the middle, and each half is followed for a window.
    starts = 2 + 2 * sum(len(names) ** n for n in range(1, max_size // 2 + 1))
    answer = solver_of(steady).answer(
        compute, names, detectors, horizon=delta, starts=starts, chained=max_size > 2
    )
    return ByChannels(zip(sequences, _rates_of(answer), strict=True), separator=">")


def cluster_rates(
    steady: SteadyState,
    window: float | None = None,
    channels: Channels = None,
    max_size: int = 3,
    detectors: Detectors = None,
) -> list[Estimate]:
    """Return how often bundles of n clicks are emitted, R_n = Tr[E (𝒥K)^{n−1} 𝒥 E ρ] for n = 1 … max_size.

    Over all n, Σ n R_n is the total rate of detected clicks.

    Parameters
    ----------
    steady, window, channels, max_size, detectors
        As in `composition_rates`.

    Raises
    ------
    InvalidInput
        As in `composition_rates`.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> steady = tj.lindblad.steady_state(system)
    >>> [round(rate.value, 5) for rate in tj.lindblad.cluster_rates(steady, window=2.0)]
    [0.0017, 0.00691, 2e-05]
    """
    integer(max_size, "max_size", 1)
    names, delta = bundle_channels(steady.system, channels), bundle_window(steady.system, window)

    def compute(model: Model) -> NDArray[np.float64]:
        maps = cluster_maps(model, delta)
        return np.array([maps.rate((None,) * n) for n in range(1, max_size + 1)])

    answer = solver_of(steady).answer(
        compute, names, detectors, horizon=delta, starts=1 + max_size, chained=max_size > 2
    )
    return _rates_of(answer)


def _rates_of(answer: Answer) -> list[Estimate]:
    """Return the rates of an answer; what rounding leaves below zero, of clicks that never come, is none."""
    return estimates_of(replace(answer, value=np.maximum(answer.value, 0.0)))


def purity(
    steady: SteadyState, n: int, windows: Sequence[float], channels: Channels = None, detectors: Detectors = None
) -> list[Estimate]:
    """Return the purity π_n(δ) = n R_n(δ)/Σλ for each window δ: the share of quanta in bundles of exactly n.

    Sánchez Muñoz et al., Nat. Photon. 8, 550 (2014). It depends on δ: give several windows, and compare
    with `accidental_purity`.

    Parameters
    ----------
    steady, channels, detectors
        As in `composition_rates`.
    n : int
        Number of clicks in a bundle.
    windows : sequence of float
        Values of δ in 1/ω_b.

    Raises
    ------
    InvalidInput
        As in `composition_rates`, or channels that never click.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> steady = tj.lindblad.steady_state(system)
    >>> [round(found.value, 3) for found in tj.lindblad.purity(steady, 2, [0.5, 2.0])]
    [0.487, 0.872]
    """
    integer(n, "n", 1)
    deltas = positive_numbers(windows, "windows")
    names = bundle_channels(steady.system, channels)
    total_rate(steady, names, detectors)

    def compute(model: Model) -> NDArray[np.float64]:
        scan = maps_of_windows(model, deltas)
        return np.array([n * maps.rate((None,) * n) / maps.total_rate for maps in scan])

    horizon = float(deltas.max() + (n - 1) * deltas.sum())
    return estimates_of(
        solver_of(steady).answer(compute, names, detectors, horizon=horizon, starts=2, chained=n > 2)
    )


def pair_purity(
    steady: SteadyState,
    first: str,
    second: str,
    window: float | None = None,
    channels: Channels = None,
    detectors: Detectors = None,
) -> Estimate:
    """Return the share of quanta in bundles of two clicks, exactly one of `first` and one of `second`.

    2 (R(first > second) + R(second > first))/Σλ; parameters and errors as in `pair_bundles`, which gives the order
    too for the same work.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> steady = tj.lindblad.steady_state(system)
    >>> round(tj.lindblad.pair_purity(steady, "a", "b", window=2.0).value, 3)
    0.872
    """
    return pair_bundles(steady, first, second, window, channels, detectors).purity


def accidental_purity(rate: float, n: int, windows: Sequence[float]) -> list[Estimate]:
    """Return the purity of independent clicks: π_n = n q² (1 − q)^{n−1}, q = e^{−λδ}.

    Parameters
    ----------
    rate : float
        Total rate λ of the detected clicks in ω_b.
    n : int
        Number of clicks in a bundle.
    windows : sequence of float
        Values of δ in 1/ω_b.

    Raises
    ------
    InvalidInput
        A rate that is negative or not finite, n below 1, or a window that is not positive.

    Examples
    --------
    >>> import trajectories as tj
    >>> [round(found.value, 4) for found in tj.lindblad.accidental_purity(0.1, 2, [1.0, 5.0])]
    [0.1558, 0.2895]
    """
    integer(n, "n", 1)
    together = -np.expm1(-nonnegative_number(rate, "rate") * positive_numbers(windows, "windows"))
    return [Estimate(float(n * (1.0 - p) ** 2 * p ** (n - 1)), method="exact (Poisson)") for p in together]
