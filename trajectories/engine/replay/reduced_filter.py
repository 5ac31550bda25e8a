"""Replay of a record on the essential basis states of a reduced propagator, and where they do not suffice.

The filter works in the larger of the two bases, which consists of basis states. There each channel has two parts:
jumps that stay on these states, and jumps that leave them. At a click, the share of the second part in the rate is
the share of the norm² that is lost.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...model.system import OpenSystem
from ..jump_kernels import Jumps
from ..modes.forms_kernels import MOST_LEAK
from ..operators import columns_of, stack_operators
from ..reduced.level import reduced_system
from ..reduced.reduced_basis import ReducedArrays
from .replay_kernels import FilterModes, follow_modes, in_modes


def filter_modes(
    energy: NDArray[np.float64],
    decay: NDArray[np.float64],
    vectors: NDArray[np.complex128],
    inverse: NDArray[np.complex128],
) -> FilterModes:
    """Return an eigenbasis in the layout of the filter; energies may be padded for the kernels of clicks."""
    count = vectors.shape[1]
    skew = float(np.linalg.norm(vectors) * np.linalg.norm(inverse)) / count
    return FilterModes(energy[:count].copy(), decay[:count].copy(), columns_of(vectors), columns_of(inverse), skew)


class ReducedFilter:
    """Replay of trajectories on essential basis states.

    Parameters
    ----------
    system : OpenSystem
        The system.
    arrays : ReducedArrays
        Its compiled levels.
    ensemble : ndarray of complex, shape (n_kets, N)
        The kets at the start, each with the square root of its weight.
    """

    def __init__(self, system: OpenSystem, arrays: ReducedArrays, ensemble: NDArray[np.complex128]) -> None:
        level = arrays.levels[-1]
        self.states = level.states
        inside = ensemble[:, self.states]
        self._outside = 1.0 - float((np.abs(inside) ** 2).sum() / (np.abs(ensemble) ** 2).sum())
        self._most = float(level.scalars[MOST_LEAK])
        # The smaller basis has vectors of its own; the larger one consists of basis states.
        self._modes = filter_modes(level.energy, level.decay, level.vectors, level.inverse)
        self._start = in_modes(self._modes, np.ascontiguousarray(inside))
        channels = reduced_system(system, self.states, None).channels
        self._jumps: Jumps = stack_operators([channel.operator for channel in channels], len(self.states))

    def follow(
        self, clicks: Any, discarded: float, hazard: NDArray[np.float64], intensity: NDArray[np.float64]
    ) -> tuple[float, bool] | None:
        """Replay one trajectory like `follow_modes`; None if it leaves the states by more than allowed."""
        count = intensity.shape[1]
        split = np.empty((len(intensity), 2 * count))
        dropped, forbidden = follow_modes(self._modes, self._jumps, self._start, clicks, discarded, hazard, split)
        intensity[:] = split[:, :count] + split[:, count:]
        row = np.arange(len(split))
        with np.errstate(divide="ignore", invalid="ignore"):
            lost = split[row, count + clicks[1]] / intensity[row, clicks[1]]
        # The lost part must not matter in the following gap either.
        lost = np.append(self._outside, lost)
        if not (lost <= self._most * np.exp(-hazard)).all():
            return None
        return dropped + float(lost.sum()), forbidden
