"""What is observed inside a long step is as right as its end: displaced and strongly decaying motion."""

from __future__ import annotations

import numpy as np
import pytest
from dense_lindblad import packed_matrix
from scipy import linalg

from trajectories import Channel, OpenSystem, lindblad
from trajectories.lindblad.superoperators.chebyshev import Ellipse, Expansion
from trajectories.lindblad.superoperators.hermitian_vectors import packed_generator
from trajectories.lindblad.superoperators.propagation import propagate

LOWER = np.array([[0.0, 1.0], [0.0, 0.0]])


def two_states() -> OpenSystem:
    """No Hamiltonian: down at rate 1, up at rate 2, one after the other."""
    return OpenSystem(np.zeros((2, 2)), (Channel("down", LOWER), Channel("up", np.sqrt(2.0) * LOWER.T)))


def displaced(seed: int) -> tuple[OpenSystem, dict[str, float], float]:
    """A random system whose first detector sees a local oscillator too, what is detected, and a horizon."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 5))
    matrix = 10.0 ** rng.uniform(-2.0, 0.5) * rng.normal(size=(size, size))
    field = rng.uniform(0.5, 3.0) * np.eye(size)
    jumps = [rng.normal(size=(size, size)) + field, 0.3 * rng.normal(size=(size, size))]
    channels = tuple(Channel(f"c{k}", jump) for k, jump in enumerate(jumps))
    efficiency = {"c0": 1.0, "c1": float(rng.choice([0.0, 0.5, 1.0]))}
    return OpenSystem(matrix + matrix.T, channels), efficiency, 10.0 ** rng.uniform(-0.5, 2.5)


@pytest.mark.parametrize("seed", range(12))
def test_every_time_inside_a_step_is_within_the_error_bound(seed):
    system, efficiency, horizon = displaced(seed)
    expansion = Expansion(packed_generator(system, efficiency), horizon)
    assert expansion.error <= 1e-14
    matrix = packed_matrix(expansion.generator)
    start = np.random.default_rng(seed).normal(size=len(matrix))
    start /= np.linalg.norm(start)
    times = expansion.step * np.append(np.linspace(0.0, 1.0, 9), 10.0 ** np.linspace(-4.0, -1.0, 7))
    found = propagate(expansion, start, times)
    exact = [linalg.expm(matrix * t) @ start for t in times]
    np.testing.assert_allclose(found, exact, atol=2e-13)


def test_a_tail_that_is_looked_at_only_at_the_end_is_caught():
    # Planted fault: the series cut where its tail at t = h is small enough, as it once was.
    generator = packed_generator(two_states(), {"down": 1.0, "up": 1.0})
    expansion = Expansion(generator, 40.0)
    ellipse, k = expansion.ellipse, np.arange(400)
    last = np.log(np.abs(ellipse.terms(400, np.array([40.0])))[:, 0] + 1e-300) + k * ellipse.eta
    expansion.step, expansion.order = 40.0, int(np.argmax(np.cumsum(np.exp(last)[::-1])[::-1] <= 1e-14))
    times, start = np.array([1.0]), np.array([1.0, 0.0, 0.0, 0.0])
    exact = linalg.expm(packed_matrix(generator)) @ start
    assert np.abs(propagate(expansion, start, times)[0] - exact).max() > 1e-3
    whole = propagate(Expansion(generator, 40.0), start, times)[0]
    np.testing.assert_allclose(whole, exact, atol=1e-14)


@pytest.mark.parametrize("oscillating", [True, False])
def test_bound_of_the_terms_holds_at_every_time(oscillating):
    rng = np.random.default_rng(oscillating)
    for _ in range(40):
        center = -(10.0 ** rng.uniform(-2.0, 2.0)) * rng.choice([1.0, 1.0, -0.01])
        ellipse = Ellipse(center, 10.0 ** rng.uniform(-2.0, 1.5), oscillating, 0.3)
        end = min(10.0 ** rng.uniform(-2.0, 1.0), 300.0 / max(ellipse.focus, abs(center)))
        with np.errstate(divide="ignore"):
            largest = np.log(np.abs(ellipse.terms(60, np.linspace(0.0, end, 400)))).max(axis=1)
        bound = ellipse.log_largest_terms(60, np.array([end]))[:, 0]
        assert np.all(largest <= bound + 1e-9)
        assert np.exp(bound - largest)[largest > -600.0].min() < 3.0  # and is not far from it


def test_waits_of_two_states_have_a_closed_form():
    steady = lindblad.steady_state(two_states())
    share = lindblad.waiting_times(steady, "down", "up", [0.0, 1.0, 40.0]).value * [1.0, 39.0]
    np.testing.assert_allclose(share, [1.0 - np.exp(-2.0), np.exp(-2.0)], rtol=1e-12)


def test_purity_of_two_states_over_several_windows_has_a_closed_form():
    steady = lindblad.steady_state(two_states())
    windows = np.array([0.1, 0.5, 40.0])
    # Gaps last 1/2 after down and 1 after up, in turn: a long gap, a short one, a long one.
    fast, slow = np.exp(-2.0 * windows), np.exp(-windows)
    exact = slow**2 * (1.0 - fast) + fast**2 * (1.0 - slow)
    found = [estimate.value for estimate in lindblad.purity(steady, 2, windows)]
    np.testing.assert_allclose(found, exact, rtol=1e-11, atol=1e-14)
    assert found[1] == pytest.approx(0.2858, abs=5e-5)
