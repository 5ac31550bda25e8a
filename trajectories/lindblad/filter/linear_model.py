"""Density matrices as real vectors: the maps of clicks and the motion between them as real matrices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...model import OpenSystem
from ..reduced.mode_space import ModeSpace
from ..reduced.pair_core_kernels import add_jumps
from ..superoperators.hermitian_vectors import pack

Array = NDArray[np.float64]
Matrix = NDArray[np.complex128]


@dataclass(frozen=True, eq=False)
class LinearModel:
    """Density matrices X as R real numbers x.

    Attributes
    ----------
    trace : ndarray of shape (R,)
        Tr X = trace · x.
    effects : dict of str to ndarray of shape (R,)
        Tr(c†c X) of every channel of the system.
    jumps : dict of str to ndarray of shape (R, R)
        X ↦ cXc†.
    free : ndarray of shape (R, R)
        X ↦ −iH_eff X + iXH_eff†.
    start : ndarray of shape (R,)
        The state at the start of every trajectory, of trace 1.
    refill : ndarray of shape (R,), or None
        A state of trace 1 that receives the trace which leaks out of the R numbers; None where nothing leaks.
    """

    trace: Array
    effects: dict[str, Array]
    jumps: dict[str, Array]
    free: Array
    start: Array
    refill: Array | None

    @property
    def size(self) -> int:
        """R."""
        return len(self.trace)

    def click(self, name: str, efficiency: float, dark: float) -> Array:
        """Return ηcXc† + dX."""
        return efficiency * self.jumps[name] + dark * np.eye(self.size)

    def effect(self, name: str, efficiency: float, dark: float) -> Array:
        """Return the form of ηc†c + d, the rate of events."""
        return efficiency * self.effects[name] + dark * self.trace

    def click_free(self, efficiencies: Mapping[str, float], dark: float) -> Array:
        """Return L0 = L − Σ_k (η_kJ_k + d_k), where d is the sum of all d_k; channels left out have η = 0.

        Whatever is dropped from the R numbers, the trace decays at the rate of the events, so that the survival of
        gaps and the rates of clicks belong to one law.
        """
        motion = self.free.copy()
        for name, jump in self.jumps.items():
            lost = 1.0 - efficiencies.get(name, 0.0)
            if lost > 0.0:
                motion += lost * jump
        motion[np.diag_indices(self.size)] -= dark
        if self.refill is not None:
            seen = sum((efficiencies[name] * self.effects[name] for name in efficiencies), dark * self.trace)
            motion -= np.outer(self.refill, self.trace @ motion + seen)
        return motion


def full_model(system: OpenSystem, start: Matrix) -> LinearModel:
    """Return the model in which X is all of its N² real numbers."""
    size = system.dimension
    rows, columns = (side.reshape(-1).astype(np.int64) for side in np.indices((size, size)))
    jumps, effects = {}, {}
    for channel in system.channels:
        c = channel.operator.toarray().astype(np.complex128)
        jumps[channel.name] = np.zeros((size**2, size**2))
        add_jumps(rows, columns, c, 1.0, jumps[channel.name])
        effects[channel.name] = pack(c.conj().T @ c)
    half = -1j * system.centred_H_eff.toarray()
    units = np.eye(size**2).reshape(-1, size, size)
    turned = units.transpose(0, 2, 1)
    image = half @ (0.5 * ((units + turned) + 1j * (units - turned)))
    image = image + image.conj().transpose(0, 2, 1)
    free = np.ascontiguousarray((image.real + image.imag).reshape(size**2, size**2).T)
    one = pack(np.eye(size, dtype=np.complex128))
    return LinearModel(one, effects, jumps, free, pack(start), None)


def core_model(space: ModeSpace, chosen: NDArray[np.bool_], start: Matrix) -> LinearModel:
    """Return the model of chosen pairs of modes of H_eff; X = V Y V†.

    Parameters
    ----------
    space : ModeSpace
        The modes.
    chosen : ndarray of bool, shape (r, r)
        The pairs, (k, j) with (j, k).
    start : ndarray of shape (r, r)
        Y at the start of every trajectory.
    """
    rows, columns = (side.astype(np.int64) for side in np.nonzero(chosen))
    index, size = rows * len(chosen) + columns, len(rows)
    place = np.full(chosen.shape, -1)
    place[rows, columns] = np.arange(size)
    free, d = np.zeros((size, size)), space.motion[rows, columns]
    free[np.arange(size), np.arange(size)] = d.real
    different = rows != columns
    free[np.flatnonzero(different), place[columns, rows][different]] += d.imag[different]
    jumps = {}
    for name, jump in space.jumps.items():
        jumps[name] = np.zeros((size, size))
        add_jumps(rows, columns, jump, 1.0, jumps[name])
    trace, rho, begin = (pack(matrix)[index] for matrix in (space.gram, space.rho, start))
    effects = {name: pack(effect)[index] for name, effect in space.effects.items()}
    return LinearModel(trace, effects, jumps, free, begin / (trace @ begin), rho / (trace @ rho))
