"""Exact heralding efficiencies and coincidence ratios against closed forms, dense algebra and other windows."""

from __future__ import annotations

import numpy as np
import pytest
from click_systems import driven_atom
from scipy.linalg import expm

import trajectories as tj
from trajectories import lindblad
from trajectories.detectors import Detector
from trajectories.errors import InvalidInput

# Every exact value that is tested here is computed in each of the ways there are.
pytestmark = pytest.mark.usefixtures("every_way")


def jump(rate: float, to: int, out: int) -> np.ndarray:
    operator = np.zeros((3, 3))
    operator[to, out] = np.sqrt(rate)
    return operator


def cascade(pump: float = 0.05, fast: float = 1.0, slow: float = 0.8) -> tj.OpenSystem:
    """0 → 2 by the pump, 2 → 1 with a photon, 1 → 0 with a magnon."""
    jumps = {"photon": jump(fast, 1, 2), "magnon": jump(slow, 0, 1), "pump": jump(pump, 2, 0)}
    return tj.OpenSystem(np.diag([0.0, 0.3, 0.7]), [tj.Channel(name, c) for name, c in jumps.items()])


def classical(pump: float, fast: float, slow: float) -> np.ndarray:
    """Generator of the populations of the cascade, columns are states."""
    generator = np.zeros((3, 3))
    for rate, to, out in ((fast, 1, 2), (slow, 0, 1), (pump, 2, 0)):
        generator[to, out] += rate
        generator[out, out] -= rate
    return generator


@pytest.mark.parametrize("window", [0.3, 2.0, 4.0])
def test_a_cascade_agrees_with_its_rate_equations(window):
    rates = (0.05, 1.0, 0.8)
    steady = lindblad.steady_state(cascade(*rates))
    generator = classical(*rates)
    population = np.linalg.svd(generator)[2][-1]
    population /= population.sum()
    silent = generator.copy()
    silent[0, 1] -= rates[2]  # no magnon
    quiet = expm(silent * window)
    after_photon = np.zeros(3)
    after_photon[1] = rates[1] * (quiet @ population)[2]
    expected = 1.0 - (quiet @ after_photon).sum() / (rates[1] * population[2])
    found = lindblad.heralding_efficiency(steady, "photon", "magnon", window)
    assert found.value == pytest.approx(expected, rel=1e-9)
    assert found.standard_error == 0.0
    # Without the silence before the herald the number is another one.
    forgetful = 1.0 - (quiet @ [0.0, 1.0, 0.0]).sum()
    assert abs(found.value - forgetful) > 1e-3


def test_detectors_act_on_herald_and_signal():
    steady = lindblad.steady_state(cascade())
    ideal = lindblad.heralding_efficiency(steady, "photon", "magnon", 4.0).value
    # The loss of heralds does not matter, that of a rare signal thins the efficiency.
    lossy = {"photon": Detector(0.3)}
    assert lindblad.heralding_efficiency(steady, "photon", "magnon", 4.0, lossy).value == pytest.approx(ideal)
    faint = lindblad.heralding_efficiency(steady, "photon", "magnon", 4.0, {"magnon": Detector(1e-4)}).value
    fainter = lindblad.heralding_efficiency(steady, "photon", "magnon", 4.0, {"magnon": Detector(5e-5)}).value
    assert faint == pytest.approx(2 * fainter, rel=1e-3)
    dark = {"magnon": Detector(0.0, 0.1)}
    found = lindblad.heralding_efficiency(steady, "photon", "magnon", 4.0, dark).value
    assert found == pytest.approx(1.0 - np.exp(-0.8))


def test_coincidences_are_the_mean_of_g2():
    steady = lindblad.steady_state(cascade())
    edges = np.linspace(-4.0, 4.0, 81)
    mean = lindblad.g2(steady, "photon", "magnon", edges).value.mean()
    found = lindblad.coincidence_to_accidental(steady, "photon", "magnon", 4.0)
    assert found.value == pytest.approx(mean, rel=1e-9)
    excess = lindblad.coincidence_to_accidental(steady, "photon", "magnon", 4.0, "(C-A)/A")
    assert excess.value == pytest.approx(mean - 1.0, rel=1e-9)


def test_bad_input_is_refused():
    steady = lindblad.steady_state(driven_atom(1.0, 0.4))
    for call in (lindblad.heralding_efficiency, lindblad.coincidence_to_accidental):
        with pytest.raises(InvalidInput, match="'x'"):
            call(steady, "atom", "x", 1.0)
        with pytest.raises(InvalidInput, match="window"):
            call(steady, "atom", "atom", -1.0)
        with pytest.raises(InvalidInput, match="kappa"):
            call(steady, "atom", "atom")
    with pytest.raises(InvalidInput, match="convention"):
        lindblad.coincidence_to_accidental(steady, "atom", "atom", 1.0, "A/C")
    with pytest.raises(InvalidInput, match="dead_time"):
        lindblad.heralding_efficiency(steady, "atom", "atom", 1.0, {"atom": Detector(dead_time=0.1)})
