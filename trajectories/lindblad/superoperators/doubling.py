"""e^{Gt} of small systems by doubling of the time in doubled precision: time scales of any separation."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property
from math import factorial

import numpy as np
from numpy.typing import NDArray

from ...errors import ConvergenceError
from .doubled import ROUNDOFF, Doubled, ExactGenerator, add, product
from .hermitian_vectors import Vector

Array = NDArray[np.float64]

# The first step h has ‖G‖h ≤ 1/8; its Taylor series then ends below the rounding of the doubled precision.
SHORTEST = 0.125
TERMS = 20
# Bytes of propagators that are kept between questions.
KEPT = 2**27
# Largest relative error of a decay over the longest time that is accepted.
ACCEPTED = 1e-9


class DoublingMotion:
    """e^{Gt} from F_p = e^{G h 2^p} = F_{p−1}², on packed matrices.

    With t = nh + r, r < h, e^{Gt}x is a Taylor series in r followed by the F_p of the bits of n: some 70 products
    of N² × N² matrices reach any time, where a series in t would take a number that grows with t times the fastest
    frequency. h is a power of two, so that n and r are exact. Squaring doubles the rounding of an exponent, which
    is then ‖G‖t·2⁻¹⁰³: this is why doubles will not do. Integrals over h 2^p come from the same products:
    Φ(2T) = Φ(T) + F(T)Φ(T) with Φ(T) = ∫₀ᵀ e^{Gs} ds.

    Parameters
    ----------
    generator : ExactGenerator
        G.
    """

    def __init__(self, generator: ExactGenerator) -> None:
        self._exact = generator
        self._kept: list[Doubled] = []

    @cached_property
    def _generator(self) -> Doubled:
        return self._exact.matrix()

    @cached_property
    def fastest(self) -> float:
        """A norm of G."""
        size = np.abs(self._generator.high)
        return float(min(size.sum(axis=0).max(), size.sum(axis=1).max()))

    @cached_property
    def _step(self) -> float:
        """h, a power of two."""
        return float(2.0 ** np.floor(np.log2(SHORTEST / self.fastest))) if self.fastest > 0.0 else 1.0

    def observe(self, start: Vector, functionals: Array, times: Array, *, integrals: int = 0) -> Array:
        """Return u·e^{Gt}x and its repeated integrals from 0, shape (integrals + 1, n_times, n)."""
        counts, rests = self._divided(times)
        rows = Doubled.of(functionals)
        columns = rows.T
        # In units of the step, a power of two, which cost no digit and neither overflow nor vanish.
        series = self._taylor(Doubled.of(start[None]), self._generator.scaled(self._step).T)
        state = _coefficients(rests / self._step, 0) @ series
        sums = [
            (_coefficients(rests / self._step, m) @ (series @ columns)).scaled(self._step**m)
            for m in range(1, integrals + 1)
        ]
        # u·∫₀ᵀ e^{Gs} ds and u·∫₀ᵀ (T − s) e^{Gs} ds over T = h 2^p, as rows.
        ahead = self._taylor_rows(rows, integrals)
        length = self._step
        for number, propagator in enumerate(self._propagators(counts)):
            here = np.flatnonzero([count >> number & 1 for count in counts])
            now = state.rows(here)
            if integrals > 1:
                grown = add(sums[1].rows(here), sums[0].rows(here).scaled(length))
                _put(sums[1], here, add(grown, now @ ahead[1].T))
            if integrals:
                _put(sums[0], here, add(sums[0].rows(here), now @ ahead[0].T))
            _put(state, here, now @ propagator.T)
            if integrals > 1:
                ahead[1] = add(add(ahead[1], ahead[0].scaled(length)), ahead[1] @ propagator)
            if integrals:
                ahead[0] = add(ahead[0], ahead[0] @ propagator)
            length *= 2.0
        return np.array([(state @ columns).high, *(part.high for part in sums)])

    def propagate(self, start: Vector, times: Array, *, integral: bool = False, adjoint: bool = False) -> Array:
        """Return e^{Gt}x, or ∫₀ᵗ e^{Gs}x ds, at each time; with G† if `adjoint`."""
        counts, rests = self._divided(times)
        scaled = self._generator.scaled(self._step)
        series = self._taylor(Doubled.of(start[None]), scaled if adjoint else scaled.T)
        state = (_coefficients(rests / self._step, int(integral)) @ series).scaled(self._step ** int(integral))
        whole = (_coefficients(np.ones(1), 1) @ series).scaled(self._step)
        for number, propagator in enumerate(self._propagators(counts)):
            turned = propagator if adjoint else propagator.T
            here = np.flatnonzero([count >> number & 1 for count in counts])
            moved = state.rows(here) @ turned
            if integral:
                moved = add(moved, Doubled(*(np.broadcast_to(part, moved.high.shape) for part in whole)))
                whole = add(whole, whole @ turned)
            _put(state, here, moved)
        return state.high

    def _divided(self, times: Array) -> tuple[list[int], Array]:
        """Return n and r of t = nh + r, both exact."""
        longest = float(times.max(initial=0.0))
        if ROUNDOFF * self.fastest * longest > ACCEPTED:
            raise ConvergenceError(
                f"a time of {longest:.3g} is {self.fastest * longest:.2g} times that of the fastest motion, "
                "more than 32 digits resolve; ask for a shorter one"
            )
        counts = [int(t) for t in np.floor(times / self._step).tolist()]
        return counts, np.fmod(times, self._step)

    def _taylor(self, state: Doubled, turned: Doubled) -> Doubled:
        """Return the rows x, Gx, G²x, …, given the transpose of G."""
        rows = [state]
        for _ in range(1, TERMS):
            rows.append(rows[-1] @ turned)
        return Doubled(np.vstack([r.high for r in rows]), np.vstack([r.low for r in rows]))

    def _taylor_rows(self, rows: Doubled, integrals: int) -> list[Doubled]:
        """Return u·∫₀ʰ e^{Gs} ds, and the same once more integrated, for each u."""
        scaled = self._generator.scaled(self._step)
        power, sums = rows, [Doubled.of(np.zeros_like(rows.high)) for _ in range(integrals)]
        for k in range(TERMS):
            for m, total in enumerate(sums, start=1):
                sums[m - 1] = add(total, _times(power, Fraction(self._step) ** m / factorial(k + m)))
            power = power @ scaled
        return sums

    def _propagators(self, counts: list[int]) -> Iterator[Doubled]:
        """Yield F_0, F_1, … as far as the largest count reaches."""
        needed = max((count.bit_length() for count in counts), default=0)
        propagator = None
        for number in range(needed):
            if number < len(self._kept):
                propagator = self._kept[number]
            else:
                propagator = self._first() if propagator is None else propagator @ propagator
                if (number + 1) * 16 * propagator.high.size <= KEPT:
                    self._kept.append(propagator)
            yield propagator

    def _first(self) -> Doubled:
        """Return e^{Gh}, by Paterson and Stockmeyer's grouping of its Taylor series in powers of (Gh)⁴."""
        unit = Doubled.of(np.eye(len(self._generator.high)))
        powers = [unit, self._generator.scaled(self._step)]
        while len(powers) < 5:
            powers.append(powers[-1] @ powers[1])
        total = Doubled.of(np.zeros_like(unit.high))
        for group in range(TERMS // 4 - 1, -1, -1):
            total = total @ powers[4]
            for k in range(4):
                total = add(total, _times(powers[k], Fraction(1, factorial(4 * group + k))))
        return total


def _times(values: Doubled, factor: Fraction) -> Doubled:
    """Return values times a number, rounded to doubled precision."""
    high = float(factor)
    return product(values, Doubled(np.array(high), np.array(float(factor - Fraction(high)))))


def _coefficients(rests: Array, integrals: int) -> Doubled:
    """Return rᵏ⁺ᵐ/(k + m)! of each r for k < TERMS: e^{Gr} and its m-th integral from GᵏX, shape (n, TERMS)."""
    rest, column = Doubled.of(rests), Doubled.of(np.ones_like(rests))
    columns = []
    for power in range(1, TERMS + integrals + 1):
        if power > integrals:
            columns.append(column)
        column = _times(product(column, rest), Fraction(1, power))
    return Doubled(np.stack([c.high for c in columns], axis=1), np.stack([c.low for c in columns], axis=1))


def _put(target: Doubled, rows: NDArray[np.int64], values: Doubled) -> None:
    target.high[rows], target.low[rows] = values
