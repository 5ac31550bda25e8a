"""Bundles of one click in each of two channels: the rates of both orders, purity, lags."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidInput
from ...results import Estimate
from ..inputs import Channels, Detectors, bundle_channels, bundle_window, two_of
from ..solver import Model, require_clicks, solver_of, total_rate
from ..steady_state import SteadyState
from .cluster_maps import ClusterMaps, cluster_maps


@dataclass(frozen=True)
class PairBundles:
    """How often the two orders of a pair are emitted, and what follows from that.

    Attributes
    ----------
    forward, backward : float
        R(first > second) and R(second > first) in ω_b.
    total : float
        Rate Σλ of all detected clicks in ω_b.
    errors : tuple of two floats
        How far the computation of `forward` and of `backward` may be off.

    Examples
    --------
    >>> import trajectories as tj
    >>> found = tj.lindblad.PairBundles(forward=0.3, backward=0.1, total=1.0)
    >>> round(found.order_fraction.value, 6), round(found.purity.value, 6)
    (0.75, 0.8)
    """

    forward: float
    backward: float
    total: float
    errors: tuple[float, float] = (0.0, 0.0)

    @property
    def rate(self) -> Estimate:
        """R(first > second) + R(second > first)."""
        return Estimate(self.forward + self.backward, numerical_error=sum(self.errors))

    @property
    def purity(self) -> Estimate:
        """2 (R(first > second) + R(second > first))/Σλ."""
        rate = self.rate
        return Estimate(2.0 * rate.value / self.total, numerical_error=2.0 * rate.numerical_error / self.total)

    @property
    def order_fraction(self) -> Estimate:
        """R(first > second)/(R(first > second) + R(second > first)); NaN if the pair is never emitted."""
        rate = self.rate.value
        if rate <= 0.0:
            return Estimate(float("nan"))
        error = (self.backward * self.errors[0] + self.forward * self.errors[1]) / rate**2
        return Estimate(self.forward / rate, numerical_error=error)


def pair_bundles(
    steady: SteadyState,
    first: str,
    second: str,
    window: float | None = None,
    channels: Channels = None,
    detectors: Detectors = None,
) -> PairBundles:
    """Return the rates of both orders of a pair, from which purity and order follow.

    R(k > l) = ∫₀^δ Tr[E 𝒥_l e^{L0 τ} 𝒥_k E ρ] dτ,  E = e^{L0 δ},  where L0 is the motion without detected clicks.

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    first, second : str
        Two different detected channels.
    window, channels, detectors
        As in `composition_rates`.

    Raises
    ------
    InvalidInput
        As in `composition_rates`, or channels that are equal, not detected or never click.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> steady = tj.lindblad.steady_state(system)
    >>> found = tj.lindblad.pair_bundles(steady, "b", "a", window=2.0)
    >>> round(found.purity.value, 3), round(found.order_fraction.value, 3)
    (0.872, 0.776)
    """
    return bundles_of_pair(steady, (first, second), np.zeros(1), window, channels, detectors)[0]


def bundles_of_pair(
    steady: SteadyState,
    pair: tuple[str, str],
    bins: NDArray[np.float64],
    window: float | None,
    channels: Channels,
    detectors: Detectors,
) -> tuple[PairBundles, NDArray[np.float64], NDArray[np.float64]]:
    """Return both orders of a pair, and its rate per signed lag, averaged over bins, with the numerical error."""
    names = bundle_channels(steady.system, channels)
    both = two_of(names, *pair)
    delta = bundle_window(steady.system, window)
    total = total_rate(steady, names, detectors)
    lags = np.clip(bins, -delta, delta)
    times = np.append(np.abs(lags), delta)

    def compute(model: Model) -> NDArray[np.float64]:
        maps = cluster_maps(model, delta)
        forward, backward = (_within(maps, order, times) for order in (both, both[::-1]))
        primitive = np.where(lags >= 0.0, forward[:-1], -backward[:-1])
        # In units of 1/δ densities are about as large as the rates, so that errors are judged beside both.
        return np.concatenate([[forward[-1], backward[-1]], delta * np.diff(primitive) / np.diff(bins)])

    answer = solver_of(steady).answer(compute, names, detectors, horizon=delta, starts=4)
    forward, backward = (float(value) for value in answer.value[:2])
    errors = (float(answer.error[0]), float(answer.error[1]))
    return PairBundles(forward, backward, total, errors), answer.value[2:] / delta, answer.error[2:] / delta


def _within(maps: ClusterMaps, order: tuple[str, str], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rate of pairs in one order whose second click comes within each time."""
    start, effect = maps.after(order[:1]), maps.before(order[1:])
    return maps.motion.observe(start, effect[None], times, integrals=1)[1, :, 0]


def refuse_absent(
    steady: SteadyState, bundles: PairBundles, first: str, second: str, detectors: Detectors
) -> None:
    """Refuse a pair that is never emitted, or so rarely that its rate is rounding."""
    if bundles.rate.value <= sum(bundles.errors):
        raise InvalidInput(f"no bundle of one {first!r} and one {second!r} is ever emitted; choose others")
    require_clicks(steady, (first, second), detectors)
