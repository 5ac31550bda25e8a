"""Bin edges made ready for kernels that find a lag's bin by arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .lag_bins_kernels import LagKeys

MANTISSA_BITS, EXPONENT_BITS = 52, 11
# How many keys an edge is given at least, so that few lags share their key with an edge.
KEYS_PER_EDGE = 8


def bin_guess(stamps: NDArray[Any]) -> tuple[float, LagKeys | None]:
    """Return what `bin_of` needs to guess bins: 1/width if all widths are equal, else a table of keys."""
    edges = np.asarray(stamps, dtype=np.float64)
    widths = np.diff(edges)
    per_width = len(widths) / float(edges[-1] - edges[0])
    if np.ptp(widths) <= 1e-6 * widths.mean():
        return per_width, None
    magnitudes = np.abs(edges[edges != 0.0])
    exponents = np.frexp(magnitudes)[1]
    octaves = int(exponents.max() - exponents.min()) + 1
    wanted = int(np.ceil(np.log2(KEYS_PER_EDGE * len(edges) / octaves)))
    shift = MANTISSA_BITS - min(max(wanted, 0), MANTISSA_BITS - EXPONENT_BITS)
    keys = magnitudes.view(np.int64) >> shift
    # Key 0 takes every smaller lag, the last one every larger.
    base = int(keys.min()) - 1
    floor = ((np.arange(1, int(keys.max()) - base + 2) + base) << shift).view(np.float64)
    smallest = np.concatenate([[0.0], floor])
    largest = np.concatenate([floor, [np.inf]])
    lowest = np.searchsorted(edges, np.stack([smallest, -largest]), side="right") - 1
    return per_width, LagKeys(shift, base, np.clip(lowest, 0, len(widths) - 1).astype(np.int64))
