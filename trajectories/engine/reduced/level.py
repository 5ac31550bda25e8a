"""A reduced basis: H_eff, the jumps and the click rates on a few vectors, and the part of jumps outside.

With Q†Q = 1 a state is followed as Qφ, φ' = −iQ†H_effQφ. Its norm falls at the true click rates, for
Q†c†cQ = (Q†cQ)†(Q†cQ) + R†R, where R†R = Q†c†(1 − QQ†)cQ is what a jump c leaves outside. So the reduced system is
itself an open system, with one more channel for every leak, and uses the same tables of eigenmodes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from ...model.channel import Channel
from ...model.system import OpenSystem
from ..modes.eigenbasis import eigenbasis
from ..modes.eigenmodes import modes_arrays
from ..modes.forms_kernels import FLOOR, MOST_LEAK, TOLERANCE, TURNED, ModesArrays

# Shares of the tolerance. First: what a jump may leave outside the basis (its norm² over the next threshold).
# Second: a reserve for rounding. The eigenbasis and the audit take what they found; the kernels have the rest,
# between the third share and the fourth. Before the audit they have the fourth.
LEAK_SHARE, ROUNDING_SHARE = 0.3, 0.05
LEAST_KERNEL_SHARE, KERNEL_SHARE = 0.1, 0.4
# Decay rates are less exact than those of a full eigenbasis. Their error counts in the error of every click.
# Refined rates would need exact phases, which cost a third of the speed.
DECAY_SHARE = 2e-3


def reduced_arrays(
    system: OpenSystem, states: NDArray[np.int64], columns: NDArray[np.complex128] | None, tolerance: float
) -> ModesArrays:
    """Return the tables of a system in a basis of vectors that live on some of its basis states.

    Parameters
    ----------
    system : OpenSystem
        The system, of dimension N.
    states : ndarray of int64, shape (n,)
        The basis states, ascending.
    columns : ndarray of complex, shape (n, r), or None
        The vectors, orthonormal; None for the basis states themselves.
    tolerance : float
        Bound of |ΔS|/S.

    Raises
    ------
    ConvergenceError
        The eigenbasis is too ill-conditioned for the tolerance.
    """
    reduced = reduced_system(system, states, columns)
    basis = eigenbasis(reduced, tolerance, DECAY_SHARE)
    arrays = modes_arrays(reduced, basis, KERNEL_SHARE * tolerance, len(system.channels))
    if columns is not None:
        arrays = arrays._replace(vectors=columns @ arrays.vectors, inverse=arrays.inverse @ columns.conj().T)
    scalars = arrays.scalars.copy()
    scalars[MOST_LEAK] = LEAK_SHARE * tolerance
    return arrays._replace(states=states, scalars=scalars)


def reduced_system(
    system: OpenSystem, states: NDArray[np.int64], columns: NDArray[np.complex128] | None
) -> OpenSystem:
    """Return the system on the vectors of a basis; its first channels are the jumps, the others their leaks."""
    inner = system.hamiltonian[states][:, states]
    hamiltonian = inner if columns is None else columns.conj().T @ (inner @ columns)
    jumps, leaks = [], []
    for k, channel in enumerate(system.channels):
        inside, lost = _jump(sparse.csr_array(channel.operator[:, states]), states, columns)
        jumps.append(Channel(f"jump {k}", inside))
        leaks.append(Channel(f"leak {k}", lost))
    return OpenSystem(0.5 * (hamiltonian + hamiltonian.conj().T), (*jumps, *leaks))


def _jump(
    operator: sparse.csr_array, states: NDArray[np.int64], columns: NDArray[np.complex128] | None
) -> tuple[sparse.csr_array | NDArray[np.complex128], sparse.csr_array]:
    """Return Q†cQ, and a square R with R†R = Q†c†(1 − QQ†)cQ, from the columns of c at the basis states."""
    within = sparse.csr_array(operator[states])
    outside = np.ones(operator.shape[0], dtype=np.bool_)
    outside[states] = False
    beyond = operator[outside & (np.diff(operator.indptr) > 0)]
    if columns is None:
        size = len(states)
        inside: sparse.csr_array | NDArray[np.complex128] = within
        lost = beyond
    else:
        size = columns.shape[1]
        image = within @ columns
        inside = columns.conj().T @ image
        lost = np.vstack([image - columns @ inside, beyond @ columns])
    if lost.shape[0] > size:
        rows = lost if isinstance(lost, np.ndarray) else lost.toarray()
        lost = linalg.qr(rows, mode="r", check_finite=False)[0][:size]
    lost = sparse.csr_array(lost)
    lost.resize((size, size))
    return inside, lost


def with_error(arrays: ModesArrays, error: float, tolerance: float) -> ModesArrays:
    """Return the tables with a further relative error of S, and the rest of the tolerance for the kernels."""
    scalars = arrays.scalars.copy()
    scalars[FLOOR] += error
    spent = scalars[FLOOR] + 2.0 * scalars[TURNED] + (LEAK_SHARE + ROUNDING_SHARE) * tolerance
    scalars[TOLERANCE] = max(tolerance - spent, LEAST_KERNEL_SHARE * tolerance)
    return arrays._replace(scalars=scalars)
