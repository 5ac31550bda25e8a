"""A stationary state with its click maps on the whole space: every motion by propagation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...detectors import Detector
from ...model import OpenSystem
from .chebyshev import Expansion
from .detected import DetectedSystem
from .hermitian_vectors import Generator, Vector, pack, packed_generator, unpack
from .inverse import Inverse, choose_resolvent
from .liouvillian import Liouvillian
from .no_jump import Resolvent
from .propagation import observe, propagate

Array = NDArray[np.float64]
Matrix = NDArray[np.complex128]


class FullMotion:
    """e^{Gt} on the whole space, by Chebyshev series and Krylov vectors.

    Parameters
    ----------
    generator : Generator
        G.
    horizon : float
        Longest time wanted.
    model : FullModel
        Whose motion it is.
    click_free : bool
        Whether G leaves out the detected jumps.
    """

    def __init__(self, generator: Generator, horizon: float, model: FullModel, *, click_free: bool) -> None:
        self._generator, self._horizon = generator, horizon
        self._model, self._click_free = model, click_free

    @cached_property
    def _forward(self) -> Expansion:
        return Expansion(self._generator, self._horizon)

    @cached_property
    def _backward(self) -> Expansion:
        return Expansion(self._generator.adjoint(), self._horizon)

    def observe(self, start: Vector, functionals: Array, times: Array, *, integrals: int = 0) -> Array:
        """Return u·e^{Gt}x and its repeated integrals, shape (integrals + 1, n_times, n)."""
        return observe(self._forward, start, functionals, times, integrals=integrals)

    def propagate(self, start: Vector, times: Array, *, integral: bool = False, adjoint: bool = False) -> Array:
        """Return e^{Gt}x or ∫₀ᵗ e^{Gs}x ds, or the same of G†, at each time, shape (n_times, N²)."""
        return propagate(self._backward if adjoint else self._forward, start, times, integral=integral)

    def solve(self, source: Vector, *, traceless: bool = False) -> Vector:
        """Return X with G X = R; with `traceless` the traceless one of a traceless R."""
        liouvillian = self._model.liouvillian
        click_free = self._model.without_clicks if self._click_free else None
        inverse = Inverse(liouvillian, self._model.resolvent, click_free)
        solution = pack(inverse.solve(unpack(source)))
        if traceless:
            solution -= float(self._model.identity @ solution) * self._model.rho
        return solution


class FullModel(DetectedSystem):
    """`DetectedSystem` with its stationary state and motions.

    Parameters
    ----------
    system, channels, detectors
        As for `DetectedSystem`.
    rho : ndarray of shape (N, N)
        The stationary state.
    """

    def __init__(
        self,
        system: OpenSystem,
        rho: Matrix,
        channels: Sequence[str] | None = None,
        detectors: Mapping[str, Detector] | None = None,
    ) -> None:
        super().__init__(system, channels, detectors)
        self.rho: Vector = pack(rho)
        self._generators: dict[bool, Generator] = {}
        self.memory: dict[tuple[Any, ...], Any] = {}

    @cached_property
    def liouvillian(self) -> Liouvillian:
        """L."""
        return Liouvillian(self.system)

    @cached_property
    def resolvent(self) -> Resolvent:
        """The inverse of the motion without any jump."""
        return choose_resolvent(self.system)

    def without_clicks(self, state: Matrix) -> Matrix:
        """Return L0 X."""
        clicks = self.liouvillian.jump(state, self.efficiencies) + self.dark * state
        return self.liouvillian.apply(state) - clicks

    def motion(self, horizon: float) -> FullMotion:
        """Return e^{Lt}."""
        if False not in self._generators:
            self._generators[False] = packed_generator(self.system)
        return FullMotion(self._generators[False], horizon, self, click_free=False)

    def click_free_motion(self, horizon: float) -> FullMotion:
        """Return e^{L0 t}, the motion while no detected channel clicks."""
        if True not in self._generators:
            self._generators[True] = packed_generator(self.system, self.efficiencies, self.dark)
        return FullMotion(self._generators[True], horizon, self, click_free=True)
