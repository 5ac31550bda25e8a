"""Kernel that finds the bin of a lag by arithmetic instead of a binary search."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel


class LagKeys(NamedTuple):
    """A guess at the bin of a lag, for edges that are not equally spaced.

    The leading bits of a lag's floating-point number (its exponent and some of its mantissa, that is, a rough
    logarithm at no cost) are its key, and a table holds the lowest bin that lags with that key can fall into.
    """

    shift: int  # how many bits of the lag to drop for its key
    base: int  # smallest key
    lowest: NDArray[np.int64]  # (2, n_keys), for positive and for negative lags


@kernel()
def bin_of(lag: float, edges: NDArray[np.float64], per_width: float, keys: LagKeys | None) -> int:
    """Return b with edges[b] ≤ lag < edges[b + 1], for a lag between the outermost edges.

    Without `keys` the edges are equally spaced. Guesses may be off; the edges themselves decide.
    """
    if keys is None:  # Numba compiles one of the two branches only
        b = min(int((lag - edges[0]) * per_width), len(edges) - 2)
        while lag < edges[np.uint64(b)]:
            b -= 1
    else:
        key = (np.float64(abs(lag)).view(np.int64) >> keys.shift) - keys.base
        b = keys.lowest[int(lag < 0), min(max(key, 0), keys.lowest.shape[1] - 1)]
    while lag >= edges[np.uint64(b + 1)]:
        b += 1
    return b
