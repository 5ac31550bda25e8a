"""Predicted costs of propagators, from the system alone, because the choice must not depend on the request.

A record must depend only on the seed and the system. So the number of trajectories and their duration do not
affect the choice; the eigenmodes must pay off within a fixed number of clicks. `alternatives` returns the costs
from which those of a given number of clicks follow.

The time of a click with eigenmodes is proportional to the number of pairs of modes that matter. This number is
estimated without a diagonalisation: if all N states were equally occupied, the click rate would be Tr Γ/N with
Γ = Σ_k c_k†c_k. If it is smaller by a factor, a trajectory occupies fewer states by about this factor, and other
modes decay between clicks, or pair with few. A test counts the pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model.system import OpenSystem
from .jump_kernels import Jumps, click_rates, squared_norm
from .reduced.essential import MOST_STATES
from .sparse.chebyshev_kernels import RADIUS, STEP, propagate
from .sparse.sparse_action import SparsePropagator

# Seconds times 1e9 that a diagonalisation and the tables of a channel take for N³ = 1; measured on one core of an
# AMD Zen 4.
DIAGONALISED, TABLE = 9.0, 0.8
# Bytes over N² of the tables of a channel, of all other tables, and of temporary arrays of the compilation.
CHANNEL_BYTES, COMMON_BYTES, PASSING_BYTES = 42.0, 49.0, 260.0
# Eigenmodes that take at the most so many seconds, CLICKS included, are never avoided; tables beyond so many bytes
# always are.
SHORT, MOST_BYTES = 1.0, 4e9
# Number of clicks within which the eigenmodes must pay off.
CLICKS = 1000
# A reduced basis, which takes 15 to 30 s, is tried if a diagonalisation, and this number of clicks by the sparse
# action, take more than this many seconds.
LONG, WORTH_REDUCING = 5.0, 30.0
# Seconds for an entry of H_eff in a product, and for a product whatever its size; measured likewise.
ENTRY, PRODUCT = 1.2e-9, 4e-7
# Products for a unit of the spectral radius times time, and for the search of a click in units of a step's.
PRODUCTS_PER_RADIAN, STEPS_PER_CLICK = 1.3, 2.0
# Seconds of a click in the eigenbasis of dimension 128 where few modes count, the power of N it grows with, and
# the most that this part takes in a reduced basis; measured with the paper's system, at a tolerance of 1e-10.
MODES_CLICK, MODES_POWER, REDUCED_CLICK = 1.7e-5, 0.75, 2.7e-5
# Seconds for a pair of modes that count, and their number times Tr Γ over the click rate; measured with chains of
# 100 to 1024 sites, and with thermal phonons.
PAIR, OCCUPIED = 1e-8, 1.5
# From this ratio of the times of a click on, a reduced basis pays off.
SAVES = 1.5
# Clicks of the pilots of a reduced basis, and seconds over the square of the number of its basis states that its
# singular values take.
PILOTS, DECOMPOSED = 6000, 2.8e-5
# Cost of its audit, in clicks of the sparse action and in products.
AUDIT_CLICKS, MOST_AUDIT_CLICKS, AUDIT_WORK, MOST_AUDIT_WORK = 6.0, 32.0, 2e9, 2e10
# Vectors of a reduced basis and basis states beside it, where few count; basis states over those that are
# occupied; and what is given back after its making.
REDUCED_VECTORS, REDUCED_STATES, REACHED, REDUCED_PASSING = 180, 350, 4.0, 2e8
# Bytes of an entry of the maps between the two bases.
ENTRY_OF_MOVE = 16.0
# Bytes over N of the sparse action's tables, beside 12 for each entry of H_eff.
STATE_BYTES, ENTRY_BYTES = 250.0, 12.0
# Steps over which the click rate of a given state is averaged.
PILOT_STEPS = 24


@dataclass(frozen=True)
class Alternative:
    """Predicted costs of a propagator: seconds to prepare, seconds for a click on one core, and bytes.

    `remark` says why the propagator may be refused.
    """

    name: str
    seconds: float
    seconds_per_click: float
    bytes: float
    remark: str = ""

    def total(self, clicks: float) -> float:
        """Return the seconds of a run of `clicks` on one core, preparation included."""
        return self.seconds + clicks * self.seconds_per_click


@dataclass(frozen=True)
class Cost:
    """Predicted costs: compilation and memory of the eigenmodes, and a click by the sparse action.

    `occupied` is about the square root of the number of pairs of modes that matter for a click.
    """

    seconds: float
    bytes: float
    seconds_per_click: float
    occupied: float
    dimension: int
    channels: int
    entries: int

    @property
    def modes(self) -> Alternative:
        """Costs of the eigenmodes."""
        return Alternative("modes", self.seconds, _few_modes(self.dimension) + self._pairs, self.bytes)

    @property
    def reduced(self) -> Alternative:
        """Costs of a reduced basis."""
        states = int(min(max(REDUCED_STATES, REACHED * self.occupied), self.dimension))
        vectors = int(min(max(REDUCED_VECTORS, self.occupied), states))
        click = min(_few_modes(self.dimension), REDUCED_CLICK) + self._pairs
        seconds = modes_seconds(states, self.channels) + DECOMPOSED * states**2 + PILOTS * click
        if states < self.dimension:
            unit = ENTRY * self.entries / self.dimension
            audit = min(MOST_AUDIT_CLICKS * self.seconds_per_click, AUDIT_WORK * unit)
            seconds += min(max(audit, AUDIT_CLICKS * self.seconds_per_click), MOST_AUDIT_WORK * unit)
        tables = modes_bytes(vectors, 2 * self.channels) + modes_bytes(states, 2 * self.channels)
        # Maps of jumps from the small basis to the larger one and back, with the part outside.
        tables += ENTRY_OF_MOVE * self.channels * states * (vectors + states)
        remark = f"likely refused: over {MOST_STATES:,} basis states reached" if states > MOST_STATES else ""
        return Alternative("reduced", seconds, click, tables + REDUCED_PASSING + self.sparse.bytes, remark)

    @property
    def sparse(self) -> Alternative:
        """Costs of the sparse action."""
        size = STATE_BYTES * self.dimension + ENTRY_BYTES * self.entries
        return Alternative("sparse", 0.0, self.seconds_per_click, size)

    @property
    def alternatives(self) -> tuple[Alternative, ...]:
        """Costs of each propagator; the one with the shortest preparation first."""
        return tuple(sorted((self.modes, self.reduced, self.sparse), key=lambda one: one.seconds))

    @property
    def _pairs(self) -> float:
        return PAIR * self.occupied**2

    @property
    def avoids_modes(self) -> bool:
        """Whether the sparse action is the better choice."""
        return self.bytes > MOST_BYTES or self.sparse.total(CLICKS) < self.modes.total(CLICKS)

    @property
    def favours_reduced(self) -> bool:
        """Whether a reduced basis should be tried."""
        if self.seconds <= LONG or self.sparse.total(CLICKS) <= WORTH_REDUCING:
            return False
        quicker = SAVES * self.reduced.seconds_per_click < self.modes.seconds_per_click
        return quicker or self.bytes > MOST_BYTES

    def __str__(self) -> str:
        return (
            f"the eigenbasis takes about {self.seconds:.2g} s and {self.bytes / 1e9:.2g} GB to prepare, "
            f"and {CLICKS:,} clicks take {CLICKS * self.modes.seconds_per_click:.2g} s with it and "
            f"{CLICKS * self.seconds_per_click:.2g} s without it"
        )


def modes_seconds(dimension: int, n_channels: int) -> float:
    """Return roughly the seconds to compile the eigenmodes."""
    return 1e-9 * (DIAGONALISED + TABLE * n_channels) * float(dimension) ** 3


def most_modes_seconds(dimension: int, n_channels: int) -> float:
    """Return the seconds of CLICKS clicks with eigenmodes, compilation included, if all modes matter."""
    return modes_seconds(dimension, n_channels) + CLICKS * PAIR * float(dimension) ** 2


def _few_modes(dimension: int) -> float:
    """Return the seconds of a click if few modes matter."""
    return MODES_CLICK * (dimension / 128.0) ** MODES_POWER


def modes_bytes(dimension: int, n_channels: int, *, peak: bool = False) -> float:
    """Return the memory of the compiled eigenmodes in bytes, or its maximum during compilation."""
    passing = PASSING_BYTES if peak else 0.0
    return (CHANNEL_BYTES * n_channels + COMMON_BYTES + passing) * float(dimension) ** 2


def predicted_cost(
    system: OpenSystem, propagator: SparsePropagator, jumps: Jumps, ket: NDArray[np.complex128], rate: float | None
) -> Cost:
    """Predict the costs of the propagators of a constant system.

    Parameters
    ----------
    system : OpenSystem
        The system.
    propagator : SparsePropagator
        The sparse propagator compiled for it.
    jumps : Jumps
        Its stacked jump operators.
    ket : ndarray of shape (N,)
        The likeliest initial state.
    rate : float, optional
        Clicks per unit of time, if known; otherwise averaged over a few steps that start from `ket`.
    """
    clicks = _pilot_rate(propagator, jumps, ket, len(system.channels)) if rate is None else rate
    scalars = propagator.arrays.scalars
    radians = float(scalars[RADIUS]) / max(clicks, 1e-300) + STEPS_PER_CLICK * float(
        scalars[RADIUS] * scalars[STEP]
    )
    product = ENTRY * system.H_eff.nnz + PRODUCT
    dissipation = -2.0 * float(system.H_eff.diagonal().imag.sum())
    # The rate may exceed Tr Γ/N; no more than all N states can be occupied.
    occupied = system.dimension * min(1.0, OCCUPIED * system.dimension * clicks / max(dissipation, 1e-300))
    return Cost(
        modes_seconds(system.dimension, len(system.channels)),
        modes_bytes(system.dimension, len(system.channels), peak=True),
        PRODUCTS_PER_RADIAN * radians * product,
        occupied,
        system.dimension,
        len(system.channels),
        int(system.H_eff.nnz),
    )


def _pilot_rate(propagator: SparsePropagator, jumps: Jumps, ket: NDArray[np.complex128], n_channels: int) -> float:
    """Return the click rate ⟨Γ⟩ along the no-click evolution of a state, averaged over a few steps."""
    work = propagator.start(ket, n_channels).work
    step, total = float(propagator.arrays.scalars[STEP]), 0.0
    for _ in range(PILOT_STEPS):
        propagate(propagator.arrays, work.psi, step, work.trial, work)
        norm = squared_norm(work.trial)
        if not norm > 0.0:
            return np.inf
        work.psi[:] = work.trial / np.sqrt(norm)
        total += float(click_rates(jumps, work.psi, work.rates))
    return total / PILOT_STEPS
