"""The zero of energy is arbitrary: H + E·1 clicks like H and has the same steady state."""

from __future__ import annotations

import numpy as np
import pytest

import trajectories as tj
from trajectories import lindblad
from trajectories.engine.compiled import CONSTANT

SIGMA = np.array([[0.0, 1.0], [0.0, 0.0]])
# Powers of two, so that H + E·1 is exact in binary up to the largest constant here.
DRIVEN = 2.0**-7 * (SIGMA + SIGMA.T) + 2.0**-6 * (SIGMA.T @ SIGMA)


def system(constant: float) -> tj.OpenSystem:
    return tj.OpenSystem(DRIVEN + constant * np.eye(2), [tj.Channel("atom", 2.0**-5 * SIGMA)])


@pytest.mark.parametrize("propagator", CONSTANT)
@pytest.mark.parametrize("constant", [2.0**10, 2.0**20, -(2.0**30)])
def test_clicks_do_not_see_a_constant(constant, propagator):
    first = [
        tj.simulate(system(e), 5, 2e4, seed=8, initial=[0.0, 1.0], propagator=propagator, progress=False)
        for e in (0.0, constant)
    ]
    assert len(first[0]) > 10
    np.testing.assert_array_equal(first[0].channel, first[1].channel)
    np.testing.assert_allclose(first[0].time, first[1].time, rtol=0, atol=1e-6)


@pytest.mark.parametrize("constant", [2.0**20, 2.0**36])
def test_the_steady_state_does_not_see_a_constant(constant):
    plain, shifted = (lindblad.steady_state(system(e)) for e in (0.0, constant))
    np.testing.assert_allclose(shifted.rho, plain.rho, atol=1e-12)
    assert lindblad.g2_at(shifted, "atom", "atom", [30.0]) == pytest.approx(
        lindblad.g2_at(plain, "atom", "atom", [30.0]), abs=1e-8
    )
