"""Motion under a Liouvillian that depends on time, by Taylor series on steps where envelopes are polynomials.

States are packed Hermitian matrices, real vectors of N² numbers, several side by side: a *cascade* is a set of
states of which some feed others, X_s′ = L X_s + Σ w J_k X_r. Counting statistics of pulses are cascades.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.sparse.linalg import eigsh

from ...errors import ConvergenceError
from ...model import OpenSystem
from ...model.stretches import Stretch, polynomial_steps, stretches
from .motion_kernels import SeriesRoom, StackedParts, taylor_series

Vector = NDArray[np.float64]

# Length of a step times the spectral radius r of the Liouvillian; a series loses digits in proportion to
# e^(r·step).
RADIANS = 6.0
# Largest number of terms of a series; it ends when two in a row are below this share of the largest.
MOST_TERMS, ENOUGH = 90, 2.0**-55
# Up to this dimension extreme eigenvalues are computed densely.
DENSE = 600
# Up to this dimension cascades on constant stretches are exponentiated as dense matrices, and this many are kept.
DENSE_MOTION, MOST_KEPT = 1100, 32
# Times closer than this, relative to their size, are one edge.
SAME_TIME = 1e-13


@dataclass(frozen=True, eq=False)
class Part:
    """A part of the generator of a cascade: X ↦ f(t)·(matrix X coupling).

    Attributes
    ----------
    matrix : csr_array of shape (N², N²), or None
        Acts on each state; None is the identity.
    coupling : ndarray of shape (n_states, n_states), or None
        Element (r, s) feeds state r into state s; None is the identity.
    term : int
        Which term of the system f(t) is; −1 means 1.
    """

    matrix: sparse.csr_array | None
    coupling: NDArray[np.float64] | None
    term: int = -1


@dataclass(frozen=True, eq=False)
class Row:
    """A functional of a state that is integrated over time: f(t)·(row · state).

    Attributes
    ----------
    row : ndarray of shape (N²,)
        The functional of a packed state.
    term : int
        Which term of the system f(t) is; −1 means 1.
    """

    row: NDArray[np.float64]
    term: int = -1


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a motion, as polynomials of x from 0 to 1.

    Attributes
    ----------
    start, span : float
        When it begins, and how long it is.
    series : ndarray of shape (n_coefficients, N², n_states)
        The states, Σ_k series_k x^k.
    terms : ndarray of shape (n_terms, n_coefficients)
        The terms of the system likewise.
    """

    start: float
    span: float
    series: NDArray[np.float64]
    terms: NDArray[np.float64]

    def integral(self, row: NDArray[np.float64], term: int = -1) -> NDArray[np.float64]:
        """Return the integral over the step of f(t)·(row · state), one number a state."""
        values = np.einsum("i,kis->ks", row, self.series)
        if term >= 0:
            product = np.zeros((len(values) + self.terms.shape[1] - 1, values.shape[1]))
            for power, f in enumerate(self.terms[term]):
                product[power : power + len(values)] += f * values
            values = product
        return np.asarray(self.span * (values / np.arange(1.0, len(values) + 1.0)[:, None]).sum(axis=0))


class TimedMotion:
    """L(t) of a system, and the motion of cascades under it."""

    def __init__(self, system: OpenSystem, horizon: float) -> None:
        self.system, self.horizon = system, horizon
        self.amplitude_term: dict[str, int] = {}
        number = len(system.terms) - sum(c.amplitude is not None for c in system.channels)
        for channel in system.channels:
            if channel.amplitude is not None:
                self.amplitude_term[channel.name] = number
                number += 1
        self._kept: dict[tuple[Any, ...], tuple[NDArray[np.float64], Any, Any]] = {}
        self.jumps = {c.name: _jump(c.operator) for c in system.channels}
        self.rates = {c.name: Row(_row(c.operator), self.amplitude_term.get(c.name, -1)) for c in system.channels}
        self.trace = Row(_row(sparse.eye_array(system.dimension, format="csr")))

    @cached_property
    def parts(self) -> list[Part]:
        """The Liouvillian of each state alone."""
        constant = _commutator(self.system.constant_part)
        timed: dict[int, sparse.csr_array] = {}
        for number, term in enumerate(self.system.terms):
            timed[number] = _commutator(term.operator)
        for name, jump in self.jumps.items():
            if name in self.amplitude_term:
                timed[self.amplitude_term[name]] = timed[self.amplitude_term[name]] + jump
            else:
                constant = constant + jump
        return [Part(constant, None), *(Part(matrix, None, number) for number, matrix in timed.items())]

    @cached_property
    def _alone(self) -> list[Part]:
        """The jumps of each state alone, one part for each term."""
        found: dict[int, sparse.csr_array] = {}
        for name, jump in self.jumps.items():
            term = self.amplitude_term.get(name, -1)
            found[term] = found[term] + jump if term in found else jump
        return [Part(sparse.csr_array(jump), None, term) for term, jump in found.items()]

    def jump_part(self, name: str, coupling: NDArray[np.float64]) -> Part:
        """Return g²J_k times a coupling."""
        return Part(self.jumps[name], coupling, self.amplitude_term.get(name, -1))

    @cached_property
    def _stretches(self) -> list[Stretch]:
        return stretches(self.system, self.horizon)

    def pieces(self, start: float, stop: float, edges: Sequence[float] = ()) -> Iterator[tuple[float, Stretch]]:
        """Yield all stretches from start to stop, cut at the edges and at the ends of periods, and their shift."""
        period = self.system.period
        bounds = {start, stop, *(float(e) for e in edges if start < e < stop)}
        if period is not None:
            first, last = int(np.floor(start / period)), int(np.ceil(stop / period))
            bounds |= {n * period for n in range(first, last + 1) if start < n * period < stop}
        ascending = sorted(bounds)
        kept = [ascending[0]]
        for bound in ascending[1:]:
            if bound - kept[-1] > SAME_TIME * max(1.0, abs(bound)):
                kept.append(bound)
        for low, high in pairwise(kept):
            shift = 0.0 if period is None else period * np.floor((0.5 * (low + high)) / period)
            for stretch in self._stretches:
                a, b = max(low - shift, stretch.start), min(high - shift, stretch.stop)
                if b - a > SAME_TIME * max(1.0, abs(b)):
                    yield shift, Stretch(a, b, stretch.values)

    def steps(
        self,
        states: NDArray[np.float64],
        start: float,
        stop: float,
        more: Sequence[Part] | Callable[[float], Sequence[Part]] = (),
        edges: Sequence[float] = (),
    ) -> Iterator[tuple[Step, NDArray[np.float64]]]:
        """Carry states of shape (N², n_states) from start to stop; yield each step and the states at its end.

        `more` are the parts that couple the states, or what gives them for the middle of a stretch. Steps end at
        the edges.
        """
        size, width = states.shape
        room = np.zeros((MOST_TERMS, size, width))
        mixed, flipped, left, right = np.zeros((4, size, width))
        places = SeriesRoom(mixed, flipped, left, right, np.zeros(width), np.zeros(MOST_TERMS))
        for shift, stretch in self.pieces(start, stop, edges):
            stacked = self.stacked(more(shift + stretch.middle) if callable(more) else more, width)
            cut = polynomial_steps(self.system, stretch, stretch.stop, self.longest_step(stretch))
            for number, (low, high) in enumerate(pairwise(cut.starts)):
                room[0] = states
                count = taylor_series(stacked, cut.coefficients[number], high - low, ENOUGH, room, places)
                if count < 0:
                    raise ConvergenceError(
                        f"a Taylor series of the master equation over {high - low:g} diverges; lower its rates"
                    )
                states = room[:count].sum(axis=0)
                yield Step(shift + low, high - low, room[:count], cut.coefficients[number]), states

    def carry(self, states: NDArray[np.float64], start: float, stop: float) -> NDArray[np.float64]:
        """Return the states at `stop`; constant stretches of small systems in one product."""
        return self.integrate(states, start, stop)[0]

    def integrate(
        self,
        states: NDArray[np.float64],
        start: float,
        stop: float,
        more: Sequence[Part] = (),
        rows: Sequence[Row] = (),
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Carry a cascade from start to stop, and integrate rows on the way.

        Returns
        -------
        states : ndarray of shape (N², n_states)
            At `stop`.
        integrals : ndarray of shape (n_rows, n_states)
            ∫ f(t)·(row · state) dt of every row and state.
        """
        total, width = np.zeros((len(rows), states.shape[1])), states.shape[1]
        parts = [*self.parts, *more]
        # Every row and state is one more dimension of the exponential.
        dense = states.shape[0] * (1 if not more and not rows else width) + len(rows) * width <= DENSE_MOTION
        for shift, stretch in self.pieces(start, stop):
            if dense and stretch.values is not None:
                states, added = self._in_one_product(states, stretch, parts, rows)
                total += added
                continue
            for step, after in self.steps(states, shift + stretch.start, shift + stretch.stop, more):
                states = after
                for i, row in enumerate(rows):
                    total[i] += step.integral(row.row, row.term)
        return states, total

    def _in_one_product(
        self, states: NDArray[np.float64], stretch: Stretch, parts: Sequence[Part], rows: Sequence[Row]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Carry a cascade and its integrals over a constant stretch by one exponential."""
        assert stretch.values is not None
        size, width = states.shape
        values, length = stretch.values + 0.0, stretch.stop - stretch.start
        if not rows and all(part.coupling is None for part in parts):
            width = 1
        key = (values.tobytes(), float(f"{length:.13g}"), width, *map(id, parts), *map(id, rows))
        if key not in self._kept:
            generator = np.zeros((size * width + len(rows) * width,) * 2)
            inside = generator[: size * width, : size * width]
            for part in parts:
                factor = 1.0 if part.term < 0 else values[part.term]
                matrix = np.eye(size) if part.matrix is None else part.matrix.toarray()
                for r, s in np.argwhere(np.eye(width) if part.coupling is None else part.coupling):
                    weight = 1.0 if part.coupling is None else part.coupling[r, s]
                    block = inside[size * s : size * (s + 1), size * r : size * (r + 1)]
                    block += factor * weight * matrix
            for i, row in enumerate(rows):
                factor = 1.0 if row.term < 0 else values[row.term]
                for s in range(width):
                    generator[size * width + i * width + s, size * s : size * (s + 1)] = factor * row.row
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            # The key holds id() of parts and rows, so that the objects must be kept alive with the result.
            self._kept[key] = (linalg.expm(length * generator), parts, rows)
        matrix = self._kept[key][0]
        if width != states.shape[1]:
            return matrix @ states, np.zeros((0, states.shape[1]))
        stacked = np.concatenate([states.T.reshape(-1), np.zeros(len(rows) * width)])
        after = matrix @ stacked
        return after[: size * width].reshape(width, size).T.copy(), after[size * width :].reshape(len(rows), width)

    def stacked(self, more: Sequence[Part], width: int = 1) -> StackedParts:
        """Return the generator of a cascade in the layout of the kernel; if no part is coupled, for any width."""
        squared = self.system.dimension**2
        identity = sparse.eye_array(squared, format="csr")
        halves = [self.system.constant_part, *(term.operator for term in self.system.terms)]
        half = sparse.csr_array(sparse.vstack([sparse.csr_array(h) for h in halves]))
        parts = sorted([*self._alone, *more], key=lambda part: part.term)
        matrices = [sparse.csr_array(identity if part.matrix is None else part.matrix) for part in parts]
        stacked = sparse.csr_array(sparse.vstack(matrices))
        couplings = [sparse.csr_array(np.eye(width) if p.coupling is None else p.coupling) for p in parts]
        coupling = sparse.csr_array(sparse.vstack(couplings))
        return StackedParts(
            half.indptr.astype(np.int64),
            half.indices.astype(np.int64),
            np.ascontiguousarray(half.data.real.astype(np.float64)),
            np.ascontiguousarray(half.data.imag.astype(np.float64)),
            stacked.indptr.astype(np.int64),
            stacked.indices.astype(np.int64),
            stacked.data.astype(np.float64),
            coupling.indptr.astype(np.int64),
            coupling.indices.astype(np.int64),
            coupling.data.astype(np.float64),
            np.array([part.coupling is not None for part in parts], dtype=np.bool_),
            np.searchsorted([part.term for part in parts], np.arange(-1, len(halves))).astype(np.int64),
        )

    def longest_step(self, stretch: Stretch) -> float:
        """Return the longest step of a stretch."""
        radius = self.radius(stretch)
        return RADIANS / radius if radius > 0.0 else max(stretch.stop - stretch.start, 1e-300)

    def radius(self, stretch: Stretch) -> float:
        """Return a bound of the spectral radius of the Liouvillian in a stretch."""
        times = np.linspace(stretch.start, stretch.stop, 65)
        values = np.array([term.values(times) for term in self.system.terms])
        middle = 0.5 * (values.max(axis=1) + values.min(axis=1))
        if stretch.values is not None:
            values, middle = stretch.values[:, None], stretch.values
        half = 0.5 * np.ptp(values, axis=1)
        whole = self.system.constant_part + sum(
            (m * term.operator for m, term in zip(middle, self.system.terms, strict=True)),
            0.0 * self.system.constant_part,
        )
        return _radius(sparse.csr_array(whole)) + float(half @ self._widths)

    @cached_property
    def _widths(self) -> NDArray[np.float64]:
        return np.array([_radius(sparse.csr_array(term.operator)) for term in self.system.terms])


def _real(matrix: sparse.csr_array) -> sparse.csr_array:
    """Return a map on row-major complex vectors that keeps X Hermitian, as a real map of packed vectors.

    With X = R + iS packed as R + S the image is Re(L)·y + Im(L)·Πy, where Π transposes.
    """
    size = round(matrix.shape[0] ** 0.5)
    order = np.arange(size * size).reshape(size, size).T.reshape(-1)
    total = sparse.csr_array(matrix.real) + sparse.csr_array(sparse.csr_array(matrix.imag)[:, order])
    total.eliminate_zeros()
    return sparse.csr_array(total)


def _commutator(h_eff: sparse.csr_array) -> sparse.csr_array:
    """Return X ↦ −iHX + iXH† for packed X."""
    identity = sparse.eye_array(h_eff.shape[0], format="csr")
    half = sparse.csr_array(-1j * h_eff)
    return _real(sparse.csr_array(sparse.kron(half, identity) + sparse.kron(identity, half.conj())))


def _jump(operator: sparse.csr_array) -> sparse.csr_array:
    """Return X ↦ cXc† for packed X."""
    return _real(sparse.csr_array(sparse.kron(operator, operator.conj())))


def _row(operator: sparse.csr_array) -> NDArray[np.float64]:
    """Return Tr(c†c ·) as a packed row."""
    effect = (operator.conj().T @ operator).toarray()
    return np.ascontiguousarray(effect.real + effect.imag).reshape(-1)


def _radius(h_eff: sparse.csr_array) -> float:
    """Return a bound of the spectral radius of the Liouvillian of H_eff, jumps included."""
    low, high = _extremes(sparse.csr_array(0.5 * (h_eff + h_eff.conj().T)))
    least, most = _extremes(sparse.csr_array(0.5j * (h_eff - h_eff.conj().T)))
    return (high - low) + 4.0 * max(abs(least), abs(most))


def _extremes(matrix: sparse.csr_array) -> tuple[float, float]:
    """Return bounds of the spectrum of a Hermitian matrix."""
    if matrix.count_nonzero() == 0:
        return 0.0, 0.0
    if matrix.shape[0] <= DENSE:
        values = linalg.eigvalsh(matrix.toarray())
        return float(values[0]), float(values[-1])
    ends = [
        float(eigsh(matrix, k=1, which=which, tol=1e-3, return_eigenvectors=False)[0]) for which in ("SA", "LA")
    ]
    margin = 0.02 * (ends[1] - ends[0])
    return ends[0] - margin, ends[1] + margin
