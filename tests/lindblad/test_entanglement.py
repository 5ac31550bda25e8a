"""Partial traces, negativity and the Fisher-information witness: closed forms, QuTiP, an independent F_Q."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
import qutip
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trajectories import HilbertSpace, SpinningResonator, lindblad
from trajectories.errors import InvalidInput

ATOMS = HilbertSpace(atom_1=2, atom_2=2)
MODES = HilbertSpace(photon=3, phonon=4)
SEEDS = st.integers(0, 2**32 - 1)


def random_state(size: int, rng: np.random.Generator, rank: int) -> NDArray[np.complex128]:
    columns = rng.normal(size=(size, rank)) + 1j * rng.normal(size=(size, rank))
    rho = columns @ columns.conj().T
    return rho / np.trace(rho)


def separable(levels: tuple[int, ...], rng: np.random.Generator, terms: int) -> NDArray[np.complex128]:
    weights = rng.dirichlet(np.ones(terms))
    total = np.zeros((prod(levels),) * 2, dtype=np.complex128)
    for weight in weights:
        term = np.ones((1, 1))
        for n in levels:
            term = np.kron(term, random_state(n, rng, rank=int(rng.integers(1, n + 1))))
        total += weight * term
    return total


def werner(p: float) -> NDArray[np.complex128]:
    bell = np.array([1.0, 0.0, 0.0, 1.0]) / np.sqrt(2.0)
    return p * np.outer(bell, bell) + (1.0 - p) * np.eye(4) / 4.0


def pair(theta: float, space: HilbertSpace) -> NDArray[np.complex128]:
    ket = np.cos(theta) * space.ket() + np.sin(theta) * space.ket(photon=1, phonon=1)
    return np.outer(ket, ket.conj())


def local_operators(kind: str, size: int) -> dict[str, NDArray[np.complex128]]:
    """The operator set of one part, made with QuTiP; mode operators are exact on `size` levels."""
    if kind == "atom":
        lower = qutip.Qobj([[0, 1], [0, 0]])  # |g⟩ = index 0
        return {
            "sigma_x": (lower + lower.dag()).full(),
            "sigma_y": (1j * (lower - lower.dag())).full(),
            "sigma_z": (lower.dag() * lower - lower * lower.dag()).full(),
        }
    o = qutip.destroy(size + 2)
    x, p = o + o.dag(), -1j * (o - o.dag())
    exact = {"x": x, "p": p, "x^2": x * x, "p^2": p * p, "(xp+px)/2": (x * p + p * x) / 2}
    return {name: operator.full()[:size, :size] for name, operator in exact.items()}


def fisher_information(rho: NDArray[np.complex128], generator: NDArray[np.complex128]) -> float:
    """F_Q = Tr ρL² from the symmetric logarithmic derivative, ρL + Lρ = −2i[A, ρ]."""
    eye = np.eye(len(rho))
    right = (-2j * (generator @ rho - rho @ generator)).ravel()
    derivative = np.linalg.lstsq(np.kron(rho, eye) + np.kron(eye, rho.T), right, rcond=1e-13)[0]
    derivative = derivative.reshape(rho.shape)
    return float(np.trace(rho @ derivative @ derivative).real)


def excess(
    rho: NDArray[np.complex128], families: list[dict[str, NDArray[np.complex128]]], c: list[list[float]]
) -> float:
    """F_Q − 4 Σ Var for given coefficients, straight from the definitions."""
    sizes = [len(next(iter(family.values()))) for family in families]
    total, variances = np.zeros_like(rho), 0.0
    for j, (family, coefficients) in enumerate(zip(families, c, strict=True)):
        local = sum(x * a for x, a in zip(coefficients, family.values(), strict=True))
        full = np.kron(np.kron(np.eye(prod(sizes[:j])), local), np.eye(prod(sizes[j + 1 :])))
        variances += float(np.trace(rho @ full @ full).real - np.trace(rho @ full).real ** 2)
        total = total + full
    return fisher_information(rho, total) - 4.0 * variances


# --- partial trace -------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [(0,), (1,), (3,), (0, 2), (2, 0), (3, 1, 0), (0, 1, 2, 3)])
def test_reduced_states_are_those_of_qutip(keep: tuple[int, ...]) -> None:
    space = HilbertSpace(photon=3, phonon=2, magnon=4, atom=2)
    rho = random_state(space.dimension, np.random.default_rng(1), rank=5)
    tensor = qutip.Qobj(rho, dims=[[3, 2, 4, 2]] * 2)
    expected = tensor.ptrace(sorted(keep)).permute([sorted(keep).index(i) for i in keep])
    result = lindblad.reduced(rho, space, [space.names[i] for i in keep])
    np.testing.assert_allclose(result, expected.full(), atol=1e-14)


def test_reduced_states_with_a_cut_off_are_those_of_the_embedded_state() -> None:
    full = HilbertSpace(photon=3, phonon=3, magnon=3, atom=2)
    cut = HilbertSpace(max_quanta=2, photon=3, phonon=3, magnon=3, atom=2)
    rho = random_state(cut.dimension, np.random.default_rng(2), rank=4)
    where = np.ravel_multi_index(tuple(cut.occupations.T), tuple(cut.levels.values()))
    embedded = np.zeros((full.dimension,) * 2, dtype=np.complex128)
    embedded[np.ix_(where, where)] = rho
    for keep in (["magnon"], ["photon", "atom"], ["atom", "phonon", "photon"]):
        np.testing.assert_allclose(
            lindblad.reduced(rho, cut, keep), lindblad.reduced(embedded, full, keep), atol=1e-15
        )


# --- negativity ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("theta", [0.0, 0.1, 0.6, np.pi / 4])
def test_negativity_of_a_pair_state(theta: float) -> None:
    found = lindblad.negativity(pair(theta, MODES), MODES, "photon", "phonon")
    assert found == pytest.approx(np.cos(theta) * np.sin(theta), abs=1e-14)


@pytest.mark.parametrize("p", [0.2, 1 / 3, 0.5, 1.0])
def test_negativity_of_a_werner_state(p: float) -> None:
    found = lindblad.negativity(werner(p), ATOMS, "atom_1", "atom_2")
    assert found == pytest.approx(max(0.0, (3.0 * p - 1.0) / 4.0), abs=1e-14)


def test_negativity_between_groups_needs_every_member() -> None:
    space = HilbertSpace(photon=2, phonon=2, magnon=2)
    ghz = (space.ket() + space.ket(photon=1, phonon=1, magnon=1)) / np.sqrt(2.0)
    rho = np.outer(ghz, ghz.conj())
    assert lindblad.negativity(rho, space, "phonon", ("magnon", "photon")) == pytest.approx(0.5)
    assert lindblad.negativity(rho, space, "phonon", "magnon") == pytest.approx(0.0, abs=1e-14)


# --- witness -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.3, 0.6, (1 + np.sqrt(17)) / 8, 0.7, 1.0])
def test_witness_of_a_werner_state(p: float) -> None:
    """Q is 2p²/(1+p) times that of the Bell state, so W = 4[4p²/(1+p) − 1]: zero at p = (1+√17)/8."""
    witness = lindblad.entanglement_witness(werner(p), ATOMS, ATOMS.names)
    expected = 4.0 * (4.0 * p**2 / (1.0 + p) - 1.0)
    assert witness.value == pytest.approx(expected, abs=1e-12)
    assert pytest.approx(max(0.0, expected), abs=1e-12) == witness.D


def test_the_optimal_operators_attain_the_witness_and_no_others_exceed_it() -> None:
    rng = np.random.default_rng(3)
    space = HilbertSpace(photon=3, phonon=2, atom=2)
    rho = 0.9 * random_state(space.dimension, rng, rank=1) + 0.1 * random_state(space.dimension, rng, rank=2)
    witness = lindblad.entanglement_witness(rho, space, ("photon", "atom"))
    families = [local_operators("mode", 5), local_operators("atom", 2)]
    padded = np.zeros((5, 2, 5, 2), dtype=np.complex128)
    padded[:3, :, :3, :] = lindblad.reduced(rho, space, ("photon", "atom")).reshape(3, 2, 3, 2)
    state = padded.reshape(10, 10)
    assert [list(witness.operators[part]) for part in witness.parts] == [list(family) for family in families]
    optimal = [list(witness.operators[part].values()) for part in witness.parts]
    assert sum(x * x for part in optimal for x in part) == pytest.approx(1.0)
    assert witness.value > 0.1
    assert excess(state, families, optimal) == pytest.approx(witness.value, rel=1e-9)
    for _ in range(50):
        c = rng.normal(size=8)
        c /= np.linalg.norm(c)
        assert excess(state, families, [list(c[:5]), list(c[5:])]) <= witness.value + 1e-9


@settings(deadline=None, max_examples=40)
@given(seed=SEEDS, terms=st.integers(1, 4))
def test_no_separable_state_is_called_entangled(seed: int, terms: int) -> None:
    rng = np.random.default_rng(seed)
    space = HilbertSpace(photon=3, phonon=2, atom=2)
    rho = separable((3, 2, 2), rng, terms)
    for parts in (("photon", "phonon"), ("photon", "atom"), ("phonon", "photon", "atom")):
        assert lindblad.entanglement_witness(rho, space, parts).value <= 1e-10
        assert lindblad.negativity(rho, space, parts[0], parts[1:]) <= 1e-10


@settings(deadline=None, max_examples=20)
@given(seed=SEEDS)
def test_every_correlated_pure_state_is_called_entangled(seed: int) -> None:
    """The twin: for a pure state W is 4 λ_max of the covariances between parts."""
    rho = random_state(12, np.random.default_rng(seed), rank=1)
    assert lindblad.entanglement_witness(rho, MODES, ("photon", "phonon")).value > 1e-3


def test_the_printed_convention_calls_the_vacuum_entangled() -> None:
    vacuum = pair(0.0, MODES)
    assert lindblad.entanglement_witness(vacuum, MODES, MODES.names).value == pytest.approx(0.0, abs=1e-12)
    # Q − Γ with Q = 4Γ: three times the largest variance, that of x² or of p², which is 2 in the vacuum,
    # or of their difference (x² − p²)/√2, which is 4.
    printed = lindblad.entanglement_witness(vacuum, MODES, MODES.names, variance_factor=1.0)
    assert printed.value == pytest.approx(3.0 * 4.0, abs=1e-12)


@pytest.mark.parametrize("variance_factor", [4.0, 1.0])
def test_empty_levels_change_nothing(variance_factor: float) -> None:
    """x² and p² are those of untruncated modes, so more levels with no weight in them give the same W."""
    small, large = HilbertSpace(photon=2, atom=2), HilbertSpace(photon=6, atom=2)
    rho = random_state(4, np.random.default_rng(4), rank=2)
    embedded = np.zeros((12, 12), dtype=np.complex128)
    embedded[:4, :4] = rho
    found = [
        lindblad.entanglement_witness(state, space, ("photon", "atom"), variance_factor=variance_factor).value
        for state, space in ((rho, small), (embedded, large))
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-12)


@pytest.mark.parametrize(
    ("direction", "quantum", "bipartite", "tripartite"),
    [("left", "phonon", 0.0356, 0.0943), ("right", "magnon", 0.0181, 0.0820)],
)
def test_both_directions_of_the_orange_regime_are_entangled(
    direction: str, quantum: str, bipartite: float, tripartite: float
) -> None:
    """Fig. 4 at κ = 0.008; the values were computed by an independent solver at the same truncation."""
    resonator = SpinningResonator(direction=direction, detuning=1.3693, kappa=0.008)
    steady = lindblad.steady_state(resonator.system((6, 4, 4)))
    space = steady.system.space
    two = lindblad.entanglement_witness(steady, space, ("photon", quantum))
    three = lindblad.entanglement_witness(steady, space, ("photon", quantum, "atom"))
    assert two.value == pytest.approx(bipartite, abs=6e-5)
    assert three.value == pytest.approx(tripartite, abs=6e-5)
    assert lindblad.negativity(steady, space, "photon", quantum) > 1e-3
    # Planted fault: the same populations without coherence are separable.
    classical = np.diag(np.diag(steady.rho))
    assert lindblad.entanglement_witness(classical, space, ("photon", quantum)).value <= 1e-10


def test_the_witness_alone_does_not_tell_the_directions_apart() -> None:
    """In the orange regime the photon and the quantum that is not emitted are entangled as well.

    Their coupling λ(o†+o)(o'†+o') squeezes both modes off resonance, whichever side drives.
    """
    values = {}
    for direction in ("left", "right"):
        resonator = SpinningResonator(direction=direction, detuning=1.3693, kappa=0.008)
        steady = lindblad.steady_state(resonator.system((4, 4, 4)))
        for mode in ("phonon", "magnon"):
            witness = lindblad.entanglement_witness(steady, steady.system.space, ("photon", mode))
            values[direction, mode] = witness.value
    assert values["left", "phonon"] > values["left", "magnon"] > 0.01
    assert values["right", "phonon"] > values["right", "magnon"] > 0.01


@pytest.mark.parametrize("d", [2, 3, 4])
def test_two_maximally_entangled_atoms_of_d_levels(d: int) -> None:
    """W = 8/d: of Tr A² = 2, half on each side, F_Q = 4 Var(A) = 16/d where the separable bound is 8/d."""
    space = HilbertSpace(atom=d, spin=d, finite="spin")
    ket = sum(space.ket(atom=level, spin=level) for level in range(d)) / np.sqrt(d)
    found = lindblad.entanglement_witness(np.outer(ket, ket), space, ("atom", "spin"))
    assert found.value == pytest.approx(8.0 / d, rel=1e-12)
    assert [len(found.operators[name]) for name in space.names] == [d * d - 1] * 2
    # Local rotations change nothing, and the mixture without coherence is separable.
    rng = np.random.default_rng(d)
    turn = np.kron(*(np.linalg.qr(rng.normal(size=(d, d)) + 1j * rng.normal(size=(d, d)))[0] for _ in range(2)))
    turned = turn @ np.outer(ket, ket) @ turn.conj().T
    assert lindblad.entanglement_witness(turned, space, space.names).value == pytest.approx(8.0 / d, rel=1e-10)
    classical = np.diag(np.abs(ket) ** 2)
    assert lindblad.entanglement_witness(classical, space, space.names).value <= 1e-12


# --- bad input -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rho", "message"),
    [
        (np.eye(3) / 3, "shape"),
        (np.eye(4), "trace"),
        (np.array([[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]), "Hermitian"),
        (np.diag([1.5, -0.5, 0, 0]), "eigenvalue"),
        (np.full((4, 4), np.nan), "NaN"),
    ],
)
def test_what_is_no_density_matrix_is_refused(rho: NDArray[np.float64], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        lindblad.entanglement_witness(rho, ATOMS, ATOMS.names)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (("photon",), "at least 2"),
        ("photon", "at least 2"),
        (("photon", "photon"), "twice"),
        (("photon", "atom"), "no subsystem named 'atom'"),
    ],
)
def test_bad_parts_are_refused(parts: tuple[str, ...] | str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        lindblad.entanglement_witness(pair(0.3, MODES), MODES, parts)


@pytest.mark.parametrize("factor", [0.0, -4.0, np.nan])
def test_a_bad_variance_factor_is_refused(factor: float) -> None:
    with pytest.raises(InvalidInput, match="variance_factor"):
        lindblad.entanglement_witness(pair(0.3, MODES), MODES, MODES.names, variance_factor=factor)


def test_bad_groups_are_refused() -> None:
    with pytest.raises(InvalidInput, match="twice"):
        lindblad.negativity(pair(0.3, MODES), MODES, "photon", ("phonon", "photon"))
    with pytest.raises(InvalidInput, match="at least 1"):
        lindblad.reduced(pair(0.3, MODES), MODES, ())
