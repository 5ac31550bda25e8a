"""The steady state: closed forms, alternating jump maps, dark states, conserved quantities, QuTiP."""

from __future__ import annotations

import numpy as np
import pytest
import qutip
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, special
from systems_with_answers import (
    DecayingFock,
    DrivenCavity,
    PairSource,
    ResonanceFluorescence,
    ThermalCavity,
    degenerate_v_atom,
    lambda_atom,
    paper_system,
    random_lindbladian,
)

from trajectories import Channel, HilbertSpace, OpenSystem, SpinningResonator, lindblad
from trajectories.errors import SteadyStateNotUnique
from trajectories.lindblad.superoperators import sparse_inverse
from trajectories.lindblad.superoperators.inverse import choose_resolvent
from trajectories.lindblad.superoperators.krylov import gmres
from trajectories.lindblad.superoperators.liouvillian import Liouvillian
from trajectories.lindblad.superoperators.no_jump import Eigenmodes, SchurModes
from trajectories.lindblad.superoperators.sparse_inverse import band_of

FEW = (4, 5, 6, 7, 8, 9, 16, 23, 30)
MANY = [pytest.param(levels, marks=pytest.mark.slow) for levels in range(4, 31) if levels not in FEW]


@pytest.mark.parametrize("levels", [*FEW, *MANY])
def test_thermal_cavity_at_every_truncation(levels):
    # The jump chain alternates parity, so that −L0⁻¹𝒥 has the eigenvalue −1 beside 1.
    cavity = ThermalCavity(thermal=1.3, levels=levels)
    steady = lindblad.steady_state(cavity.system())
    assert steady.residual < 1e-14
    np.testing.assert_allclose(np.diag(steady.rho).real, cavity.populations(), atol=1e-13)
    np.testing.assert_allclose(steady.rho - np.diag(np.diag(steady.rho)), 0, atol=1e-13)


def test_jump_map_of_a_thermal_cavity_is_periodic():
    # The trap is real: a power iteration on −L0⁻¹𝒥 started off the fixed point never settles.
    system = ThermalCavity(thermal=1.3, levels=6).system()
    liouvillian, modes = Liouvillian(system), Eigenmodes(system)
    state = np.diag([1.0, 0, 0, 0, 0, 0]).astype(complex)
    for _ in range(200):
        state, before = -modes.solve(liouvillian.jump(state), 0.0), state
    twice = -modes.solve(liouvillian.jump(state), 0.0)
    assert np.linalg.norm(state - before) > 0.1 * np.linalg.norm(state)
    np.testing.assert_allclose(twice, before, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("rabi", "gamma", "detuning"), [(1, 0.3, 0), (0.2, 2, 0.7), (1e-4, 1, 0), (1e3, 1, 5)])
def test_resonance_fluorescence(rabi, gamma, detuning):
    atom = ResonanceFluorescence(rabi, gamma, detuning)
    steady = lindblad.steady_state(atom.system())
    assert steady.expect(atom.system().space.number("atom")) == pytest.approx(atom.excited(), rel=1e-11)
    assert steady.rate("fluorescence") == pytest.approx(gamma * atom.excited(), rel=1e-11)


def test_exceptional_point_takes_the_schur_basis():
    # At Ω = γ/2 the two eigenvectors of H_eff coalesce.
    atom = ResonanceFluorescence(rabi=0.5, gamma=1.0)
    assert Eigenmodes(atom.system()).condition > 1e7
    steady = lindblad.steady_state(atom.system())
    assert steady.method == "schur"
    assert steady.residual <= 1e-15
    assert steady.rho[1, 1].real == pytest.approx(atom.excited(), rel=1e-12)
    with pytest.raises(ValueError, match="cond"):
        lindblad.steady_state(atom.system(), method="eigenmodes")


def test_beside_an_exceptional_point_the_residual_is_refined():
    # cond(V) ≈ 1e5 loses five digits of L0⁻¹, not of the steady state.
    atom = ResonanceFluorescence(rabi=0.5 + 1e-10, gamma=1.0)
    assert 1e4 < Eigenmodes(atom.system()).condition < 1e7
    steady = lindblad.steady_state(atom.system(), method="eigenmodes")
    assert steady.residual <= 1e-15
    assert steady.rho[1, 1].real == pytest.approx(atom.excited(), rel=1e-12)


def test_driven_cavity_is_coherent():
    cavity = DrivenCavity()
    system = cavity.system()
    steady = lindblad.steady_state(system)
    a = system.space.lower("photon")
    assert steady.expect(a) == pytest.approx(cavity.amplitude(), abs=1e-11)
    assert steady.rate("photon") == pytest.approx(cavity.rate(), rel=1e-10)
    assert np.trace(steady.rho @ steady.rho).real == pytest.approx(1.0, abs=1e-10)


def test_pair_source_occupation_and_cross_correlation():
    source = PairSource()
    steady = lindblad.steady_state(source.system())
    assert steady.rate("photon") == pytest.approx(source.kappa * source.occupation(), rel=1e-8)
    assert lindblad.cross_correlation(steady, "photon", "magnon") == pytest.approx(source.cross_g2(0.0), rel=1e-7)
    assert lindblad.cross_correlation(steady, "photon", "photon") == pytest.approx(2.0, rel=1e-5)


def test_undriven_cavity_ends_in_the_vacuum():
    # |0⟩ is dark: L0 is singular and the jump map annihilates the answer.
    steady = lindblad.steady_state(DecayingFock(quanta=19).system())
    assert steady.rho[0, 0].real == pytest.approx(1.0, abs=1e-14)
    assert steady.residual <= 1e-15


def test_dark_superposition_of_a_lambda_atom():
    system, dark = lambda_atom()
    steady = lindblad.steady_state(system)
    np.testing.assert_allclose(steady.rho, np.outer(dark, dark), atol=1e-13)


def test_dark_state_beside_bright_motion_with_schur():
    system, dark = lambda_atom(1.0, 1.0)
    steady = lindblad.steady_state(system, method="schur")
    np.testing.assert_allclose(steady.rho, np.outer(dark, dark), atol=1e-13)


@pytest.mark.parametrize("method", ["eigenmodes", "schur", "elimination"])
def test_every_method_finds_the_known_states(method):
    """Closed forms by each way to invert L0, and by elimination; other files have essential states and factors."""
    laser, warm, pairs = (
        DrivenCavity(drive=0.1, levels=9),
        ThermalCavity(thermal=0.3, levels=9),
        PairSource(levels=4),
    )
    atom, fock, (shelved, dark) = ResonanceFluorescence(1.0, 0.3, 0.4), DecayingFock(), lambda_atom()

    def solved(system):
        return lindblad.steady_state(system, method=method)

    found = solved(laser.system())
    assert found.rate("photon") == pytest.approx(laser.rate(), rel=1e-8)
    assert found.expect(laser.system().space.lower("photon")) == pytest.approx(laser.amplitude(), abs=1e-8)
    found = solved(warm.system())
    np.testing.assert_allclose(np.diag(found.rho).real, warm.populations(), atol=1e-12)
    assert solved(pairs.system()).rate("photon") == pytest.approx(pairs.kappa * pairs.occupation(), rel=1e-5)
    assert solved(atom.system()).rate("fluorescence") == pytest.approx(atom.gamma * atom.excited(), rel=1e-10)
    assert solved(fock.system()).rho[0, 0].real == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(solved(shelved).rho, np.outer(dark, dark), atol=1e-12)


def two_photon_loss(single: float) -> OpenSystem:
    space = HilbertSpace(photon=16)
    a = space.lower("photon")
    pair = a @ a
    return OpenSystem(pair + pair.conj().T, (Channel("pairs", pair), Channel("single", single * a)), space)


@pytest.mark.parametrize(
    "system",
    [
        degenerate_v_atom(),
        two_photon_loss(0.0),
        OpenSystem(np.diag([0.0, 1.0]), (Channel("dephasing", np.diag([0.0, 1.0])),)),
        OpenSystem(np.diag([0.0, 1.0]), (Channel("nothing", np.zeros((2, 2))),)),
    ],
    ids=["dark superposition", "parity", "dephasing", "no dissipation"],
)
def test_more_than_one_steady_state_is_an_error(system):
    with pytest.raises(SteadyStateNotUnique, match="not unique"):
        lindblad.steady_state(system)


def test_the_slightest_breaking_of_the_symmetry_makes_it_unique():
    steady = lindblad.steady_state(two_photon_loss(1e-2))
    assert steady.residual < 1e-14


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), dimension=st.integers(2, 7), channels=st.integers(1, 3))
def test_random_lindbladians(seed, dimension, channels):
    system = random_lindbladian(seed, dimension, channels)
    steady = lindblad.steady_state(system)
    assert steady.residual <= 1e-13
    assert np.trace(steady.rho) == pytest.approx(1.0, abs=1e-14)
    assert np.array_equal(steady.rho, steady.rho.conj().T)
    assert np.linalg.eigvalsh(steady.rho)[0] > -1e-14
    other = lindblad.steady_state(system, method="schur")
    np.testing.assert_allclose(other.rho, steady.rho, atol=1e-11)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), dimension=st.integers(2, 5))
def test_jumps_after_the_resolvent_are_a_quantum_channel(seed, dimension):
    # 𝒥(−L0⁻¹) maps the state after one jump to the state after the next: completely positive, trace-preserving.
    system = random_lindbladian(seed, dimension)
    liouvillian, resolvent = Liouvillian(system), choose_resolvent(system)
    choi = np.zeros((dimension,) * 4, dtype=complex)
    for i in range(dimension):
        for j in range(dimension):
            unit = np.zeros((dimension, dimension), dtype=complex)
            unit[i, j] = 1.0
            # The maps are used on Hermitian matrices only; |i⟩⟨j| is put together from two of them.
            parts = (0.5 * (unit + unit.T), -0.5j * (unit - unit.T))
            images = [liouvillian.jump(-resolvent.solve(part, 0.0)) for part in parts]
            choi[i, :, j, :] = images[0] + 1j * images[1]
    np.testing.assert_allclose(np.einsum("iaja->ij", choi), np.eye(dimension), atol=1e-12)
    assert np.linalg.eigvalsh(choi.reshape(dimension**2, dimension**2))[0] > -1e-12


def test_residual_recognises_a_wrong_state():
    system = paper_system()
    steady = lindblad.steady_state(system)
    liouvillian = Liouvillian(system)
    wrong = steady.rho + 1e-6 * np.diag(np.linspace(-1, 1, system.dimension))
    assert np.linalg.norm(liouvillian.apply(steady.rho)) < 1e-15
    assert np.linalg.norm(liouvillian.apply(wrong)) > 1e-10


def test_warm_start_saves_products_and_changes_nothing():
    first = lindblad.steady_state(paper_system(detuning=1.3406))
    cold = lindblad.steady_state(paper_system(detuning=1.34061))
    warm = lindblad.steady_state(paper_system(detuning=1.34061), guess=first)
    assert warm.iterations < cold.iterations
    np.testing.assert_allclose(warm.rho, cold.rho, atol=1e-12)


def test_schur_sylvester_solves_what_the_eigenbasis_solves():
    system = paper_system((3, 3, 3))  # larger than one block of the triangular solver
    source = np.random.default_rng(1).normal(size=(54, 54)) + 0j
    source = source + source.T
    eigen, schur = Eigenmodes(system), SchurModes(system)
    for shift in (0.0, 0.3):
        np.testing.assert_allclose(schur.solve(source, shift), eigen.solve(source, shift), rtol=1e-8, atol=1e-8)
    assert schur.slowest() == pytest.approx(eigen.slowest(), rel=1e-9)


class Interrupted:
    """A right-hand side in whose multiplication another thread solves with another shift."""

    __array_ufunc__ = None

    def __init__(self, source, meanwhile):
        self.source, self.meanwhile = source, meanwhile

    def __rmatmul__(self, left):
        self.meanwhile()
        return left @ self.source


def test_solutions_with_several_shifts_at_once_are_their_own():
    modes = Eigenmodes(paper_system((2, 2, 2)))
    source = np.random.default_rng(1).normal(size=(16, 16)) + 0j
    right, other = modes.solve(source, 0.3), modes.solve(source, 0.1)
    assert np.abs(right - other).max() > 0.01 * np.abs(right).max()
    np.testing.assert_array_equal(modes.solve(Interrupted(source, lambda: modes.solve(source, 0.1)), 0.3), right)


def test_gmres_restarts_and_reports_what_it_reached():
    rng = np.random.default_rng(0)
    spectrum = np.diag(np.linspace(1.0, 50.0, 12))

    def action(x):
        return spectrum @ x + x @ spectrum

    source = rng.normal(size=(12, 12)) + 0j
    source = source + source.T
    found = gmres(action, source, tolerance=1e-10, max_products=400, restart=15)
    np.testing.assert_allclose(action(found.solution), source, atol=1e-9 * np.linalg.norm(source))
    assert found.relative <= 1e-10
    short = gmres(action, source, tolerance=1e-10, max_products=5)
    assert short.relative > 1e-3


def test_gmres_of_what_is_no_number_is_an_error_at_once():
    """Not a message about shapes after all steps of a cycle."""
    products = []
    with pytest.raises(np.linalg.LinAlgError):
        gmres(lambda x: products.append(1) or np.nan * x, np.eye(3) + 0j, tolerance=1e-10, max_products=50)
    assert len(products) == 1


def test_gmres_with_a_preconditioner_of_few_digits():
    rng = np.random.default_rng(1)
    spectrum = np.diag(np.linspace(1.0, 500.0, 12))

    def action(x):
        return spectrum @ x + x @ spectrum

    def roughly(x):
        """Return the solution to three digits, not linear in x."""
        exact = x / np.add.outer(np.diag(spectrum), np.diag(spectrum))
        return exact + 1e-3 * np.abs(exact).max() * np.cos(1e3 * (exact + exact.T).real)

    source = rng.normal(size=(12, 12)) + 0j
    source = source + source.T
    found = gmres(action, source, tolerance=1e-13, max_products=20, precondition=roughly)
    assert found.relative <= 1e-13
    np.testing.assert_allclose(action(found.solution), source, atol=1e-12 * np.linalg.norm(source))


def test_top_level_populations_and_warning():
    steady = lindblad.steady_state(ThermalCavity(thermal=1.0, levels=8).system())
    assert steady.top_level["photon"] == pytest.approx(ThermalCavity(thermal=1.0, levels=8).populations()[-1])
    assert "photon" in steady.truncation_warning()
    assert lindblad.steady_state(ThermalCavity(thermal=0.1, levels=12).system()).truncation_warning() is None
    assert lindblad.steady_state(lambda_atom()[0]).top_level == {}


def test_paper_blue_regime_reference_values():
    # Reference figures of an independent solver at truncation 5,5,5, given to four digits.
    steady = lindblad.steady_state(SpinningResonator(direction="left", detuning=1.340).system(levels=(5, 5, 5)))
    space = steady.system.space
    expected = {"photon": 0.03035, "phonon": 5.24e-4, "magnon": 0.01943, "atom": 0.2446}
    for name, value in expected.items():
        assert steady.expect(space.number(name)) == pytest.approx(value, rel=1e-3)
    assert steady.residual <= 1e-15


@pytest.mark.parametrize(
    ("direction", "mode", "levels", "value"),
    [
        ("left", "phonon", (4, 4, 4), 0.494),
        ("right", "magnon", (4, 4, 4), 0.291),
        ("left", "phonon", (6, 4, 4), 0.528),
        ("right", "magnon", (6, 4, 4), 0.335),
    ],
)
def test_paper_feasibility_bundle_correlation(direction, mode, levels, value):
    resonator = SpinningResonator(direction=direction, detuning=1.3693, kappa=0.008)
    steady = lindblad.steady_state(resonator.system(levels=levels))
    assert lindblad.bundle_correlation(steady, ("photon", mode)) == pytest.approx(value, abs=6e-4)


def as_qutip(system: OpenSystem) -> tuple[qutip.Qobj, list[qutip.Qobj]]:
    return (
        qutip.Qobj(system.hamiltonian.toarray()).to("CSR"),
        [qutip.Qobj(c.operator.toarray()).to("CSR") for c in system.channels],
    )


@pytest.mark.parametrize("levels", [(3, 2, 2), pytest.param((3, 3, 3), marks=pytest.mark.slow)])
def test_steady_state_agrees_with_qutip_on_the_paper_system(levels):
    system = paper_system(levels)
    hamiltonian, jumps = as_qutip(system)
    theirs = qutip.steadystate(hamiltonian, jumps).full()
    np.testing.assert_allclose(lindblad.steady_state(system).rho, theirs, atol=1e-10)


def test_expectation_values():
    system = paper_system()
    steady = lindblad.steady_state(system)
    lower = system.space.lower("photon")
    dense = np.trace(lower.toarray() @ steady.rho)
    assert steady.expect(lower) == pytest.approx(dense, abs=1e-15)
    assert isinstance(steady.expect(sparse.csr_array(lower.conj().T @ lower)), float)
    assert sum(steady.rate(name) for name in system.channel_names) == pytest.approx(steady.expect(system.decay))
    assert not steady.rho.flags.writeable


@pytest.mark.parametrize("levels", [(2, 10, 2), pytest.param((3, 10, 2), marks=pytest.mark.slow)])
def test_hot_modes_take_fewer_products_with_a_core_of_pairs(levels):
    """Two thermal phonons: as by Schur's basis, where L0 alone preconditions, to rounding."""
    system = SpinningResonator("left", detuning=1.3406, thermal=(0.0, 2.0, 0.0)).system(levels)
    found, slowly = lindblad.steady_state(system), lindblad.steady_state(system, method="schur")
    assert found.iterations < 0.7 * slowly.iterations
    np.testing.assert_allclose(found.rho, slowly.rho, atol=1e-15)
    for name in system.channel_names:
        assert found.rate(name) == pytest.approx(slowly.rate(name), rel=1e-12)


@pytest.mark.parametrize("apart", [1e-2, 1e-3])
def test_filters_of_nearly_one_frequency_take_no_longer(apart):
    """One filter behind another makes H_eff defective where they are equal: V⁻¹ loses digits, GMRES does not."""
    sigma = HilbertSpace(atom=2).lower("atom")
    atom = OpenSystem(sigma + sigma.T, [Channel("atom", sigma)], HilbertSpace(atom=2))

    def solved(difference):
        return lindblad.steady_state(atom.filtered("atom", [1.0, 1.0 + 0.1 * difference], 0.1))

    near, far = solved(apart), solved(1.0)
    assert near.method == "eigenmodes"
    assert near.iterations <= 1.1 * far.iterations
    assert near.error < 1e-11
    source = atom.filtered("atom", 1.0, 0.1)
    assert near.rate("atom transmitted 1") == pytest.approx(
        lindblad.steady_state(source).rate("atom transmitted"), rel=1e-10
    )


@pytest.mark.parametrize(
    ("levels", "coherent", "thermal"),
    [(120, 4.0, 0.0), (200, 36.0, 0.0), (300, 0.0, 2.0), pytest.param(500, 100.0, 0.0, marks=pytest.mark.slow)],
)
def test_cavities_of_many_levels_and_photons_are_found_by_factors_of_L(levels, coherent, thermal):
    """Coherent and thermal light fill states that growth from the vacuum, or L0 alone, finds late or never."""
    space = HilbertSpace(cavity=levels)
    a = space.lower("cavity")
    channels = [Channel("out", np.sqrt(1.0 + thermal) * a)]
    if thermal:
        channels.append(Channel("in", np.sqrt(thermal) * a.T))
    steady = lindblad.steady_state(OpenSystem(0.5 * np.sqrt(coherent) * (a + a.T), channels, space))
    assert steady.method == "direct"
    assert steady.error < 1e-9
    n = np.arange(levels)
    if thermal:
        expected = (thermal / (1.0 + thermal)) ** n / (1.0 + thermal)
    else:
        expected = np.exp(n * np.log(coherent) - coherent - special.gammaln(n + 1.0))
    np.testing.assert_allclose(np.diag(steady.rho).real, expected, atol=1e-13, rtol=1e-9)
    assert steady.rate("out") == pytest.approx((1.0 + thermal) * (coherent + thermal), rel=1e-9)


def test_factors_of_L_are_taken_of_chains_alone():
    """The paper's system, whose modes link far states, would fill the memory; small systems need none."""
    assert band_of(paper_system((4, 4, 4))) > sparse_inverse.LARGEST_BAND
    assert sparse_inverse.sparse_inverse(paper_system((4, 4, 4))) is None
    assert sparse_inverse.sparse_inverse(ThermalCavity(levels=60).system()) is None
    chain = ThermalCavity(levels=120).system()
    assert band_of(chain) == 120
    random = np.random.default_rng(3)
    shuffled = random.permutation(120)
    operators = [sparse.csr_array(c.operator)[shuffled][:, shuffled] for c in chain.channels]
    hamiltonian = sparse.csr_array(chain.hamiltonian)[shuffled][:, shuffled]
    other = OpenSystem(hamiltonian, [Channel(f"c{k}", c) for k, c in enumerate(operators)])
    assert band_of(other) == 120  # whatever the order of the basis


def test_two_stationary_states_are_noticed_by_factors_of_L():
    space = HilbertSpace(cavity=120)
    a = space.lower("cavity")
    with pytest.raises(SteadyStateNotUnique):  # pairs of photons leave: parity stays
        lindblad.steady_state(OpenSystem(0.3 * (a @ a + (a @ a).T), [Channel("pair", a @ a)], space))


@pytest.mark.parametrize(("levels", "amplitude"), [(90, 4.5), (99, 5.0)])
def test_cavities_with_too_few_levels_have_a_steady_state(levels, amplitude):
    """Eigenvectors of H_eff are no basis there: "two starts still differ" after ten seconds, and N > 50."""
    lower = np.diag(np.sqrt(np.arange(1.0, levels)), 1)
    system = OpenSystem(amplitude * (lower + lower.T), [Channel("cavity", lower)])
    steady = lindblad.steady_state(system)
    generator = Liouvillian(system)
    assert np.linalg.norm(generator.apply(steady.rho)) < 1e-12 * generator.scale
    assert steady.error < 1e-9
    # d⟨n⟩/dt = 0: what the drive gives leaves as clicks.
    given_by_drive = 2.0 * np.real(-1j * amplitude * steady.expect(lower.T))
    assert steady.rate("cavity") == pytest.approx(given_by_drive, rel=1e-9)
    assert lindblad.cumulants(steady, order=2)[0] == pytest.approx(steady.rate("cavity"), rel=1e-9)
