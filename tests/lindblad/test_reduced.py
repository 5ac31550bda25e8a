"""The reduced model against the whole space, the dense oracle and closed forms; and the errors that it states."""

from __future__ import annotations

import csv
from collections import Counter
from itertools import pairwise, product

import numpy as np
import pytest
from dense_lindblad import DenseLindblad
from hypothesis import given, settings
from hypothesis import strategies as st
from reduced_study import EMITTED, LOSSY, TABLE, cases, compared
from scipy import integrate, linalg
from systems_with_answers import (
    DecayingFock,
    DrivenCavity,
    PairSource,
    ResonanceFluorescence,
    ThermalCavity,
    lambda_atom,
    paper_system,
    random_lindbladian,
)

from trajectories import Channel, HilbertSpace, OpenSystem, SpinningResonator, lindblad, stages
from trajectories.detectors import Detector
from trajectories.errors import ConvergenceError, SteadyStateNotUnique
from trajectories.lindblad import levels, solver
from trajectories.lindblad.reduced import model, pair_core
from trajectories.lindblad.reduced.exponentials import exponentials
from trajectories.lindblad.reduced.stationary import cut_out, grown
from trajectories.lindblad.solver import solver_of


# Two of the regimes in the default suite, one of them small; the others, with other κ, in the study below.
@pytest.mark.parametrize(
    ("direction", "detuning", "detectors", "fock"),
    [
        pytest.param("left", 1.3406, None, (3, 2, 2), marks=pytest.mark.slow),
        ("right", 1.3695, LOSSY, (3, 2, 2)),
        pytest.param("left", 1.3406, None, (3, 2, 3), marks=pytest.mark.slow),
        pytest.param("right", 1.3695, LOSSY, (3, 2, 3), marks=pytest.mark.slow),
    ],
)
def test_every_statistic_is_that_of_the_whole_space(monkeypatch, direction, detuning, detectors, fock):
    monkeypatch.setattr(levels, "COMPLETE", 12)  # pairs are left out in small systems too
    system = SpinningResonator(direction=direction, detuning=detuning).system(levels=fock)
    for name, way, error, stated, ratio in compared(system, detectors):
        assert way.startswith("core") or name == "waits", (name, way)
        assert max(error, stated) <= 1e-6, (name, way, error, stated)
        assert ratio <= 1.0, (name, way, error, stated)


@pytest.mark.slow
@pytest.mark.parametrize("case", [name for name in cases() if name.startswith("54")])
def test_every_statistic_in_every_regime(case):
    fock, detuning, direction, kappa, lossy = cases()[case]
    system = SpinningResonator(direction=direction, detuning=detuning, kappa=kappa).system(levels=fock)
    for name, way, error, stated, ratio in compared(system, LOSSY if lossy else None):
        assert ratio <= 1.0, (name, way, error, stated)


def test_the_study_of_regimes():
    """The committed table: what is stated is true of every statistic of every case in it."""
    with TABLE.open() as stream:
        rows = list(csv.DictReader(stream))
    done = Counter(row["case"] for row in rows)
    assert set(done.values()) == {12}
    assert len(done) > 12
    assert all(float(row["ratio"]) <= 1.0 for row in rows)


def curves_with(steady, edges):
    """Return g² of all pairs and the errors stated."""
    found = lindblad.g2_matrix(steady, edges)
    return (np.array([getattr(c, what) for c in found.values()]) for what in ("value", "numerical_error"))


def too_small(patch):
    """Cores a thousand times too small."""
    patch.setattr(levels, "PAIR_CUTS", (7e-2, 7e-3, 1e-3, 1.5e-4))


def wrongly_chosen(patch):
    """Pairs chosen by what is in ρ alone: what a click leaves behind is forgotten."""

    def importance(space, starts, ends, exclusive=False):
        return np.abs(space.rho) / np.abs(space.rho).max()

    patch.setattr(model, "importance", importance)
    patch.setattr(levels, "PAIR_CUTS", (1e-5, 1e-6, 1e-7, 1e-8))


def test_what_no_core_knows_to_a_millionth_is_propagated(monkeypatch):
    """A core that states more takes second place to propagation where that takes two minutes at the most."""
    monkeypatch.setattr(levels, "COMPLETE", 12)
    monkeypatch.setattr(levels, "GIVE_UP", np.inf)
    too_small(monkeypatch)
    monkeypatch.setattr(solver, "QUICK", 0.0)
    monkeypatch.setattr(solver, "SHARED", np.inf)
    steady, edges = lindblad.steady_state(paper_system((3, 2, 2))), np.array([0.0, 60.0, 600.0])

    def asked(way):
        state = steady.with_solver(way)
        _, error = curves_with(state, edges)
        return solver_of(state).answers[-1].method, error.max()

    core, open_left = asked("reduced")
    assert core.startswith("exact, core")
    assert open_left > 1e-6
    found, stated = asked("auto")
    assert found.startswith("exact, propagation")
    assert stated < 1e-6
    monkeypatch.setattr(solver, "PATIENCE", 0.0)
    assert asked("auto")[0].startswith("exact, core")


def test_a_core_that_takes_longer_than_propagation_is_not_made(monkeypatch):
    monkeypatch.setattr(levels, "COMPLETE", 12)
    too_small(monkeypatch)
    monkeypatch.setattr(levels, "PAIR_CUTS", (7e-2, 7e-3, 1e-3, 1.5e-4, 1e-5, 1e-6))
    monkeypatch.setattr(levels, "GIVE_UP", np.inf)
    monkeypatch.setattr(solver, "QUICK", 0.0)
    monkeypatch.setattr(solver, "SHARED", np.inf)

    def asked(seconds):
        """Return the levels that were made, if a core of one pair takes so long, and the way of the answer."""
        monkeypatch.setattr(levels, "CORE", seconds)
        steady = lindblad.steady_state(paper_system((3, 2, 2)))
        curves_with(steady, np.array([0.0, 60.0, 600.0]))
        made = {level for _, level in solver_of(steady).levels._models}
        return made, solver_of(steady).answers[-1].method

    made, way = asked(1.0)
    assert made == {1, 2, 3}
    assert way.startswith("exact, propagation")
    made, way = asked(0.0)
    assert made > {1, 2, 3, 4}


def test_the_last_core_takes_all_pairs(monkeypatch):
    """Where all pairs are few enough to be diagonalised nothing is left out at the end, and that is said."""
    monkeypatch.setattr(levels, "COMPLETE", 12)
    monkeypatch.setattr(levels, "GIVE_UP", np.inf)
    monkeypatch.setattr(levels, "REFINE", 1e-9)
    monkeypatch.setattr(levels, "PAIR_CUTS", (7e-3, 1e-3, 1.5e-4, 1e-5, 0.0))
    monkeypatch.setattr(levels, "MODE_CUTS", (100.0, 10.0, 1.0, 1.0, 0.0))
    steady, edges = lindblad.steady_state(paper_system((3, 2, 2))), np.array([0.0, 60.0, 600.0])
    right, _ = curves_with(steady.with_solver("propagation"), edges)
    reduced = steady.with_solver("reduced")
    found, error = curves_with(reduced, edges)
    assert "all pairs of modes" in solver_of(reduced).answers[-1].method
    assert (error < 1e-9 * np.abs(found)).all()
    assert (np.abs(found - right) <= 3e-9 * right.max(axis=-1, keepdims=True)).all()
    monkeypatch.setattr(levels, "LARGEST_FINER", 24**2 - 1)
    coarser = steady.with_solver("reduced")
    _, error = curves_with(coarser, edges)
    assert solver_of(coarser).answers[-1].method.startswith("exact, core")
    assert error.max() > 1e-9


def test_lags_of_short_bursts_are_known_to_a_millionth(monkeypatch):
    """Densities are smaller than the rates they are computed with, by the window; their errors are their own."""
    monkeypatch.setattr(levels, "COMPLETE", 12)
    steady = lindblad.steady_state(paper_system((3, 2, 2))).with_solver("reduced")
    lags = lindblad.lag_histogram(steady, "photon", "magnon", [-2e4, -200.0, 0.0, 200.0, 2e4], 2e4, EMITTED)
    assert solver_of(steady).answers[-1].method.startswith("exact, core")
    assert (lags.numerical_error <= 1e-6 * lags.value).all()


@pytest.mark.parametrize("fault", [too_small, wrongly_chosen])
def test_the_stated_error_of_a_model_reduced_too_far_tells(monkeypatch, fault):
    """A planted fault: such cores must not be trusted by their own estimate."""
    system = paper_system((3, 2, 3))
    steady = lindblad.steady_state(system)
    edges = np.array([0.0, 6.0, 120.0, 600.0])
    right, _ = curves_with(steady.with_solver("propagation"), edges)
    fault(monkeypatch)
    monkeypatch.setattr(levels, "GIVE_UP", np.inf)
    value, error = curves_with(steady.with_solver("reduced"), edges)
    assert np.abs(value / right - 1.0).max() > 1e-5  # the fault does harm
    assert (np.abs(value - right) <= error).all()  # and is told
    # Left to itself, the solver gives such a core up, and propagates.
    monkeypatch.setattr(levels, "GIVE_UP", 1e-5)
    again = steady.with_solver("reduced")
    value, _ = curves_with(again, edges)
    assert "propagation" in solver_of(again).answers[-1].method
    np.testing.assert_allclose(value, right, rtol=1e-12)


def jaynes_cummings(levels: int = 40, kappa: float = 0.05) -> OpenSystem:
    """A driven cavity with an atom in it, so open that nearly all pairs are needed."""
    space = HilbertSpace(photon=levels, atom=2)
    a, sigma = space.lower("photon"), space.lower("atom")
    coupled = 0.5 * (a.conj().T @ sigma + sigma.conj().T @ a) + 0.4 * (a + a.conj().T)
    channels = (Channel("photon", np.sqrt(kappa) * a), Channel("atom", np.sqrt(0.1) * sigma))
    return OpenSystem(coupled + 0.1 * space.number("photon"), channels, space)


def test_a_core_that_would_be_cut_short_is_left_to_propagation(monkeypatch):
    steady = lindblad.steady_state(jaynes_cummings())
    found = lindblad.order_rates(steady.with_solver("reduced"), 3.0, ["photon"], 2)
    right = lindblad.order_rates(steady.with_solver("propagation"), 3.0, ["photon"], 2)
    for order, rate in right.items():
        assert found[order].value == pytest.approx(rate.value, rel=1e-8)
    # Where that would take hours, the line says so.
    monkeypatch.setattr(solver, "TOO_LONG", 0.01)
    with pytest.raises(ConvergenceError, match="would take about"):
        lindblad.g2(lindblad.steady_state(jaynes_cummings()), "photon", "atom", [0.0, 200.0])


@pytest.mark.parametrize("cut", [1e-8, pytest.param(1e-10, marks=pytest.mark.slow)])
def test_propagation_falls_back_on_the_essential_states(monkeypatch, cut):
    """Where no core serves a large system, its essential states are followed, within the error that is stated."""
    monkeypatch.setattr(levels, "RESTRICT", 30)
    monkeypatch.setattr(solver, "FOLLOWED", cut)
    monkeypatch.setattr(solver, "RESTRICT", 30)
    monkeypatch.setattr(levels, "GIVE_UP", 0.0)  # no core serves
    monkeypatch.setattr(solver, "QUICK", 0.0)
    steady = lindblad.steady_state(jaynes_cummings(45, kappa=0.4))
    edges = [0.0, 0.5, 3.0]
    right, _ = curves_with(steady.with_solver("propagation"), edges)
    found, error = curves_with(steady, edges)
    followed = solver_of(steady).answers[-1].method
    states = int(followed.split("propagation of ")[1].split(" ")[0])
    assert 20 < states < 0.9 * steady.system.dimension
    off = np.abs(found - right)
    assert (off <= error).all()
    assert off.max() > 0.0


def test_long_work_says_what_it_is_at_and_how_long_it_takes():
    steady = lindblad.steady_state(paper_system((2, 2, 2)))
    said = []

    def compute(model):
        said.extend((stage.text, stage.expected) for stage in stages._active)
        return np.ones(1)

    for way in ("reduced", "propagation"):
        solver_of(steady.with_solver(way)).answer(compute, None, None, horizon=10.0)
    assert any(text == "following 16 dimensions" and seconds > 0.0 for text, seconds in said)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), dimension=st.integers(2, 4))
def test_random_lindbladians(seed, dimension):
    system = random_lindbladian(seed, dimension)
    steady = lindblad.steady_state(system).with_solver("reduced")
    seen = {"c0": Detector(efficiency=0.7, dark_rate=0.05)}
    oracle = DenseLindblad(system, ("c0",), {"c0": 0.7}, {"c0": 0.05})
    tau = np.array([-2.0, -0.3, 0.0, 0.1, 1.0, 7.0])
    for pair in product(("c0", "c1"), repeat=2):
        found = lindblad.g2_at(steady, *pair, tau, seen)
        np.testing.assert_allclose(found, [oracle.g2(*pair, t) for t in tau], rtol=1e-8, atol=1e-10)
    for n in (1, 2, 3):
        rate = lindblad.cluster_rates(steady, 0.8, ("c0",), 3, seen)[n - 1].value
        assert rate == pytest.approx(oracle.cluster_rates_of_size(n, 0.8), rel=1e-8)
    edges = np.array([0.0, 0.5, 2.0, 9.0])
    found = lindblad.waiting_times(steady, "c0", "c0", edges, ("c0",), seen)
    expected = [
        integrate.quad(lambda t: oracle.waiting("c0", "c0", t), a, b, epsabs=1e-12)[0] / (b - a)
        for a, b in pairwise(edges)
    ]
    np.testing.assert_allclose(found.value, expected, rtol=1e-7, atol=1e-10)
    assert {answer.method.split(",")[1] for answer in solver_of(steady).answers} <= {
        " all pairs of modes",
        f" propagation of {dimension} dimensions",
    }


@pytest.mark.parametrize("gamma", [1e-3, 1e-6, 1e-9, 1e-10])
@pytest.mark.parametrize("unit", [1.0, 1e9])
def test_rates_far_below_the_frequencies(gamma, unit):
    """A drive of Ω and a decay down to 1e-10 Ω, in any unit: the cost does not grow with τΩ."""
    atom = ResonanceFluorescence(rabi=unit, gamma=gamma * unit)
    steady = lindblad.steady_state(atom.system())
    tau = np.array([0.5, 2.0, 7.0]) / atom.gamma
    found = lindblad.g2_at(steady, "fluorescence", "fluorescence", tau)
    answer = solver_of(steady).answers[-1]
    np.testing.assert_allclose(found, atom.g2(tau), atol=max(2.0 * answer.error.max(), 1e-11))
    assert answer.error.max() < 1e-14 / gamma + 1e-10
    # What only the slow motion tells is known to rounding.
    long = 1e4 / atom.gamma
    fano = lindblad.fano(steady, [long])[0].value
    assert fano - 1.0 == pytest.approx(atom.mandel(), rel=2e-4, abs=1e-11)
    assert lindblad.cumulants(steady, order=2)[1] / steady.rate("fluorescence") == pytest.approx(
        1.0 + atom.mandel(), rel=1e-10
    )


@pytest.mark.parametrize("apart", [1e3, 1e10])
def test_frequencies_far_above_the_rates(apart):
    """Free rotations at up to 1e10 times the rates change no click; closed forms hold within what is stated."""

    def rotating(system, *directions):
        space = system.space
        turn = sum(sign * space.number(name) for name, sign in zip(space.names, directions, strict=True))
        return OpenSystem(system.hamiltonian + apart * turn, system.channels, space)

    tau = np.array([0.0, 0.3, 2.0, 9.0])
    driven = DrivenCavity(drive=0.2 * apart, detuning=apart)
    fock = DecayingFock()
    cases = [
        (rotating(ThermalCavity(levels=12).system(), 1.0), "emission", "emission", None),
        (rotating(ThermalCavity(levels=36).system(), 1.0), "emission", "emission", ThermalCavity().g2(tau)),
        (rotating(PairSource(coupling=0.02, levels=4).system(), 1.0, -1.0), "photon", "magnon", None),
        (driven.system(), "photon", "photon", np.ones(len(tau))),
    ]
    for system, first, second, expected in cases:
        steady = lindblad.steady_state(system)
        found = lindblad.g2_at(steady, first, second, tau)
        answer = solver_of(steady).answers[-1]
        if expected is None:  # the truncated system itself, at rest
            still = rotating(system, *((-1.0,) if len(system.space.names) == 1 else (-1.0, 1.0)))
            expected = lindblad.g2_at(lindblad.steady_state(still), first, second, tau)
        np.testing.assert_array_less(np.abs(found - expected), answer.error + 1e-9 * expected)
    turned = rotating(fock.system(), 1.0)
    later = lindblad.transient_g2(turned, fock.ket(), "photon", "photon", 0.1, tau)
    np.testing.assert_allclose(later, fock.transient_g2(), rtol=1e-9)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), kind=st.sampled_from(["degenerate", "dark", "periodic", "defective"]))
def test_random_lindbladians_of_special_kinds(seed, kind):
    """Degenerate levels; a state that only slowly ends; jumps in a ring; an H_eff with a Jordan block."""
    random = np.random.default_rng(seed)
    size = int(random.integers(3, 5))
    rates = random.uniform(0.3, 1.5, size)
    hamiltonian = random.normal(size=(size, size)) + 1j * random.normal(size=(size, size))
    hamiltonian = 0.4 * (hamiltonian + hamiltonian.conj().T)
    steps = [np.sqrt(g) * np.outer(np.eye(size)[(k + 1) % size], np.eye(size)[k]) for k, g in enumerate(rates)]
    if kind == "degenerate":
        hamiltonian = np.zeros((size, size))
        hamiltonian[0, 1] = hamiltonian[1, 0] = 0.5
        steps = [step / np.linalg.norm(step) for step in steps]
    elif kind == "dark":
        hamiltonian[-1, :] = hamiltonian[:, -1] = 0.0
        steps[-1] = 1e-3 * steps[-1]
    elif kind == "periodic":
        hamiltonian = np.diag(random.normal(size=size))
    else:  # two levels that are coupled at a quarter of the difference of their rates
        hamiltonian = np.diag([0.0, 0.0, *random.normal(size=size - 2)]).astype(complex)
        hamiltonian[0, 1] = hamiltonian[1, 0] = abs(rates[0] - rates[1]) / 4.0
    system = OpenSystem(hamiltonian, tuple(Channel(f"c{k}", step) for k, step in enumerate(steps)))
    steady, oracle = lindblad.steady_state(system), DenseLindblad(system)
    tau = np.array([0.0, 0.2, 1.0, 6.0])
    for state in (steady, steady.with_solver("reduced")):
        found = lindblad.g2_at(state, "c0", "c1", tau)
        answer = solver_of(state).answers[-1]
        expected = np.array([oracle.g2("c0", "c1", t) for t in tau])
        np.testing.assert_array_less(np.abs(found - expected), answer.error + 1e-8 * np.abs(expected) + 1e-10)


def test_closed_forms_by_the_core():
    """Systems large enough for a core with pairs left out."""
    cavity = ThermalCavity(thermal=0.3, levels=36)
    tau = np.array([0.0, 0.3, 2.0, 9.0])
    steady = lindblad.steady_state(cavity.system()).with_solver("reduced")
    found = lindblad.g2_at(steady, "emission", "emission", tau)
    np.testing.assert_allclose(found, cavity.g2(tau), rtol=1e-6)
    source = PairSource()
    steady = lindblad.steady_state(source.system()).with_solver("reduced")
    found = lindblad.g2_at(steady, "photon", "magnon", tau)
    np.testing.assert_allclose(found, source.cross_g2(tau), rtol=2e-6)


def test_an_exceptional_point_is_left_to_propagation():
    atom = ResonanceFluorescence(0.5, 1.0)  # H_eff is defective at Ω = γ/2
    steady = lindblad.steady_state(atom.system()).with_solver("reduced")
    edges = np.array([0.0, 1.0, 5.0])
    near = ResonanceFluorescence(0.5, 1.0 + 1e-6)  # the closed form is 0/0 at the point itself
    expected = [integrate.quad(near.waiting, a, b)[0] / (b - a) for a, b in ((0.0, 1.0), (1.0, 5.0))]
    found = lindblad.waiting_times(steady, "fluorescence", "fluorescence", edges)
    np.testing.assert_allclose(found.value, expected, rtol=1e-5)
    assert "propagation" in solver_of(steady).answers[-1].method


def test_jumps_that_alternate_and_a_dark_state():
    # A thermal ladder: jumps alternate the parity of the level.
    cavity = ThermalCavity(thermal=0.2, levels=9)
    oracle = DenseLindblad(cavity.system())
    steady = lindblad.steady_state(cavity.system())
    for first, second in product(("emission", "absorption"), repeat=2):
        found = lindblad.g2_at(steady, first, second, [0.4, 3.0])
        np.testing.assert_allclose(found, [oracle.g2(first, second, t) for t in (0.4, 3.0)], rtol=1e-9)
    # A near-dark state, left at a rate of 1e-6.
    atom, dark = lambda_atom()
    leak = Channel("leak", 1e-3 * np.outer([1.0, 0.0, 0.0], dark))
    shelved = OpenSystem(atom.hamiltonian, (*atom.channels, leak))
    steady = lindblad.steady_state(shelved)
    oracle = DenseLindblad(shelved)
    tau = np.array([0.1, 10.0, 1e6])
    found = lindblad.g2_at(steady, "first", "first", tau)
    expected = [oracle.g2("first", "first", t) for t in tau]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("integrals", [0, 1, 2])
def test_exponentials_and_their_integrals(integrals):
    exponents = np.array([0.0, -1e-12, -1e-3 + 2e-3j, -0.4 + 3.0j, -30.0 + 0.5j])
    times = np.array([0.0, 1e-6, 0.03, 0.7, 20.0])
    found = exponentials(exponents, times, integrals)[integrals]
    for i, t in enumerate(times):
        for j, mu in enumerate(exponents):
            block = np.diag(np.ones(integrals), 1).astype(complex)
            block[0, 0] = mu
            if integrals:
                whole = np.zeros((integrals + 1, integrals + 1), dtype=complex)
                whole[0, 0] = mu
                whole += np.diag(np.ones(integrals), 1)
                expected = linalg.expm(whole * t)[0, integrals]
            else:
                expected = np.exp(mu * t)
            assert found[i, j] == pytest.approx(expected, rel=1e-12, abs=1e-16)


def test_a_steady_state_on_essential_states():
    system = paper_system((3, 10, 3))
    whole = lindblad.steady_state(system, method="eigenmodes")
    few = lindblad.steady_state(system, method="essential")
    kept = np.count_nonzero(np.diag(few.rho))
    assert kept < 0.8 * system.dimension
    assert few.method == "essential"
    assert few.error < 1e-7
    for name in system.channel_names:
        assert few.rate(name) == pytest.approx(whole.rate(name), rel=1e-9)
    assert np.linalg.norm(few.rho - whole.rho) <= few.error * np.linalg.norm(whole.rho)
    # Too few states are noticed: with fewer again the state moves, and the residual stays.
    poor = grown(system, 1e-6)
    assert len(poor.states) < kept
    part = cut_out(system, whole.rho, 1e-6)
    assert np.linalg.norm(part.rho - whole.rho[np.ix_(part.states, part.states)]) > 10 * few.error


def test_essential_states_need_a_connected_system():
    space = HilbertSpace(photon=3, atom=2)
    photon = space.lower("photon")
    hamiltonian = 0.3 * (photon + photon.conj().T) + space.number("atom")
    apart = OpenSystem(hamiltonian, (Channel("photon", photon),), space)
    with pytest.raises(ConvergenceError, match="communicate"):
        lindblad.steady_state(apart, method="essential")
    with pytest.raises(SteadyStateNotUnique):
        lindblad.steady_state(apart)


def test_one_model_serves_every_question():
    """Nothing is diagonalised twice: the second question about the same detected channels costs no core."""
    steady = lindblad.steady_state(paper_system((3, 2, 2))).with_solver("reduced")
    lindblad.g2(steady, "photon", "magnon", [0.0, 10.0, 100.0])
    models = solver_of(steady).levels._systems
    before = {level: len(system._motions) for level, system in models.items()}
    lindblad.g2(steady, "atom", "atom", [0.0, 1.0])
    lindblad.fano(steady, [1e3])
    lindblad.cumulants(steady)
    assert {level: len(system._motions) for level, system in models.items()} == before


def test_what_a_core_gave_serves_another_process(monkeypatch):
    """With what was kept, the same questions at other times need no diagonalisation, and have the same answers."""
    system = paper_system((3, 2, 2))
    first = lindblad.steady_state(system).with_solver("reduced")

    def asked(steady, edges):
        lags = lindblad.lag_histogram(steady, "photon", "magnon", edges, 600.0, EMITTED).value
        curves = lindblad.g2_matrix(steady, edges)
        orders = lindblad.order_rates(steady, 600.0, EMITTED, 2)
        fano = lindblad.fano(steady, [edges[-1]], EMITTED)[0].value
        return np.concatenate(
            [lags, *[c.value for c in curves.values()], [e.value for e in orders.values()], [fano]]
        )

    asked(first, np.array([-600.0, 0.0, 10.0, 600.0]))
    other = np.array([-55.0, -3.0, 0.0, 1.0, 99.0])
    right = asked(first, other)
    kept = {key: array.copy() for key, array in solver_of(first).kept.items()}
    assert sum(array.nbytes for array in kept.values()) < 5e6
    monkeypatch.setattr(pair_core, "Spectrum", None)  # nothing can be diagonalised
    second = lindblad.steady_state(system).with_solver("reduced")
    with pytest.raises(TypeError):
        asked(second, other)
    third = lindblad.steady_state(system).with_solver("reduced")
    third.workspace["kept"] = kept
    np.testing.assert_allclose(asked(third, other), right, rtol=1e-12)
