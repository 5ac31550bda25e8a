"""A stationary state with its click maps and motions on the whole space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...detectors import Detector
from ...model import OpenSystem
from .detected import DetectedSystem
from .doubling import DoublingMotion
from .hermitian_vectors import Generator, Vector, pack, packed_generator
from .inverse import Inverse, choose_resolvent, resolvent_of_all
from .liouvillian import Liouvillian
from .motions import SeriesMotion
from .no_jump import Resolvent

Array = NDArray[np.float64]
Matrix = NDArray[np.complex128]


class FullMotion:
    """e^{Gt} on the whole space, and linear equations with G.

    Parameters
    ----------
    motion : SeriesMotion or DoublingMotion
        e^{Gt}.
    model : FullModel
        Whose motion it is.
    click_free : bool
        Whether G leaves out the detected jumps.
    """

    def __init__(self, motion: SeriesMotion | DoublingMotion, model: FullModel, *, click_free: bool) -> None:
        self._motion, self._model, self._click_free = motion, model, click_free

    def observe(self, start: Vector, functionals: Array, times: Array, *, integrals: int = 0) -> Array:
        """Return u·e^{Gt}x and its repeated integrals, shape (integrals + 1, n_times, n)."""
        return self._motion.observe(start, functionals, times, integrals=integrals)

    def propagate(self, start: Vector, times: Array, *, integral: bool = False, adjoint: bool = False) -> Array:
        """Return e^{Gt}x or ∫₀ᵗ e^{Gs}x ds, or the same of G†, at each time, shape (n_times, N²)."""
        return self._motion.propagate(start, times, integral=integral, adjoint=adjoint)

    def solve(self, source: Vector, *, traceless: bool = False) -> Vector:
        """Return X with G X = R; with `traceless` the traceless one of a traceless R."""
        model, inverse = self._model, self._model.inverse(self._click_free)
        solution = inverse.solve(source, model.total_effect(), model.rho if traceless else None)
        if traceless:
            solution -= float(model.identity @ solution) * model.rho
        return solution


class FullModel(DetectedSystem):
    """`DetectedSystem` with its stationary state and motions.

    Parameters
    ----------
    system, channels, detectors
        As for `DetectedSystem`.
    rho : ndarray of shape (N, N)
        The stationary state.
    doubled : bool
        Whether motions are followed in doubled precision, by doubling of the time.
    """

    def __init__(
        self,
        system: OpenSystem,
        rho: Matrix,
        channels: Sequence[str] | None = None,
        detectors: Mapping[str, Detector] | None = None,
        *,
        doubled: bool = False,
    ) -> None:
        super().__init__(system, channels, detectors)
        self.rho: Vector = pack(rho)
        self._doubled, self._doublings = doubled, dict[bool, DoublingMotion]()
        self._generators: dict[bool, Generator] = {}
        self._inverses: dict[bool, Inverse] = {}
        self.memory: dict[tuple[Any, ...], Any] = {}

    @cached_property
    def liouvillian(self) -> Liouvillian:
        """L."""
        return Liouvillian(self.system)

    @cached_property
    def resolvent(self) -> Resolvent:
        """The inverse of the motion without any jump."""
        return choose_resolvent(self.system)

    def inverse(self, click_free: bool) -> Inverse:
        """Return the inverse of L0, or of L on traceless matrices, made once."""
        if click_free not in self._inverses:
            detected = (self.efficiencies, self.dark) if click_free else ({}, 0.0)
            resolvent = self.resolvent if click_free else resolvent_of_all(self.system)
            self._inverses[click_free] = Inverse(self.liouvillian, resolvent, *detected)
        return self._inverses[click_free]

    def motion(self, horizon: float) -> FullMotion:
        """Return e^{Lt}."""
        return self._motion(horizon, click_free=False)

    def click_free_motion(self, horizon: float) -> FullMotion:
        """Return e^{L0 t}, the motion while no detected channel clicks."""
        return self._motion(horizon, click_free=True)

    def _motion(self, horizon: float, *, click_free: bool) -> FullMotion:
        if self._doubled:
            if click_free not in self._doublings:
                self._doublings[click_free] = DoublingMotion(self.inverse(click_free).exact)
            return FullMotion(self._doublings[click_free], self, click_free=click_free)
        if click_free not in self._generators:
            detected = (self.efficiencies, self.dark) if click_free else ({}, 0.0)
            self._generators[click_free] = packed_generator(self.system, *detected)
        return FullMotion(SeriesMotion(self._generators[click_free], horizon), self, click_free=click_free)
