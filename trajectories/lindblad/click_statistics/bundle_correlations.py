"""Correlation of bundles in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...checks import bin_edges, integer
from ...detectors import Detector
from ...errors import InvalidInput
from ...names import parted, spelled
from ...results import Correlation
from ..answers import in_its_unit
from ..bundles.cluster_maps import ClusterMaps, cluster_maps
from ..inputs import bundle_channels, bundle_window, checked_times
from ..solver import Answer, Model, require_clicks, solver_of, total_rate
from ..steady_state import SteadyState

Detectors = Mapping[str, Detector] | None
Channels = str | Sequence[str] | None
# A number of clicks, or a composition: names, or names joined by "+" as `trajectories.names.spelled` does.
Kind: TypeAlias = int | str | Sequence[str]


@in_its_unit
def cluster_g2(
    steady: SteadyState,
    n: Kind,
    m: Kind,
    edges: ArrayLike,
    window: float | None = None,
    channels: Channels = None,
    detectors: Detectors = None,
) -> Correlation:
    """Return the correlation of bundles, averaged over bins of the time between them.

    g₂(τ) = Tr[E(𝒥K)^{m−1}𝒥 E e^{L(τ−2δ)} E(𝒥K)^{n−1}𝒥 E ρ]/(R_n R_m) for τ ≥ 2δ, with E e^{L(τ−2δ)} E
    replaced by e^{L0 τ} for δ ≤ τ < 2δ, and 0 below δ. τ runs from the last click of one bundle to the
    first click of any later one.

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    n, m : int, str or sequence of str
        Kind of the earlier and of the later bundle: a number of clicks, or a composition, as
        ("photon", "magnon") or "photon+magnon".
    edges : array_like of shape (n_bins + 1,)
        Ascending edges of τ in 1/ω_b, from 0 up.
    window, channels, detectors
        As in `composition_rates`.

    Returns
    -------
    Correlation
        Exact values; `first` and `second` name the kinds of bundle.

    Raises
    ------
    InvalidInput
        As in `composition_rates`, or a kind that cannot be read or is never emitted.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> steady = tj.lindblad.steady_state(system)
    >>> found = tj.lindblad.cluster_g2(steady, 1, 1, [0.0, 2.0, 4.0], window=2.0)
    >>> found.value.round(3)
    array([  0.   , 126.221])
    """
    bins = bin_edges(edges, lowest=0.0)
    answer = _answer(steady, (n, m), bins, window, channels, detectors, binned=True)
    nothing = np.zeros(len(bins) - 1)
    names = (_kind_name(n), _kind_name(m))
    counts = nothing.astype(np.int64)
    return Correlation(*names, bins, answer.value, nothing, counts, answer.method, answer.error)


def cluster_g2_at(
    steady: SteadyState,
    n: Kind,
    m: Kind,
    tau: ArrayLike,
    window: float | None = None,
    channels: Channels = None,
    detectors: Detectors = None,
) -> NDArray[np.float64]:
    """Return `cluster_g2` at given times τ ≥ 0, of any shape and order.

    Parameters
    ----------
    steady, n, m, window, channels, detectors
        As in `cluster_g2`.
    tau : array_like
        Times from the last click of one bundle to the first of the other, in 1/ω_b.

    Returns
    -------
    ndarray
        Of the shape of `tau`.

    Raises
    ------
    InvalidInput
        As in `cluster_g2`, or negative times.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> steady = tj.lindblad.steady_state(system)
    >>> tj.lindblad.cluster_g2_at(steady, 2, 2, [1.0, 100.0], window=2.0).round(3)
    array([0., 1.])
    """
    times = checked_times(tau, "tau")
    answer = _answer(steady, (n, m), times.reshape(-1), window, channels, detectors, binned=False)
    return answer.value.reshape(times.shape)


def _answer(
    steady: SteadyState,
    kinds: tuple[Kind, Kind],
    times: NDArray[np.float64],
    window: float | None,
    channels: Channels,
    detectors: Detectors,
    *,
    binned: bool,
) -> Answer:
    """Return g₂ of two kinds of bundle at each time, or averaged between neighbouring times."""
    names = bundle_channels(steady.system, channels)
    sequences = [_sequences(kind, names) for kind in kinds]
    delta = bundle_window(steady.system, window)
    total_rate(steady, names, detectors)
    require_clicks(steady, sorted({name for kind in sequences for name in kind[0] if name is not None}), detectors)

    def compute(model: Model) -> NDArray[np.float64]:
        both = _correlation(cluster_maps(model, delta, 2.0 * delta), kinds, sequences, times)
        return np.diff(both[1]) / np.diff(times) if binned else both[0]

    longest = float(times.max(initial=0.0))
    stationary = longest > 2.0 * delta
    return solver_of(steady).answer(
        compute,
        names,
        detectors,
        horizon=max(longest, delta),
        starts=5,
        stationary=stationary,
        curve=True,
        chained=True,
    )


def _correlation(
    maps: ClusterMaps,
    kinds: tuple[Kind, Kind],
    sequences: list[list[tuple[str | None, ...]]],
    times: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return g₂ of two kinds of bundle and its integral from 0 at each time, shape (2, n_times)."""
    earlier, later = sequences
    after = np.sum([maps.after(sequence) for sequence in earlier], axis=0)
    before = np.sum([maps.before(sequence) for sequence in later], axis=0)
    rates = [float(maps.survival @ after), float(before @ maps.click_free_state)]
    if min(rates) <= 0.0:
        raise InvalidInput(f"bundles {kinds} have rates {rates}; both kinds must be emitted")
    result = np.zeros((2, len(times)))
    delta = maps.window
    span = np.append(np.clip(times, delta, 2.0 * delta), [delta, 2.0 * delta])
    near = maps.motion.observe(after, before[None], span, integrals=1)[:, :, 0] / (rates[0] * rates[1])
    result[0] = np.where(times >= delta, near[0, :-2], 0.0)
    result[1] = near[1, :-2] - near[1, -2]
    late = times >= 2.0 * delta
    if late.any():
        # Of the earlier bundle's final state only the difference from ρ moves; it decays.
        start = maps.free(after) / rates[0] - maps.rho
        reader = maps.free_adjoint(before)[None] / rates[1]
        lags = times[late] - 2.0 * delta
        far = maps.model.motion(float(lags.max()) or delta).observe(start, reader, lags, integrals=1)[:, :, 0]
        result[0, late] = 1.0 + far[0]
        result[1, late] += lags + far[1]
    return result


def _sequences(kind: Kind, names: tuple[str, ...]) -> list[tuple[str | None, ...]]:
    """Return the sequences of channels that make up a kind of bundle; None stands for any channel."""
    if not isinstance(kind, Sequence):
        return [(None,) * integer(kind, "bundle size", 1)]
    members = parted(kind, "+") if isinstance(kind, str) else tuple(kind)
    for name in members:
        if name not in names:
            raise InvalidInput(f"bundle {kind!r} has channel {name!r}; the detected ones are {', '.join(names)}")
    if not members:
        raise InvalidInput("a bundle has at least one click; name its channels")
    return sorted(set(permutations(members)))


def _kind_name(kind: Kind) -> str:
    return spelled(kind, "+") if isinstance(kind, Sequence) and not isinstance(kind, str) else str(kind)
