"""e^{μt} and its repeated integrals from 0, without cancellation where μt is small."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Below this |μt| the integrals are summed as power series, whose error is then below 1e-17.
SMALL = 0.05
TERMS = 10


def exponentials(exponents: NDArray[np.complex128], times: NDArray[np.float64], integrals: int) -> list[NDArray]:
    """Return e^{μt}, ∫₀ᵗ e^{μs} ds, ∫₀ᵗ∫₀ˢ e^{μu} du ds, … as one array of shape (n_times, n) each.

    The m-th is tᵐφ_m(μt) with φ_0 = eᶻ and φ_m = (φ_{m−1} − 1/(m−1)!)/z.

    Parameters
    ----------
    exponents : ndarray of shape (n,)
        μ; the caller removes real parts that are positive by rounding.
    times : ndarray of shape (n_times,)
        t ≥ 0.
    integrals : int
        How many times to integrate, 0, 1 or 2.
    """
    z = np.multiply.outer(times, exponents)
    tables = [np.exp(z)]
    if integrals == 0:
        return tables
    small = np.abs(z) < SMALL
    safe = np.where(small, 1.0, z)
    series = np.where(small, z, 0.0)
    factorial = 1.0
    phi = tables[0]
    for m in range(1, integrals + 1):
        phi = (phi - 1.0 / factorial) / safe
        factorial *= m
        total = np.zeros_like(z)
        for n in range(TERMS, 0, -1):  # 1/m! (1 + z/(m+1) (1 + z/(m+2) (…)))
            total = (1.0 + total) * series / (m + n)
        phi = np.where(small, (1.0 + total) / factorial, phi)
        tables.append(phi * (times**m)[:, None])
    return tables
