"""Bessel functions of all orders at once, by downward recurrence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Values are scaled down by this when they exceed its inverse, so that they neither overflow nor all vanish: by a
# power of two, which rounds nothing. Between two checks they grow at the most by ROOM.
RESCALE = 2.0**-664
ROOM = 1e100
# Below this argument only order zero is left.
TINY = 1e-30


def bessel_orders(order: int, argument: NDArray[np.float64], modified: bool) -> NDArray[np.float64]:
    """Return J_k(z), or e^{−z} I_k(z), for k < order, to full relative accuracy in every order.

    J_{k−1} = (2k/z) J_k − J_{k+1} with J_0 + 2ΣJ_{2k} = 1, and I_{k−1} = (2k/z) I_k + I_{k+1} with
    I_0 + 2ΣI_k = e^z, taken downward (Miller's algorithm; Olver, DLMF §3.6).

    Parameters
    ----------
    order : int
        Number of orders.
    argument : ndarray of shape (n,)
        z ≥ 0.
    modified : bool
        Whether I is meant.

    Returns
    -------
    ndarray of shape (order, n)
    """
    z = np.maximum(argument, TINY)
    start = order + int(np.ceil(z.max(initial=0.0))) + 40 + int(np.sqrt(40.0 * order))
    table = np.zeros((start + 2, len(z)))
    table[start] = RESCALE
    ratios = np.multiply.outer(np.arange(start + 1), 2.0 / z)
    combine = np.add if modified else np.subtract
    stride = max(int(np.log(ROOM) / np.log1p(ratios[start].max(initial=1.0))), 1)
    rows, ratio = list(table), list(ratios)
    for above in range(start, 0, -stride):
        below = max(above - stride, 0)
        for k in range(above, below, -1):
            np.multiply(ratio[k], rows[k], out=rows[k - 1])
            combine(rows[k - 1], rows[k + 1], out=rows[k - 1])
        large = np.abs(table[below : below + 2]).max(axis=0) > 1.0 / RESCALE
        if large.any():
            table[below:, large] *= RESCALE
    total = table[0] + 2.0 * table[1 if modified else 2 :: 1 if modified else 2].sum(axis=0)
    found = table[:order] / total
    found[1:, argument < TINY] = 0.0
    return np.asarray(found)
