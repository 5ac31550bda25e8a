"""Detectors with memory: exact rates with dead time and afterpulses, g² with jitter and afterpulses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from ...detectors import Detector
from ...errors import ConvergenceError, InvalidInput
from ...results import Correlation, Estimate
from ..answers import estimates_of
from ..inputs import Detectors
from ..solver import Model, solver_of
from ..steady_state import SteadyState
from ..superoperators.hermitian_vectors import Vector, pack, unpack
from ..superoperators.krylov import gmres

Array = NDArray[np.float64]

# Values of a detector without memory.
MEMORYLESS: dict[str, float | bool] = {
    "dead_time": 0.0, "jitter": 0.0, "afterpulsing": 0.0, "afterpulse_delay": 0.0, "paralysable": False
}  # fmt: skip
MEMORY = ("dead_time", "jitter", "afterpulsing")
# Residual of the state after a click that is aimed for and that is accepted, and most rounds from click to click.
SETTLED, ACCEPTED, MOST_ROUNDS = 1e-15, 1e-10, 600
# Typical number of rounds, each as long as the dead time, from which the solver predicts the cost.
TYPICAL_ROUNDS = 40
# Cells of a curve that is blurred: their width near zero beside that of the blur, and how far they reach beyond
# the bins, in units of the blur; and about how many there are at most.
CELL, BEYOND, MOST_CELLS = 0.1, 8.0, 4000


def without_memory(detectors: Detectors, names: Sequence[str] | None = None) -> dict[str, Detector]:
    """Return detectors without memory; with `names`, only those of other channels lose it.

    Statistics of some channels do not depend on how the others are detected, so that their memory is irrelevant.
    """
    found = dict(detectors or {})
    for name, detector in found.items():
        if isinstance(detector, Detector) and (names is None or name not in names):
            found[name] = memoryless(detector)
    return found


def memoryless(detector: Detector) -> Detector:
    """Return a detector of the same efficiency and dark rate, without memory."""
    return replace(detector, **MEMORYLESS)  # type: ignore[arg-type]


def has_memory(detector: Detector | None, *kinds: str) -> bool:
    """Say whether a detector has dead time, jitter or afterpulses, or one of the kinds that are named."""
    return detector is not None and any(getattr(detector, kind) > 0.0 for kind in kinds or MEMORY)


def rate_with_memory(steady: SteadyState, name: str, detector: Detector) -> Estimate:
    """Return the rate of registered events of one channel.

    With the state A while the detector is alive, of trace P(alive), L0A + e^{Lτ}𝒥A = 0: alive again a dead time τ
    after each event. So λ = Tr 𝒥A with Tr A + τ Tr 𝒥A = 1. The state just after an event is the fixed point of
    y → 𝒥(−L0)⁻¹e^{Lτ}y. Of a paralysable detector λ = Tr[𝒥 e^{L0τ}ρ]: no event for τ, and then one. Afterpulses
    without dead time turn λ into λ/(1 − p). The rate is computed once for each detector.
    """
    known = steady.workspace.setdefault("rates with memory", {})
    if (name, detector) not in known:
        known[name, detector] = _rate_with_memory(steady, name, detector)
    found: Estimate = known[name, detector]
    return found


def _rate_with_memory(steady: SteadyState, name: str, detector: Detector) -> Estimate:
    if detector.dead_time and detector.afterpulsing:
        raise InvalidInput(
            f"detector of {name!r} has dead time and afterpulses, whose rate has no exact formula; leave one out"
        )
    plain = {name: memoryless(detector)}
    dead = detector.dead_time

    def compute(model: Model) -> NDArray[np.float64]:
        rate = model.rate(name, model.rho)
        if detector.paralysable:
            silent = model.click_free_motion(dead).propagate(model.rho, np.array([dead]))[0]
            return np.array([model.rate(name, silent)])
        if not dead:
            return np.array([rate / (1.0 - detector.afterpulsing)])
        # The second start tells what rounding leaves open where clicks mix slowly, as with a shelf of the emitter.
        return np.array([1.0 / (after_event(model, name, dead, start)[1] + dead) for start in (None, model.rho)])

    answer = solver_of(steady).answer(
        compute,
        (name,),
        plain,
        horizon=dead,
        starts=TYPICAL_ROUNDS,
        stationary=True,
        interest=(name,),
        judged=(name,),
    )
    first, *others = estimates_of(answer)
    apart = max((abs(other.value - first.value) for other in others), default=0.0)
    return replace(first, numerical_error=first.numerical_error + apart)


def after_event(model: Model, name: str, dead: float, start: Vector | None = None) -> tuple[Vector, float]:
    """Return the state just after a registered event of a channel with dead time, and the mean wait once alive.

    The fixed point y of K: y → 𝒥(−L0)⁻¹e^{Lτ}y, and Tr(−L0)⁻¹e^{Lτ}y. K keeps the trace, so that y solves
    (1 − K)y + x Tr y = x for any start x of trace 1, the state after an unselected click when none is given. GMRES
    takes tens of rounds from click to click where repeating K would take as many as there are clicks in a
    correlation time.

    Raises
    ------
    ConvergenceError
        Clicks forget those before them so slowly that the equation is not solved.
    """
    free, motion = model.click_free_motion(0.0), model.motion(dead)
    begun: Vector = model.jump(name, model.rho) / model.rate(name, model.rho) if start is None else start

    def next_click(after: Vector) -> tuple[Vector, float]:
        alive = free.solve(-motion.propagate(after, np.array([dead]))[0])
        return model.jump(name, alive), float(model.identity @ alive)

    def left_side(matrix: NDArray[np.complex128]) -> NDArray[np.complex128]:
        after = pack(matrix)
        return unpack(after - next_click(after)[0] + float(model.identity @ after) * begun)

    found = gmres(left_side, unpack(begun), tolerance=SETTLED, max_products=MOST_ROUNDS)
    if not found.relative <= ACCEPTED:
        raise ConvergenceError(
            f"clicks of {name!r} forget those before them too slowly: the state after one with dead_time={dead:g} "
            f"is left with residual={found.relative:.2g}; leave the dead time out"
        )
    state = pack(found.solution)
    state = state / float(model.identity @ state)
    return state, next_click(state)[1]


def refuse_dead_time(detectors: Detectors, names: Sequence[str], what: str) -> None:
    """Raise `InvalidInput` where one of several channels has a dead time; its clock would have to be followed."""
    for name in names:
        detector = (detectors or {}).get(name)
        if detector is not None and detector.dead_time > 0.0:
            raise InvalidInput(
                f"detector of {name!r} has dead_time={detector.dead_time:g}, with which {what} has no exact value "
                "here: which other detectors are dead would have to be followed too; leave it out, ask for this "
                "channel alone, or compare with a record that went through it"
            )


class Blur:
    """What jitter and afterpulses of two detectors do to g² − 1: a convolution.

    Afterpulses follow events in chains: each has at most one, with probability p after an exponential delay of
    mean d. A share 1 − p of the events is original, and the others follow their first ancestor by times of the law
    c e^{−ct}, c = (1 − p)/d. So g² − 1 is convolved with (1 − p)δ + p c e^{−ct}, forwards for the second channel
    and backwards for the first; in one channel, events of the same chain add (p/d)e^{−c|τ|}/λ to g², λ being the
    rate of all events.
    """

    def __init__(self, first: str, second: str, detectors: Detectors) -> None:
        sides = [(detectors or {}).get(name, Detector()) for name in (first, second)]
        self.jitter = float(np.hypot(sides[0].jitter, sides[1].jitter))
        self.chances = [side.afterpulsing for side in sides]
        self.rates = [
            (1.0 - side.afterpulsing) / side.afterpulse_delay if side.afterpulsing else np.inf for side in sides
        ]
        if self.jitter and any(self.chances):
            raise InvalidInput(
                f"g² of {first!r} and {second!r} with jitter and afterpulses has no exact formula; leave one out"
            )
        self.same = first == second

    @property
    def active(self) -> bool:
        """Whether anything is blurred."""
        return self.jitter > 0.0 or any(self.chances)

    @property
    def width(self) -> float:
        """How far events are moved."""
        return max(self.jitter, *(1.0 / rate for rate in self.rates))

    def twice_integrated(self, x: Array) -> Array:
        """Return ∫∫ of the kernel, whose second derivative is the kernel of weight 1."""
        if self.jitter:
            z = x / self.jitter
            density = np.exp(-(z**2) / 2.0) / np.sqrt(2.0 * np.pi)
            return np.asarray(self.jitter * (z * ndtr(z) + density))
        (p, q), (a, b) = self.chances, self.rates
        parts = (1.0 - p) * (1.0 - q) * np.maximum(x, 0.0)
        if q:
            parts = parts + (1.0 - p) * q * _forwards(x, b)
        if p:
            parts = parts + p * (1.0 - q) * _backwards(x, a)
        if p and q:
            parts = parts + p * q * (a * _forwards(x, b) + b * _backwards(x, a)) / (a + b)
        return np.asarray(parts)

    def chain(self, edges: Array, rate: float) -> Array:
        """Return what events of one chain add to the bin averages of g²; `rate` is that of all events."""
        if not self.same or not self.chances[0]:
            return np.zeros(len(edges) - 1)
        p, c = self.chances[0], self.rates[0]
        primitive = np.sign(edges) * (1.0 - np.exp(-c * np.abs(edges))) * p / (1.0 - p)
        return np.diff(primitive) / np.diff(edges) / rate

    def cells(self, edges: Array) -> Array:
        """Return edges of cells over which g² is averaged before it is blurred."""
        reach = max(abs(edges[0]), abs(edges[-1])) + BEYOND * self.width * (1.0 if self.jitter else 4.0)
        half = [0.0]
        while half[-1] < reach:
            step = CELL * max(0.3 * self.width, 0.1 * half[-1])
            half.append(half[-1] + min(step, max(0.5 * self.width, reach / MOST_CELLS)))
        points = np.array(half)
        return np.concatenate([-points[:0:-1], points])


def blurred(blur: Blur, sharp: Correlation, edges: Array, rate: float) -> Correlation:
    """Return bin averages of g² with jitter or afterpulses from averages over fine cells without."""
    table = blur.twice_integrated(edges[:, None] - sharp.edges[None, :])
    weights = -np.diff(np.diff(table, axis=0), axis=1) / np.diff(edges)[:, None]
    value = 1.0 + weights @ (sharp.value - 1.0) + blur.chain(edges, rate)
    error = np.abs(weights) @ np.broadcast_to(sharp.numerical_error, sharp.value.shape)
    nothing = np.zeros(len(edges) - 1)
    kind = "jitter" if blur.jitter else "afterpulses"
    method = f"{sharp.method}, convolved with {kind}"
    return Correlation(sharp.first, sharp.second, edges, value, nothing, nothing.astype(np.int64), method, error)


def _forwards(x: Array, rate: float) -> Array:
    """Return ∫∫ of rate·e^{−rate·x} for x > 0."""
    y = np.maximum(x, 0.0)
    return np.asarray(y + np.expm1(-rate * y) / rate)


def _backwards(x: Array, rate: float) -> Array:
    """Return ∫∫ of rate·e^{rate·x} for x < 0."""
    return np.asarray(np.exp(rate * np.minimum(x, 0.0)) / rate + np.maximum(x, 0.0))
