"""Emission spectra: closed forms, QuTiP, sum rule, the two ways beside each other, names of the peaks."""

from __future__ import annotations

import numpy as np
import pytest
import qutip

from trajectories import Channel, HilbertSpace, OpenSystem, SpinningResonator, lindblad
from trajectories.errors import InvalidInput

ATOM = HilbertSpace(atom=2)
SIGMA = ATOM.lower("atom")


def driven_atom(rabi: float, gamma: float = 1.0, detuning: float = 0.0) -> OpenSystem:
    hamiltonian = 0.5 * rabi * (SIGMA + SIGMA.T) + detuning * ATOM.number("atom")
    return OpenSystem(hamiltonian, [Channel("atom", np.sqrt(gamma) * SIGMA)], ATOM)


def mollow(omega: np.ndarray, rabi: float) -> np.ndarray:
    """The incoherent spectrum of the resonantly driven atom with γ = 1, Carmichael's Eq. for ⟨Δσ₊(0)Δσ₋(τ)⟩."""
    y2 = 2.0 * rabi**2
    delta = np.sqrt(complex(1.0 / 16.0 - rabi**2))
    side = (1.0 - 5.0 * y2) / 4.0 / delta
    terms = [
        (0.25 * y2 / (1.0 + y2), 0.5),
        (-0.125 * y2 / (1.0 + y2) ** 2 * (1.0 - y2 + side), 0.75 - delta),
        (-0.125 * y2 / (1.0 + y2) ** 2 * (1.0 - y2 - side), 0.75 + delta),
    ]
    return sum((a / (decay - 1j * omega)).real for a, decay in terms) / np.pi


def pair_emitter() -> OpenSystem:
    """An atom in a cavity of four levels, driven off resonance: N = 8."""
    space = HilbertSpace(cavity=4, atom=2)
    a, sigma = space.lower("cavity"), space.lower("atom")
    h = 0.7 * space.number("cavity") - 0.4 * space.number("atom")
    h = h + 0.8 * (a.T @ sigma + sigma.T @ a) + 0.6 * (sigma + sigma.T)
    return OpenSystem(h, [Channel("cavity", 0.5 * a), Channel("atom", 0.3 * sigma)], space)


# --- closed forms ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rabi", [0.1, 0.3, 5.0])
def test_resonance_fluorescence_is_mollows(rabi: float, every_spectrum: str) -> None:
    steady = lindblad.steady_state(driven_atom(rabi))
    omega = np.linspace(-8.0, 8.0, 81)
    found = lindblad.emission_spectrum(steady, "atom", omega)
    expected = mollow(omega, rabi)
    np.testing.assert_allclose(found.density, expected, atol=1e-12 * expected.max())
    assert found.rate == pytest.approx(rabi**2 / (1.0 + 2.0 * rabi**2), rel=1e-12)
    assert found.coherent == pytest.approx(rabi**2 / (1.0 + 2.0 * rabi**2) ** 2, rel=1e-12)
    assert ("one equation" in found.method) == (every_spectrum == "one by one")
    if every_spectrum == "poles":  # their weights are the integral
        assert found.sum_rule == pytest.approx(found.rate, rel=1e-12)
    assert not np.allclose(found.density, mollow(omega, 1.01 * rabi), atol=1e-6 * expected.max())  # planted fault


def test_the_exceptional_point_is_solved_frequency_by_frequency() -> None:
    """At Ω = γ/4 two eigenvalues of L fall together, and no poles can be had."""
    omega = np.linspace(-3.0, 3.0, 31)
    found = lindblad.emission_spectrum(lindblad.steady_state(driven_atom(0.25)), "atom", omega)
    np.testing.assert_allclose(found.density, mollow(omega, 0.25 + 1e-7), rtol=1e-5)


def test_the_triplet_has_names_and_shares(every_spectrum: str) -> None:
    rabi = 40.0
    found = lindblad.emission_spectrum(lindblad.steady_state(driven_atom(rabi)), "atom")
    near = 0.02 if every_spectrum == "poles" else 0.04  # from one equation a frequency widths are interpolated
    middle, *sides = found.peaks
    assert abs(middle.frequency) < 1e-3
    assert middle.width == pytest.approx(1.0, rel=0.02)  # γ
    assert sorted(round(p.frequency) for p in sides) == [-40, 40]
    assert {p.transition for p in sides} == {"|−⟩ → |+⟩", "|+⟩ → |−⟩"}
    for peak in sides:
        assert peak.width == pytest.approx(1.5, rel=near)  # 3γ/2
        assert middle.height / peak.height == pytest.approx(3.0, rel=near)
        assert peak.rate / middle.rate == pytest.approx(0.5, rel=0.1)
    whole = found.rate_between(-1e5, 1e5)
    assert whole + found.coherent == pytest.approx(found.rate, rel=1e-5)


def test_the_rates_of_all_peaks_are_that_of_all_light() -> None:
    """Two equal peaks had 0.53 and 0.47 of the rate, and a single line lacked what is beyond the grid."""
    sigma = np.array([[0.0, 1.0], [0.0, 0.0]])
    dephased = OpenSystem(sigma + sigma.T, [Channel("probe", np.diag([1.0, -1.0]))])
    peaks = lindblad.emission_spectrum(lindblad.steady_state(dephased), "probe").peaks
    assert sorted(p.frequency for p in peaks) == pytest.approx([-np.sqrt(2.0), np.sqrt(2.0)], rel=1e-5)
    assert [p.rate for p in peaks] == pytest.approx([0.5, 0.5], rel=1e-5)
    pumped = OpenSystem(0.0 * sigma, [Channel("down", sigma), Channel("up", 0.5 * sigma.T)])
    (line,) = lindblad.emission_spectrum(lindblad.steady_state(pumped), "down").peaks
    assert line.rate == pytest.approx(0.2, rel=1e-12)
    triplet = lindblad.emission_spectrum(lindblad.steady_state(driven_atom(4.0)), "atom")
    assert sum(p.rate for p in triplet.peaks) == pytest.approx(triplet.rate - triplet.coherent, rel=1e-12)


@pytest.mark.usefixtures("every_spectrum")
def test_a_linear_cavity_emits_one_coherent_line() -> None:
    space = HilbertSpace(cavity=12)
    a = space.lower("cavity")
    system = OpenSystem(0.1 * (a + a.T), [Channel("cavity", a)], space)
    found = lindblad.emission_spectrum(lindblad.steady_state(system), "cavity", [0.0, 1.0])
    assert found.coherent == pytest.approx(found.rate, rel=1e-9)
    assert np.abs(found.density).max() < 1e-9 * found.rate


@pytest.mark.usefixtures("every_spectrum")
def test_thermal_light_is_a_lorentzian() -> None:
    space = HilbertSpace(cavity=18)
    a = space.lower("cavity")
    n = 0.1
    channels = [Channel("out", np.sqrt(1.0 + n) * a), Channel("in", np.sqrt(n) * a.T)]
    system = OpenSystem(0.7 * space.number("cavity"), channels, space)
    omega = np.linspace(-3.0, 3.0, 25)
    found = lindblad.emission_spectrum(lindblad.steady_state(system), "out", omega)
    expected = (1.0 + n) * n * 0.5 / np.pi / (0.25 + (omega - 0.7) ** 2)
    np.testing.assert_allclose(found.density, expected, rtol=1e-8)


# --- other witnesses -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("every_spectrum")
def test_the_spectrum_is_that_of_qutip() -> None:
    system = pair_emitter()
    omega = np.array([-1.3, -0.2, 0.4, 1.1])
    h, jumps = system.to_qutip()
    for name, jump in zip(system.channel_names, jumps, strict=True):
        found = lindblad.emission_spectrum(lindblad.steady_state(system), name, omega)
        # QuTiP takes 2 Re ∫e^{−iωτ}⟨a(τ)b(0)⟩, with the coherent line as a pole at 0.
        expected = qutip.spectrum(h, -omega, jumps, jump.dag(), jump, solver="es")
        mirrored = qutip.spectrum(h, omega, jumps, jump.dag(), jump, solver="es")
        ours, conjugate = found.density * 2.0 * np.pi, expected
        if not np.allclose(ours, conjugate, rtol=1e-6):
            conjugate = mirrored
        np.testing.assert_allclose(ours, conjugate, rtol=1e-6)


@pytest.mark.parametrize(
    ("direction", "detuning", "levels"),
    [("left", 1.3406, (3, 2, 3)), pytest.param("right", 1.3984, (3, 3, 3), marks=pytest.mark.slow)],
)
def test_core_and_equations_agree(direction: str, detuning: float, levels: tuple[int, int, int]) -> None:
    steady = lindblad.steady_state(SpinningResonator(direction, detuning=detuning).system(levels))
    for name in steady.system.channel_names:
        found = lindblad.emission_spectrum(steady, name)
        assert "core of" in found.method
        assert 0.0 < found.numerical_error < 1e-4
        assert found.sum_rule == pytest.approx(found.rate, rel=1e-5)
        points = np.array([0.0, *(p.frequency + 0.3 * p.width for p in found.peaks[:2] if p.width > 0.0), 0.6])
        exact = lindblad.emission_spectrum(steady.with_solver("propagation"), name, points)
        assert "one equation" in exact.method
        allowed = max(found.numerical_error, 1e-9) * found.density.max()
        np.testing.assert_allclose(found.at(points), exact.density, atol=allowed, rtol=0.0)


def test_the_peaks_of_the_blue_regime() -> None:
    """The pair's photon and magnon, and the atom's photon far from both, as in the paper's Mollow ladder."""
    resonator = SpinningResonator("left", detuning=1.3406)
    steady = lindblad.steady_state(resonator.system((4, 3, 4)))
    splitting = np.hypot(resonator.pump_atom_detuning, 2.0 * resonator.drive)
    spectra = {name: lindblad.emission_spectrum(steady, name) for name in ("photon", "magnon", "atom")}
    photon, magnon, atom = (spectrum.peaks[0] for spectrum in spectra.values())
    assert (photon.transition, magnon.transition) == ("|1,0,1,−⟩ → |0,0,1,−⟩", "|1,0,1,−⟩ → |1,0,0,−⟩")
    assert atom.transition == "|0,0,0,−⟩ → |0,0,0,+⟩"
    # Together the pair has the energy that the dressed atom gives; its own photon has it all.
    assert photon.frequency + magnon.frequency == pytest.approx(splitting, abs=0.03)
    assert -atom.frequency == pytest.approx(splitting, abs=0.03)
    assert magnon.rate > 0.95 * spectra["magnon"].rate
    assert photon.share > 0.9


def test_essential_states_give_the_same_spectrum(monkeypatch: pytest.MonkeyPatch) -> None:
    steady = lindblad.steady_state(SpinningResonator("left", detuning=1.3406).system((4, 6, 4)))
    whole = lindblad.emission_spectrum(steady, "magnon")
    monkeypatch.setattr("trajectories.lindblad.emission.RESTRICT", 60)
    again = lindblad.steady_state(steady.system)
    part = lindblad.emission_spectrum(again, "magnon", whole.omega)
    assert again.workspace["fields"].system.dimension < steady.system.dimension
    np.testing.assert_allclose(part.density, whole.density, atol=1e-5 * whole.density.max())
    assert part.peaks[0].transition == whole.peaks[0].transition


# --- bad input -------------------------------------------------------------------------------------------


def test_what_has_no_spectrum_is_refused() -> None:
    steady = lindblad.steady_state(driven_atom(1.0))
    with pytest.raises(InvalidInput, match="no channel named 'photon'"):
        lindblad.emission_spectrum(steady, "photon")
    for omega in ([], [np.nan], [[1.0]]):
        with pytest.raises(InvalidInput, match="omega"):
            lindblad.emission_spectrum(steady, "atom", omega)
    with pytest.raises(InvalidInput, match="never clicks"):
        lindblad.emission_spectrum(lindblad.steady_state(driven_atom(0.0)), "atom")
