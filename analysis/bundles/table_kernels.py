"""Kernels that gather clicks into bundles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel


@kernel()
def count_bundles(
    time: NDArray[np.float64],
    channel: NDArray[np.int16],
    offsets: NDArray[np.int64],
    numbers: NDArray[np.int16],
    window: float,
) -> int:
    """Return how many gap clusters the detected clicks (numbers[channel] ≥ 0) form."""
    bundles = 0
    for r in range(len(offsets) - 1):
        fresh, previous = True, window  # no detected click yet; the value is not used, only its type
        for i in range(offsets[r], offsets[r + 1]):
            if numbers[channel[i]] >= 0:
                if fresh or time[i] - previous >= window:
                    bundles += 1
                fresh, previous = False, time[i]
    return bundles


class BundleColumns(NamedTuple):
    """The columns of the bundle table, one row a bundle; see `table.Bundles`."""

    trajectory: NDArray[np.int64]
    first_click: NDArray[np.int64]
    last_click: NDArray[np.int64]
    first_stamp: NDArray[np.float64]  # as the record's stamps: times, or whole ticks
    last_stamp: NDArray[np.float64]
    size: NDArray[np.int32]
    composition: NDArray[np.int32]  # (n_bundles, n_detected), zero to begin with
    order: NDArray[np.int64]


@kernel()
def fill_bundles(
    time: NDArray[np.float64],
    channel: NDArray[np.int16],
    offsets: NDArray[np.int64],
    numbers: NDArray[np.int16],
    window: float,
    longest_order: int,
    columns: BundleColumns,
) -> None:
    """Fill the columns of every bundle; orders of more than `longest_order` clicks become −1."""
    detected = columns.composition.shape[1]
    k = -1
    for r in range(len(offsets) - 1):
        fresh, previous = True, window
        size, order = 0, 0
        for i in range(offsets[r], offsets[r + 1]):
            number = int(numbers[channel[i]])  # so that `order` is an int64 without the JIT too
            if number < 0:
                continue
            if fresh or time[i] - previous >= window:
                k += 1
                size, order = 0, 0
                columns.trajectory[k] = r
                columns.first_click[k] = i
                columns.first_stamp[k] = time[i]
            fresh, previous = False, time[i]
            size += 1
            order = order * detected + number if size <= longest_order else -1
            columns.last_click[k] = i
            columns.last_stamp[k] = time[i]
            columns.size[k] = size
            columns.composition[k, number] += 1
            columns.order[k] = order
