"""Entanglement of the steady state: the quantum-Fisher-information witness, negativity, partial traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, sparse

from ..checks import positive_number
from ..errors import InvalidInput
from ..model import HilbertSpace
from ..model.states import state_array

# How far a matrix may be from Hermitian, unit trace and positive and still be taken for a density matrix.
DENSITY_MATRIX_TOLERANCE = 1e-8
# x² and p² reach two levels beyond the highest occupied one.
REACH = 2


@dataclass(frozen=True)
class Witness:
    """The entanglement witness of the paper's Eq. (4); entangled if `value` is positive.

    Attributes
    ----------
    value : float
        W = max_c [F_Q(ρ, A(c)) − f Σ_j Var(A_j)] over unit coefficient vectors c.
    operators : mapping of str to mapping of str to float
        The optimal local operators A_j = Σ_m c_j^(m) A_j^(m): for each part, the coefficient of each
        operator. The squares of all coefficients add up to 1; the sign of the whole vector is free.
    parts : tuple of str
        The subsystems between which entanglement was tested; all others were traced out.
    variance_factor : float
        f, 4 for the criterion that separable states fulfil.

    Examples
    --------
    >>> import trajectories as tj
    >>> found = tj.lindblad.Witness(-0.5, operators={}, parts=("photon", "phonon"))
    >>> found.D
    0.0
    """

    value: float
    operators: Mapping[str, Mapping[str, float]]
    parts: tuple[str, ...]
    variance_factor: float = 4.0

    @property
    def D(self) -> float:
        """The paper's D₁ = max{0, W₁}."""
        return max(0.0, self.value)


def reduced(rho: ArrayLike | Any, space: HilbertSpace, keep: Sequence[str] | str) -> NDArray[np.complex128]:
    """Return the reduced density matrix ρ_keep = Tr_rest ρ.

    Parameters
    ----------
    rho : array of shape (N, N), or SteadyState
        Density matrix on `space`.
    space : HilbertSpace
        With or without a cut-off of the total number of quanta.
    keep : sequence of str
        Names of the subsystems to keep.

    Returns
    -------
    ndarray of shape (M, M)
        On the full product of the kept subsystems, in the order of `keep`, the last varying fastest;
        M is the product of their levels.

    Raises
    ------
    InvalidInput
        ρ is not a density matrix on `space`; a name that is unknown or given twice, or no name.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> bell = (space.ket(atom1="g", atom2="g") + space.ket(atom1="e", atom2="e")) / np.sqrt(2)
    >>> tj.lindblad.reduced(np.outer(bell, bell), space, "atom1").real.round(6)
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    names = _subsystems(space, keep, at_least=1)
    matrix = _density_matrix(rho, space)
    columns = [space.names.index(name) for name in names]
    others = [i for i in range(len(space.names)) if i not in columns]
    position = _flat(space, columns)
    order = np.argsort(_flat(space, others), kind="stable")
    _, starts = np.unique(_flat(space, others)[order], return_index=True)
    size = prod(space.levels[name] for name in names)
    result = np.zeros((size, size), dtype=np.complex128)
    for states in np.split(order, starts[1:]):  # states that agree on everything traced out
        result[np.ix_(position[states], position[states])] += matrix[np.ix_(states, states)]
    return result


def negativity(
    rho: ArrayLike | Any,
    space: HilbertSpace,
    first_part: Sequence[str] | str,
    second_part: Sequence[str] | str,
) -> float:
    """Return the negativity 𝒩 = (‖ρ^{T₁}‖₁ − 1)/2 of two groups of subsystems.

    The partial transpose is taken on the reduced state of both groups. A positive value proves
    entanglement; zero does not exclude it. log₂(2𝒩 + 1) is the logarithmic negativity.

    Parameters
    ----------
    rho : array of shape (N, N), or SteadyState
        Density matrix on `space`.
    space : HilbertSpace
        Its Hilbert space.
    first_part, second_part : str or sequence of str
        Names of the subsystems of each group; all others are traced out.

    Returns
    -------
    float
        Sum of the moduli of the negative eigenvalues of ρ^{T₁}.

    Raises
    ------
    InvalidInput
        As `reduced`; also a subsystem in both groups.

    References
    ----------
    G. Vidal and R. F. Werner, Phys. Rev. A 65, 032314 (2002).

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> bell = (space.ket(atom1="g", atom2="g") + space.ket(atom1="e", atom2="e")) / np.sqrt(2)
    >>> round(tj.lindblad.negativity(np.outer(bell, bell), space, "atom1", "atom2"), 6)
    0.5
    """
    first = _subsystems(space, first_part, at_least=1)
    second = _subsystems(space, second_part, at_least=1)
    matrix = reduced(rho, space, (*first, *second))
    size = prod(space.levels[name] for name in first)
    tensor = matrix.reshape(size, len(matrix) // size, size, len(matrix) // size)
    transposed = tensor.transpose(2, 1, 0, 3).reshape(matrix.shape)
    eigenvalues = linalg.eigvalsh(transposed)
    return float(-eigenvalues[eigenvalues < 0].sum())


def entanglement_witness(
    state: ArrayLike | Any, space: HilbertSpace, parts: Sequence[str], *, variance_factor: float = 4.0
) -> Witness:
    """Return the quantum-Fisher-information witness W = λ_max(Q − 4Γ) with the optimal local operators.

    For a separable state F_Q[ρ, Σ_j A_j] ≤ 4 Σ_j Var(A_j) for any local A_j. With A_j = Σ_m c_j^(m) A_j^(m),
    F_Q = c Q cᵀ and Σ_j Var(A_j) = c Γ cᵀ, where on the reduced state ρ = Σ_k p_k |k⟩⟨k| of `parts`
    Q_(jm),(j'm') = 2 Σ_{k,k'} (p_k − p_k')²/(p_k + p_k') ⟨k|A_j^(m)|k'⟩⟨k'|A_j'^(m')|k⟩, terms with
    p_k + p_k' = 0 left out, and Γ is the symmetrised covariance within each part, zero between parts.
    The largest eigenvalue over unit c is W and its eigenvector gives the optimal operators.

    Operators of a mode: x, p, x², p², (xp+px)/2 with x = o + o†, p = −i(o − o†); of a finite factor, such as an
    atom: σ_x, σ_y, σ_z with σ_z = |e⟩⟨e| − |g⟩⟨g|, and with more levels the generators of SU(d) with Tr A² = 2.
    x² and p² are the true squares, which couple to two levels beyond the truncation, not squares of truncated
    matrices: W is that of ρ taken as a state of untruncated modes.
    With three parts or more, W > 0 excludes full separability, not every bipartition.

    Parameters
    ----------
    state : array of shape (N, N), or SteadyState
        Density matrix on `space`.
    space : HilbertSpace
        Its Hilbert space.
    parts : sequence of str
        At least two subsystems, e.g. ``("photon", "phonon")`` or ``("photon", "phonon", "atom")``.
    variance_factor : float
        f in λ_max(Q − fΓ). The paper's Eq. (4) gives 4, the default. The text of the paper prints
        Q − Γ, i.e. 1, which is positive for the vacuum too and so witnesses nothing.

    Returns
    -------
    Witness
        W, the optimal coefficients, and D = max(0, W).

    Raises
    ------
    InvalidInput
        Fewer than two parts, a part unknown or named twice, a variance factor that is not positive, or
        a state that is not a density matrix on `space`.

    References
    ----------
    Paper, Eq. (4); M. Gessner, L. Pezzè and A. Smerzi, Phys. Rev. A 94, 020101(R) (2016).

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> bell = (space.ket(atom1="g", atom2="g") + space.ket(atom1="e", atom2="e")) / np.sqrt(2)
    >>> found = tj.lindblad.entanglement_witness(np.outer(bell, bell), space, ("atom1", "atom2"))
    >>> round(found.value, 6)
    4.0
    """
    positive_number(variance_factor, "variance_factor")
    names = _subsystems(space, parts, at_least=2)
    matrix = reduced(state, space, names)
    families = [_local_operators(space, name) for name in names]
    variances = [_local_covariance(reduced(state, space, n), f) for n, f in zip(names, families, strict=True)]
    covariance = linalg.block_diag(*(inside + leaked for inside, leaked in variances))
    # States above the truncation have p = 0 and add 4 p_k ⟨k|A|k'⟩⟨k'|A|k⟩ to Q: four times the variance
    # that passes through them. Between two parts such terms vanish.
    fisher = _quantum_fisher(matrix, _on_product(families, [space.levels[name] for name in names]))
    fisher += 4.0 * linalg.block_diag(*(leaked for _, leaked in variances))
    values, vectors = linalg.eigh(fisher - variance_factor * covariance)
    coefficients = iter(vectors[:, -1].tolist())
    operators = {
        name: MappingProxyType({label: next(coefficients) for label in family})
        for name, family in zip(names, families, strict=True)
    }
    return Witness(float(values[-1]), MappingProxyType(operators), names, float(variance_factor))


def _local_operators(space: HilbertSpace, name: str) -> dict[str, NDArray[np.complex128]]:
    """Operators A_j of one part; those of a mode on `REACH` more levels than its truncation has."""
    if name not in space.modes:
        return _generators(space.levels[name])
    size = space.levels[name] + REACH
    lower = np.diag(np.sqrt(np.arange(1.0, size + 1)).astype(np.complex128), 1)
    x, p = lower + lower.T, -1j * (lower - lower.T)
    squares = {"x": x, "p": p, "x^2": x @ x, "p^2": p @ p, "(xp+px)/2": 0.5 * (x @ p + p @ x)}
    return {label: matrix[:size, :size] for label, matrix in squares.items()}  # exact on these levels


def _generators(d: int) -> dict[str, NDArray[np.complex128]]:
    """Generators of SU(d) with Tr A² = 2: the Pauli matrices, or x_ij, y_ij and z_l of Gell-Mann's kind."""
    unit = np.eye(d, dtype=np.complex128)
    found = {}
    for high in range(1, d):
        for low in range(high):
            lower = np.outer(unit[low], unit[high])
            found[f"x_{low}{high}"], found[f"y_{low}{high}"] = lower + lower.T, 1j * (lower - lower.T)
        weights = high * unit[high] - unit[:high].sum(axis=0)
        found[f"z_{high}"] = np.sqrt(2.0 / (high * (high + 1))) * np.diag(weights)
    return dict(zip(("sigma_x", "sigma_y", "sigma_z"), found.values(), strict=True)) if d == 2 else found


def _local_covariance(
    rho: NDArray[np.complex128], family: Mapping[str, NDArray[np.complex128]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Cov(A, B) in two parts: within the truncation, and through the levels above it."""
    d = len(rho)
    operators = np.array(list(family.values()))
    inside, outside = operators[:, :d, :d], operators[:, :d, d:]
    mean = np.einsum("nij,ji->n", inside, rho).real
    leaked = np.einsum("nik,mjk,ji->nm", outside, outside.conj(), rho, optimize=True).real
    kept = np.einsum("nik,mkj,ji->nm", inside, inside, rho, optimize=True).real
    return kept - np.outer(mean, mean), leaked


def _on_product(
    families: Sequence[Mapping[str, NDArray[np.complex128]]], levels: Sequence[int]
) -> list[sparse.csr_array]:
    """Return every local operator, cut to its part's levels, on the product space of all parts."""
    operators = []
    for j, family in enumerate(families):
        before, here, after = prod(levels[:j]), levels[j], prod(levels[j + 1 :])
        for matrix in family.values():
            right = sparse.kron(sparse.csr_array(matrix[:here, :here]), sparse.eye_array(after))
            operators.append(sparse.csr_array(sparse.kron(sparse.eye_array(before), right)))
    return operators


def _quantum_fisher(rho: NDArray[np.complex128], operators: Sequence[sparse.csr_array]) -> NDArray[np.float64]:
    """Return Q_mn = 2 Σ_{k,k'} (p_k − p_k')²/(p_k + p_k') ⟨k|A_m|k'⟩⟨k'|A_n|k⟩, its real (symmetric) part."""
    p, states = linalg.eigh(rho)
    if p[0] < -DENSITY_MATRIX_TOLERANCE:
        raise InvalidInput(f"the density matrix has eigenvalue {p[0]:.3g}; give a positive matrix")
    p = np.maximum(p, 0.0)
    total = p[:, None] + p[None, :]
    weight = np.divide(2.0 * (p[:, None] - p[None, :]) ** 2, total, out=np.zeros_like(total), where=total > 0)
    elements = np.array([states.conj().T @ (matrix @ states) for matrix in operators])
    flat = elements.reshape(len(operators), -1)
    return ((weight * elements).reshape(flat.shape) @ flat.conj().T).real


def _density_matrix(state: ArrayLike | Any, space: HilbertSpace) -> NDArray[np.complex128]:
    """Return the matrix of a state or of a steady state, checked to be Hermitian with trace 1."""
    matrix = state_array(getattr(state, "rho", state), "the density matrix")
    expected = (space.dimension, space.dimension)
    if matrix.shape != expected:
        raise InvalidInput(
            f"the density matrix has shape {matrix.shape}, not {expected} of the space; give its own space"
        )
    skew = float(np.abs(matrix - matrix.conj().T).max())
    if skew > DENSITY_MATRIX_TOLERANCE:
        raise InvalidInput(f"the density matrix is not Hermitian: max|ρ − ρ†| = {skew:.3g}; correct it")
    trace = float(np.trace(matrix).real)
    if abs(trace - 1.0) > DENSITY_MATRIX_TOLERANCE:
        raise InvalidInput(f"the density matrix has trace {trace:.9g}; divide it by its trace")
    return matrix


def _subsystems(space: HilbertSpace, names: Sequence[str] | str, at_least: int) -> tuple[str, ...]:
    chosen = (names,) if isinstance(names, str) else tuple(names)
    for name in chosen:
        if name not in space.names:
            raise InvalidInput(f"no subsystem named {name!r}; there are {', '.join(space.names)}")
    if len(set(chosen)) != len(chosen):
        raise InvalidInput(f"subsystems {chosen} name one twice; give each its own place")
    if len(chosen) < at_least:
        raise InvalidInput(f"subsystems {chosen} are too few; name at least {at_least}")
    return chosen


def _flat(space: HilbertSpace, columns: Sequence[int]) -> NDArray[np.int64]:
    """Return the position of every basis state in the product of some of the subsystems, shape (N,)."""
    position = np.zeros(space.dimension, dtype=np.int64)
    for column in columns:
        position = position * space.levels[space.names[column]] + space.occupations[:, column]
    return position
