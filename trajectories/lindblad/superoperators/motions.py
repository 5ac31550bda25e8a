"""e^{Gt} on the whole space in either of two ways: a series in time, or doubling of the time."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...model import OpenSystem
from .chebyshev import Expansion
from .doubled import ExactGenerator
from .doubling import DoublingMotion
from .hermitian_vectors import Generator, Vector, packed_generator
from .propagation import observe, propagate

Array = NDArray[np.float64]

# Largest N whose N² × N² propagators are doubled, at half a second each.
MOST_DOUBLED = 30
# Times longer than this many of the fastest motion cost a series more, and rounding is 1e-16 of their number.
LONG = 1e6


class SeriesMotion:
    """e^{Gt} by Chebyshev series and Krylov vectors.

    Parameters
    ----------
    generator : Generator
        G.
    horizon : float
        Longest time wanted; any step serves where that is 0.
    """

    def __init__(self, generator: Generator, horizon: float) -> None:
        self._generator, self._horizon = generator, horizon or 1.0  # steps of no length are none

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


def motion_of(system: OpenSystem, horizon: float) -> SeriesMotion | DoublingMotion:
    """Return e^{Lt}: by doubling in small systems that are followed for long, otherwise by a series."""
    generator = packed_generator(system)
    fastest = generator.imaginary_bound - generator.real_range[0]
    if system.dimension <= MOST_DOUBLED and fastest * horizon > LONG:
        return DoublingMotion(ExactGenerator(system))
    return SeriesMotion(generator, horizon)
