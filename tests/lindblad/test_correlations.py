"""Two-time correlations: closed forms, the dense oracle, imperfect detectors, bundles, QuTiP."""

from __future__ import annotations

import numpy as np
import pytest
import qutip
from dense_lindblad import DenseLindblad
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg
from systems_with_answers import (
    DecayingFock,
    DrivenCavity,
    PairSource,
    ResonanceFluorescence,
    ThermalCavity,
    paper_system,
    random_lindbladian,
)

from trajectories import Channel, OpenSystem, lindblad
from trajectories.detectors import Detector
from trajectories.lindblad.solver import solver_of

# Every exact value that is tested here is computed in each of the ways there are.
pytestmark = pytest.mark.usefixtures("every_way")
SLOWLY = ["auto", *(pytest.param(way, marks=pytest.mark.slow) for way in ("propagation", "reduced"))]


TAU = np.array([-9.0, -1.2, -0.3, 0.0, 0.2, 1.0, 4.0, 25.0])


@pytest.mark.parametrize(("rabi", "gamma"), [(1.0, 0.3), (0.1, 1.0), (2.0, 7.9), (0.5, 1.0)])
def test_resonance_fluorescence(rabi, gamma):
    atom = ResonanceFluorescence(rabi, gamma)
    steady = lindblad.steady_state(atom.system())
    found = lindblad.g2_at(steady, "fluorescence", "fluorescence", TAU)
    np.testing.assert_allclose(found, atom.g2(TAU), atol=1e-11)
    # A wrong rate does not pass.
    assert np.abs(found - ResonanceFluorescence(rabi, 1.01 * gamma).g2(TAU)).max() > 1e-4


def test_halves_are_the_mean_of_both_orders_seen_through_their_detectors():
    """Closed form for light that is halved; and where the orders differ, the mean, with loss and dark counts."""
    atom = ResonanceFluorescence(1.0, 0.3)
    whole = atom.system()
    half = np.sqrt(0.5) * whole.channels[0].operator
    halved = OpenSystem(whole.hamiltonian, [Channel("left", half), Channel("right", half)], whole.space)
    edges = np.linspace(0.0, 6.0, 7)
    found = lindblad.g2_of_halves(lindblad.steady_state(halved), "left", "right", edges)
    fine = np.linspace(0.0, 6.0, 60_001)
    closed = atom.g2(0.5 * (fine[1:] + fine[:-1])).reshape(6, -1).mean(axis=1)
    np.testing.assert_allclose(found.value, closed, rtol=1e-7)

    steady = lindblad.steady_state(paper_system((2, 2, 2)))
    detectors = {"photon": Detector(0.4, 1e-5), "atom": Detector(0.7)}
    one, other = (
        lindblad.g2(steady, *pair, edges, detectors=detectors) for pair in (("photon", "atom"), ("atom", "photon"))
    )
    assert np.abs(one.value / other.value - 1.0).max() > 1e-3  # the fault that one order alone would be
    found = lindblad.g2_of_halves(steady, "photon", "atom", edges, detectors)
    np.testing.assert_allclose(found.value, 0.5 * (one.value + other.value), rtol=1e-9)


def test_thermal_light_is_bunched():
    cavity = ThermalCavity(thermal=0.3, levels=40)
    steady = lindblad.steady_state(cavity.system())
    np.testing.assert_allclose(lindblad.g2_at(steady, "emission", "emission", TAU), cavity.g2(TAU), atol=1e-9)


def test_laser_light_is_not():
    steady = lindblad.steady_state(DrivenCavity().system())
    np.testing.assert_allclose(lindblad.g2_at(steady, "photon", "photon", TAU), 1.0, atol=1e-8)


def test_pair_source_cross_correlation():
    source = PairSource()
    steady = lindblad.steady_state(source.system())
    found = lindblad.g2_at(steady, "photon", "magnon", TAU)
    np.testing.assert_allclose(found, source.cross_g2(TAU), rtol=1e-6)
    assert source.cross_g2(0.0) > 50  # strongly paired


@settings(max_examples=8, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), dimension=st.integers(2, 4))
def test_dense_oracle_both_signs(seed, dimension):
    system = random_lindbladian(seed, dimension)
    steady, dense = lindblad.steady_state(system), DenseLindblad(system)
    for first, second in (("c0", "c1"), ("c1", "c1")):
        exact = [dense.g2(first, second, tau) for tau in TAU]
        np.testing.assert_allclose(lindblad.g2_at(steady, first, second, TAU), exact, atol=1e-10)
    mirrored = lindblad.g2_at(steady, "c1", "c0", -TAU[TAU != 0])
    np.testing.assert_allclose(mirrored, lindblad.g2_at(steady, "c0", "c1", TAU[TAU != 0]), atol=1e-12)
    far = lindblad.g2_at(steady, "c0", "c1", [-1e4, 1e4])
    np.testing.assert_allclose(far, 1.0, atol=1e-9)


def test_bins_are_averages_and_may_straddle_zero():
    steady = lindblad.steady_state(random_lindbladian(11))
    edges = np.array([-7.0, -2.0, -0.4, 0.9, 1.0, 6.0])

    # Gauss–Legendre quadrature of the pointwise values, on each side of the jump at zero.
    nodes, weights = np.polynomial.legendre.leggauss(40)
    pieces = np.sort(np.append(edges, 0.0))
    half = 0.5 * np.diff(pieces)[:, None]
    values = lindblad.g2_at(steady, "c0", "c1", pieces[:-1, None] + half * (nodes + 1))
    primitive = np.append(0.0, np.cumsum((half * weights * values).sum(axis=1)))
    expected = np.diff(primitive[pieces != 0.0]) / np.diff(edges)
    found = lindblad.g2(steady, "c0", "c1", edges)
    np.testing.assert_allclose(found.value, expected, rtol=1e-9)
    assert not found.standard_error.any()
    np.testing.assert_allclose(found.edges, edges)
    # g² jumps at zero, so that an average taken from one side only would differ.
    sides = lindblad.g2_at(steady, "c0", "c1", [-1e-9, 0.0])
    assert abs(sides[0] - sides[1]) > 0.01


def test_matrix_holds_every_pair():
    steady = lindblad.steady_state(paper_system())
    edges = [-60.0, 0.0, 30.0, 200.0]
    matrix = lindblad.g2_matrix(steady, edges)
    assert len(matrix) == 16
    for (first, second), found in matrix.items():
        assert (found.first, found.second) == (first, second)
    for pair in (("photon", "atom"), ("magnon", "magnon")):
        np.testing.assert_allclose(matrix[pair].value, lindblad.g2(steady, *pair, edges).value, rtol=1e-9)
    silent = ThermalCavity(thermal=0.0, levels=3)
    assert lindblad.g2_matrix(lindblad.steady_state(silent.system()), edges) == {}


def test_loss_leaves_g2_alone_and_dark_counts_do_not():
    steady = lindblad.steady_state(random_lindbladian(4))
    edges = np.array([-3.0, -1.0, 0.0, 0.5, 4.0])
    ideal = lindblad.g2(steady, "c0", "c1", edges).value
    lossy = {"c0": Detector(efficiency=0.2), "c1": Detector(efficiency=0.6)}
    np.testing.assert_allclose(lindblad.g2(steady, "c0", "c1", edges, lossy).value, ideal, rtol=1e-12)
    assert lindblad.rates(steady, lossy)["c0"].value == pytest.approx(0.2 * steady.rate("c0"))
    noisy = {"c0": Detector(efficiency=0.2, dark_rate=0.3), "c1": Detector(dark_rate=0.1)}
    # Dark counts are independent of everything: g² − 1 shrinks by the share of real clicks in each channel.
    measured = lindblad.rates(steady, noisy)
    share = 0.2 * steady.rate("c0") / measured["c0"].value * steady.rate("c1") / measured["c1"].value
    expected = 1 + share * (ideal - 1)
    np.testing.assert_allclose(lindblad.g2(steady, "c0", "c1", edges, noisy).value, expected, rtol=1e-12)
    assert np.abs(expected - ideal).max() > 1e-3


@pytest.mark.usefixtures("every_motion")
def test_transient_correlation_of_a_fock_state():
    fock = DecayingFock()
    found = lindblad.transient_g2(fock.system(), fock.ket(), "photon", "photon", 0.8, np.array([0.0, 0.5, 3.0]))
    np.testing.assert_allclose(found, fock.transient_g2(), rtol=1e-10)


@pytest.mark.usefixtures("every_motion")
def test_transient_correlation_against_the_dense_oracle_and_the_steady_state():
    system = random_lindbladian(8)
    dense = DenseLindblad(system)
    ket = np.array([1.0, 0, 0, 0])
    now = linalg.expm(0.7 * dense.L) @ np.outer(ket, ket).reshape(-1)
    tau = np.array([0.0, 0.4, 3.0])
    expected = []
    for t in tau:
        forward = linalg.expm(t * dense.L)
        joint = dense.one @ dense.jumps["c1"] @ forward @ dense.jumps["c0"] @ now
        rates = (dense.one @ dense.jumps["c0"] @ now) * (dense.one @ dense.jumps["c1"] @ forward @ now)
        expected.append((joint / rates).real)
    np.testing.assert_allclose(lindblad.transient_g2(system, ket, "c0", "c1", 0.7, tau), expected, rtol=1e-10)
    late = lindblad.transient_g2(system, ket, "c0", "c1", 200.0, tau)
    np.testing.assert_allclose(late, lindblad.g2_at(lindblad.steady_state(system), "c0", "c1", tau), rtol=1e-9)


def test_bundle_correlation_is_the_papers_equation_3():
    system = paper_system()
    steady, dense = lindblad.steady_state(system), DenseLindblad(system)
    a, m = (system.space.lower(name).toarray() for name in ("photon", "magnon"))
    pair = a @ m
    number = pair.conj().T @ pair
    rate = np.trace(number @ steady.rho).real
    tau = np.array([0.0, 3.0, 40.0])
    start = (pair @ steady.rho @ pair.conj().T).reshape(-1)
    moved = [(linalg.expm(t * dense.L) @ start).reshape(16, 16) for t in tau]
    expected = [np.trace(number @ rho).real / rate**2 for rho in moved]
    found = lindblad.bundle_correlation(steady, ("photon", "magnon"), tau)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(lindblad.bundle_correlation(steady, pair, -tau), found, rtol=1e-9, atol=1e-12)
    assert lindblad.bundle_correlation(steady, ("photon", "magnon"), 1e5) == pytest.approx(1.0, abs=1e-6)


def test_bundles_of_any_operator():
    # For a coherent state every bundle correlation is 1; for thermal light g₂ of aⁿ at zero delay is (2n)!/(n!)².
    steady = lindblad.steady_state(DrivenCavity(drive=0.3).system())
    for names in (("photon",), ("photon", "photon"), ("photon",) * 3):
        assert lindblad.bundle_correlation(steady, names) == pytest.approx(1.0, abs=1e-6)
    thermal = lindblad.steady_state(ThermalCavity(thermal=0.1, levels=20).system())
    assert lindblad.bundle_correlation(thermal, ("photon",)) == pytest.approx(2.0, rel=1e-9)
    assert lindblad.bundle_correlation(thermal, ("photon", "photon")) == pytest.approx(6.0, rel=1e-9)


@pytest.mark.parametrize("every_way", SLOWLY, indirect=True)
def test_cross_correlation_at_zero_delay():
    steady = lindblad.steady_state(paper_system((3, 3, 3)))
    space = steady.system.space
    for first, second in (("photon", "phonon"), ("photon", "magnon"), ("phonon", "magnon")):
        numbers = space.number(first), space.number(second)
        joint = steady.expect(numbers[0] @ numbers[1])
        expected = joint / (steady.expect(numbers[0]) * steady.expect(numbers[1]))
        assert lindblad.cross_correlation(steady, first, second) == pytest.approx(expected, rel=1e-12)
        # Modes commute, so g² of their clicks at zero lag is the same number.
        assert lindblad.g2_at(steady, first, second, 0.0) == pytest.approx(expected, rel=1e-9)
    lower = space.lower("photon")
    twice = steady.expect((lower @ lower).conj().T @ (lower @ lower)) / steady.expect(space.number("photon")) ** 2
    assert lindblad.cross_correlation(steady, "photon", "photon") == pytest.approx(twice, rel=1e-12)


@pytest.mark.parametrize("every_way", SLOWLY, indirect=True)
def test_correlations_agree_with_qutip_on_the_paper_system():
    system = paper_system((3, 3, 3))
    steady = lindblad.steady_state(system)
    hamiltonian = qutip.Qobj(system.hamiltonian.toarray()).to("CSR")
    jumps = {c.name: qutip.Qobj(c.operator.toarray()).to("CSR") for c in system.channels}
    tau = np.array([0.0, 2.0, 15.0, 50.0])
    options = {"method": "vern9", "atol": 1e-14, "rtol": 1e-11, "nsteps": 100000}
    for first, second in (("photon", "magnon"), ("atom", "photon")):
        before, after = jumps[first], jumps[second]
        operators = before.dag(), after.dag() * after, before
        state, collapse = qutip.Qobj(steady.rho), list(jumps.values())
        joint = qutip.correlation_3op_1t(hamiltonian, state, tau, collapse, *operators, options=options)
        theirs = joint.real / (steady.rate(first) * steady.rate(second))
        found = lindblad.g2_at(steady, first, second, tau)
        stated = solver_of(steady).answers[-1].error  # of a core it is more than that of the comparison
        np.testing.assert_array_less(np.abs(found - theirs), 1e-8 * (1.0 + theirs) + stated)


@pytest.mark.parametrize("every_way", SLOWLY, indirect=True)
def test_four_operator_average_agrees_with_qutip():
    # ⟨A(τ)B(0)…⟩ of the bundle: QuTiP's correlation_4op is built on the same three-operator average.
    system = paper_system()
    steady = lindblad.steady_state(system)
    hamiltonian = qutip.Qobj(system.hamiltonian.toarray())
    jumps = [qutip.Qobj(c.operator.toarray()) for c in system.channels]
    a, b = (qutip.Qobj(system.space.lower(name).toarray()) for name in ("photon", "phonon"))
    tau = np.array([0.0, 10.0, 80.0])
    joint = qutip.correlation_3op_1t(
        hamiltonian, qutip.Qobj(steady.rho), tau, jumps, (a * b).dag(), (a * b).dag() * (a * b), a * b,
        options={"method": "vern9", "atol": 1e-16, "rtol": 1e-11, "nsteps": 100000},
    )  # fmt: skip
    rate = qutip.expect((a * b).dag() * (a * b), qutip.Qobj(steady.rho))
    found = lindblad.bundle_correlation(steady, ("photon", "phonon"), tau)
    np.testing.assert_allclose(found, joint.real / rate**2, rtol=1e-8, atol=1e-12)
