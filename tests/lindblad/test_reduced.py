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
from reduced_study import EMITTED, FINER, LOSSY, TABLE, cases, compared
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

from trajectories import Channel, OpenSystem, SpinningResonator, lindblad
from trajectories.detectors import Detector
from trajectories.lindblad import levels
from trajectories.lindblad.reduced import model
from trajectories.lindblad.reduced.exponentials import exponentials
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


def test_the_study_of_values_to_a_part_in_1e8():
    """The committed table: what is chosen for 1e-8 states it, and another way agrees within both errors."""
    with FINER.open() as stream:
        rows = list(csv.DictReader(stream))
    done = Counter(row["case"] for row in rows)
    assert set(done.values()) == {12}
    assert "128" in done
    for row in rows:
        assert row["way"] != row["beside"]
        assert float(row["stated"]) <= 1e-8, row
        assert float(row["ratio"]) <= 1.0, row
        assert float(row["difference"]) <= 1e-8 or float(row["beside stated"]) > 5e-9, row


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
@pytest.mark.parametrize(("unit", "way"), [(1.0, "auto"), (1e9, "auto"), (1.0, "reduced")])
def test_rates_far_below_the_frequencies(gamma, unit, way):
    """A drive of Ω and a decay down to 1e-10 Ω, in any unit: the cost does not grow with τΩ."""
    atom = ResonanceFluorescence(rabi=unit, gamma=gamma * unit)
    steady = lindblad.steady_state(atom.system()).with_solver(way)
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


@pytest.mark.parametrize("way", ["auto", "reduced"])
@pytest.mark.parametrize("apart", [1.0, 1e3, 1e10])
def test_frequencies_far_above_the_rates(apart, way):
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
        steady = lindblad.steady_state(system).with_solver(way)
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
