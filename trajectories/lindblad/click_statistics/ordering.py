"""Emission order inside bundles of a pair: which click comes first, and the lag between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from ...checks import bin_edges
from ...detectors import Detector
from ...results import Estimate, Histogram
from ..answers import in_its_unit
from ..bundles.pair_bundles import PairBundles, bundles_of_pair, pair_bundles, refuse_absent
from ..steady_state import SteadyState

Detectors = Mapping[str, Detector] | None
Channels = str | Sequence[str] | None


def order_fraction(
    steady: SteadyState,
    first: str,
    second: str,
    window: float | None = None,
    channels: Channels = None,
    detectors: Detectors = None,
) -> Estimate:
    """Return the share of first-before-second among bundles of exactly one `first` and one `second`.

    R(first > second)/(R(first > second) + R(second > first)); parameters and errors as in `pair_bundles`, and a
    pair that is never emitted is refused.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> steady = tj.lindblad.steady_state(system)
    >>> round(tj.lindblad.order_fraction(steady, "b", "a", window=2.0).value, 3)
    0.776
    """
    bundles = pair_bundles(steady, first, second, window, channels, detectors)
    refuse_absent(steady, bundles, first, second, detectors)
    return bundles.order_fraction


@in_its_unit
def lag_histogram(
    steady: SteadyState,
    first: str,
    second: str,
    edges: ArrayLike,
    window: float | None = None,
    channels: Channels = None,
    detectors: Detectors = None,
) -> Histogram:
    """Return the probability density of the signed lag τ = t_second − t_first inside pair bundles.

    p(τ) = Tr[E 𝒥_second e^{L0 τ} 𝒥_first E ρ]/R for 0 < τ < δ, the same with the channels exchanged and |τ| for
    −δ < τ < 0, and 0 beyond, with R = R(first > second) + R(second > first); averaged over bins.

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    first, second : str
        Two different detected channels; positive lags mean that `first` clicked first.
    edges : array_like of shape (n_bins + 1,)
        Ascending lag edges in 1/ω_b.
    window, channels, detectors
        As in `composition_rates`.

    Returns
    -------
    Histogram
        Density in ω_b with zero standard error, normalised to one over all pair bundles, those outside the edges
        included.

    Raises
    ------
    InvalidInput
        As in `pair_bundles`, bad edges, or a pair that is never emitted.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> steady = tj.lindblad.steady_state(system)
    >>> found = tj.lindblad.lag_histogram(steady, "b", "a", [-1.0, 0.0, 1.0], window=2.0)
    >>> found.value.round(3)
    array([0.22 , 0.567])
    """
    return bundles_and_lags(steady, first, second, edges, window, channels, detectors)[1]


@in_its_unit
def bundles_and_lags(
    steady: SteadyState,
    first: str,
    second: str,
    edges: ArrayLike,
    window: float | None = None,
    channels: Channels = None,
    detectors: Detectors = None,
) -> tuple[PairBundles, Histogram]:
    """Return `pair_bundles` and `lag_histogram` at the cost of one of them."""
    bins = bin_edges(edges)
    bundles, density, error = bundles_of_pair(steady, (first, second), bins, window, channels, detectors)
    refuse_absent(steady, bundles, first, second, detectors)
    nothing, rate = np.zeros(len(bins) - 1), bundles.rate.value
    method = "exact probability density of the lag per pair bundle"
    return bundles, Histogram(bins, density / rate, nothing, nothing.astype(np.int64), method, error / rate)
