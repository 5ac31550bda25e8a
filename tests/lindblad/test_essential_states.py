"""States on essential basis states: rare light, displaced cavities, and empty levels far above."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import trajectories as tj
from trajectories import lindblad
from trajectories.errors import ConvergenceError
from trajectories.lindblad import levels

LAGS = [0.0, 0.5, 1.0, 5.0]


def driven_cavity(amplitude: float, size: int) -> tj.OpenSystem:
    """A cavity of κ = 1 with two ports: coherent light of 4·amplitude² photons, whose g² is 1 at every lag."""
    space = tj.HilbertSpace(cavity=size)
    a = space.lower("cavity")
    ports = {"left": 0.6, "right": 0.4}
    channels = [tj.Channel(name, np.sqrt(rate) * a) for name, rate in ports.items()]
    return tj.OpenSystem(amplitude * (a + a.T), channels, space)


@pytest.mark.parametrize("solver", ["auto", "reduced", "propagation"])
@pytest.mark.parametrize(
    "amplitude", [1e-4, *(pytest.param(a, marks=pytest.mark.slow) for a in (4e-4, 1.2e-3)), 7.5e-3]
)
def test_rare_light_is_no_farther_from_coherent_than_is_said(amplitude, solver):
    """Clicks come from hardly occupied states: with 4e-8 photons g² was once off by 98 %."""
    steady = lindblad.steady_state(driven_cavity(amplitude, 420)).with_solver(solver)
    assert steady.method == "essential"
    g2 = lindblad.g2(steady, "left", "left", LAGS)
    assert (np.abs(g2.value - 1.0) <= g2.numerical_error).all()
    assert g2.numerical_error.max() < 5e-4


@pytest.mark.parametrize(
    ("size", "amplitude"), [pytest.param(120, 1.0, marks=pytest.mark.slow), (420, 1.0), (420, 0.3)]
)
def test_a_displaced_cavity_is_found_whatever_the_levels_above(size, amplitude):
    """Its modes nearly coincide, and estimates of what lies outside never end; four photons took 43 rounds."""
    steady = lindblad.steady_state(driven_cavity(amplitude, size), method="essential")
    assert steady.rate("left") == pytest.approx(2.4 * amplitude**2, rel=1e-9)
    assert len(np.flatnonzero(np.diag(steady.rho).real)) < 80


def test_where_the_whole_cannot_be_solved_the_essential_states_are(monkeypatch):
    system = driven_cavity(0.05, 60)
    module = sys.modules["trajectories.lindblad.steady_state"]
    monkeypatch.setattr(module, "ACCEPTED", -1.0)
    found = lindblad.steady_state(system)
    assert found.method == "essential"
    assert found.rate("left") == pytest.approx(0.006, rel=1e-9)
    with pytest.raises(ConvergenceError):
        lindblad.steady_state(system, method="eigenmodes")


def test_all_pairs_of_the_states_kept_leave_out_the_others(monkeypatch):
    """The last core neglects no pair, but above 300 dimensions it is one of the essential states."""
    monkeypatch.setattr(levels, "REFINE", 0.0)
    steady = lindblad.steady_state(driven_cavity(0.05, 420)).with_solver("reduced")
    g2 = lindblad.g2(steady, "left", "left", LAGS)
    assert (np.abs(g2.value - 1.0) <= g2.numerical_error).all()
    assert g2.numerical_error.min() > 1e-7
