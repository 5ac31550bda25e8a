"""Rates and purities of bundles, with the exposure that makes them exact at the ends of observation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trajectories.checks import integer, positive_numbers
from trajectories.errors import InvalidInput
from trajectories.names import ByChannels
from trajectories.results import Estimate

from ..bundles.table import Bundles, every_composition, find_bundles, longest_order
from ..clicks.exposure import Exposure, exposure_of
from ..clicks.inputs import bundle_channels, bundle_window, detected_numbers, two_of
from ..clicks.streams import Clicks, ClickStream, stream
from ..statistics.resampling import Pooled, Sums, ratio
from ..statistics.resampling_units import ResamplingUnits, add_up, choose_resampling_units, widened

# A table of more kinds of bundle than this is refused.
MAX_KINDS = 20_000


def composition_rates(
    record: Clicks,
    window: float | None = None,
    channels: str | Sequence[str] | None = None,
    max_size: int | None = None,
) -> ByChannels[Estimate]:
    """Estimate how often bundles of each composition are emitted.

    R̂ = Σ_b 1/X(ℓ_b) over the complete bundles b of the composition, X(ℓ) = Σ_r (T_r − ℓ − 2δ)₊: a bundle of
    length ℓ can be seen with δ of click-free observed time on both sides during X(ℓ) only.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    window, channels
        Bundle window δ and detected channels, as in `find_bundles`.
    max_size : int, optional
        Report every composition of at most this many clicks, seen or not; those that were seen when not given.

    Returns
    -------
    ByChannels of Estimate
        Rates in ω_b, keyed ("photon",), ("photon", "magnon"), …: names in channel order, repeated for their
        multiplicity; small bundles first. They are found as ``["photon+magnon"]`` too. A composition never seen
        has rate 0 and no error.

    Raises
    ------
    InvalidInput
        Bad window or channels, max_size below 1, or a table of more than 20,000 compositions.

    Notes
    -----
    Exact: the sum over orders of Tr[E J K J … K J E ρ], E = e^{L0 δ}, K = ∫₀^δ e^{L0 t} dt.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> found = tj.analysis.composition_rates(record, window=1.0)
    >>> found["a+b"].n, round(found["a+b"].value, 3)
    (3, 0.031)
    """
    names = bundle_channels(record := stream(record), channels)
    if max_size is None:
        table = np.zeros((0, len(names)), dtype=np.int32)
    else:
        _refuse_large_table(integer(max_size, "max_size", 1), len(names), ordered=False)
        table = every_composition(names, max_size)

    def kinds(bundles: Bundles) -> NDArray[np.int64]:
        nonlocal table
        rows = bundles.composition[bundles.complete]
        if max_size is None:
            table = _with_rows(table, rows)
        kind = np.full(len(bundles), -1, dtype=np.int64)
        kind[bundles.complete] = _row_numbers(rows, table)
        return kind

    estimates = _rates(record, window, names, kinds, len(table)).jackknife().estimates()
    # Small bundles first, then in channel order, whichever was seen first.
    order = np.lexsort([*(-table.T[::-1]), table.sum(axis=1)]) if max_size is None else np.arange(len(table))
    found = ((_members(names, table[k]), estimates[k]) for k in order)
    return ByChannels(found, separator="+")


def order_rates(
    record: Clicks,
    window: float | None = None,
    channels: str | Sequence[str] | None = None,
    max_size: int = 3,
) -> ByChannels[Estimate]:
    """Estimate how often bundles with each sequence of channels are emitted; see `composition_rates`.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    window, channels
        Bundle window δ and detected channels, as in `find_bundles`.
    max_size : int
        Report every order of at most this many clicks, seen or not.

    Returns
    -------
    ByChannels of Estimate
        Rates in ω_b, keyed ("photon",), ("photon", "magnon"), …, first click first, found as ``["photon>magnon"]``
        too; clicks at one time stand in the order of the record.

    Raises
    ------
    InvalidInput
        Bad window or channels, max_size below 1, or a table of more than 20,000 orders.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> found = tj.analysis.order_rates(record, window=1.0, max_size=2)
    >>> round(found["a>b"].value, 3), round(found["b>a"].value, 3)
    (0.02, 0.01)
    """
    names = bundle_channels(record := stream(record), channels)
    estimates = order_rates_pooled(record, window, names, max_size).jackknife().estimates()
    orders = [order for size in range(1, max_size + 1) for order in product(names, repeat=size)]
    return ByChannels(zip(orders, estimates, strict=True), separator=">")


def order_rates_pooled(
    record: Clicks, window: float | None, channels: str | Sequence[str] | None, max_size: int
) -> Pooled:
    """Return `order_rates` in a form that can be resampled, in its order."""
    names = bundle_channels(record := stream(record), channels)
    count = len(names)
    _refuse_large_table(integer(max_size, "max_size", 1), count, ordered=True)
    # Number of orders with fewer clicks than `size`: the sizes stand one after another in the table.
    before = np.cumsum([0] + [count**size for size in range(1, max_size + 1)])

    def kinds(bundles: Bundles) -> NDArray[np.int64]:
        kept = bundles.complete & (bundles.size <= max_size)
        return np.where(kept, before[np.where(kept, bundles.size, 1) - 1] + bundles.order, -1)

    return _rates(record, window, names, kinds, int(before[-1]))


def purity(
    record: Clicks, n: int, windows: Sequence[float], channels: str | Sequence[str] | None = None
) -> list[Estimate]:
    """Estimate the n-quanta purity against the bundle window: π_n(δ) = n R_n(δ)/Σ_k λ_k.

    The share of detected quanta that are emitted in bundles of exactly n (Sánchez Muñoz et al., Nat. Photon.
    8, 550 (2014)). It depends on δ: give several windows, and compare with `accidental_purity`.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    n : int
        Number of clicks in a bundle.
    windows : sequence of float
        Values of δ in 1/ω_b.
    channels : str or sequence of str, optional
        Detected channels, as in `find_bundles`.

    Returns
    -------
    list of Estimate
        One purity per window, with the number of complete bundles of n behind it.

    Raises
    ------
    InvalidInput
        n below 1, a window that is not positive, or unknown channels.

    Notes
    -----
    R_n comes from bundles with δ of click-free observed time on both sides, Σλ from all clicks. Where trajectories
    are hardly longer than 2δ, R_n rests on far fewer clicks, and the estimate may exceed 1; it is not cut off
    there, because averages over many records would then be too small.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> [(found.n, round(found.value, 3)) for found in tj.analysis.purity(record, 2, [0.3, 1.0])]
    [(1, 0.288), (3, 0.879)]
    """
    return purity_pooled(record, n, windows, channels).jackknife().estimates()


def purity_pooled(
    record: Clicks, n: int, windows: Sequence[float], channels: str | Sequence[str] | None = None
) -> Pooled:
    """Return `purity` in a form that can be resampled, with its covariance over windows."""
    integer(n, "n", 1)
    names = bundle_channels(record := stream(record), channels)
    deltas = positive_numbers(windows, "windows")
    units = choose_resampling_units(record, reach=max(deltas))
    weight, counts = np.zeros((units.count, len(deltas))), np.zeros(len(deltas), dtype=np.int64)
    exposures = [exposure_of(record, delta) for delta in deltas]
    for part, here in units.parts(record):
        for i, delta in enumerate(deltas):
            bundles = find_bundles(part, delta, names)
            chosen = bundles.complete & (bundles.size == n)
            counts += add_bundle_weights(weight, bundles, np.where(chosen, i, -1), here, exposures[i])
    exposure = np.hstack([units.time(delta) for delta in deltas])
    sums = {"weight": n * weight, "exposure": exposure, **_detected(record, names, units)}
    return Pooled(sums, _share_of_quanta, units, counts)


def pair_purity(
    record: Clicks,
    first: str,
    second: str,
    window: float | None = None,
    channels: str | Sequence[str] | None = None,
) -> Estimate:
    """Estimate the pair purity 2 R(first+second)/Σ_k λ_k.

    The share of detected quanta that are emitted in bundles of two clicks, exactly one of `first` and one of
    `second`, in either order.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    first, second : str
        Two different detected channels.
    window, channels
        Bundle window δ and detected channels, as in `find_bundles`.

    Returns
    -------
    Estimate
        With the number of complete pair bundles behind it.

    Raises
    ------
    InvalidInput
        Bad window, or channels that are unknown, equal or not detected.

    Notes
    -----
    May exceed 1 on very short records, as `purity` may.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> round(tj.analysis.pair_purity(record, "a", "b", window=1.0).value, 3)
    0.879
    """
    names = bundle_channels(record := stream(record), channels)
    two_of(names, first, second)
    delta = bundle_window(record, window)

    def is_pair(bundles: Bundles) -> NDArray[np.int64]:
        return (bundles.complete & bundles.of_kind((first, second))).astype(np.int64) - 1

    pooled = _rates(record, delta, names, is_pair, 1)
    sums = {
        "weight": 2.0 * pooled.sums["numerator"],
        "exposure": pooled.sums["denominator"],
        **_detected(record, names, pooled.units),
    }
    return Pooled(sums, _share_of_quanta, pooled.units, pooled.counts).jackknife().estimates()[0]


def add_bundle_weights(
    table: NDArray[np.float64],
    bundles: Bundles,
    kind: NDArray[np.int64],
    units: ResamplingUnits,
    exposure: Exposure,
) -> NDArray[np.int64]:
    """Add 1/X(ℓ) of every bundle, in units of 1/X(0), to table[unit, kind]; return the number of every kind.

    A column divided by the time that leaves δ on both sides is the rate of a kind. Kind −1 is left out.
    """
    chosen = kind >= 0
    unit = units.at(bundles.trajectory[chosen], bundles.start[chosen])
    add_up(table, unit, kind[chosen], exposure.weights(bundles.length[chosen]))
    return np.bincount(kind[chosen], minlength=table.shape[1])


def _members(names: tuple[str, ...], counts: NDArray[Any]) -> tuple[str, ...]:
    """Return the names of the clicks of a composition, in channel order."""
    return tuple(name for name, count in zip(names, counts.tolist(), strict=True) for _ in range(count))


def _rates(
    record: ClickStream,
    window: float | None,
    channels: tuple[str, ...],
    kinds: Callable[[Bundles], NDArray[np.int64]],
    count: int,
) -> Pooled:
    """Return the rate of every kind of bundle.

    `kinds` gives the kind of every bundle, −1 for those left out; more than `count` kinds may appear.
    """
    delta = bundle_window(record, window)
    units, exposure = choose_resampling_units(record, reach=delta), exposure_of(record, delta)
    table, counts = np.zeros((units.count, count)), np.zeros(count, dtype=np.int64)
    for part, here in units.parts(record):
        bundles = find_bundles(part, delta, channels)
        kind = kinds(bundles)
        table = widened(table, int(kind.max(initial=-1)) + 1)
        found = add_bundle_weights(table, bundles, kind, here, exposure)
        counts = np.pad(counts, (0, len(found) - len(counts))) + found
    return Pooled({"numerator": table, "denominator": units.time(delta)}, ratio, units, counts)


def _detected(
    record: ClickStream, channels: tuple[str, ...], units: ResamplingUnits
) -> dict[str, NDArray[np.float64]]:
    """Return the detected clicks and the time of every unit."""
    detected = detected_numbers(record, channels) >= 0
    return {"clicks": units.clicks(record)[:, detected].sum(axis=1, keepdims=True), "time": units.time()}


def _share_of_quanta(sums: Sums) -> NDArray[np.float64]:
    return sums["weight"] / sums["exposure"] / (sums["clicks"] / sums["time"])


def _with_rows(table: NDArray[Any], rows: NDArray[Any]) -> NDArray[Any]:
    """Return a table of distinct rows with the rows appended that are not in it yet."""
    rank = _row_ranks(rows)
    distinct = np.empty((int(rank.max(initial=-1)) + 1, rows.shape[1]), dtype=rows.dtype)
    distinct[rank] = rows
    return np.concatenate([table, distinct[_row_numbers(distinct, table) < 0]])


def _row_numbers(rows: NDArray[Any], table: NDArray[Any]) -> NDArray[np.int64]:
    """Return each row's place in a table of distinct rows, −1 for rows that are not in it."""
    rank = _row_ranks(np.concatenate([table, rows]))
    place = np.full(int(rank.max(initial=-1)) + 1, -1, dtype=np.int64)
    place[rank[: len(table)]] = np.arange(len(table))
    return place[rank[len(table) :]]


def _row_ranks(rows: NDArray[Any]) -> NDArray[np.int64]:
    """Number the distinct rows of non-negative integers from 0."""
    codes = np.zeros(len(rows), dtype=np.int64)
    for column in rows.T:
        # Codes stay below the number of rows and counts below that of clicks, so that this cannot overflow.
        codes = _ranks(codes * (int(column.max(initial=0)) + 1) + column)
    return codes


def _ranks(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    top = int(codes.max(initial=0))
    if top > 4 * len(codes) + 1024:
        return np.unique(codes, return_inverse=True)[1].astype(np.int64)
    present = np.bincount(codes, minlength=top + 1) > 0
    return (np.cumsum(present) - 1)[codes]


def _refuse_large_table(max_size: int, channels: int, *, ordered: bool) -> None:
    if ordered and max_size > longest_order(channels):
        size = MAX_KINDS + 1
    elif ordered:
        size = sum(channels**k for k in range(1, max_size + 1)) if channels > 1 else max_size
    else:
        size = 1
        for k in range(1, channels + 1):
            size = size * (max_size + k) // k
    if size > MAX_KINDS:
        raise InvalidInput(
            f"max_size={max_size} asks for more than {MAX_KINDS} kinds of bundle of {channels} channels; lower it"
        )
