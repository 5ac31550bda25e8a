"""Clicks of one paralysable detector: exact g² and Fano factor at any dimension.

An event is registered if none, registered or not, came within a dead time τ before it. With L0 = L − 𝒥 the state
just after a registered event is y = 𝒥e^{L0τ}ρ/λ, where λ = Tr 𝒥e^{L0τ}ρ is their rate; and the rate of another one
at t after it is r(t) = Tr[𝒥 e^{L0τ} e^{L(t − τ)} y], and 0 before τ.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...detectors import Detector
from ...errors import InvalidInput
from ...results import Estimate
from ..answers import Answer, estimates_of
from ..solver import Model, solver_of
from ..steady_state import SteadyState
from .memory import memoryless

Array = NDArray[np.float64]


def paralysed_g2(
    steady: SteadyState, name: str, detector: Detector, rate: float, edges: Array
) -> tuple[Array, Array, str]:
    """Return bin averages of g² of the registered events, r/λ, their errors and the way; `rate` is λ."""
    later = np.maximum(np.abs(edges) - detector.dead_time, 0.0)
    times, place = np.unique(later, return_inverse=True)

    def compute(model: Model) -> Array:
        after, reader = _around(model, name, detector.dead_time)
        reached = model.motion(float(times[-1])).observe(after, reader[None], times, integrals=1)[1][:, 0]
        return np.asarray(np.diff(np.sign(edges) * reached[place]) / np.diff(edges) / rate)

    answer = _answer(steady, name, detector, float(times[-1]), compute)
    return answer.value, np.broadcast_to(answer.error, answer.value.shape), answer.method


def paralysed_fano(steady: SteadyState, name: str, detector: Detector, windows: Array) -> list[Estimate]:
    """Return the Fano factors F(T) = 1 + (2/T) ∫₀ᵀ (T − s)(r(s) − λ) ds of the registered events."""
    dead = detector.dead_time
    later = np.maximum(windows - dead, 0.0)
    times, place = np.unique(later, return_inverse=True)

    def compute(model: Model) -> Array:
        after, reader = _around(model, name, dead)
        rate = float(reader @ model.rho)
        motion = model.motion(float(times[-1]))
        # Tr[… e^{Lx}(y − ρ)] is r − λ without a difference of large numbers; before τ it is −λ.
        excess = motion.observe(after - model.rho, reader[None], times, integrals=2)[2][:, 0]
        blind = np.minimum(dead, windows)
        return np.asarray(1.0 + 2.0 / windows * (excess[place] - rate * blind * (windows - 0.5 * blind)))

    return estimates_of(_answer(steady, name, detector, float(times[-1]), compute))


def _around(model: Model, name: str, dead: float) -> tuple[Array, Array]:
    """Return the state just after a registered event, and the form whose value is their rate a dead time later."""
    silent, span = model.click_free_motion(dead), np.array([dead])
    after = model.jump(name, silent.propagate(model.rho, span)[0])
    reader = silent.propagate(model.effect(name), span, adjoint=True)[0]
    return after / float(model.identity @ after), reader


def _answer(
    steady: SteadyState, name: str, detector: Detector, longest: float, compute: Callable[[Model], Array]
) -> Answer:
    if detector.jitter:
        raise InvalidInput(
            f"detector of {name!r} is paralysable and has jitter={detector.jitter:g}, for which there is no exact "
            "formula; leave one of them out"
        )
    return solver_of(steady).answer(
        compute,
        (name,),
        {name: memoryless(detector)},
        horizon=longest + detector.dead_time,
        starts=3,
        stationary=True,
        curve=True,
        interest=(name,),
        judged=(name,),
    )
