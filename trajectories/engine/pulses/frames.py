"""The frame of a reduced tree: the few vectors that span the states of pulsed trajectories, and its audit.

Conditional states lie in the span of few vectors, for any N. A pilot computes some tens of trajectories together
in all N states, through whole leaves, with clicks at their ends. Clicks are made more frequent, and rare channels
more so, because only the states matter. The frame is a proper orthogonal decomposition of the states of the pilot,
truncated such that other trajectories lie within it. Random numbers depend only on the system.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from ...model.channel import Channel
from ...model.system import OpenSystem
from ...random_streams import system_stream
from .tables import Builder, ClickDensity, Leaf, whole_lanes
from .taylor_kernels import TimedArrays

# Purposes of the random numbers; see `system_stream`.
PILOT, TEST, AUDIT, DENSITY = 20, 21, 22, 25
# Leaves of the pilot; trajectories side by side, and periods, of the pilot and of the test that chooses the cut.
PILOT_LEAVES, PILOTS, TESTS, PILOT_PERIODS, TEST_PERIODS = 96, 32, 16, 3, 2
# Trajectories that show where clicks fall.
COUNTED = 16
# Clicks of a trajectory in a period, how much more frequent they are made in the first one, and the power of the
# rates by which channels are chosen in the pilot.
CLICKS, FIRST_BOOST, FLATTENED = 2.0, 20.0, 0.5
# Number of parts of a constant stretch at whose ends states are taken, and their geometric growth.
LOOKS, GROWTH = 10, 1.6
# Of a state outside a frame, as norm² over the threshold: what blocks may leave out, as a share of the tolerance.
LEAK_SHARE = 0.1
# Share of the states of the test that may have more outside than is allowed, and of those behind jumps.
EXCEPTIONS, JUMPS_OUTSIDE = 1e-3, 0.05
# Snapshots in one decomposition.
SNAPSHOTS = 4096

Matrix = NDArray[np.complex128]


@dataclass
class Group:
    """Trajectories that are computed together: kets of norm 1 as columns, and the factor on click rates."""

    states: Matrix
    numbers: np.random.Generator
    flattened: float = 1.0
    boost: float = FIRST_BOOST
    lost: list[float] = field(default_factory=list)
    clicked: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))

    @classmethod
    def of(
        cls,
        system: OpenSystem,
        purpose: int,
        count: int,
        kets: Matrix,
        weights: NDArray[np.float64],
        flattened: float = 1.0,
    ) -> Group:
        """Draw the first states from an ensemble; channels are chosen by this power of their rates."""
        numbers = system_stream(system.digest, purpose)
        chosen = numbers.choice(len(kets), size=count, p=weights / weights.sum())
        states = np.ascontiguousarray(kets[chosen].T)
        return cls(states, numbers, flattened, clicked=np.zeros(count, np.bool_))

    def click(self, system: OpenSystem, before: NDArray[np.float64], time: float) -> None:
        """Apply clicks at a time to some trajectories, given their norm² before; normalise the others."""
        after = np.maximum(squared_norms(self.states), 1e-300)
        fall = np.log(np.maximum(before / after, 1.0))
        self.lost += fall.tolist()
        self.clicked = self.numbers.random(len(after)) < -np.expm1(-self.boost * fall)
        self.states = self.states / np.sqrt(after)
        if not self.clicked.any():
            return
        jumped = self.states[:, self.clicked]
        images = [_amplitude(channel, time) * (channel.operator @ jumped) for channel in system.channels]
        rates = np.array([squared_norms(image) for image in images])
        rates = np.where(rates > 1e-24 * rates.max(initial=0.0), rates, 0.0) ** self.flattened
        total = np.cumsum(rates, axis=0)
        picked = (self.numbers.random(jumped.shape[1]) * total[-1] > total).sum(axis=0)
        for column, channel in enumerate(np.minimum(picked, len(images) - 1)):
            image = images[channel][:, column]
            size = np.linalg.norm(image)
            jumped[:, column] = image / size if size > 0.0 else jumped[:, column]
        self.states[:, self.clicked] = jumped

    def adjust(self) -> None:
        """Set the factor on click rates, so that each trajectory has CLICKS in a period."""
        mean = sum(self.lost) / self.states.shape[1]
        self.boost = CLICKS / mean if mean > 0.0 else 1.0
        self.lost = []


def passages(
    builder: Builder, arrays: TimedArrays, leaves: list[Leaf], group: Group, periods: int
) -> Iterator[Matrix]:
    """Propagate a group through some periods; yield its states before and after the clicks of each leaf."""
    for _ in range(periods):
        for number, leaf in enumerate(leaves):
            for length in _parts(leaf):
                before = squared_norms(group.states)
                group.states = _through(builder, arrays, number, leaf, length, group.states)
                yield group.states / np.sqrt(np.maximum(squared_norms(group.states), 1e-300))
                group.click(builder.system, before, 0.5 * (leaf.start + leaf.stop))
                if group.clicked.any():
                    yield group.states[:, group.clicked]
        group.adjust()


def find_frame(builder: Builder, kets: Matrix, weights: NDArray[np.float64], share: float) -> Matrix:
    """Return the orthonormal vectors, (N, r), of the frame of a system.

    Parameters
    ----------
    builder : Builder
        Builder of the system, with its tolerance.
    kets, weights : ndarrays of shape (n_kets, N) and (n_kets,)
        The initial states of trajectories, and their probabilities.
    share : float
        Largest part of the states of the test outside the frame, as a share of the allowed one.
    """
    arrays, leaves = builder.arrays(PILOT_LEAVES)
    finite = [leaf for leaf in leaves if np.isfinite(leaf.stop)]
    triangle = np.zeros((0, builder.system.dimension), np.complex128)
    waiting: list[Matrix] = [np.ascontiguousarray(kets.T) * np.sqrt(weights / weights.sum())]
    group = Group.of(builder.system, PILOT, PILOTS, kets, weights, FLATTENED)
    for states in passages(builder, arrays, finite, group, PILOT_PERIODS):
        waiting.append(states)
        if sum(piece.shape[1] for piece in waiting) >= SNAPSHOTS:
            triangle = _reduced(triangle, waiting)
            waiting = []
    triangle = _reduced(triangle, waiting)
    vectors = np.ascontiguousarray(linalg.svd(triangle, full_matrices=False, check_finite=False)[2].conj().T)
    tails, behind_jumps = [], []
    group = Group.of(builder.system, TEST, TESTS, kets, weights)
    for states in passages(builder, arrays, finite, group, TEST_PERIODS):
        tail = np.maximum(1.0 - np.cumsum(np.abs(vectors.conj().T @ states) ** 2, axis=0), 0.0)
        tails.append(tail)
        if states.shape[1] < TESTS or group.clicked.all():
            behind_jumps.append(tail)
    # The largest part outside for every size of the frame, except for a few states, which are computed outside it.
    worst = np.quantile(np.hstack(tails), 1.0 - EXCEPTIONS, axis=1)
    if behind_jumps:
        worst = np.maximum(worst, np.quantile(np.hstack(behind_jumps), 1.0 - JUMPS_OUTSIDE, axis=1))
    enough = np.flatnonzero(worst <= share * LEAK_SHARE * builder.tolerance)
    count = int(enough[0]) + 1 if len(enough) else vectors.shape[1]
    return np.ascontiguousarray(vectors[:, : whole_lanes(count)])


def click_density(builder: Builder, kets: Matrix, weights: NDArray[np.float64]) -> ClickDensity:
    """Return where in the period the clicks of some trajectories fall, from the fall of their norms."""
    arrays, leaves = builder.arrays(PILOT_LEAVES)
    finite = [leaf for leaf in leaves if np.isfinite(leaf.stop)]
    group, falls = Group.of(builder.system, DENSITY, COUNTED, kets, weights), np.zeros(len(finite))
    for _ in range(TEST_PERIODS):
        for number, leaf in enumerate(finite):
            for length in _parts(leaf):
                before = squared_norms(group.states)
                group.states = _through(builder, arrays, number, leaf, length, group.states)
                group.click(builder.system, before, 0.5 * (leaf.start + leaf.stop))
                falls[number] += sum(group.lost[-COUNTED:])
        group.adjust()
    edges = np.array([finite[0].start, *(leaf.stop for leaf in finite)])
    return ClickDensity(edges, np.maximum(falls, 1e-300) / np.diff(edges))


def _through(
    builder: Builder, arrays: TimedArrays, number: int, leaf: Leaf, length: float, states: Matrix
) -> Matrix:
    """Return states after a leaf of steps, or after some time in a constant one."""
    if leaf.modes >= 0:
        return np.asarray(builder.modal_matrix(leaf.modes, length) @ states)
    return builder.carried(arrays, number, states, cuts=1)


def _reduced(triangle: Matrix, pieces: list[Matrix]) -> Matrix:
    """Return the triangle of a decomposition to which snapshots were added."""
    stacked = np.vstack([triangle, *(piece.conj().T for piece in pieces)])
    return np.asarray(linalg.qr(stacked, mode="r", check_finite=False)[0][: stacked.shape[1]])


def _parts(leaf: Leaf) -> NDArray[np.float64]:
    """Return the parts in which a leaf is passed."""
    if leaf.modes < 0:
        return np.array([leaf.stop - leaf.start])
    parts = GROWTH ** np.arange(LOOKS)
    return np.asarray((leaf.stop - leaf.start) * parts / parts.sum())


def squared_norms(states: Matrix) -> NDArray[np.float64]:
    """Return the norm² of every state."""
    return np.asarray((states.real**2 + states.imag**2).sum(axis=0))


def _amplitude(channel: Channel, time: float) -> float:
    return 1.0 if channel.amplitude is None else float(channel.amplitude(np.array([time]))[0])
