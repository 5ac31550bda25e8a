"""Steady states by preconditioned solves, repeated on residuals of doubled precision."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..errors import ConvergenceError, SteadyStateNotUnique
from ..model import OpenSystem
from .reduced.core_resolvent import core_resolvent
from .superoperators.detected import NOTHING
from .superoperators.doubled import Doubled, ExactGenerator, add, product, subtract
from .superoperators.hermitian_vectors import pack, unpack
from .superoperators.inverse import MAX_PRODUCTS, MOST_ELIMINATED, Inverse, resolvent_of_all
from .superoperators.liouvillian import Liouvillian
from .superoperators.no_jump import Eigenmodes

Matrix = NDArray[np.complex128]

# Largest relative error of a click rate, and of ρ in norm: what is aimed for, and what is accepted.
AIM = 2e-11
ACCEPTED = 1e-9
ROUNDING = 1e-16
# Two stationary states are different when they differ by more than this fraction, and both obey Lρ = 0 to this.
SAME_STATE = 1e-4
STATIONARY = 1e-22
# Products after which a core of so many pairs of modes is taken as preconditioner: hot modes, whose jumps are as
# strong as their motions, take a thousand products with L0 alone, and half of that with the core. The relative
# residual to which what L0 has reached until then is refined at least.
SLOWLY, PAIRS, LEAST = 160, 2500, 0.1
# Rounds of refinement, each of which should gain six digits.
ROUNDS = 8
# Trace of the second state: another than one, so that its roundings are other ones too.
OTHER_TRACE = 0.7236067977499789


class Refinement:
    """Solves with L0, or factors of L, as the preconditioner, repeated on residuals of doubled precision."""

    def __init__(self, system: OpenSystem, method: str) -> None:
        self.liouvillian = Liouvillian(system)
        self.resolvent = resolvent_of_all(system, method)
        self.inverse, self.exact = Inverse(self.liouvillian, self.resolvent), ExactGenerator(system)
        self.effects = effects_of(system)
        self.sizes = sparse.linalg.norm(self.effects, axis=1)
        # Smaller systems are eliminated where this converges badly, and factors of L need no help.
        self._may_core = system.dimension > MOST_ELIMINATED and isinstance(self.resolvent, Eigenmodes)

    def improve(self, rho: Doubled, tolerance: float, trace: float = 1.0) -> Doubled:
        """Return ρ − L⁻¹Lρ, L⁻¹ to a relative tolerance, with the trace given."""
        defect = self.exact.apply(rho)
        most = SLOWLY if self._may_core else MAX_PRODUCTS
        correction, found = self.inverse.attempt(-unpack(defect.high), tolerance, most)
        improved = normalised(add(rho, Doubled.of(pack(correction))), trace)
        if self._may_core and found.products >= SLOWLY and found.relative > tolerance:
            self._take_core(improved)
            return self.improve(improved, min(tolerance / found.relative, LEAST), trace)
        return improved

    def _take_core(self, rho: Doubled) -> None:
        """Look for a core of pairs that preconditions better than L0, where jumps are as strong as motions."""
        self._may_core = False
        core = core_resolvent(self.liouvillian.system, unpack(normalised(rho).high), PAIRS)
        if core is not None:
            self.inverse.closer = lambda source: core.solve(source, 0.0)

    def from_two_starts(self, start: Matrix) -> tuple[Doubled, Doubled, float]:
        """Return the states reached from `start` and from a random pure state, and how far they differ."""
        rho = Doubled.of(pack(start))
        residual = self.relative(rho)
        for tolerance in (float(np.clip(0.1 * ROUNDING / max(residual, ROUNDING), 1e-13, 0.1)), 1e-4):
            rho = self.improve(rho, tolerance)
        random = np.random.default_rng(20240601)
        ket = random.normal(size=(2, len(start))).T @ np.array([1.0, 1.0j])
        other = Doubled.of(pack(np.outer(ket, ket.conj()) / np.vdot(ket, ket).real))
        other = self.improve(other, 1e-9, OTHER_TRACE)
        error = np.inf
        for _ in range(ROUNDS):
            other = self.improve(other, 1e-6, OTHER_TRACE)
            previous, error = error, self.difference(rho, normalised(other))
            if error <= AIM or error > 0.3 * previous:
                break
            rho = self.improve(rho, 1e-6)
        if error <= ACCEPTED and self.relative(rho) > ROUNDING:
            rho = self.improve(rho, 1e-3)
        return rho, normalised(other), error

    def difference(self, rho: Doubled, other: Doubled) -> float:
        """Return how far two states differ, relative to ρ in norm and to each click rate."""
        apart = subtract(other, rho).high
        whole = float(np.linalg.norm(apart) / np.linalg.norm(rho.high))
        shares = relative_errors(np.abs(self.effects @ apart), self.effects @ rho.high, self.sizes)
        return max(whole, float(shares.max(initial=0.0)))

    def relative(self, state: Doubled) -> float:
        """Return ‖LX‖_F/(‖H_eff‖₁‖X‖_F)."""
        scale = self.liouvillian.scale * float(np.linalg.norm(state.high))
        return float(np.linalg.norm(self.exact.apply(state).high)) / scale if scale > 0.0 else 0.0

    def disagreement(self, rho: Doubled, other: Doubled, error: float) -> Exception:
        """Return the exception that says why two starts do not agree."""
        # What is stationary in the difference stays when it is solved for once more.
        apart = subtract(other, rho)
        left, _ = self.inverse.attempt(-unpack(self.exact.apply(apart).high), 1e-9)
        apart = add(apart, Doubled.of(pack(left)))
        distance = float(np.linalg.norm(apart.high) / np.linalg.norm(rho.high))
        motion = self.relative(apart)
        if distance > SAME_STATE and motion <= STATIONARY:
            return SteadyStateNotUnique(not_unique(f"two starts end in states that differ by {distance:.2g}"))
        return ConvergenceError(
            f"steady state: two starts still differ by {error:.2g} in a click rate, above {ACCEPTED:g}; a motion "
            f"of {motion:.1g} ‖H_eff‖ is too slow: bring the rates closer, or lower N to {MOST_ELIMINATED}"
        )


def relative_errors(
    errors: NDArray[np.float64], rates: NDArray[np.float64], sizes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return errors relative to the rates; one that is nothing beside ‖c†c‖_F and uncertain is taken for zero."""
    nothing = NOTHING * sizes
    zero = (rates <= nothing) & ~(errors < ACCEPTED * rates)
    relative = errors / np.where(zero, 1.0, rates)
    return np.where(zero, np.where(np.abs(rates) + errors <= nothing, 0.0, np.inf), relative)


def not_unique(reason: str) -> str:
    """Return the message of a steady state that depends on the start."""
    return f"the steady state is not unique: {reason}; evolve a given initial state instead"


def effects_of(system: OpenSystem) -> sparse.csr_array:
    """Return c_k†c_k of every channel as packed rows."""
    rows = []
    for channel in system.channels:
        number = sparse.coo_array(channel.operator.conj().T @ channel.operator)
        place = number.row.astype(np.int64) * system.dimension + number.col
        values = number.data.real + number.data.imag
        rows.append(sparse.csr_array((values, (np.zeros_like(place), place)), shape=(1, system.dimension**2)))
    return sparse.csr_array(sparse.vstack(rows))


def normalised(rho: Doubled, trace: float = 1.0) -> Doubled:
    """Return ρ times what gives it this trace."""
    step = round(len(rho.high) ** 0.5) + 1
    if not (np.isfinite(rho.high).all() and np.isfinite(rho.low).all() and rho.high[::step].any()):
        raise ConvergenceError(
            "the steady state is beyond floating-point numbers: H and the rates differ too much; bring them closer"
        )
    now = sum((Fraction(x) for part in rho for x in part[::step].tolist()), start=Fraction(0))
    factor = Fraction(trace) / now
    high = float(factor)
    return product(rho, Doubled(np.array(high), np.array(float(factor - Fraction(high)))))
