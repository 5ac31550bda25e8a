"""The paper's system: its Hamiltonian term by term, dressed states, directions, resonances, the Fizeau shift."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import trajectories as tj
from trajectories.errors import ConvergenceError, InvalidInput
from trajectories.model.spinning_resonator import PAIRS, REGIMES

LEVELS = (3, 2, 2)
FIGURE_1 = {
    "direction": "left",
    "kappa": 0.005,
    "gamma": 0.001,
    "drive": 0.8,
    "atom_detuning": -3.1,
    "magnon_frequency": 1.05,
    "fizeau": 0.025,
    "atom_coupling": 0.3,
    "phonon_coupling": 0.022,
    "magnon_coupling": 0.022,
    "thermal": (0.0, 0.0, 0.0),
}


def by_hand(r: tj.SpinningResonator, levels=LEVELS) -> np.ndarray:
    """Build H from Kronecker products, term by term as in the paper (with Δ_σd)."""

    def lower(k: int) -> np.ndarray:
        total = np.ones((1, 1))
        for n, count in enumerate((*levels, 2)):
            total = np.kron(total, np.diag(np.sqrt(np.arange(1.0, count)), 1) if n == k else np.eye(count))
        return total

    a, b, m, s = (lower(k) for k in range(4))
    shift = r.fizeau if r.direction == "left" else -r.fizeau
    return (
        (r.detuning + shift) * a.T @ a
        + b.T @ b
        + r.magnon_frequency * m.T @ m
        + (r.atom_detuning + r.detuning) * s.T @ s
        + r.phonon_coupling * (a.T + a) @ (b.T + b)
        + r.magnon_coupling * (a.T + a) @ (m.T + m)
        + r.atom_coupling * (a @ s.T + a.T @ s)
        + r.drive * (s.T + s)
    )


def test_defaults_are_the_paper_s():
    values = dataclasses.asdict(tj.SpinningResonator())
    assert {key: values[key] for key in FIGURE_1} == FIGURE_1


@pytest.mark.parametrize("direction", ["left", "right"])
def test_the_hamiltonian_is_the_paper_s(direction):
    resonator = tj.SpinningResonator(
        direction=direction, detuning=1.2, phonon_coupling=0.03, magnon_coupling=0.05, fizeau=0.04
    )
    np.testing.assert_allclose(
        resonator.system(levels=LEVELS).hamiltonian.toarray(), by_hand(resonator), atol=1e-15
    )


def test_the_cut_off_keeps_the_hamiltonian_hermitian_and_its_block_unchanged():
    resonator = tj.SpinningResonator()
    full, cut = resonator.system((4, 4, 4)), resonator.system((4, 4, 4), max_quanta=3)
    assert cut.dimension < full.dimension
    rows = [full.space.labels.index(label) for label in cut.space.labels]
    block = full.hamiltonian.toarray()[np.ix_(rows, rows)]
    # What is cut off couples only states of which one is beyond the cut, and a†b within it stays.
    np.testing.assert_allclose(cut.hamiltonian.toarray(), block, atol=1e-15)


def test_channels_have_their_rates_and_names():
    system = tj.SpinningResonator(kappa=(0.01, 0.02, 0.03), gamma=0.004).system(LEVELS)
    assert system.channel_names == ("photon", "phonon", "magnon", "atom")
    for name, rate in zip(system.channel_names, (0.01, 0.02, 0.03, 0.004), strict=True):
        np.testing.assert_allclose(
            system.channel(name).operator.toarray(), np.sqrt(rate) * system.space.lower(name).toarray(), atol=1e-16
        )


def test_warm_baths_emit_more_and_absorb():
    system = tj.SpinningResonator(kappa=0.01, thermal=(0.0, 0.5, 2.0)).system(LEVELS)
    assert system.channel_names == ("photon", "phonon", "phonon absorption", "magnon", "magnon absorption", "atom")
    for name, occupation in (("phonon", 0.5), ("magnon", 2.0)):
        lower = system.space.lower(name).toarray()
        np.testing.assert_allclose(
            system.channel(name).operator.toarray(), np.sqrt(0.01 * (occupation + 1.0)) * lower
        )
        np.testing.assert_allclose(
            system.channel(f"{name} absorption").operator.toarray(), np.sqrt(0.01 * occupation) * lower.T
        )


@pytest.mark.parametrize("drive", [0.8, -0.8, 1e-3, 5.0])
@pytest.mark.parametrize("detuning", [1.34, 3.1, 5.0])
def test_dressed_states_diagonalise_the_driven_atom(drive, detuning):
    resonator = tj.SpinningResonator(drive=drive, detuning=detuning)
    delta = -3.1 + detuning
    atom = np.array([[0.0, drive], [drive, delta]])
    upper, lower = resonator.dressed_energies()
    half = 0.5 * np.sqrt(delta**2 + 4.0 * drive**2)
    assert upper == pytest.approx(0.5 * delta + half, abs=1e-14)
    assert lower == pytest.approx(0.5 * delta - half, abs=1e-14)
    for energy, state in zip((upper, lower), resonator.dressed_states(), strict=True):
        np.testing.assert_allclose(atom @ state, energy * state, atol=1e-13)
        assert np.linalg.norm(state) == pytest.approx(1.0)


def test_dressed_states_have_the_paper_s_coefficients():
    """|±⟩ = c_±|g⟩ ± c_∓|e⟩ with c_± = √2 ξ / [Δ² + 4ξ² ± Δ√(Δ² + 4ξ²)]^{1/2}."""
    resonator = tj.SpinningResonator()
    delta, root = resonator.pump_atom_detuning, np.hypot(resonator.pump_atom_detuning, 1.6)
    c = {s: np.sqrt(2.0) * 0.8 / np.sqrt(root**2 + s * delta * root) for s in (1, -1)}
    plus, minus = resonator.dressed_states()
    np.testing.assert_allclose(plus, [c[1], c[-1]], atol=1e-14)
    np.testing.assert_allclose(minus, [c[-1], -c[1]], atol=1e-14)


def test_dressed_kets_are_products():
    resonator = tj.SpinningResonator()
    space = resonator.system(LEVELS).space
    kets = np.array([resonator.dressed_ket(space, 1, 0, 1, sign) for sign in "+-"])
    np.testing.assert_allclose(kets.conj() @ kets.T, np.eye(2), atol=1e-15)
    plus = resonator.dressed_states()[0]
    assert kets[0][space.index(photon=1, magnon=1, atom="g")] == plus[0]
    assert kets[0][space.index(photon=1, magnon=1, atom="e")] == plus[1]
    np.testing.assert_array_equal(resonator.dressed_ket(space, 1, 0, 1, "−"), kets[1])
    with pytest.raises(InvalidInput, match="sign"):
        resonator.dressed_ket(space, 0, 0, 0, "0")
    with pytest.raises(InvalidInput, match="photon=9"):
        resonator.dressed_ket(space, 9, 0, 0, "+")


@pytest.mark.parametrize(
    ("regime", "direction", "near"),
    [("blue", "left", 1.3406), ("pink", "right", 1.3984), ("orange", "left", 1.3694), ("orange", "right", 1.3695)],
)
def test_resonances_are_where_the_pair_population_peaks(regime, direction, near):
    """The steady-state maxima were computed independently; the closed system's gap is within 1e-3 of them."""
    resonator = tj.SpinningResonator.regime(regime, direction, levels=(4, 3, 3))
    assert resonator.direction == direction
    assert resonator.detuning == pytest.approx(near, abs=1e-3)


def test_a_resonance_is_the_smallest_gap():
    """Of the two levels that carry |000+⟩ and |101−⟩, by a search of its own near that detuning."""
    levels = (3, 2, 3)
    resonator = tj.SpinningResonator()
    crossing = resonator.avoided_crossing("photon-magnon", levels)
    assert resonator.resonance("photon-magnon", levels) == crossing.detuning
    assert crossing.effective_coupling == pytest.approx(0.5 * crossing.gap)

    def gap(detuning: float) -> float:
        tuned = dataclasses.replace(resonator, detuning=float(detuning))
        energies, vectors = np.linalg.eigh(by_hand(tuned, levels))
        space = tj.HilbertSpace(photon=3, phonon=2, magnon=3, atom=2)
        weight = np.abs(vectors.conj().T @ tuned.dressed_ket(space, 0, 0, 0, "+")) ** 2
        weight += np.abs(vectors.conj().T @ tuned.dressed_ket(space, 1, 0, 1, "-")) ** 2
        low, high = np.sort(np.argsort(weight)[-2:])
        return float(energies[high] - energies[low])

    found = minimize_scalar(
        gap, bounds=(crossing.detuning - 2e-3, crossing.detuning + 2e-3), method="bounded", options={"xatol": 1e-9}
    )
    assert found.x == pytest.approx(crossing.detuning, abs=1e-6)
    assert found.fun == pytest.approx(crossing.gap, rel=1e-4)


def test_a_regime_in_the_other_direction_keeps_its_detuning():
    left, right = (tj.SpinningResonator.regime("blue", d, levels=(3, 2, 3)) for d in ("left", "right"))
    assert left.detuning == right.detuning
    assert right.direction == "right"


def test_a_regime_takes_other_parameters_but_finds_its_own_detuning():
    weak = tj.SpinningResonator.regime("blue", levels=(3, 2, 3), kappa=0.008, magnon_frequency=1.04)
    assert weak.kappa == 0.008
    assert weak.detuning != tj.SpinningResonator.regime("blue", levels=(3, 2, 3)).detuning
    with pytest.raises(InvalidInput, match="detuning"):
        tj.SpinningResonator.regime("blue", levels=(3, 2, 3), detuning=1.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "red"}, "red"),
        ({"name": ["blue"]}, "blue"),
        ({"name": "orange"}, "direction"),
        ({"name": "blue", "direction": "up"}, "up"),
        ({"name": "blue", "levels": (40, 40, 40)}, "levels|dimension|states"),
    ],
    ids=str,
)
def test_what_is_no_regime_is_refused(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        tj.SpinningResonator.regime(**arguments)


def test_what_is_no_pair_is_refused():
    assert set(PAIRS) == {pair for regime in REGIMES.values() for pair in regime.values()}
    with pytest.raises(InvalidInput, match="phonon-magnon"):
        tj.SpinningResonator().resonance("phonon-magnon")


def test_a_resonance_that_is_not_there_is_said():
    with pytest.raises(ConvergenceError, match="resonance"):
        tj.SpinningResonator(atom_coupling=2.0, phonon_coupling=1.0).resonance("photon-phonon", (3, 2, 2))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("direction", "up"),
        ("direction", None),
        ("direction", ["left"]),
        ("detuning", float("nan")),
        ("detuning", float("inf")),
        ("detuning", "x"),
        ("detuning", None),
        ("detuning", True),
        ("detuning", 1.0 + 0.1j),
        ("detuning", np.complex128(1.0 + 0.1j)),
        ("detuning", np.array([1.0, 2.0])),
        ("detuning", 10**400),
        ("kappa", -0.1),
        ("kappa", (0.1, 0.1)),
        ("kappa", (0.1, -0.1, 0.1)),
        ("kappa", "x"),
        ("kappa", float("nan")),
        ("kappa", np.complex128(0.1)),
        ("gamma", -1e-9),
        ("fizeau", -0.025),
        ("thermal", (0.1, 0.1)),
        ("thermal", (0.1, -0.1, 0.0)),
        ("thermal", 0.1),
        ("thermal", "abc"),
        ("drive", float("nan")),
    ],
    ids=lambda value: str(value)[:30],
)
def test_parameters_that_cannot_be_right_are_refused_by_name(field, value):
    with pytest.raises(InvalidInput, match=field) as refusal:
        tj.SpinningResonator(**{field: value})
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "levels", [(4, 4), (4, 4, 1), (5.5, 4, 4), "444", 4, None, (4, "4", 4), (1e9, 4, 4)], ids=str
)
def test_levels_that_cannot_be_right_are_refused(levels):
    with pytest.raises(InvalidInput):
        tj.SpinningResonator().system(levels=levels)


@pytest.mark.parametrize("number", [np.float32(1.25), np.float64(1.25), np.int64(1)])
def test_parameters_are_plain_numbers_in_the_provenance(number):
    """NumPy scalars are accepted, so they must also survive JSON."""
    resonator = tj.SpinningResonator(detuning=number, kappa=(number, 0.1, 0.1))
    parameters = resonator.system(LEVELS).parameters
    assert json.loads(json.dumps(parameters))["detuning"] == float(number)
    assert parameters["kappa"] == [float(number), 0.1, 0.1]
    assert parameters["model"] == "SpinningResonator"


def test_the_fizeau_shift_is_the_sagnac_formula():
    """Δ_F = r n ω_a Ω [1 − 1/n² − (λ/n) dn/dλ]/c, here with ω_a = 2πc/λ, so that c drops out."""
    omega, radius, index, wavelength, dispersion = 6600.0, 1.1e-3, 2.2, 1.55e-6, -2e4
    expected = radius * index * 2.0 * np.pi / wavelength * omega
    expected *= 1.0 - 1.0 / index**2 - wavelength / index * dispersion
    given = {"radius": radius, "index": index, "wavelength": wavelength, "dispersion": dispersion}
    assert tj.fizeau_shift(omega, **given) == pytest.approx(expected, rel=1e-14)
    assert tj.fizeau_shift(omega, direction="right", **given) == pytest.approx(-expected, rel=1e-14)
    assert tj.fizeau_shift(0.0) == 0.0
    assert tj.fizeau_shift(2.0) == pytest.approx(2.0 * tj.fizeau_shift(1.0))


@pytest.mark.parametrize(
    "arguments",
    [
        {"angular_velocity": -1.0},
        {"angular_velocity": float("nan")},
        {"angular_velocity": "fast"},
        {"angular_velocity": 1.0, "radius": 0.0},
        {"angular_velocity": 1.0, "radius": "big"},
        {"angular_velocity": 1.0, "index": -2.0},
        {"angular_velocity": 1.0, "wavelength": float("inf")},
        {"angular_velocity": 1.0, "dispersion": float("nan")},
        {"angular_velocity": 1.0, "direction": "up"},
    ],
    ids=str,
)
def test_a_shift_of_nonsense_is_refused(arguments):
    with pytest.raises(InvalidInput):
        tj.fizeau_shift(**arguments)
