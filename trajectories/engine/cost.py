"""What a propagator costs before it is compiled, from the system alone: the choice must not depend on the request.

A record depends on the seed and on the system. So the number of trajectories and their duration decide nothing
here; the eigenmodes have to pay off within a fixed number of clicks. What each propagator would cost for
the clicks asked for is told by `alternatives`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model.system import OpenSystem
from .jump_kernels import Jumps, click_rates, squared_norm
from .sparse.sparse_action import SparsePropagator
from .sparse.sparse_kernels import RADIUS, STEP, propagate

# Seconds times 1e9 that a diagonalisation and the tables of a channel take for N³ = 1; measured on one core of an
# AMD Zen 4.
DIAGONALISED, TABLE = 9.0, 0.8
# Bytes over N² of the tables of a channel, of all others, and of what is given back after compilation.
CHANNEL_BYTES, COMMON_BYTES, PASSING_BYTES = 42.0, 49.0, 260.0
# A diagonalisation up to so many seconds is never avoided; tables beyond so many bytes always are.
SHORT, MOST_BYTES = 2.0, 4e9
# Clicks within which the eigenmodes must pay off.
CLICKS = 1000
# Seconds of a diagonalisation, and of so many clicks by the sparse action, from which on a reduced basis is tried;
# it takes 15 to 30.
LONG, WORTH_REDUCING = 5.0, 30.0
# Seconds for an entry of H_eff in a product, and for a product whatever its size; measured likewise.
ENTRY, PRODUCT = 1.2e-9, 4e-7
# Products for a unit of the spectral radius times time, and for the search of a click in units of a step's.
PRODUCTS_PER_RADIAN, STEPS_PER_CLICK = 1.3, 2.0
# Seconds of a click in the eigenbasis of dimension 128, the power of N it grows with, and seconds of a click in a
# reduced basis whatever N is; measured with the paper's system, at a tolerance of 1e-10.
MODES_CLICK, MODES_POWER, REDUCED_CLICK = 1.7e-5, 0.75, 2.7e-5
# Seconds that a reduced basis takes, and what its audit adds, in clicks of the sparse action and in products.
REDUCED_SECONDS, AUDIT_CLICKS, MOST_AUDIT_CLICKS, AUDIT_WORK, MOST_AUDIT_WORK = 8.0, 6.0, 45.0, 2e9, 2e10
# Vectors of a reduced basis and basis states beside it, for its memory; and what is given back after its making.
REDUCED_VECTORS, REDUCED_STATES, REDUCED_PASSING = 180, 350, 2e8
# Bytes of an entry of the maps between the two bases.
ENTRY_OF_MOVE = 16.0
# Bytes over N of the sparse action's tables, beside 12 for each entry of H_eff.
STATE_BYTES, ENTRY_BYTES = 250.0, 12.0
# Steps over which the click rate of a given state is averaged.
PILOT_STEPS = 24


@dataclass(frozen=True)
class Alternative:
    """What a propagator is predicted to take: seconds to prepare and for a click on one core, and bytes."""

    name: str
    seconds: float
    seconds_per_click: float
    bytes: float

    def total(self, clicks: float) -> float:
        """Return the seconds of a run of so many clicks on one core, preparation included."""
        return self.seconds + clicks * self.seconds_per_click


@dataclass(frozen=True)
class Cost:
    """Predicted costs: compilation and memory of the eigenmodes, and a click by the action of the exponential."""

    seconds: float
    bytes: float
    seconds_per_click: float
    dimension: int
    channels: int
    entries: int

    @property
    def alternatives(self) -> tuple[Alternative, ...]:
        """What each propagator takes to prepare, for a click, and of memory; the quickest to prepare first."""
        states = min(REDUCED_STATES, self.dimension)
        vectors = min(REDUCED_VECTORS, self.dimension)
        tables = modes_bytes(vectors, 2 * self.channels) + modes_bytes(states, 2 * self.channels)
        # Jumps from the small basis into the larger one, and back with what they leave outside.
        tables += ENTRY_OF_MOVE * self.channels * states * (vectors + states)
        unit = ENTRY * self.entries / self.dimension
        audit = min(MOST_AUDIT_CLICKS * self.seconds_per_click, AUDIT_WORK * unit)
        audit = min(max(audit, AUDIT_CLICKS * self.seconds_per_click), MOST_AUDIT_WORK * unit)
        whole = STATE_BYTES * self.dimension + ENTRY_BYTES * self.entries
        found = (
            Alternative(
                "modes", self.seconds, MODES_CLICK * max(1.0, self.dimension / 128.0) ** MODES_POWER, self.bytes
            ),
            Alternative(
                "reduced",
                REDUCED_SECONDS + audit,
                REDUCED_CLICK,
                tables + REDUCED_PASSING + whole,
            ),
            Alternative("sparse", 0.0, self.seconds_per_click, whole),
        )
        return tuple(sorted(found, key=lambda one: one.seconds))

    @property
    def avoids_modes(self) -> bool:
        """Whether the action of the exponential is the better choice."""
        return self.bytes > MOST_BYTES or CLICKS * self.seconds_per_click < self.seconds

    @property
    def favours_reduced(self) -> bool:
        """Whether a reduced basis should be tried."""
        return self.seconds > LONG and CLICKS * self.seconds_per_click > WORTH_REDUCING

    def __str__(self) -> str:
        return (
            f"the eigenbasis takes about {self.seconds:.2g} s and {self.bytes / 1e9:.2g} GB to prepare, "
            f"and {CLICKS:,} clicks take {CLICKS * self.seconds_per_click:.2g} s without it"
        )


def modes_seconds(dimension: int, n_channels: int) -> float:
    """Return how long the eigenmodes take to compile, roughly."""
    return 1e-9 * (DIAGONALISED + TABLE * n_channels) * float(dimension) ** 3


def modes_bytes(dimension: int, n_channels: int, *, peak: bool = False) -> float:
    """Return the memory of the compiled eigenmodes, or the most while they are compiled."""
    passing = PASSING_BYTES if peak else 0.0
    return (CHANNEL_BYTES * n_channels + COMMON_BYTES + passing) * float(dimension) ** 2


def predicted_cost(
    system: OpenSystem, propagator: SparsePropagator, jumps: Jumps, ket: NDArray[np.complex128], rate: float | None
) -> Cost:
    """Predict what both propagators cost.

    Parameters
    ----------
    system : OpenSystem
        The system.
    propagator : SparsePropagator
        Compiled for it.
    jumps : Jumps
        Its jump operators, stacked.
    ket : ndarray of shape (N,)
        The likeliest initial state.
    rate : float, optional
        Clicks per unit of time where they are known; otherwise those from `ket` on are averaged over a few steps.
    """
    clicks = _pilot_rate(propagator, jumps, ket, len(system.channels)) if rate is None else rate
    scalars = propagator.arrays.scalars
    radians = float(scalars[RADIUS]) / max(clicks, 1e-300) + STEPS_PER_CLICK * float(
        scalars[RADIUS] * scalars[STEP]
    )
    product = ENTRY * system.H_eff.nnz + PRODUCT
    return Cost(
        modes_seconds(system.dimension, len(system.channels)),
        modes_bytes(system.dimension, len(system.channels), peak=True),
        PRODUCTS_PER_RADIAN * radians * product,
        system.dimension,
        len(system.channels),
        int(system.H_eff.nnz),
    )


def _pilot_rate(propagator: SparsePropagator, jumps: Jumps, ket: NDArray[np.complex128], n_channels: int) -> float:
    """Return the click rate ⟨Γ⟩ of a state that does not click, averaged over a few steps."""
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
