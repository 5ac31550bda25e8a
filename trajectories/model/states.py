"""Initial states: kets, density matrices, mixtures of both, QuTiP objects."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..checks import finite_array, nonnegative_number, shown
from ..errors import InvalidInput
from ..results import read_only

# Largest deviation of a density matrix from unit trace, Hermitian and positive, and of the sum of weights from 1.
STATE_TOLERANCE = 1e-8
# Rounding leaves eigenvalues of ±1e-17 with arbitrary vectors.
LEAST_WEIGHT = 1e-15
# Between these, kets are divided by their norm directly: squares neither overflow nor lose digits.
SAFE_NORMS = (1e-150, 1e150)

Draws = Literal["independent", "stratified", "each"]


@dataclass(frozen=True, eq=False)
class InitialStates:
    """Pure states from which trajectories start, and how one is chosen for each trajectory.

    Attributes
    ----------
    kets : ndarray of complex, shape (n_kets, N)
        Normalised states.
    weights : ndarray of float, shape (n_kets,)
        Their probabilities.
    draws : {"independent", "stratified", "each"}
        Every trajectory draws a state independently; or states are assigned in proportion to their weights; or
        trajectory r starts from state r.
    """

    kets: NDArray[np.complex128]
    weights: NDArray[np.float64]
    draws: Draws = "independent"

    def __post_init__(self) -> None:
        object.__setattr__(self, "kets", read_only(self.kets, np.complex128))
        object.__setattr__(self, "weights", read_only(self.weights, np.float64))

    @property
    def density_matrix(self) -> NDArray[np.complex128]:
        """ρ = Σ_i p_i |ψ_i⟩⟨ψ_i|."""
        return np.asarray((self.kets.T * self.weights) @ self.kets.conj())


def initial_states(initial: Any, dimension: int, stratified: bool = False) -> InitialStates:
    """Return the pure states and probabilities of an initial state.

    Parameters
    ----------
    initial : array_like, sparse array or qutip.Qobj, or a list of pairs (state, weight)
        A ket of shape (N,) or (N, 1) and any norm, a density matrix of shape (N, N), which is decomposed into its
        eigenvectors, or a mixture of such states with weights that sum to 1.
    dimension : int
        Dimension N.
    stratified : bool
        Whether the states of a mixture are assigned in proportion to their weights.

    Raises
    ------
    InvalidInput
        A wrong shape, NaN, zero norm, an invalid density matrix, or weights that are no probabilities.
    """
    if isinstance(initial, InitialStates):
        return initial
    if is_mixture(initial):
        kets, weights = _mixture(initial, dimension)
    else:
        kets, weights = _pure_states(initial, dimension, "the initial state")
    return InitialStates(kets, weights, "stratified" if stratified and len(kets) > 1 else "independent")


def normalised(ket: NDArray[np.complex128], what: str) -> NDArray[np.complex128]:
    """Return a ket divided by its norm, however large or small; refuse norm 0."""
    with np.errstate(over="ignore", under="ignore"):
        norm = float(np.linalg.norm(ket))
    if SAFE_NORMS[0] < norm < SAFE_NORMS[1]:
        return ket / norm
    largest = float(max(np.abs(ket.real).max(), np.abs(ket.imag).max()))
    if largest == 0.0:
        raise InvalidInput(f"{what} has norm 0; give a state")
    shift = -int(np.frexp(largest)[1])  # a power of two, which loses no digits
    scaled = np.ldexp(ket.real, shift) + 1j * np.ldexp(ket.imag, shift)
    return np.asarray(scaled / np.linalg.norm(scaled))


def state_array(state: Any, what: str) -> NDArray[np.complex128]:
    """Return a ket as (N,) and a density matrix as (N, N), from NumPy, SciPy, QuTiP, or an object that has one.

    Raises
    ------
    InvalidInput
        A QuTiP object that is neither, or numbers that are not finite.
    """
    state = getattr(state, "density_matrix", getattr(state, "rho", state))  # TrajectoryStates; SteadyState
    if hasattr(state, "dims") and hasattr(state, "full"):
        if not (state.isket or state.isoper):
            remedy = "give its .dag()" if state.isbra else "give a ket or a density matrix"
            raise InvalidInput(f"{what} is a QuTiP {state.type}; {remedy}")
        state = state.full()
    elif sparse.issparse(state):
        state = state.toarray()
    array = finite_array(state, what, np.complex128)
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _pure_states(state: Any, dimension: int, what: str) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Return one ket with weight 1, or the eigenvectors of a density matrix with their weights, descending."""
    array = state_array(state, what)
    if array.shape == (dimension,):
        return normalised(array, what)[None, :], np.ones(1)
    if array.shape != (dimension, dimension):
        raise InvalidInput(
            f"{what} has shape {array.shape}; must be ({dimension},) or ({dimension}, 1) for a ket, "
            f"({dimension}, {dimension}) for a density matrix"
        )
    skew = float(np.abs(array - array.conj().T).max())
    if skew > STATE_TOLERANCE:
        raise InvalidInput(f"{what} is not Hermitian (by {skew:.3g}); give a density matrix")
    trace = float(np.trace(array).real)
    if abs(trace - 1.0) > STATE_TOLERANCE:
        raise InvalidInput(f"{what} has trace {trace:.6g}; give it trace 1, ρ/Tr ρ")
    weights, vectors = np.linalg.eigh(0.5 * (array + array.conj().T))
    if weights[0] < -STATE_TOLERANCE:
        raise InvalidInput(f"{what} has the negative eigenvalue {weights[0]:.3g}; give a density matrix")
    kept = np.flatnonzero(weights > LEAST_WEIGHT)[::-1]
    return np.ascontiguousarray(vectors[:, kept].T), weights[kept]


def is_mixture(initial: Any) -> bool:
    """Whether this is a list of pairs (state, weight), and not a list of numbers or of rows of numbers."""
    if not isinstance(initial, list | tuple) or not initial:
        return False
    return all(
        isinstance(pair, list | tuple)
        and len(pair) == 2
        and isinstance(pair[1], Real)
        and (isinstance(pair[0], list | tuple) or hasattr(pair[0], "shape"))
        for pair in initial
    )


def _mixture(pairs: Any, dimension: int) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Return the pure states of a mixture; states of weight 0 are left out."""
    given = [
        nonnegative_number(weight, f"weight {k} of the initial states") for k, (_, weight) in enumerate(pairs)
    ]
    total = sum(given)
    if abs(total - 1.0) > STATE_TOLERANCE:
        raise InvalidInput(f"the weights of the initial states sum to {total:.6g}; must sum to 1: {shown(given)}")
    kets, weights = [], []
    for k, (state, _) in enumerate(pairs):
        parts, shares = _pure_states(state, dimension, f"initial state {k}")
        if given[k] > 0.0:
            kets.append(parts)
            weights.append(given[k] * shares)
    return np.concatenate(kets), np.concatenate(weights)
