"""Two-photon spectra beside real filters, the secular limit, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from systems_with_answers import random_lindbladian

import trajectories as tj
from trajectories import lindblad
from trajectories.errors import InvalidInput

SPACE = tj.HilbertSpace(atom=2)
SIGMA = SPACE.lower("atom")


def divided(rabi: float) -> tj.OpenSystem:
    """A driven atom behind a beam splitter."""
    channels = [tj.Channel(name, np.sqrt(0.5) * SIGMA) for name in ("left", "right")]
    return tj.OpenSystem(0.5 * rabi * (SIGMA + SIGMA.T) + 0.4 * SPACE.number("atom"), channels, SPACE)


def test_the_map_is_that_of_filters() -> None:
    system, width = divided(3.0), 1.3
    steady = lindblad.steady_state(system)
    omega1, omega2 = [-3.0, 0.4], [1.1, 3.0]
    found = lindblad.two_photon_spectrum(steady, "left", "right", omega1, omega2, width)
    for i, first in enumerate(omega1):
        for j, second in enumerate(omega2):
            both = system.filtered("left", first, width, levels=5).filtered("right", second, width, levels=5)
            exact = lindblad.g2_at(lindblad.steady_state(both), "left transmitted", "right transmitted", [0.0])[0]
            assert found[i, j] == pytest.approx(exact, rel=1e-3)
    assert not np.allclose(found, found[:, ::-1], rtol=0.05)  # planted fault: frequencies exchanged


@pytest.mark.usefixtures("every_way")
def test_two_modes_are_told_apart() -> None:
    """A cavity and its atom: two channels, each with its own filter."""
    space = tj.HilbertSpace(cavity=3, atom=2)
    a, sigma = space.lower("cavity"), space.lower("atom")
    h = 0.7 * space.number("cavity") + 0.8 * (a.T @ sigma + sigma.T @ a) + 0.3 * (sigma + sigma.T)
    system = tj.OpenSystem(h, [tj.Channel("cavity", 0.6 * a), tj.Channel("atom", 0.4 * sigma)], space)
    found = lindblad.two_photon_spectrum(lindblad.steady_state(system), "cavity", "atom", [0.9], [-0.5], 0.4)
    both = system.filtered("cavity", 0.9, 0.4, levels=4).filtered("atom", -0.5, 0.4, levels=4)
    exact = lindblad.g2_at(lindblad.steady_state(both), "cavity transmitted", "atom transmitted", [0.0])[0]
    assert found[0, 0] == pytest.approx(exact, rel=1e-3)


def test_the_secular_limit_of_the_triplet() -> None:
    """γ ≪ Γ ≪ Ω: 0 for a sideband with itself and with the middle, 1 for the middle and for both sidebands."""
    rabi = 400.0
    system = tj.OpenSystem(0.5 * rabi * (SIGMA + SIGMA.T), [tj.Channel("atom", SIGMA)], SPACE)
    lines = [-rabi, 0.0, rabi]
    found = lindblad.two_photon_spectrum(lindblad.steady_state(system), "atom", "atom", lines, lines, 20.0)
    np.testing.assert_allclose(found, [[0, 0, 1], [0, 1, 0], [1, 0, 0]], atol=0.12)
    np.testing.assert_allclose(found, found.T, rtol=1e-8)
    # Without resolution the photons of one atom are antibunched at all frequencies.
    broad = lindblad.two_photon_spectrum(lindblad.steady_state(system), "atom", "atom", lines, lines, 1e5)
    assert broad.max() < 0.02


def test_bad_input_is_refused() -> None:
    steady = lindblad.steady_state(divided(1.0))
    for arguments, message in (
        (("up", "left", [0.0], [0.0], 1.0), "no channel"),
        (("left", "left", [], [0.0], 1.0), "omega1"),
        (("left", "left", [0.0], [np.inf], 1.0), "omega2"),
        (("left", "left", [0.0], [0.0], 0.0), "width"),
    ):
        with pytest.raises(InvalidInput, match=message):
            lindblad.two_photon_spectrum(steady, *arguments)
    large = tj.SpinningResonator(detuning=1.3).system((3, 3, 4))
    with pytest.raises(InvalidInput, match="dimension 72 exceeds 57"):
        lindblad.two_photon_spectrum(lindblad.steady_state(large), "photon", "magnon", [0.0], [0.0], 1.0)


@pytest.mark.usefixtures("every_way")
def test_a_complex_system_and_unequal_lists() -> None:
    """Complex H and jumps, of which nothing is symmetric, beside one filter after another."""
    system = random_lindbladian(5, 3, 2)
    first, second = system.channel_names
    omega1, omega2, width = [-1.0, 0.2, 1.7], [0.6], 2.0
    found = lindblad.two_photon_spectrum(lindblad.steady_state(system), first, second, omega1, omega2, width)
    assert found.shape == (3, 1)
    for omega, value in zip(omega1, found[:, 0], strict=True):
        both = system.filtered(first, omega, width, levels=5).filtered(second, omega2[0], width, levels=5)
        steady = lindblad.steady_state(both)
        exact = lindblad.g2_at(steady, f"{first} transmitted", f"{second} transmitted", [0.0])[0]
        assert value == pytest.approx(exact, rel=1e-2)
    turned = lindblad.two_photon_spectrum(lindblad.steady_state(system), second, first, omega2, omega1, width)
    np.testing.assert_allclose(turned, found.T, rtol=1e-10)
