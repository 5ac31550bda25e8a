"""Bundles: gap clusters of detected clicks, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trajectories.checks import integer
from trajectories.errors import InvalidInput
from trajectories.names import parted, spelled
from trajectories.records.clicks import ClickRecord
from trajectories.results import read_only

from ..clicks.inputs import bundle_channels, bundle_window, detected_numbers
from ..clicks.ticks import in_stamps
from .table_kernels import BundleColumns, count_bundles, fill_bundles

# A number of clicks, or a composition: names, or names joined by "+" as `trajectories.names.spelled` does.
Kind: TypeAlias = int | str | Sequence[str]

# Orders are stored as digits of an int64.
ORDER_BITS = 62


@dataclass(frozen=True, eq=False)
class Bundles:
    """Gap clusters: consecutive detected clicks closer than the window δ belong together.

    A gap of exactly δ separates; clicks at one time belong together. Sorted by trajectory, then time. Columns
    are read-only and of shape (n_bundles,) unless stated.

    Attributes
    ----------
    record : ClickRecord
        The clicks that the table is about.
    channels : tuple of str
        The detected channels; clicks in others are ignored.
    window : float
        δ in 1/ω_b.
    trajectory : ndarray of int64
        Trajectory of every bundle.
    first_click, last_click : ndarray of int64
        Positions of its outermost clicks in `record` (undetected clicks may lie between).
    first_stamp, last_stamp : ndarray of float64 or int64
        Stamps of its outermost clicks: times, or the whole ticks of the record's clock.
    size : ndarray of int32
        Number of its clicks.
    composition : ndarray of int32, shape (n_bundles, n_channels)
        Number of its clicks in each of `channels`.
    order : ndarray of int64
        Its sequence of channels, first click first, as the digits of a number to base n_channels; clicks at
        one time stand in the order of the record. −1 where the sequence is too long for 62 bits.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> bundles = tj.analysis.find_bundles(record, window=1.0)
    >>> bundles.composition.tolist(), bundles.length.round(3)
    ([[1, 1], [1, 1], [1, 1], [1, 0]], array([0.5, 0.2, 0.9, 0. ]))
    """

    record: ClickRecord
    channels: tuple[str, ...]
    window: float
    trajectory: NDArray[np.int64]
    first_click: NDArray[np.int64]
    last_click: NDArray[np.int64]
    first_stamp: NDArray[Any]
    last_stamp: NDArray[Any]
    size: NDArray[np.int32]
    composition: NDArray[np.int32]
    order: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.size)

    @property
    def start(self) -> NDArray[np.float64]:
        """Time of the first click of every bundle, in the record's unit."""
        return self.first_stamp if self.record.clock is None else self.record.time[self.first_click]

    @property
    def stop(self) -> NDArray[np.float64]:
        """Time of the last click of every bundle, in the record's unit."""
        return self.last_stamp if self.record.clock is None else self.record.time[self.last_click]

    @cached_property
    def complete(self) -> NDArray[np.bool_]:
        """Whether δ of observed time without detected clicks lies on both sides of every bundle.

        Near the ends of observation a bundle may continue unobserved.
        """
        return read_only(self.seen_from_start & self.seen_to_end)

    @cached_property
    def length(self) -> NDArray[np.float64]:
        """Time ℓ from first to last click of every bundle, in 1/ω_b."""
        ticks = self.last_stamp - self.first_stamp
        return ticks if self.record.tick is None else ticks * self.record.tick

    @cached_property
    def seen_from_start(self) -> NDArray[np.bool_]:
        """Whether at least δ was observed before the first click of every bundle."""
        margin = in_stamps(self.record, self.window)
        return read_only(self.first_stamp - self.record.start_stamp[self.trajectory] >= margin)

    @cached_property
    def seen_to_end(self) -> NDArray[np.bool_]:
        """Whether at least δ was observed after the last click of every bundle."""
        margin = in_stamps(self.record, self.window)
        return read_only(self.record.stop_stamp[self.trajectory] - self.last_stamp >= margin)

    def composition_name(self, bundle: int) -> str:
        """Return what a bundle is made of, in channel order, `spelled` as "photon+magnon"."""
        counted = zip(self.channels, self.composition[bundle], strict=True)
        return spelled((name for name, n in counted for _ in range(n)), "+")

    def order_name(self, bundle: int) -> str:
        """Return the sequence of a bundle's channels, `spelled` as "magnon>photon"."""
        numbers = detected_numbers(self.record, self.channels)
        clicks = self.record.channel[self.first_click[bundle] : self.last_click[bundle] + 1]
        return spelled((self.channels[k] for k in numbers[clicks] if k >= 0), ">")

    def of_kind(self, kind: Kind) -> NDArray[np.bool_]:
        """Return which bundles have a number of clicks, or a composition: ("photon", "magnon") or "photon+magnon".

        Raises
        ------
        InvalidInput
            A size below 1, or a composition with a channel that is not detected.
        """
        if not isinstance(kind, str | Sequence):
            return self.size == integer(kind, "bundle size", 1)
        return (self.composition == composition_of(kind, self.channels)).all(axis=1)

    def __repr__(self) -> str:
        return f"Bundles({len(self)} bundles of {', '.join(self.channels)}, window={self.window:g})"


def find_bundles(
    record: ClickRecord, window: float | None = None, channels: str | Sequence[str] | None = None
) -> Bundles:
    """Gather the detected clicks into bundles: two clicks with t' − t < δ and none between belong together.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    window : float, optional
        δ in 1/ω_b; 3/κ when not given, with the smallest κ of the record's provenance.
    channels : str or sequence of str, optional
        Detected channels; all but those of atoms and other finite factors when not given, because the atom's
        photon lies at another frequency and is no part of a bundle.

    Returns
    -------
    Bundles

    Raises
    ------
    InvalidInput
        A window that is not positive, none given and no κ in the provenance, or unknown channels.

    Notes
    -----
    Gap clusters with the exact rates R_n = Tr[E(𝒥K)^{n−1}𝒥Eρ] of the density-matrix solver.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> bundles = tj.analysis.find_bundles(record, window=1.0)
    >>> bundles.size, bundles.start
    (array([2, 2, 2, 1], dtype=int32), array([ 1.,  4.,  7., 50.]))
    """
    names = bundle_channels(record, channels)
    delta = bundle_window(record, window)
    numbers = detected_numbers(record, names)
    stream = (record.stamp, record.channel, record.offsets, numbers, in_stamps(record, delta))
    count = count_bundles(*stream)
    columns = BundleColumns(
        trajectory=np.empty(count, dtype=np.int64),
        first_click=np.empty(count, dtype=np.int64),
        last_click=np.empty(count, dtype=np.int64),
        first_stamp=np.empty(count, record.stamp.dtype),
        last_stamp=np.empty(count, record.stamp.dtype),
        size=np.empty(count, dtype=np.int32),
        composition=np.zeros((count, len(names)), dtype=np.int32),
        order=np.empty(count, dtype=np.int64),
    )
    fill_bundles(*stream, longest_order(len(names)), columns)
    for column in columns:
        column.flags.writeable = False
    return Bundles(record, names, delta, *columns)


def longest_order(channels: int) -> int:
    """Return the largest number of clicks whose sequence of channels fits into an int64."""
    return 2**31 if channels == 1 else int(ORDER_BITS / np.log2(channels))


def composition_of(kind: str | Sequence[str], channels: tuple[str, ...]) -> NDArray[np.int32]:
    """Return the clicks per channel of a composition, names or "photon+magnon", shape (n_channels,)."""
    names = parted(kind, "+") if isinstance(kind, str) else tuple(kind)
    for name in names:
        if name not in channels:
            known = ", ".join(channels)
            raise InvalidInput(f"bundle {kind!r} has channel {name!r}; the detected ones are {known}")
    if not names:
        raise InvalidInput("a bundle has at least one click; name its channels")
    return np.array([names.count(name) for name in channels], dtype=np.int32)


def kind_name(kind: Kind) -> str:
    """Return a kind of bundle as text."""
    return spelled(kind, "+") if isinstance(kind, Sequence) and not isinstance(kind, str) else str(kind)


def every_composition(channels: tuple[str, ...], max_size: int) -> NDArray[np.int32]:
    """Return all compositions of at most `max_size` clicks, small ones first, shape (n, n_channels)."""
    rows = [
        np.bincount(members, minlength=len(channels))
        for size in range(1, max_size + 1)
        for members in combinations_with_replacement(range(len(channels)), size)
    ]
    return np.array(rows, dtype=np.int32)
