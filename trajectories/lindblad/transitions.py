"""Transitions between dressed states, named by the product states that carry them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from ..model import HilbertSpace, OpenSystem

Array = NDArray[np.float64]
Matrix = NDArray[np.complex128]

# Transitions weaker than this, relative to the strongest of a line, are left out of its name.
WEAK = 1e-3


class Transitions:
    """Transitions |i⟩ → |f⟩ of H that a channel's light may come from, at E_i − E_f, of strength p_i |⟨f|c|i⟩|².

    Parameters
    ----------
    system : OpenSystem
        The system; without a space its eigenstates are numbered.
    rho : ndarray of shape (n, n)
        The stationary state on some basis states.
    states : ndarray of int, shape (n,)
        Which ones.
    operator : sparse array of shape (N, N)
        c.
    """

    def __init__(
        self, system: OpenSystem, rho: Matrix, states: NDArray[np.int64], operator: sparse.csr_array
    ) -> None:
        self.energies, vectors = linalg.eigh(system.hamiltonian[states][:, states].toarray())
        populations = np.einsum("ji,jk,ki->i", vectors.conj(), rho, vectors, optimize=True).real
        amplitudes = vectors.conj().T @ (operator[states][:, states] @ vectors)
        self.strengths = np.clip(populations, 0.0, None)[None, :] * np.abs(amplitudes) ** 2
        self.frequencies = self.energies[None, :] - self.energies[:, None]
        if system.space is None:
            self.dressed = sparse.csr_array(amplitudes)
            self.labels = tuple(f"E{i}" for i in range(len(self.energies)))
            self.basis = np.eye(len(self.energies), dtype=np.complex128)
            return
        turn, self.labels = dressed_atoms(system.space, system.hamiltonian)
        whole = np.zeros((system.dimension, len(states)), np.complex128)
        whole[states] = vectors
        self.basis = turn.conj().T @ whole
        self.dressed = sparse.csr_array(turn.conj().T @ operator @ turn)

    def named(self, frequency: float, width: float) -> tuple[str, float]:
        """Return the name of the strongest transition within a width of a frequency, and its share of strength.

        The strength of each transition is divided over pairs of product states in proportion to
        |⟨f|β'⟩⟨β'|c|β⟩⟨β|i⟩|².
        """
        inside = np.abs(self.frequencies - frequency) <= width
        strongest = float(self.strengths[inside].max(initial=0.0))
        if strongest <= 0.0:
            return "", 0.0
        coupling = sparse.coo_array(self.dressed)
        total = np.zeros(coupling.nnz)
        for to, of in zip(*np.nonzero(inside & (self.strengths >= WEAK * strongest)), strict=True):
            part = np.abs(self.basis[coupling.row, to].conj() * coupling.data * self.basis[coupling.col, of]) ** 2
            total += self.strengths[to, of] * part / max(float(part.sum()), 1e-300)
        best = int(np.argmax(total))
        name = f"{self.labels[coupling.col[best]]} → {self.labels[coupling.row[best]]}"
        return name, float(total[best] / total.sum())


def dressed_atoms(space: HilbertSpace, hamiltonian: sparse.csr_array) -> tuple[sparse.csr_array, tuple[str, ...]]:
    """Return the basis of Fock states times eigenstates of the atoms, and its labels.

    The atoms' eigenstates are those of H between states without a quantum: + and − of a driven atom of two levels,
    by energy; its own levels where nothing drives it.
    """
    count = int(np.prod([n for name, n in space.levels.items() if name not in space.modes], dtype=np.int64))
    block = hamiltonian[:count][:, :count].toarray()  # the atoms come last, and all modes are empty first
    if count == 1 or np.abs(block - np.diag(np.diag(block))).max() == 0.0:
        return space.identity(), space.labels
    _, vectors = linalg.eigh(block)
    turn = sparse.kron(sparse.eye_array(space.dimension // count), sparse.csr_array(vectors), format="csr")
    names = ("−", "+") if count == 2 else tuple(f"ψ{i}" for i in range(count))
    quanta = space.occupations[::count, : len(space.modes)].tolist()
    labels = tuple("|" + ",".join([*map(str, row), name]) + "⟩" for row in quanta for name in names)
    return sparse.csr_array(turn), labels
