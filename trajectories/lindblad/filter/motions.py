"""e^{Gt} of a real matrix, prepared once: its modes in real form, or a ladder of steps where they are unsafe."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from ..reduced.kept import content
from ..reduced.spectrum import Spectrum

Array = NDArray[np.float64]

# ‖G‖₁ × the shortest step of a ladder: the remainder of a time is done by a Taylor series, which is then short.
SHORTEST_STEP = 0.25
# Condition number of the modes above which a ladder is used, where nothing was left out.
MAX_FULL_CONDITION = 1e7
# Largest number of doublings of the step; longer times use the longest step several times.
MOST_DOUBLINGS = 40
# Modes that were found last are kept up to so many bytes: a record that is followed again, in blocks, with other
# tolerances or for its lost clicks, asks for the same motions.
MOST_KEPT = 250e6


@dataclass(frozen=True, eq=False)
class RealModes:
    """G = P B P⁻¹ with real P, and B of real eigenvalues and 2×2 blocks ((ν, ω), (−ω, ν)).

    Attributes
    ----------
    rates, frequencies : ndarray of shape (R,)
        ν, and ω of the first of each two; a zero beside a real eigenvalue.
    paired : ndarray of bool, shape (R,)
        Whether this and the next coordinate make a block; False for its second.
    vectors, inverse : ndarray of shape (R, R)
        P and P⁻¹.
    condition, growth : float
        Condition of P, and the largest real part beside the fastest motion.
    """

    rates: Array
    frequencies: Array
    paired: NDArray[np.bool_]
    vectors: Array
    inverse: Array
    condition: float
    growth: float


@dataclass(frozen=True, eq=False)
class Ladder:
    """Tabulated e^{G·step·2^j}.

    Attributes
    ----------
    generator : ndarray of shape (R, R)
        G.
    step : float
        The shortest step.
    powers : ndarray of shape (J, R, R)
        e^{G·step·2^j}.
    """

    generator: Array
    step: float
    powers: Array


class _Recent:
    """The modes that were found last, by the content of their matrices."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, RealModes] = OrderedDict()
        self._lock = Lock()

    def of(self, matrix: Array) -> RealModes:
        """Return the modes of a matrix: the same object for the same matrix, as long as it is kept."""
        key = content(matrix)
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key]
        modes = _real_modes(matrix)
        with self._lock:
            self._found[key] = modes
            while sum(16.0 * found.vectors.size for found in self._found.values()) > MOST_KEPT:
                self._found.popitem(last=False)
        return modes


_recent = _Recent()


def real_modes(matrix: Array) -> RealModes:
    """Return the modes of a real matrix, which must not be changed."""
    return _recent.of(matrix)


def _real_modes(matrix: Array) -> RealModes:
    spectrum = Spectrum(matrix)
    first, second = spectrum.paired, np.roll(spectrum.paired, 1)
    vectors = spectrum.basis
    rates = spectrum.values.real.copy()
    rates[second] = rates[first]
    frequencies = np.where(first, spectrum.values.imag, 0.0)
    sound = np.isfinite(spectrum.condition)
    inverse = np.asarray(np.linalg.inv(vectors), dtype=np.float64) if sound else vectors
    return RealModes(rates, frequencies, first, vectors, inverse, spectrum.condition, spectrum.growth)


def ladder(matrix: Array, longest: float) -> Ladder:
    """Return the ladder of a matrix for times up to the longest; longer times only need more steps."""
    step = SHORTEST_STEP / max(float(np.linalg.norm(matrix, 1)), 1e-300)
    doublings = int(np.clip(np.ceil(np.log2(max(longest / step, 1.0))), 0, MOST_DOUBLINGS))
    powers = [linalg.expm(step * matrix)]
    for _ in range(doublings):
        powers.append(powers[-1] @ powers[-1])
    return Ladder(np.ascontiguousarray(matrix), step, np.stack(powers))


class ClickFreeMotion:
    """e^{Gt} and its adjoint on vectors of a model, at many times."""

    def __init__(self, generator: Array, modes: RealModes | None = None) -> None:
        self._modes: RealModes | None = real_modes(generator) if modes is None else modes
        self._ladder: Ladder | None = None
        if self._modes.condition > MAX_FULL_CONDITION:
            self._modes, self._ladder = None, ladder(generator, 0.0)

    def at(self, state: Array, times: Array, *, adjoint: bool = False) -> Array:
        """Return e^{Gt}x, or e^{Gᵀt}x, for every time, shape (n_times, R)."""
        if self._modes is None:
            assert self._ladder is not None
            return np.array([_by_ladder(self._ladder, state, float(t), adjoint) for t in times])
        modes = self._modes
        inner = modes.vectors.T @ state if adjoint else modes.inverse @ state
        decay = np.exp(np.multiply.outer(times, modes.rates))
        first, second = modes.paired, np.roll(modes.paired, 1)
        moved = decay * inner
        angle = np.multiply.outer(times, modes.frequencies[first])
        cos, sin = np.cos(angle), (-np.sin(angle) if adjoint else np.sin(angle))
        x, y = moved[:, first], moved[:, second]
        moved[:, first], moved[:, second] = x * cos + y * sin, y * cos - x * sin
        return np.asarray(moved @ (modes.inverse if adjoint else modes.vectors.T))


def _by_ladder(rungs: Ladder, state: Array, time: float, adjoint: bool) -> Array:
    """Return e^{Gt}x by squarings of the shortest step, and the Taylor series for the rest."""
    turned = (lambda m: m.T) if adjoint else (lambda m: m)
    steps = int(time / rungs.step)
    power, moved, left = rungs.powers[0], state, steps
    while left:
        if left & 1:
            moved = turned(power) @ moved
        left >>= 1
        if left:
            power = power @ power
    rest = time - steps * rungs.step
    term, total = moved, moved.copy()
    for k in range(1, 40):
        term = turned(rungs.generator) @ term * (rest / k)
        total = total + term
    return np.asarray(total)
