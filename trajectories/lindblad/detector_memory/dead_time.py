"""Clicks of one detector with dead time as a process of its own: exact waits, g² and Fano factor.

Clicks of other channels are ignored. Just after a registered event the state is y, the fixed point of
y → 𝒥(−L0)⁻¹e^{Lτ}y of trace 1: for the dead time τ it moves under L, and then under L0 = L − 𝒥. So the wait to the
next registered event has the density Tr[𝒥 e^{L0(t − τ)} e^{Lτ} y] for t > τ, and none before. The rate r = Tr 𝒥A
of registered events at t after one follows from A' = L0 A + e^{Lτ}𝒥 A(t − τ), A = 0 before τ and A(τ) = e^{Lτ}y.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from ...detectors import Detector
from ...errors import InvalidInput
from ..answers import Answer
from ..filter.linear_model import full_model
from ..solver import Model, solver_of
from ..steady_state import SteadyState
from ..superoperators.hermitian_vectors import Vector
from .memory import TYPICAL_ROUNDS, after_event, memoryless
from .paralysable import paralysed_g2

Array = NDArray[np.float64]

# Up to this dimension the delayed equation is followed, on all N² numbers.
LARGEST = 30
# The same where another channel clicks first, whose click comes within dead times.
LARGEST_OF_TWO = 16
# Terms of the Taylor series of a piece, of which ‖L0‖ times its length is at most 1: 1/19! is rounding.
TERMS = 19
# Pieces that are followed at the most.
MOST_PIECES = 100_000
# A curve that stays this close to its limit for a dead time has settled.
SETTLED = 1e-13
# Relative error of what is followed: rounding, and that of the steady state.
ROUNDING = 1e-9


class RegisteredRate:
    """The rate r(t) of registered events at time t after one, as a polynomial on each of many equal pieces.

    Parameters
    ----------
    steady : SteadyState
        The state, of at most 30 dimensions.
    name : str
        The channel.
    detector : Detector
        Its detector, with a dead time.
    horizon : float
        Longest time, in 1/ω_b.
    after : tuple of str and Detector, optional
        Another channel, whose detector has no dead time: r is then the rate at time t after a click of it.

    Attributes
    ----------
    rate : float
        Mean rate λ of registered events; r tends to it.
    """

    def __init__(
        self,
        steady: SteadyState,
        name: str,
        detector: Detector,
        horizon: float,
        after: tuple[str, Detector] | None = None,
    ) -> None:
        self.refuse(steady, name, detector, LARGEST if after is None else LARGEST_OF_TWO)
        model = full_model(steady.system, steady.rho)
        dead, eta, dark = detector.dead_time, detector.efficiency, detector.dark_rate
        silent, click = model.click_free({name: eta}, dark), model.click(name, eta, dark)
        whole = model.click_free({}, 0.0)
        blind = linalg.expm(dead * whole)
        effect = model.effect(name, eta, dark)
        # The fixed point: 𝒥 times the state B while alive, L0B + e^{Lτ}𝒥B = 0, of which L0⁻¹e^{Lτ}𝒥 is the map.
        values, vectors = np.linalg.eig(np.linalg.solve(silent, -(blind @ click)))
        alive = vectors[:, np.argmin(np.abs(values - 1.0))]
        alive = np.real(alive / (model.trace @ alive))
        event = click @ alive / float(effect @ alive)
        self.rate = 1.0 / (dead + 1.0 / float(effect @ alive))
        fastest = max(float(np.linalg.norm(matrix, 1)) for matrix in (silent, whole))
        lost = self.rate * dead
        too_many = InvalidInput(
            f"{horizon:g} is {horizon / dead:.3g} dead times of {name!r}, too many to follow in {MOST_PIECES} "
            f"steps; shorten it, or leave the dead time out, which loses a share of {lost:.1g} of the events"
        )
        # Before the fastest motion has gone its way, no curve has settled.
        if min(horizon, 1.0 / fastest) > MOST_PIECES * dead:
            raise too_many
        per_dead = max(ceil(dead * fastest), 1)
        self._step = dead / per_dead
        pieces = ceil(horizon / self._step) + 1
        again = blind @ click
        sources: deque[Array | None]
        if after is None:
            rows, state = [np.zeros(TERMS)] * per_dead, blind @ event
            sources = deque([None] * per_dead, per_dead)
        else:
            other = model.click(after[0], after[1].efficiency, after[1].dark_rate)
            before = alive * (self.rate / float(effect @ alive) / float(model.trace @ (other @ model.start)))
            rows, state = [], other @ before
            sources = deque(self._revivals(whole, other, click @ before, per_dead), per_dead)
        settled = 0
        while len(rows) < pieces and settled <= per_dead:
            source = sources.popleft()
            terms = np.empty((model.size, TERMS))
            terms[:, 0] = state
            for n in range(1, TERMS):
                moved = silent @ terms[:, n - 1]
                if source is not None:
                    moved += source[:, n - 1]
                terms[:, n] = moved * (self._step / n)
            sources.append(again @ terms)
            state = terms.sum(axis=1)
            rows.append(effect @ terms)
            off = abs(rows[-1].sum() - self.rate) + float(np.abs(rows[-1][1:]).max())
            settled = settled + 1 if off <= SETTLED * self.rate else 0
            if len(rows) > MOST_PIECES:
                raise too_many
        self._coefficients = np.array(rows)

    def _revivals(self, whole: Array, other: Array, event: Array, per_dead: int) -> list[Array]:
        """Return by piece the state that becomes alive at t, after events at t − τ and the other click in between.

        e^{Lt}𝒥' e^{L(τ − t)}𝒥A with 𝒥' the map of the other click.
        """
        step = self._step * whole
        motion = linalg.expm(step)
        earlier = [event]
        for _ in range(per_dead):
            earlier.append(motion @ earlier[-1])
        since, found = np.eye(len(whole)), []
        for n in range(per_dead):
            terms = np.empty((len(whole), TERMS))
            term = earlier[per_dead - n]
            for k in range(TERMS):
                terms[:, k] = other @ term
                term = step @ term * (-1.0 / (k + 1))
            total = terms.copy()
            for k in range(TERMS - 1, 0, -1):  # e^{Lx} by Horner's rule
                moved = step @ total / k
                total = terms.copy()
                total[:, 1:] += moved[:, :-1]
            found.append(since @ total)
            since = motion @ since
        return found

    def at(self, times: Array) -> Array:
        """Return r(t), shape (n,); at a jump the value just after."""
        return self._evaluate(times, 0)

    def integral(self, times: Array, order: int = 1) -> Array:
        """Return ∫₀ᵗ r, or with order=2 ∫₀ᵗ(t − s) r(s) ds, shape (n,)."""
        return self._evaluate(times, order)

    def _evaluate(self, times: Array, order: int) -> Array:
        powers = np.arange(TERMS)
        scale = np.ones(TERMS)
        for k in range(1, order + 1):
            scale = scale * self._step / (powers + k)
        tables = [self._coefficients * scale]
        # What each piece begins with: the integrals of lower order at its start, carried on.
        known = len(self._coefficients)
        piece = np.clip((times / self._step).astype(np.int64), 0, known)
        within = times - piece * self._step
        x = within / self._step
        first = np.concatenate([[0.0], np.cumsum((self._coefficients * self._step / (powers + 1)).sum(axis=1))])
        padded = np.vstack([tables[0], np.zeros(TERMS)])
        value = np.einsum("ij,ij->i", padded[piece], x[:, None] ** (powers + order)[None, :])
        beyond = np.where(piece == known, self.rate, 0.0)  # the curve has settled at λ
        if order == 0:
            return np.asarray(value + beyond)
        if order == 1:
            return np.asarray(value + beyond * within + first[piece])
        whole = (self._coefficients * scale).sum(axis=1) + first[:-1] * self._step
        second = np.concatenate([[0.0], np.cumsum(whole)])
        return np.asarray(value + beyond * within**2 / 2.0 + first[piece] * within + second[piece])

    @staticmethod
    def refuse(steady: SteadyState, name: str, detector: Detector, largest: int = LARGEST) -> None:
        """Raise `InvalidInput` where there is no formula, or the system is too large to follow."""
        if detector.jitter or detector.afterpulsing:
            raise InvalidInput(
                f"detector of {name!r} has a dead time with jitter or afterpulses, for which there is no exact "
                "formula; leave one of them out"
            )
        if steady.system.dimension > largest and largest == LARGEST_OF_TWO:
            raise InvalidInput(
                f"lags at which {name!r} clicks second, with a dead time, are followed up to {largest} "
                f"dimensions, not {steady.system.dimension}; lower the levels, or take lags at which it clicks "
                "first"
            )
        if steady.system.dimension > largest:
            raise InvalidInput(
                f"g² and counts of {name!r} beyond two dead times of {detector.dead_time:g} are followed up to "
                f"{largest} dimensions, not {steady.system.dimension}; lower the levels, shorten the lags, or "
                "leave the dead time out"
            )


def registered_waits(steady: SteadyState, name: str, detector: Detector, edges: Array) -> Answer:
    """Return the density of the wait to the next registered event, averaged over bins from 0 up.

    Exact at any dimension: the two motions are those of every model.
    """
    if detector.paralysable:
        raise InvalidInput(
            f"detector of {name!r} is paralysable: the wait to its next registered event has no exact value here, "
            "only its rate, g² and Fano factor; ask for those, or compare with a record that went through it"
        )
    if detector.jitter or detector.afterpulsing:
        RegisteredRate.refuse(steady, name, detector)
    plain = {name: memoryless(detector)}
    dead = detector.dead_time
    later, place = np.unique(np.maximum(edges - dead, 0.0), return_inverse=True)

    def compute(model: Model) -> Array:
        after: Vector = model.motion(dead).propagate(after_event(model, name, dead)[0], np.array([dead]))[0]
        motion = model.click_free_motion(float(later[-1]))
        reached = motion.observe(after, model.effect(name)[None], later, integrals=1)[1][:, 0]
        return np.asarray(np.diff(reached[place]) / np.diff(edges))

    return solver_of(steady).answer(
        compute,
        (name,),
        plain,
        horizon=max(float(edges[-1]), dead),
        starts=TYPICAL_ROUNDS,
        stationary=True,
        curve=True,
        interest=(name,),
        judged=(name,),
    )


def registered_g2(
    steady: SteadyState, name: str, detector: Detector, rate: float, edges: Array
) -> tuple[Array, Array, str]:
    """Return bin averages of g² of the registered events of one channel, their errors and the way.

    `rate` is λ. Up to two dead times after an event at most one more can come, so that g² = W/λ, which is known at
    any dimension.
    """
    if detector.paralysable:
        return paralysed_g2(steady, name, detector, rate, edges)
    grid = np.unique(np.append(np.abs(edges), 0.0))
    if grid[-1] <= 2.0 * detector.dead_time:
        waits = registered_waits(steady, name, detector, grid)
        primitive = np.append(0.0, np.cumsum(waits.value * np.diff(grid)))[np.searchsorted(grid, np.abs(edges))]
        error, way = float(waits.error.max()), waits.method
    else:
        curve = RegisteredRate(steady, name, detector, float(grid[-1]))
        primitive, rate = curve.integral(np.abs(edges)), curve.rate
        error, way = ROUNDING * rate, "exact, delayed equation of the density matrix"
    value = np.diff(np.sign(edges) * primitive) / np.diff(edges) / rate
    return value, np.full(len(value), error / rate), way


def one_of_two_dead(
    steady: SteadyState, names: tuple[str, str], detectors: Mapping[str, Detector], edges: Array
) -> tuple[Array, Array, str]:
    """Return bin averages of g² of two channels of which one has a dead time, their errors and the way.

    Where the dead detector clicks first the other follows from the state just after a registered event, at any
    dimension: λ'g² = Tr[𝒥' e^{Lt}y]. Where it clicks second, its clock at the first click has to be known.
    """
    dead = names[0] if detectors.get(names[0], Detector()).dead_time else names[1]
    other = names[1] if dead == names[0] else names[0]
    detector, watcher = detectors[dead], detectors.get(other, Detector())
    if (
        detector.paralysable
        or watcher != memoryless(watcher)
        or detector != replace(memoryless(detector), dead_time=detector.dead_time)
    ):
        raise InvalidInput(
            f"g² of {dead!r} and {other!r} has an exact value where one of them has a dead time that lost events "
            "do not prolong, without jitter or afterpulses; leave these out"
        )
    sign = 1.0 if dead == names[0] else -1.0
    grid = np.unique(np.append(np.abs(edges), 0.0))
    place = np.searchsorted(grid, np.abs(edges))
    first, second = np.zeros(len(grid)), np.zeros(len(grid))
    error, way = ROUNDING, "exact, delayed equation of the density matrix"
    if (sign * edges < 0.0).any():
        curve = RegisteredRate(steady, dead, detector, float(grid[-1]), (other, watcher))
        second = curve.integral(grid) / curve.rate
    if (sign * edges > 0.0).any():

        def compute(model: Model) -> Array:
            after = after_event(model, dead, detector.dead_time)[0]
            moved = model.motion(float(grid[-1])).observe(after, model.effect(other)[None], grid, integrals=1)
            return np.asarray(moved[1][:, 0] / model.rate(other, model.rho))

        # The motion without registered clicks of this channel does not depend on the other's detector.
        seen = {dead: memoryless(detector), other: watcher}
        answer = solver_of(steady).answer(
            compute, (dead,), seen, horizon=max(float(grid[-1]), detector.dead_time), starts=TYPICAL_ROUNDS,
            stationary=True, curve=True, interest=(dead, other), judged=(dead, other),
        )  # fmt: skip
        first, error, way = answer.value, float(np.max(answer.error, initial=0.0)) + ROUNDING, answer.method
    primitive = np.where(sign * edges > 0.0, first[place], second[place])
    value = np.diff(np.sign(edges) * primitive) / np.diff(edges)
    return value, np.full(len(value), error), way
