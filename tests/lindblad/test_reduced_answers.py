"""Which model answers a question: the core, propagation, essential states; and what is kept for the next one."""

from __future__ import annotations

import numpy as np
import pytest
from reduced_study import EMITTED
from scipy import integrate
from systems_with_answers import (
    ResonanceFluorescence,
    paper_system,
)

from trajectories import Channel, HilbertSpace, OpenSystem, lindblad, stages
from trajectories.errors import ConvergenceError, InvalidInput, SteadyStateNotUnique
from trajectories.lindblad import levels, solver
from trajectories.lindblad.reduced import pair_core
from trajectories.lindblad.reduced.stationary import cut_out, grown
from trajectories.lindblad.solver import solver_of


def curves_with(steady, edges):
    """Return g² of all pairs and the errors stated."""
    found = lindblad.g2_matrix(steady, edges)
    return (np.array([getattr(c, what) for c in found.values()]) for what in ("value", "numerical_error"))


def too_small(patch):
    """Cores a thousand times too small."""
    patch.setattr(levels, "PAIR_CUTS", (7e-2, 7e-3, 1e-3, 1.5e-4))


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


def test_more_digits_are_had_where_they_are_asked_for(monkeypatch):
    """A core that leaves pairs out states 3e-7 at the least: below, all pairs are taken, or all is propagated."""
    monkeypatch.setattr(levels, "COMPLETE", 12)
    monkeypatch.setattr(solver, "QUICK", 0.0)
    monkeypatch.setattr(solver, "SHARED", np.inf)
    steady, edges = lindblad.steady_state(paper_system((3, 2, 2))), np.array([0.0, 60.0, 600.0])
    right, _ = curves_with(steady.with_solver("propagation"), edges)

    def asked(accuracy):
        state = steady.with_solver(accuracy=accuracy)
        found, error = curves_with(state, edges)
        assert (np.abs(found - right) <= error + 1e-9 * right).all()
        return solver_of(state).answers[-1].method, (error / found).max()

    way, stated = asked(1e-6)
    assert way.startswith("exact, core")
    assert 1e-8 < stated <= 1e-6
    way, stated = asked(1e-8)
    assert "all pairs of modes" in way
    assert stated <= 1e-8
    monkeypatch.setattr(levels, "LARGEST_FINER", 24**2 - 1)  # and where those would be too many
    monkeypatch.setattr(levels, "LARGEST_CORE", 24**2 - 1)
    way, stated = asked(1e-8)
    assert way.startswith("exact, propagation")
    assert stated <= 1e-8
    way, stated = asked(1e-7)
    assert way.startswith("exact, core")
    assert stated <= 1e-7
    for wrong in (1e-9, 1e-5, 0.0, float("nan")):
        with pytest.raises(InvalidInput, match="accuracy"):
            steady.with_solver(accuracy=wrong)


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


def test_an_exceptional_point_is_left_to_propagation():
    atom = ResonanceFluorescence(0.5, 1.0)  # H_eff is defective at Ω = γ/2
    steady = lindblad.steady_state(atom.system()).with_solver("reduced")
    edges = np.array([0.0, 1.0, 5.0])
    near = ResonanceFluorescence(0.5, 1.0 + 1e-6)  # the closed form is 0/0 at the point itself
    expected = [integrate.quad(near.waiting, a, b)[0] / (b - a) for a, b in ((0.0, 1.0), (1.0, 5.0))]
    found = lindblad.waiting_times(steady, "fluorescence", "fluorescence", edges)
    np.testing.assert_allclose(found.value, expected, rtol=1e-5)
    assert "propagation" in solver_of(steady).answers[-1].method


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
    """With what was kept, the same questions at other times need no diagonalisation, and none is announced."""
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
    named, enter = [], stages.Stage.__enter__
    monkeypatch.setattr(stages.Stage, "__enter__", lambda stage: named.append(stage.text) or enter(stage))
    second = lindblad.steady_state(system).with_solver("reduced")
    with pytest.raises(TypeError):
        asked(second, other)
    assert any(text.startswith("diagonalising") for text in named)
    named.clear()
    third = lindblad.steady_state(system).with_solver("reduced")
    third.workspace["kept"] = kept
    np.testing.assert_allclose(asked(third, other), right, rtol=1e-12)
    assert named
    assert not any(text.startswith("diagonalising") for text in named)
