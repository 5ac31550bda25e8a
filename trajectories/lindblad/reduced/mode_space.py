"""The modes of H_eff that a stationary state and its clicks need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

from ...model import OpenSystem

Matrix = NDArray[np.complex128]

# Modes of smaller weight are left out; 0 keeps all.
MODE_CUT = 1e-12
# Below this condition number of V its columns are accurate enough to compute decay rates from; above, the
# eigenvalues are used, which are exact for an H_eff that differs by rounding.
WELL_CONDITIONED = 100.0
# Rates below this fraction of the largest are rounding.
SILENT = 1e-14


@dataclass(frozen=True, eq=False)
class ModeSpace:
    """Hermitian matrices X = V Y V† over r right eigenvectors of H_eff = V Λ V⁻¹.

    Without jumps the motion of Y is diagonal: Y_jk(t) = Y_jk e^{D_jk t}, D_jk = −i(λ_j − λ̄_k). Observables are
    forms, V†OV, so that Tr(OX) = Tr(V†OV Y).

    Attributes
    ----------
    motion : ndarray of shape (r, r)
        D. Decay rates are ⟨v|Σc†c|v⟩/⟨v|v⟩, which is accurate however slow they are beside the
        frequencies, unless V is ill-conditioned.
    rho : ndarray of shape (r, r)
        The stationary state.
    gram : ndarray of shape (r, r)
        V†V, the form of the identity.
    jumps, effects : dict of str to ndarray of shape (r, r)
        V⁻¹ c V and V†c†cV of every channel.
    condition : float
        ‖V‖₂‖V⁻¹‖₂ of all modes.
    left_out : float
        Largest weight of a mode that was left out.
    analysis : ndarray of shape (r, N)
        V⁻¹, rows of the modes.
    vectors : ndarray of shape (N, r)
        V, columns of the modes.
    """

    motion: Matrix
    rho: Matrix
    gram: Matrix
    jumps: dict[str, Matrix]
    effects: dict[str, Matrix]
    condition: float
    left_out: float
    analysis: Matrix
    vectors: Matrix

    def seen(self, state: Matrix) -> Matrix:
        """Return Y = V⁻¹XV⁻† of a state of the system."""
        found = self.analysis @ state @ self.analysis.conj().T
        return np.asarray(0.5 * (found + found.conj().T))


@dataclass(frozen=True, eq=False)
class AllModes:
    """Every mode of H_eff, from which spaces of different size are cut.

    Attributes
    ----------
    values : ndarray of shape (N,)
        λ.
    vectors, inverse : ndarray of shape (N, N)
        V and V⁻¹.
    condition : float
        Their condition number; infinite where H_eff is defective.
    """

    values: Matrix
    vectors: Matrix
    inverse: Matrix
    condition: float


def all_modes(system: OpenSystem) -> AllModes:
    """Diagonalise H_eff."""
    values, vectors = linalg.eig(system.centred_H_eff.toarray(), check_finite=False)
    singular = linalg.svdvals(vectors)
    if singular[-1] <= 1e-14 * singular[0]:
        return AllModes(values, vectors, vectors, float("inf"))
    return AllModes(values, vectors, np.linalg.inv(vectors), float(singular[0] / singular[-1]))


def mode_space(
    system: OpenSystem,
    rho: Matrix,
    modes: AllModes,
    cut: float = MODE_CUT,
    others: Sequence[Matrix] = (),
    like: Matrix | None = None,
) -> ModeSpace:
    """Return the modes whose weight exceeds a cut.

    The weight of mode j is the largest of (WρW†)_jj, its population; (WJ_kρW†)_jj/λ_k, that after a click in k;
    and (WρW†)_jj(V†c_k†c_kV)_jj/λ_k, its share of the clicks of channel k. W = V⁻¹. Populations of the states in
    `others` count as those in ρ. If `like` is given, the vectors of modes of a similar system, the modes with the
    largest overlap with each of them are taken instead, in that order.
    """
    vectors, inverse = modes.vectors, modes.inverse
    state = inverse @ rho @ inverse.conj().T
    population = np.abs(np.diag(state))
    weight = population.copy()
    for other in others:
        weight = np.maximum(
            weight, np.abs(np.einsum("jk,kl,jl->j", inverse, other, inverse.conj(), optimize=True))
        )
    jumps, effects = {}, {}
    rates = {c.name: float(np.real(_expect(c.operator, rho))) for c in system.channels}
    loudest = max(rates.values(), default=0.0)
    for channel in system.channels:
        name, moved = channel.name, channel.operator @ vectors
        jumps[name], effects[name] = inverse @ moved, moved.conj().T @ moved
        if rates[name] > SILENT * loudest:
            after = np.einsum("jk,kl,jl->j", jumps[name], state, jumps[name].conj(), optimize=True)
            weight = np.maximum(weight, np.abs(after) / rates[name])
            weight = np.maximum(weight, population * np.diag(effects[name]).real / rates[name])
    kept = np.flatnonzero(weight > cut) if cut > 0.0 else np.arange(len(weight))
    if like is not None:
        kept = optimize.linear_sum_assignment(-np.abs(inverse @ like).T)[1]
    left_out = float(np.delete(weight, kept).max(initial=0.0))
    square = np.ix_(kept, kept)
    gram = vectors[:, kept].conj().T @ vectors[:, kept]
    gram = 0.5 * (gram + gram.conj().T)
    values = modes.values[kept]
    if modes.condition < WELL_CONDITIONED:
        decay = sum(effect.diagonal()[kept].real for effect in effects.values()) / np.diag(gram).real
        values = values.real - 0.5j * decay
    chosen = state[square]
    return ModeSpace(
        -1j * (values[:, None] - values.conj()[None, :]),
        0.5 * (chosen + chosen.conj().T),
        gram,
        {name: np.ascontiguousarray(jump[square]) for name, jump in jumps.items()},
        {name: np.ascontiguousarray(effect[square]) for name, effect in effects.items()},
        modes.condition,
        left_out,
        np.ascontiguousarray(inverse[kept]),
        np.ascontiguousarray(vectors[:, kept]),
    )


def _expect(operator: object, rho: Matrix) -> complex:
    moved = operator @ rho  # type: ignore[operator]
    return complex((operator.conj().multiply(moved)).sum())  # type: ignore[attr-defined]
