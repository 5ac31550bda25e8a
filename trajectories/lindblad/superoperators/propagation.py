"""Motion under a generator over long times: Krylov vectors of the one-step propagator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ...errors import InvalidInput
from .chebyshev import Expansion
from .hermitian_vectors import Vector

Array = NDArray[np.float64]

# Default bound of the error that ending the Krylov space early may cause, relative to the start.
TOLERANCE = 1e-9
# Krylov vectors kept at once: at most this many, and at most this many bytes.
MAX_VECTORS = 400
MAX_BYTES = 2**30
MAX_STEPS = 200_000
# Steps taken together when defects are summed.
BLOCK = 64


@dataclass(frozen=True)
class Stretch:
    """Some consecutive steps, whose starting states lie in one Krylov space.

    Attributes
    ----------
    first : int
        Number of the first step.
    coordinates : ndarray of shape (n_steps, m)
        The state at the start of each step, in the basis.
    end : ndarray of shape (m,)
        The state after the last step.
    basis : ndarray of shape (m, N²)
        Orthonormal Krylov vectors q.
    integrals : ndarray of shape (m, N²)
        ∫₀ʰ e^{Gs} q ds; no rows unless asked for.
    moments : ndarray of shape (m, K, n_functionals)
        u·Φ_k q.
    """

    first: int
    coordinates: Array
    end: Array
    basis: Array
    integrals: Array
    moments: Array


class Stepper:
    """States of a motion at multiples of a step h, from as few steps as possible.

    The propagator F = e^{Gh} is run on Krylov vectors, F Q = Q H + r q e_mᵀ, and x_j = Q Hʲ e₁ ‖x‖, which is exact
    for j < m. It is used beyond as soon as the defects allow: e^{Gt} is completely positive and does not
    increase the trace (or is the adjoint of such a map), so an error never grows in trace (or operator)
    norm, and the error at any later time is at most √N Σ_j r |(Hʲe₁)_m| ‖x‖_F, which is computed and held
    below the tolerance.

    Parameters
    ----------
    expansion : Expansion
        The one-step propagator.
    functionals : sparse array of shape (n, N²), optional
        Packed observables whose moments are recorded.
    integrate : bool
        Whether the integrals over a step are kept.
    tolerance : float
        Largest allowed error in trace norm relative to ‖x‖_F; rounding errors and the expansion's own come on
        top. An integral over a time t may be wrong by t times as much.
    """

    def __init__(
        self,
        expansion: Expansion,
        functionals: sparse.csr_array | None = None,
        integrate: bool = False,
        tolerance: float = TOLERANCE,
    ) -> None:
        self.expansion, self.functionals, self.tolerance = expansion, functionals, tolerance
        whole = np.array([expansion.step])
        # First those of F = e^{Gh}, then those of its integral over the step.
        self._weights = np.vstack([expansion.weights(whole, order) for order in range(1 + integrate)])

    def stretches(self, start: Vector, steps: int) -> Iterator[Stretch]:
        """Yield the motion over `steps` steps, in as few stretches as memory allows."""
        if steps > MAX_STEPS:
            step = self.expansion.step
            raise InvalidInput(
                f"a time of {steps * step:.3g} takes {steps} steps of propagation, above {MAX_STEPS}; ask for "
                f"at most {MAX_STEPS * step:.3g}, or lower N to 30, where any time can be computed"
            )
        room = max(8, min(MAX_VECTORS, MAX_BYTES // (8 * len(start))))
        first, state = 0, start
        while first < steps:
            stretch = self._stretch(state, first, steps - first, room)
            yield stretch
            first += len(stretch.coordinates)
            state = stretch.end @ stretch.basis

    def _stretch(self, start: Vector, first: int, steps: int, room: int) -> Stretch:
        """Build Krylov vectors until they describe all remaining steps, or memory is full."""
        norm = float(np.linalg.norm(start))
        basis = np.empty((min(room, steps), len(start)))
        basis[0] = start / norm if norm > 0 else start
        matrix = np.zeros((len(basis) + 1, len(basis)))
        integrals: list[Vector] = []
        moments: list[Array] = []
        for m in range(1, len(basis) + 1):
            sums, moment = self.expansion.series(basis[m - 1], self._weights, self.functionals)
            image = sums[0]
            integrals.extend(sums[1:])
            moments.append(moment)
            for _ in range(2):  # orthogonalising twice is enough
                overlap = basis[:m] @ image
                image -= overlap @ basis[:m]
                matrix[:m, m - 1] += overlap
            matrix[m, m - 1] = rest = float(np.linalg.norm(image))
            if norm == 0.0 or self._suffices(matrix[: m + 1, :m], steps, len(start)):
                covered = steps
                break
            if m < len(basis):
                basis[m] = image / rest
        else:
            covered = steps if m == steps else m - 1
        coordinates = _powers(matrix[:m, :m], covered + 1) * norm
        return Stretch(first, coordinates[:-1], coordinates[-1], basis[:m], np.array(integrals), np.array(moments))

    def _suffices(self, matrix: Array, steps: int, size: int) -> bool:
        """Say whether √N Σ_j r |(Hʲe₁)_m| over all steps stays within the tolerance."""
        m = matrix.shape[1]
        rest = matrix[m, m - 1]
        if rest > 1e-13 and m % 4:  # summing defects has a price; every fourth vector is often enough
            return False
        square = matrix[:m]
        last = np.zeros(m)
        last[-1] = 1.0
        readers = np.array(_powers(square.T, min(BLOCK, steps), last))
        leap = np.linalg.matrix_power(square, BLOCK)
        state, total, limit = np.eye(m)[0], 0.0, self.tolerance / size**0.25
        for done in range(0, steps, BLOCK):
            total += rest * float(np.abs(readers[: steps - done] @ state).sum())
            if total > limit:
                return False
            state = leap @ state
        return True


def _powers(matrix: Array, count: int, start: Array | None = None) -> Array:
    """Return the rows x, Hx, H²x, …, H^{count−1}x, with x = e₁ by default."""
    rows = np.empty((count, len(matrix)))
    rows[0] = np.eye(len(matrix))[0] if start is None else start
    for j in range(1, count):
        rows[j] = matrix @ rows[j - 1]
    return rows


def observe(
    expansion: Expansion,
    start: Vector,
    functionals: Array,
    times: Array,
    *,
    integrals: int = 0,
    tolerance: float = TOLERANCE,
) -> Array:
    """Return u·e^{Gt}x and its repeated integrals from 0 to t, for many observables and times.

    Parameters
    ----------
    expansion : Expansion
        The one-step propagator.
    start : ndarray of shape (N²,)
        x.
    functionals : ndarray of shape (n, N²)
        Packed observables u.
    times : ndarray of shape (n_times,)
        Not negative, in any order.
    integrals : int
        How many times to integrate: 0, 1 or 2.
    tolerance : float
        See `Stepper`.

    Returns
    -------
    ndarray of shape (integrals + 1, n_times, n)
        The value, its integral, the integral of its integral.
    """
    step = expansion.step
    index = np.floor(times / step).astype(np.int64)
    steps = max(int(np.ceil(times.max(initial=0.0) / step)), 1)
    index = np.minimum(index, steps - 1)
    inside = times - index * step
    tables = [expansion.weights(inside, order) for order in range(integrals + 1)]
    whole = [expansion.weights(np.array([step]), order)[0] for order in range(integrals + 1)]
    result = np.zeros((integrals + 1, len(times), len(functionals)))
    once, twice = np.zeros(len(functionals)), np.zeros(len(functionals))
    for stretch in Stepper(expansion, sparse.csr_array(functionals), tolerance=tolerance).stretches(start, steps):
        here = np.flatnonzero((index >= stretch.first) & (index < stretch.first + len(stretch.coordinates)))
        local = index[here] - stretch.first
        for j in np.unique(local):
            terms = np.tensordot(stretch.coordinates[j], stretch.moments, axes=1)
            same = here[local == j]
            for order, table in enumerate(tables):
                result[order, same] = table[same] @ terms
        if integrals:
            add = [stretch.coordinates @ np.einsum("k,mku->mu", w, stretch.moments) for w in whole[1:]]
            first = np.vstack([once, once + np.cumsum(add[0], axis=0)])
            result[1, here] += first[local]
            once = first[-1]
        if integrals > 1:
            second = np.vstack([twice, twice + np.cumsum(add[1] + step * first[:-1], axis=0)])
            result[2, here] += second[local] + inside[here, None] * first[local]
            twice = second[-1]
    return result


def propagate(
    expansion: Expansion, start: Vector, times: Array, *, integral: bool = False, tolerance: float = TOLERANCE
) -> Array:
    """Return e^{Gt}x, or ∫₀ᵗ e^{Gs}x ds, at each time, shape (n_times, N²).

    Parameters
    ----------
    expansion, start, tolerance
        As in `observe`.
    times : ndarray of shape (n_times,)
        Not negative, in any order.
    integral : bool
        Whether the integral is wanted instead of the state.
    """
    step = expansion.step
    steps = max(int(np.ceil(times.max(initial=0.0) / step)), 1)
    index = np.minimum(np.floor(times / step).astype(np.int64), steps - 1)
    weights = expansion.weights(times - index * step, int(integral))
    result = np.zeros((len(times), len(start)))
    before = np.zeros(len(start))
    for stretch in Stepper(expansion, integrate=integral, tolerance=tolerance).stretches(start, steps):
        sums = np.cumsum(stretch.coordinates, axis=0)
        for j in np.unique(index[(index >= stretch.first) & (index < stretch.first + len(sums))]):
            here = np.flatnonzero(index == j)
            local = j - stretch.first
            if integral:
                result[here] = before + ((sums[local] - stretch.coordinates[local]) @ stretch.integrals)
            result[here] += expansion.series(stretch.coordinates[local] @ stretch.basis, weights[here])[0]
        if integral:
            before = before + sums[-1] @ stretch.integrals
    return result
