"""Rates and purities of bundles, with the exposure that makes them exact at the ends of observation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trajectories.checks import integer, positive_numbers
from trajectories.errors import InvalidInput
from trajectories.records.clicks import ClickRecord
from trajectories.results import Estimate

from .bundles import Bundles, every_composition, find_bundles, longest_order
from .exposure import exposure_of
from .inputs import bundle_channels, detected_numbers, two_of
from .resampling import Pooled, Sums, ratio
from .units import Units, choose_units

# A table of more kinds of bundle than this is refused.
MAX_KINDS = 20_000


def composition_rates(
    record: ClickRecord,
    window: float | None = None,
    channels: Sequence[str] | None = None,
    max_size: int | None = None,
) -> dict[str, Estimate]:
    """Estimate how often bundles of each composition are emitted.

    R̂ = Σ_b 1/X(ℓ_b) over the complete bundles b of the composition, X(ℓ) = Σ_r (T_r − ℓ − 2δ)₊: a bundle of
    length ℓ can be seen with δ of click-free observed time on both sides during X(ℓ) only.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    window, channels
        Bundle window δ and detected channels, as in `find_bundles`.
    max_size : int, optional
        Report every composition of at most this many clicks, seen or not; those that were seen when not given.

    Returns
    -------
    dict of str to Estimate
        Rates in ω_b, keyed "photon", "photon+magnon", …: names in channel order, repeated for multiplicity;
        small bundles first. A composition never seen has rate 0 and no error.

    Raises
    ------
    InvalidInput
        Bad window or channels, max_size below 1, or a table of more than 20,000 compositions.

    Notes
    -----
    Exact: the sum over orders of Tr[E J K J … K J E ρ], E = e^{L0 δ}, K = ∫₀^δ e^{L0 t} dt.
    """
    bundles = find_bundles(record, window, channels)
    rows = bundles.composition[bundles.complete]
    if max_size is None:
        table = _distinct_rows(rows)
    else:
        _refuse_large_table(integer(max_size, "max_size", 1), len(bundles.channels), ordered=False)
        table = every_composition(bundles.channels, max_size)
    kind = np.full(len(bundles), -1, dtype=np.int64)
    kind[bundles.complete] = _row_numbers(rows, table)
    pooled, counts = _rates(bundles, kind, len(table))
    names = ["+".join(np.repeat(bundles.channels, row)) for row in table]
    return dict(zip(names, pooled.jackknife().estimates(counts), strict=True))


def order_rates(
    record: ClickRecord,
    window: float | None = None,
    channels: Sequence[str] | None = None,
    max_size: int = 3,
) -> dict[str, Estimate]:
    """Estimate how often bundles with each sequence of channels are emitted; see `composition_rates`.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    window, channels
        Bundle window δ and detected channels, as in `find_bundles`.
    max_size : int
        Report every order of at most this many clicks, seen or not.

    Returns
    -------
    dict of str to Estimate
        Rates in ω_b, keyed "photon", "photon>magnon", …, first click first; clicks at one time stand in the
        order of the record.

    Raises
    ------
    InvalidInput
        Bad window or channels, max_size below 1, or a table of more than 20,000 orders.
    """
    pooled, counts = order_rates_pooled(record, window, channels, max_size)
    names = bundle_channels(record, channels)
    orders = [">".join(order) for size in range(1, max_size + 1) for order in product(names, repeat=size)]
    return dict(zip(orders, pooled.jackknife().estimates(counts), strict=True))


def order_rates_pooled(
    record: ClickRecord, window: float | None, channels: Sequence[str] | None, max_size: int
) -> tuple[Pooled, NDArray[np.int64]]:
    """Return `order_rates` in a form that can be resampled, in its order, and bundle counts."""
    bundles = find_bundles(record, window, channels)
    count = len(bundles.channels)
    _refuse_large_table(integer(max_size, "max_size", 1), count, ordered=True)
    kept = bundles.complete & (bundles.size <= max_size)
    # Number of orders with fewer clicks than `size`: the sizes stand one after another in the table.
    before = np.cumsum([0] + [count**size for size in range(1, max_size + 1)])
    kind = np.where(kept, before[np.where(kept, bundles.size, 1) - 1] + bundles.order, -1)
    return _rates(bundles, kind, int(before[-1]))


def purity(
    record: ClickRecord, n: int, windows: Sequence[float], channels: Sequence[str] | None = None
) -> list[Estimate]:
    """Estimate the n-quanta purity against the bundle window: π_n(δ) = n R_n(δ)/Σ_k λ_k.

    The share of detected quanta that are emitted in bundles of exactly n (Sánchez Muñoz et al., Nat. Photon.
    8, 550 (2014)). It depends on δ, so that a scan is asked for; compare it with `accidental_purity`.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    n : int
        Number of clicks in a bundle.
    windows : sequence of float
        Values of δ in 1/ω_b.
    channels : sequence of str, optional
        Detected channels, as in `find_bundles`.

    Returns
    -------
    list of Estimate
        One purity per window, with the number of complete bundles of n behind it.

    Raises
    ------
    InvalidInput
        n below 1, a window that is not positive, or unknown channels.
    """
    pooled, counts = purity_pooled(record, n, windows, channels)
    return pooled.jackknife().estimates(counts)


def purity_pooled(
    record: ClickRecord, n: int, windows: Sequence[float], channels: Sequence[str] | None = None
) -> tuple[Pooled, NDArray[np.int64]]:
    """Return `purity` in a form that can be resampled, with its covariance over windows, and bundle counts."""
    integer(n, "n", 1)
    names = bundle_channels(record, channels)
    deltas = positive_numbers(windows, "windows")
    units = choose_units(record, reach=max(deltas))
    weight, exposure, counts = [], [], []
    for delta in deltas:
        bundles = find_bundles(record, delta, names)
        chosen = bundles.complete & (bundles.size == n)
        weight.append(n * _weights(bundles, chosen, units))
        exposure.append(units.time(delta))
        counts.append(int(chosen.sum()))
    sums = {"weight": np.hstack(weight), "exposure": np.hstack(exposure), **_detected(record, names, units)}
    return Pooled(sums, _share_of_quanta, units), np.array(counts)


def pair_purity(
    record: ClickRecord,
    first: str,
    second: str,
    window: float | None = None,
    channels: Sequence[str] | None = None,
) -> Estimate:
    """Estimate the pair purity 2 R(first+second)/Σ_k λ_k.

    The share of detected quanta that are emitted in bundles of two clicks, exactly one of `first` and one of
    `second`, in either order.

    Parameters
    ----------
    record : ClickRecord
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
    """
    two_of(bundle_channels(record, channels), first, second)
    bundles = find_bundles(record, window, channels)
    chosen = bundles.complete & bundles.of_kind(f"{first}+{second}")
    units = choose_units(record, reach=bundles.window)
    sums = {
        "weight": 2.0 * _weights(bundles, chosen, units),
        "exposure": units.time(bundles.window),
        **_detected(record, bundles.channels, units),
    }
    return Pooled(sums, _share_of_quanta, units).jackknife().estimates([int(chosen.sum())])[0]


def bundle_rate_sums(bundles: Bundles, kind: int | str, units: Units) -> dict[str, NDArray[np.float64]]:
    """Return the sums whose `ratio` is the rate of complete bundles of a size or composition."""
    chosen = bundles.complete & bundles.of_kind(kind)
    return {"numerator": _weights(bundles, chosen, units), "denominator": units.time(bundles.window)}


def _weights(bundles: Bundles, chosen: NDArray[np.bool_], units: Units) -> NDArray[np.float64]:
    exposure = exposure_of(bundles.record, bundles.window)
    unit = units.at(bundles.trajectory[chosen], bundles.start[chosen])
    return units.total(unit, exposure.weights(bundles.length[chosen]))


def _rates(bundles: Bundles, kind: NDArray[np.int64], kinds: int) -> tuple[Pooled, NDArray[np.int64]]:
    """Return the rate of every kind of bundle, and how many there are; kind −1 is left out."""
    chosen = kind >= 0
    units = choose_units(bundles.record, reach=bundles.window)
    unit = units.at(bundles.trajectory[chosen], bundles.start[chosen])
    weights = exposure_of(bundles.record, bundles.window).weights(bundles.length[chosen])
    sums = {
        "numerator": units.tally(unit, kind[chosen], kinds, weights),
        "denominator": units.time(bundles.window),
    }
    return Pooled(sums, ratio, units), np.bincount(kind[chosen], minlength=kinds)


def _detected(record: ClickRecord, channels: tuple[str, ...], units: Units) -> dict[str, NDArray[np.float64]]:
    """Return the detected clicks and the time of every unit."""
    detected = detected_numbers(record, channels) >= 0
    return {"clicks": units.clicks(record)[:, detected].sum(axis=1, keepdims=True), "time": units.time()}


def _share_of_quanta(sums: Sums) -> NDArray[np.float64]:
    return sums["weight"] / sums["exposure"] / (sums["clicks"] / sums["time"])


def _distinct_rows(rows: NDArray[Any]) -> NDArray[Any]:
    """Return the distinct compositions, small ones first, then in channel order."""
    rank = _row_ranks(rows)
    table = np.empty((int(rank.max(initial=-1)) + 1, rows.shape[1]), dtype=rows.dtype)
    table[rank] = rows
    return table[np.lexsort([*(-table.T[::-1]), table.sum(axis=1)])]


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
