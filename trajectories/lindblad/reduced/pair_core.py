"""A core of mode pairs, on which the motion is diagonalised once: every curve is then Σ a e^{μt}."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock, Semaphore

import numpy as np
from numpy.typing import NDArray

from ...processors import beside
from ...stages import Stage, under_way
from ..superoperators.hermitian_vectors import Vector, pack, unpack
from .exponentials import exponentials
from .kept import Kept, content, remembered
from .mode_space import SILENT, ModeSpace
from .pair_core_kernels import add_jumps
from .spectrum import Spectrum

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

# Predicted seconds of a core per R³.
CORE = 6e-10
STAGE = "diagonalising"
# Two cores are diagonalised at a time, whoever asks: more would share two processors, and each take longer.
_side_by_side = Semaphore(2)


def importance(
    space: ModeSpace,
    starts: Sequence[str],
    ends: Sequence[str],
    exclusive: bool = False,
    others: Sequence[Complex] = (),
) -> Array:
    """Return the importance of each pair of modes for curves that start and end with a click, shape (r, r).

    max over k, l of b_k b_l |x_jk||u_kj| √(Γ_jk/(Γ_jk + |ω_jk|))/s_kl, with x the larger of J_kρ/λ_k and ρ,
    u = c_l†c_l/λ_l, Γ − iω = −D. b = (λ_max/λ)^¼ protects channels that rarely click. The square root weighs down
    pairs that oscillate so fast that jumps into and out of them average out. s is the size of the curve:
    max(1, g(0)), or, if no other click lies between, Γ̄ Σ_jk x_jk u_kj/(Γ̄ − D_jk), its average over a typical
    lifetime 1/Γ̄. `others` are states of trace 1 from which curves start as well.
    """
    rates = {name: float(np.sum(space.rho.T * effect).real) for name, effect in space.effects.items()}
    loudest = max(rates.values(), default=0.0)
    starting, ending = ([k for k in names if rates[k] > SILENT * loudest] for names in (starts, ends))
    decay = np.abs(space.motion.real)
    typical = max(float(np.median(decay.diagonal())), 1e-300)
    found = np.zeros(space.rho.shape)
    begun = [(space.jumps[k] @ space.rho @ space.jumps[k].conj().T / rates[k], rates[k]) for k in starting]
    for after, rate in begun + [(state, loudest) for state in others]:
        size = np.maximum(np.abs(after), np.abs(space.rho))
        for end in ending:
            reader = space.effects[end].T / rates[end]
            scale = max(1.0, float(np.sum(after * reader).real))
            if exclusive:
                scale = min(scale, typical * abs(np.sum(after * reader / (typical - space.motion))) + 1e-12)
            rare = (loudest / rate * loudest / rates[end]) ** 0.25
            found = np.maximum(found, rare / scale * size * np.abs(reader))
    found *= np.sqrt((decay + typical) / (decay + typical + np.abs(space.motion.imag)))
    return np.maximum(found, found.T)


def core_matrix(
    space: ModeSpace, unwatched: Mapping[str, float], effect: Vector, diagonal: Complex, index: NDArray[np.int64]
) -> Array:
    """Return G on a core of pairs, real; the trace that leaks out of the core is returned into ρ.

    Parameters
    ----------
    space : ModeSpace
        The modes.
    unwatched, effect
        As in `PairMotion`.
    diagonal : ndarray of shape (r, r)
        D − d.
    index : ndarray of int, shape (R,)
        Places of the pairs in a packed matrix, of (k, j) with each (j, k).
    """
    r = len(diagonal)
    rows, columns = np.divmod(index, r)
    place = np.full((r, r), -1)
    place[rows, columns] = np.arange(len(index))
    matrix = np.zeros((len(index), len(index)))
    d = diagonal[rows, columns]
    matrix[np.arange(len(index)), np.arange(len(index))] = d.real
    different = rows != columns
    matrix[np.flatnonzero(different), place[columns, rows][different]] += d.imag[different]
    for name, weight in unwatched.items():
        if weight > 0.0:
            add_jumps(rows, columns, space.jumps[name], weight, matrix)
    trace, rho = pack(space.gram)[index], pack(space.rho)[index]
    norm = float(trace @ rho)
    if norm > 0.5:
        leak = -(trace @ matrix + effect[index])
        matrix += np.outer(rho / norm, leak)
    return matrix


class PairMotion:
    """e^{Gt} on Y, exact on a core of pairs and without jumps on all others.

    G = D − d + Σ_k w_k C_k·C_k†, with w_k the undetected share of the jumps of channel k and d the rate of
    detected dark counts.

    Parameters
    ----------
    space : ModeSpace
        The modes.
    unwatched : mapping of str to float
        w; 0 for channels that are not named.
    effect : ndarray of shape (r², )
        Packed form of the rate of detected clicks, at which the trace falls.
    dark : float
        d.
    chosen : ndarray of bool, shape (r, r), optional
        The core, symmetric. Without one G = D − d, which needs w = 0.
    kept : dict, optional
        Eigenvalues, amplitudes of curves and states of this and other processes, under hashes of their inputs.
        What is found there needs no diagonalisation; what is computed is added.

    Attributes
    ----------
    size : int
        R, the number of real dimensions of the core.
    """

    def __init__(
        self,
        space: ModeSpace,
        unwatched: Mapping[str, float],
        effect: Vector,
        dark: float,
        chosen: NDArray[np.bool_] | None = None,
        kept: Kept | None = None,
    ) -> None:
        self._kept: Kept = {} if kept is None else kept
        self._r = len(space.rho)
        self._diagonal: Complex = space.motion - dark
        inside = np.zeros((self._r, self._r), dtype=bool) if chosen is None else chosen
        rows, columns = (side.astype(np.int64) for side in np.nonzero(inside))
        self._index = rows * self._r + columns
        self.size = len(rows)
        # Of the pairs outside the core, (j, k) and (k, j) are complex conjugates: one of both is followed.
        self._tail = np.flatnonzero(np.triu(~inside).reshape(-1))
        self._twice = np.where(self._tail // self._r == self._tail % self._r, 1.0, 2.0)
        self._tables: dict[tuple[bytes, int], tuple[list[Complex], list[Complex]]] = {}
        self._lock = Lock()
        self._found: Spectrum | None = None
        if self.size:
            self._made_of = space, dict(unwatched), effect
            jumps = [space.jumps[name] for name in sorted(unwatched)]
            parts = (space.motion, space.rho, space.gram, *jumps, effect, self._index)
            self._key = content(*parts, sorted(unwatched.items()), dark)
            self._summary_key = content(self._key, "summary")

    @property
    def condition(self) -> float:
        """Estimated condition number of the eigenvectors, in the 1-norm; 1 without a core."""
        return float(self._summary[0].real)

    @property
    def growth(self) -> float:
        """Largest real part of an eigenvalue relative to the fastest motion; 0 apart from rounding."""
        return float(self._summary[1].real)

    @property
    def values(self) -> Complex:
        """μ, of two complex conjugates one; none without a core."""
        return self._summary[2:]

    @property
    def _spectrum(self) -> Spectrum:
        # Not a cached_property: in Python 3.11 its lock belongs to the class, and one core at a time would be
        # diagonalised.
        with self._lock:
            if self._found is None:
                with _side_by_side:
                    text, others = f"{STAGE} {self.size} pairs of modes", under_way(STAGE)
                    # Of cores side by side the largest, which begins first, is shown.
                    with Stage(text, expected=0.0 if others else CORE * self.size**3, whole=others):
                        # In a thread of its own, or Ctrl-C would wait for LAPACK.
                        (self._found,) = beside([lambda: Spectrum(self._matrix())])
            return self._found

    @property
    def _summary(self) -> Complex:
        """Condition, growth and eigenvalues as one array."""
        if not self.size:
            return np.array([1.0, 0.0], dtype=np.complex128)

        def compute() -> Complex:
            found = self._spectrum
            return np.concatenate([[found.condition, found.growth], found.exponents])

        return remembered(self._kept, self._summary_key, compute)

    def _matrix(self) -> Array:
        space, unwatched, effect = self._made_of
        return core_matrix(space, unwatched, effect, self._diagonal, self._index)

    def _exponentials(self, times: Array, integrals: int) -> tuple[list[Complex], list[Complex]]:
        key = (times.tobytes(), integrals)
        found = self._tables.get(key)
        if found is None:
            if len(self._tables) > 8:
                self._tables.clear()
            outside = self._diagonal.reshape(-1)[self._tail]
            found = exponentials(self.values, times, integrals), exponentials(outside, times, integrals)
            self._tables[key] = found
        return found

    def _amplitudes(self, start: Vector, functionals: Array) -> Complex:
        """Return a in Re Σ_k a_k e^{μ_k t} on the core, shape (n, K); see `Spectrum`."""
        x, rows = start[self._index], functionals[:, self._index]
        keys = [content(self._key, "amplitudes", x, row) for row in rows]
        missing = [k for k, key in enumerate(keys) if key not in self._kept]
        if missing:
            found = self._spectrum.readers(rows[missing]) * self._spectrum.coefficients(x)
            self._kept.update({keys[k]: amplitude for k, amplitude in zip(missing, found, strict=True)})
        return np.array([self._kept[key] for key in keys])

    def _core_states(self, x: Vector, times: Array, integral: bool, adjoint: bool, table: Complex) -> Array:
        """Return the core's part of `propagate`, shape (n_times, R)."""

        def compute() -> Array:
            spectrum = self._spectrum
            if adjoint:
                inner = spectrum.readers(x[None])[0]
                return np.array([spectrum.functional(inner * row) for row in table])
            inner = spectrum.coefficients(x)
            return np.array([spectrum.state(inner * row) for row in table])

        return remembered(self._kept, content(self._key, "states", x, times, integral, adjoint), compute)

    def observe(self, start: Vector, functionals: Array, times: Array, *, integrals: int = 0) -> Array:
        """Return u·e^{Gt}x and its repeated integrals from 0, shape (integrals + 1, n_times, n).

        Parameters
        ----------
        start : ndarray of shape (r²,)
            x, packed.
        functionals : ndarray of shape (n, r²)
            u, packed.
        times : ndarray of shape (n_times,)
            Not negative, in any order.
        integrals : int
            How many times to integrate: 0, 1 or 2.
        """
        core, outside = self._exponentials(np.ascontiguousarray(times), integrals)
        result = np.zeros((integrals + 1, len(times), len(functionals)))
        if self.size:
            inner = self._amplitudes(start, functionals)
            for row, table in zip(result, core, strict=True):
                row += (table @ inner.T).real
        if len(self._tail):
            amplitude = unpack(start).reshape(-1)[self._tail] * self._twice
            # Tr(UY) = Σ U_kj Y_jk, and U_kj is the conjugate of U_jk.
            forms = np.array([unpack(u).reshape(-1)[self._tail].conj() for u in functionals])
            for row, table in zip(result, outside, strict=True):
                row += (table @ (forms * amplitude).T).real
        return result

    def propagate(self, start: Vector, times: Array, *, integral: bool = False, adjoint: bool = False) -> Array:
        """Return e^{Gt}x or ∫₀ᵗ e^{Gs}x ds, or the same of the adjoint G†, at each time, shape (n_times, r²)."""
        order = int(integral)
        core, outside = (table[order] for table in self._exponentials(np.ascontiguousarray(times), order))
        result = np.empty((len(times), self._r**2))
        matrix = unpack(start).reshape(-1)[self._tail]
        for k in range(len(times)):
            outer = np.zeros(self._r**2, dtype=np.complex128)
            outer[self._tail] = matrix * (outside[k].conj() if adjoint else outside[k])
            result[k] = pack(_mirrored(outer.reshape(self._r, self._r)))
        if self.size:
            result[:, self._index] = self._core_states(start[self._index], times, integral, adjoint, core)
        return result

    def solve(self, source: Vector, *, traceless: bool = False) -> Vector:
        """Return X with G X = R; with `traceless` G is singular, and X is the solution of trace 0."""
        outside = np.zeros(self._r**2, dtype=np.complex128)
        outside[self._tail] = unpack(source).reshape(-1)[self._tail] / self._diagonal.reshape(-1)[self._tail]
        result = pack(_mirrored(outside.reshape(self._r, self._r)))
        if self.size:
            result[self._index] = self._core_solution(source[self._index], traceless)
        return result

    def _core_solution(self, right: Vector, traceless: bool) -> Vector:
        """Return the core's part of `solve`."""

        def compute() -> Vector:
            coefficients, values = self._spectrum.coefficients(right), self.values.copy()
            if traceless:
                stationary = int(np.argmin(np.abs(values)))
                coefficients[stationary], values[stationary] = 0.0, 1.0
            return self._spectrum.state(coefficients / values)

        return remembered(self._kept, content(self._key, "solution", right, traceless), compute)


def _mirrored(upper: Complex) -> Complex:
    """Return the Hermitian matrix of an upper triangle."""
    lower = np.triu(upper, 1).conj().T
    return upper + lower
