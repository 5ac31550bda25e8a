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
from .hermitian_vectors import Generator, Vector, pack, packed_generator
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
        model = self._model
        solution = model.inverse(self._click_free).solve(
            source, model.total_effect(), model.rho if traceless else None
        )
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
            self._inverses[click_free] = Inverse(self.liouvillian, self.resolvent, *detected)
        return self._inverses[click_free]

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
