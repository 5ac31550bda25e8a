"""Avoided crossings: the smallest gap between two states, from the spectrum of the closed system."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from ..errors import ConvergenceError
from .minimum import minimum_between

# Up to the first dimension all eigenvalues are computed at each of some sixty detunings, up to the second only if
# few do not suffice, above it never. Above the third, where few take a second, no resonance is located.
ALL_EIGENVALUES, MAX_DENSE, MAX_LOCATED = 200, 2500, 7000
# Number of eigenvalues next to the energies of the two states, and a larger one if these do not suffice.
NEAREST = (6, 24)
# Half width of the search around the dressed-state formula; couplings shift the resonance by about 0.02.
SEARCH_HALF_WIDTH = 0.06
# Accuracy of the detuning of a resonance.
LOCATED = 1e-8


class AvoidedCrossing(NamedTuple):
    """Detuning and gap of the avoided crossing of |000+⟩ and a pair state.

    Examples
    --------
    >>> import trajectories as tj
    >>> crossing = tj.SpinningResonator("left").avoided_crossing("photon-magnon", levels=(3, 2, 3))
    >>> round(crossing.detuning, 2), crossing.effective_coupling == crossing.gap / 2
    (1.34, True)
    """

    detuning: float
    gap: float

    @property
    def effective_coupling(self) -> float:
        """Effective coupling g_eff = gap/2; the super-Rabi period is 2π/gap."""
        return 0.5 * self.gap


def locate(gap: Callable[[float], float], start: float, what: str) -> AvoidedCrossing:
    """Return the detuning near `start` at which a gap is smallest.

    Raises
    ------
    ConvergenceError
        No minimum within 0.06 of the start.
    """
    grid = start + np.linspace(-SEARCH_HALF_WIDTH, SEARCH_HALF_WIDTH, 49)
    best = int(np.argmin([gap(float(x)) for x in grid]))
    if best in (0, len(grid) - 1):
        raise ConvergenceError(
            f"no {what} resonance within {SEARCH_HALF_WIDTH} of Δ_ad={start:.4f}; check the parameters"
        )
    found = minimum_between(gap, float(grid[best - 1]), float(grid[best + 1]), LOCATED)
    return AvoidedCrossing(found.x, found.value)


def gap_between(hamiltonian: sparse.csc_array, kets: NDArray[np.complex128]) -> float:
    """Return the distance of the two eigenvalues of a real H whose vectors overlap most with two kets, (2, N).

    For a large H only eigenvalues near the energies of the kets are computed. The two are the right ones if all
    other eigenvectors together have less of the kets' weight than either of them; if not, more eigenvalues are
    computed, and finally all.

    Raises
    ------
    ConvergenceError
        Few eigenvalues do not suffice, and there are too many to compute all.
    """
    if hamiltonian.shape[0] > ALL_EIGENVALUES:
        for count in NEAREST:
            found = gap_among_nearest(hamiltonian, kets, count)
            if found is not None:
                return found
    if hamiltonian.shape[0] > MAX_DENSE:
        raise ConvergenceError(
            f"a resonance at dimension {hamiltonian.shape[0]} needs all eigenvalues, which are computed up to "
            f"{MAX_DENSE}; locate it with fewer levels, or give the detuning"
        )
    return gap_among_all(hamiltonian, kets)


def gap_among_all(hamiltonian: sparse.csc_array, kets: NDArray[np.complex128]) -> float:
    """Return `gap_between` from all eigenvalues."""
    energies, vectors = linalg.eigh(hamiltonian.toarray())
    weight = (np.abs(kets.conj() @ vectors) ** 2).sum(axis=0)
    first, second = np.argsort(weight)[-2:]
    return float(abs(energies[first] - energies[second]))


def gap_among_nearest(hamiltonian: sparse.csc_array, kets: NDArray[np.complex128], count: int) -> float | None:
    """Return `gap_between` from the eigenvalues near the kets' mean energy; None if they may not suffice."""
    from scipy.sparse.linalg import ArpackError, eigsh  # imported here because it takes a tenth of a second

    energy = float(np.vdot(kets, kets @ hamiltonian).real) / len(kets)
    try:
        energies, vectors = eigsh(hamiltonian, count, sigma=energy, v0=kets.sum(axis=0).real)
    except (ArpackError, RuntimeError):  # not converged, or the energy is an eigenvalue
        return None
    weight = (np.abs(kets.conj() @ vectors) ** 2).sum(axis=0)
    first, second = np.argsort(weight)[-2:]
    if not min(weight[first], weight[second]) > len(kets) - weight.sum():
        return None
    return float(abs(energies[first] - energies[second]))
