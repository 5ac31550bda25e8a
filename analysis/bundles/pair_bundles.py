"""Bundles of exactly one click in each of two channels, and the lag between the two, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..clicks.exposure import exposure_of
from ..clicks.inputs import bundle_channels, bundle_window, two_of
from ..clicks.streams import Clicks, stream
from ..clicks.ticks import edges_in_stamps
from ..statistics.resampling_units import add_up, choose_resampling_units
from .table import find_bundles


class PairLags(NamedTuple):
    """Complete bundles of exactly one click in each of two channels, shape (n_pairs,) each."""

    lag: NDArray[Any]  # t_second − t_first, in units of the stamps: times, or whole ticks
    weight: NDArray[np.float64]  # X(0)/X(|lag|): longer pairs fit into the observation window more rarely
    unit: NDArray[np.int64]


class PairStream:
    """The pair bundles of two channels, read block by block.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    first, second : str
        Two different detected channels.
    window, channels
        Bundle window δ and detected channels, as in `find_bundles`.

    Raises
    ------
    InvalidInput
        Bad window, or channels that are unknown, equal or not detected.
    """

    def __init__(
        self, record: Clicks, first: str, second: str, window: float | None, channels: str | Sequence[str] | None
    ) -> None:
        self.record = stream(record)
        self._names = bundle_channels(self.record, channels)
        self._pair = two_of(self._names, first, second)
        self._window = bundle_window(self.record, window)
        self.units = choose_resampling_units(self.record, reach=self._window)

    def lags(self) -> Iterator[PairLags]:
        """Yield the lags |t_second − t_first| < δ of every block, with exposure weights and resampling units."""
        one, other = self._pair
        exposure = exposure_of(self.record, self._window)
        for part, here in self.units.parts(self.record):
            bundles = find_bundles(part, self._window, self._names)
            # An order's digits are its channels, first click first.
            leads = bundles.order == one * len(self._names) + other
            follows = bundles.order == other * len(self._names) + one
            chosen = np.flatnonzero((bundles.size == 2) & (leads | follows))
            chosen = chosen[bundles.complete[chosen]]
            length = bundles.last_stamp[chosen] - bundles.first_stamp[chosen]
            yield PairLags(
                lag=np.where(leads[chosen], length, -length),
                weight=exposure.weights(bundles.length[chosen]),
                unit=here.at(bundles.trajectory[chosen], bundles.start[chosen]),
            )

    def by_order(self, bins: NDArray[np.float64]) -> ByOrder:
        """Return H₊ and H₋ per unit and bin of |lag|; a lag of 0 counts half for each."""
        shape = (self.units.count, len(bins) - 1)
        bins = edges_in_stamps(self.record, bins)
        found = ByOrder(np.zeros(shape), np.zeros(shape), np.zeros(len(bins) - 1, dtype=np.int64))
        for pairs in self.lags():
            share = np.where(pairs.lag == 0, 0.5, 1.0) * pairs.weight
            add_binned(found.forward, pairs.unit, pairs.lag, bins, np.where(pairs.lag >= 0, share, 0.0))
            add_binned(found.backward, pairs.unit, -pairs.lag, bins, np.where(pairs.lag <= 0, share, 0.0))
            found.counts[:] += counted(np.abs(pairs.lag), bins)
        return found


class ByOrder(NamedTuple):
    """Pair bundles by |lag|: which of the two channels clicked first."""

    forward: NDArray[np.float64]  # (units, n_bins), Σ weight of pairs whose first channel clicked first
    backward: NDArray[np.float64]
    counts: NDArray[np.int64]  # (n_bins,) of both


def add_binned(
    table: NDArray[np.float64],
    unit: NDArray[np.int64],
    lag: NDArray[Any],
    bins: NDArray[Any],
    weight: NDArray[np.float64],
) -> None:
    """Add every weight to table[unit, bin]; lags outside the bins are left out."""
    number = np.searchsorted(bins, lag, side="right") - 1
    inside = (number >= 0) & (number < len(bins) - 1)
    add_up(table, unit[inside], number[inside], weight[inside])


def counted(lag: NDArray[Any], bins: NDArray[Any]) -> NDArray[np.int64]:
    """Return the number of lags in every half-open bin."""
    number = np.searchsorted(bins, lag, side="right")
    return np.bincount(number, minlength=len(bins) + 1)[1:-1]
