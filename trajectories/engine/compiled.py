"""CompiledSystem: everything a worker needs to follow trajectories, as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from ..checks import finite_array
from ..errors import ConvergenceError, InvalidInput
from ..model.system import OpenSystem
from .jump_kernels import Jumps
from .modes.eigenmodes import ModesPropagator
from .propagator import Propagator
from .sparse.sparse_action import SparsePropagator

PROPAGATORS: dict[str, type[Propagator]] = {"modes": ModesPropagator, "sparse": SparsePropagator}


@dataclass(frozen=True, eq=False)
class CompiledSystem:
    """A system prepared once, sampled often.

    Attributes
    ----------
    propagator : Propagator
        How states are carried between clicks.
    reason : str
        Why this one.
    jumps : Jumps
        The jump operators, stacked.
    kets : ndarray of complex, shape (n_kets, N)
        Pure states of the initial ensemble, normalised.
    cumulative : ndarray of float, shape (n_kets,)
        Their cumulative probabilities; the last is 1.
    """

    propagator: Propagator
    reason: str
    jumps: Jumps
    kets: NDArray[np.complex128]
    cumulative: NDArray[np.float64]

    @property
    def dimension(self) -> int:
        """Dimension N of the Hilbert space."""
        return self.kets.shape[1]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name, for a pickle-free NPZ."""
        named = {f"propagator.{key}": value for key, value in self.propagator.arrays._asdict().items()}
        named |= {f"jumps.{key}": value for key, value in self.jumps._asdict().items()}
        return named | {
            "propagator": np.array(self.propagator.name),
            "reason": np.array(self.reason),
            "kets": self.kets,
            "cumulative": self.cumulative,
        }

    @classmethod
    def from_arrays(cls, named: Mapping[str, NDArray[Any]]) -> CompiledSystem:
        """Rebuild what `to_arrays` gave, without any linear algebra."""
        kind = PROPAGATORS[str(named["propagator"])]
        propagator = kind(kind.Arrays(**{key: named[f"propagator.{key}"] for key in kind.Arrays._fields}))
        jumps = Jumps(**{key: named[f"jumps.{key}"] for key in Jumps._fields})
        return cls(propagator, str(named["reason"]), jumps, named["kets"], named["cumulative"])


def compile_system(
    system: OpenSystem, initial: ArrayLike, *, propagator: str = "auto", tolerance: float = 1e-10
) -> CompiledSystem:
    """Compile a system for trajectories that start from a given state.

    Parameters
    ----------
    system : OpenSystem
        The system.
    initial : array_like of complex
        A ket of shape (N,), or a density matrix of shape (N, N), of which trajectories start from random
        eigenvectors with their probabilities.
    propagator : {"auto", "modes", "sparse"}
        How states are carried between clicks; "auto" takes the eigenmodes of H_eff where they keep the tolerance.
    tolerance : float
        Bound of the relative error of the no-click probability.

    Raises
    ------
    InvalidInput
        An unknown propagator, one that cannot keep the tolerance, a tolerance out of range, or an initial state
        that is not one.
    """
    kets, probabilities = initial_ensemble(initial, system.dimension)
    cumulative = np.cumsum(probabilities)
    cumulative /= cumulative[-1]
    stacked = stack_operators([channel.operator for channel in system.channels], system.dimension)
    return CompiledSystem(*_compile_propagator(system, propagator, tolerance), stacked, kets, cumulative)


def _compile_propagator(system: OpenSystem, name: str, tolerance: float) -> tuple[Propagator, str]:
    """Compile the propagator asked for, or the fastest that keeps the tolerance, and say why."""
    if name == "modes":
        try:
            return ModesPropagator.compile(system, tolerance), "asked for"
        except ConvergenceError as error:
            raise InvalidInput(f"propagator='modes' cannot be used: {error}; use propagator='sparse'") from error
    if name == "sparse":
        return SparsePropagator.compile(system, tolerance), "asked for"
    if name != "auto":
        raise InvalidInput(f"propagator={name!r} must be one of auto, {', '.join(PROPAGATORS)}")
    try:
        return ModesPropagator.compile(system, tolerance), "auto: the eigenbasis of H_eff keeps the tolerance"
    except ConvergenceError as error:
        return SparsePropagator.compile(system, tolerance), f"auto: {error}"


def initial_ensemble(initial: ArrayLike, dimension: int) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Return the pure states (as rows) and probabilities of a ket or of a density matrix.

    Raises
    ------
    InvalidInput
        A wrong shape, NaN, zero norm, or a matrix that is not a density matrix.
    """
    state = finite_array(initial, "the initial state", np.complex128)
    if state.shape == (dimension,):
        return normalised(state, "the initial ket")[None, :], np.ones(1)
    if state.shape != (dimension, dimension):
        raise InvalidInput(
            f"the initial state has shape {state.shape}; must be ({dimension},) or ({dimension}, {dimension})"
        )
    trace = float(np.trace(state).real)
    if abs(trace - 1.0) > 1e-8 or np.abs(state - state.conj().T).max() > 1e-8:
        raise InvalidInput(f"the initial density matrix must be Hermitian with trace 1, but has trace {trace:.6g}")
    weights, vectors = np.linalg.eigh(0.5 * (state + state.conj().T))
    if weights[0] < -1e-8:
        raise InvalidInput(f"the initial density matrix has the negative eigenvalue {weights[0]:.3g}")
    # Rounding leaves weights of ±1e-17 whose vectors mean nothing.
    kept = np.flatnonzero(weights > 1e-15)[::-1]
    return np.ascontiguousarray(vectors[:, kept].T), weights[kept]


def normalised(ket: NDArray[np.complex128], what: str) -> NDArray[np.complex128]:
    """Return a ket with norm 1; refuse one of norm 0, which is no state."""
    norm = np.linalg.norm(ket)
    if norm == 0.0:
        raise InvalidInput(f"{what} has norm 0; give a state")
    return ket / norm


def stack_operators(operators: Sequence[sparse.csr_array], dimension: int) -> Jumps:
    """Stack N×N operators into one CSR layout for the kernels."""
    if not operators:
        return Jumps(np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.complex128))
    stacked = sparse.csr_array(sparse.vstack([sparse.csr_array(o, dtype=np.complex128) for o in operators]))
    stacked.sort_indices()
    return Jumps(stacked.indptr.astype(np.int64), stacked.indices.astype(np.int64), stacked.data)
