"""The filter for imperfect detection: a density matrix carried along a record, for small systems."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from ...detectors import Detector
from ...errors import InvalidInput
from ...model.system import OpenSystem
from .replay_kernels import FilterMaps

# Largest dimension N: states are vectors of N² numbers, and a click costs some 20 N⁴ operations.
LARGEST_DIMENSION = 24
# ‖L0‖ × the shortest step of the ladder: what remains of a gap is left to a Taylor series, which is then short.
SHORTEST_STEP = 0.25
# Steps double so many times at the most; longer gaps take the last one several times.
MOST_DOUBLINGS = 24


def compile_maps(system: OpenSystem, detectors: list[Detector | None], longest: float) -> FilterMaps:
    """Prepare exp(L0 t), L0 = L − Σ_k (η_k J_k + d_k) over the detected channels, and the jumps.

    Density matrices are written as N² real numbers, and exp(L0 t) is tabulated for steps that double, so that no
    eigenbasis is needed: with undetected channels, L0 often has none.

    Parameters
    ----------
    system : OpenSystem
        The system.
    detectors : list of Detector or None
        What watches each channel of the system, in its order; None where nothing does.
    longest : float
        Longest gap that will be asked for, in 1/ω_b; longer ones only take more steps.

    Returns
    -------
    FilterMaps
        Effects and jumps of the watched channels, in the system's order.

    Raises
    ------
    InvalidInput
        A system that is too large.
    """
    size = system.dimension
    if size > LARGEST_DIMENSION:
        raise InvalidInput(
            f"dimension {size} exceeds {LARGEST_DIMENSION}, up to which records of imperfect or missing detectors "
            "can be replayed; lower the levels, or record every channel ideally"
        )
    basis = hermitian_basis(size)
    one = np.eye(size)
    generator = -1j * system.centred_H_eff.toarray()
    motion = _real(np.kron(generator, one) + np.kron(one, generator.conj()), basis)
    jumps = []
    for channel, detector in zip(system.channels, detectors, strict=True):
        c = channel.operator.toarray()
        jump = _real(np.kron(c, c.conj()), basis)
        if detector is None:
            motion += jump
            continue
        motion += (1.0 - detector.efficiency) * jump - detector.dark_rate * np.eye(size * size)
        jumps.append(detector.efficiency * jump + detector.dark_rate * np.eye(size * size))
    step = SHORTEST_STEP / max(float(np.linalg.norm(motion, 1)), 1e-300)
    doublings = int(np.clip(np.ceil(np.log2(max(longest / step, 1.0))), 0, MOST_DOUBLINGS))
    ladder = [linalg.expm(step * motion)]
    for _ in range(doublings):
        ladder.append(ladder[-1] @ ladder[-1])
    trace = np.ascontiguousarray((one.ravel() @ basis).real)
    watched = np.stack(jumps)
    return FilterMaps(
        motion=np.ascontiguousarray(motion),
        step=step,
        ladder=np.stack(ladder),
        trace=trace,
        effect=np.ascontiguousarray(trace @ watched),
        jump=watched,
    )


def hermitian_basis(size: int) -> NDArray[np.complex128]:
    """Return orthonormal Hermitian matrices, each read row by row, as the columns of a unitary matrix."""
    basis = np.zeros((size, size, size, size), dtype=np.complex128)
    for i in range(size):
        basis[i, i, i, i] = 1.0
        for j in range(i + 1, size):
            basis[i, j, i, j] = basis[j, i, i, j] = np.sqrt(0.5)
            basis[i, j, j, i], basis[j, i, j, i] = 1j * np.sqrt(0.5), -1j * np.sqrt(0.5)
    return basis.reshape(size * size, size * size)


def as_real(rho: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return a density matrix as its components in `hermitian_basis`."""
    return np.ascontiguousarray((hermitian_basis(len(rho)).conj().T @ rho.ravel()).real)


def _real(superoperator: NDArray[np.complex128], basis: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return a map that keeps matrices Hermitian, in the Hermitian basis, where it is real."""
    return (basis.conj().T @ (superoperator @ basis)).real
