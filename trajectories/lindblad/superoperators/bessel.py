"""Bessel functions of all orders at once, by downward recurrence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Values are scaled down by this whenever they exceed its inverse, so that they neither overflow nor all vanish.
RESCALE = 1e-200
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
    sign = 1.0 if modified else -1.0
    start = order + int(np.ceil(z.max(initial=0.0))) + 40 + int(np.sqrt(40.0 * order))
    table = np.zeros((order, len(z)))
    above, now = np.zeros(len(z)), np.full(len(z), RESCALE)
    total = np.zeros(len(z))
    for k in range(start, 0, -1):
        above, now = now, (2.0 * k / z) * now + sign * above
        if k <= order:
            table[k - 1] = now
        if modified or k % 2 == 1:  # now is of order k − 1
            total += now if k == 1 else 2.0 * now
        large = np.abs(now) > 1.0 / RESCALE
        if large.any():
            factor = np.where(large, RESCALE, 1.0)
            above, now, total = above * factor, now * factor, total * factor
            table[k - 1 :] *= factor
    table /= total
    table[1:, argument < TINY] = 0.0
    return table
