"""The steady state on essential states alone: beside the dense one, its stated distance, and what is refused."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
from click_systems import random_system, thermal_cavity

import trajectories as tj
from trajectories import lindblad
from trajectories.errors import ConvergenceError, InvalidInput, SteadyStateNotUnique
from trajectories.lindblad import essential_state
from trajectories.simulation import preparation


def driven_cavity(levels: int, drive: float = 0.3) -> tj.OpenSystem:
    """Return a driven cavity with an atom; its state is known to be pure without the atom."""
    space = tj.HilbertSpace(cavity=levels, atom=2)
    a, s = space.lower("cavity"), space.lower("atom")
    hamiltonian = 0.4 * space.number("cavity") + drive * (a + a.T) + 0.2 * (a @ s.T + a.T @ s)
    return tj.OpenSystem(hamiltonian, [tj.Channel("cavity", 0.7 * a), tj.Channel("atom", 0.3 * s)], space)


def bath(levels: int) -> tj.OpenSystem:
    """Return a cavity in a bath, whose jumps lead up as well."""
    return thermal_cavity(0.3, 0.2, levels=levels)


SYSTEMS = {
    "paper, left": tj.SpinningResonator(direction="left", detuning=1.3406).system(levels=(3, 8, 3)),
    "paper, right": tj.SpinningResonator(direction="right", detuning=1.311).system(levels=(3, 5, 4)),
    "cavity and atom": driven_cavity(30),
    "bath": bath(40),
    "random": random_system(3, 30, 2),
}


def trace_distance(system: tj.OpenSystem, found: lindblad.SteadyEnsemble) -> float:
    whole = lindblad.steady_state(system, method="eigenmodes").rho.copy()
    whole[np.ix_(found.states, found.states)] -= found.rho
    return 0.5 * float(np.abs(np.linalg.eigvalsh(whole)).sum())


@pytest.mark.parametrize("name", SYSTEMS)
def test_distance_from_the_dense_state_is_within_what_is_stated(name):
    system = SYSTEMS[name]
    found = lindblad.steady_ensemble(system)
    distance = trace_distance(system, found)
    assert distance <= found.distance + 1e-12
    assert found.distance < 1e-6
    steady = lindblad.steady_state(system, method="eigenmodes")
    for channel in system.channel_names:
        largest = float(abs(system.channel(channel).operator).power(2).sum(axis=0).max())
        assert abs(found.rate(channel) - steady.rate(channel)) <= 2.0 * distance * largest + 1e-15
    start = found.initial_states()
    ensemble = np.zeros((system.dimension, system.dimension), complex)
    ensemble[np.ix_(found.states, found.states)] = found.rho
    assert 0.5 * np.abs(np.linalg.eigvalsh(start.density_matrix - ensemble)).sum() < 1e-12


@pytest.mark.parametrize("cut", [1e-5, 1e-10])
def test_too_few_essential_states_are_noticed(monkeypatch, cut):
    """Planted: states of populations far above 1e-15 are left out. The stated distance, or the residual, tells."""
    system = SYSTEMS["paper, left"]
    fine = lindblad.steady_ensemble(system)
    monkeypatch.setattr(essential_state, "STATE_CUT", cut)
    if cut > 1e-9:
        with pytest.raises(ConvergenceError, match="residual"):
            lindblad.steady_ensemble(system)
        monkeypatch.setattr(essential_state, "ESSENTIAL_RESIDUAL", 1.0)
    poor = lindblad.steady_ensemble(system)
    distance = trace_distance(system, poor)
    assert distance > 20.0 * fine.distance
    assert poor.distance >= distance


def test_residual_is_that_of_all_states():
    system = SYSTEMS["cavity and atom"]
    found = lindblad.steady_ensemble(system)
    rho = np.zeros((system.dimension, system.dimension), complex)
    rho[np.ix_(found.states, found.states)] = found.rho
    h_eff = system.H_eff.toarray()
    image = -1j * h_eff @ rho + 1j * rho @ h_eff.conj().T
    image += sum(c.operator.toarray() @ rho @ c.operator.toarray().conj().T for c in system.channels)
    scale = abs(system.centred_H_eff).sum(axis=0).max() * np.linalg.norm(rho)
    assert found.residual == pytest.approx(np.linalg.norm(image) / scale, rel=1e-3, abs=1e-16)


def test_no_dense_matrix_is_made():
    """N = 20,000: a dense ρ would take 6.4 GB."""
    system = driven_cavity(10_000, 0.1)
    tracemalloc.start()
    found = lindblad.steady_ensemble(system)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2e8
    assert len(found.states) < 60
    small = lindblad.steady_state(driven_cavity(30, 0.1))
    for channel in system.channel_names:
        assert found.rate(channel) == pytest.approx(small.rate(channel), rel=1e-9)


def test_what_has_no_such_state_is_refused(monkeypatch):
    space = tj.HilbertSpace(photon=40, atom=2)
    photon = space.lower("photon")
    apart = tj.OpenSystem(0.1 * (photon + photon.T), [tj.Channel("photon", photon)], space)
    with pytest.raises(SteadyStateNotUnique, match="evolve a given initial state"):
        lindblad.steady_ensemble(apart)
    monkeypatch.setattr(essential_state, "MOST_ESSENTIAL", 20)
    with pytest.raises(ConvergenceError, match=r"needs more than 20 of 90 basis states; give an initial ket"):
        lindblad.steady_ensemble(bath(90))
    lower = tj.HilbertSpace(atom=2).lower("atom")
    pulsed = tj.OpenSystem(
        0 * lower, [tj.Channel("atom", lower)], drives=[tj.Drive(lower + lower.T, tj.Square(0, 1))], period=2
    )
    with pytest.raises(InvalidInput, match="depends on time"):
        lindblad.steady_ensemble(pulsed)


def test_a_large_system_starts_from_it(monkeypatch, tmp_path):
    """Where no dense ρ fits, and the run says on how many states and how far off the start is."""
    monkeypatch.setattr(preparation, "MAX_DIMENSION", 100)
    system = driven_cavity(80)
    record = tj.simulate(system, 400, 20.0, seed=4, out=tmp_path / "run", workers=1, progress=False)
    said = json.loads((tmp_path / "run" / "run.json").read_text())["steady_state"]
    assert said["essential_states"] < 100
    assert said["trace_distance"] < 1e-6
    assert tj.load(tmp_path / "run").time.tobytes() == record.time.tobytes()
    # Stationary from t = 0: both halves have the exact rates. Eight scores below 4.5, false alarm 5e-5.
    steady = lindblad.steady_state(driven_cavity(40))
    assert abs(said["rates"]["cavity"] - steady.rate("cavity")) < 1e-8
    for first, last in ((0.0, 10.0), (10.0, 20.0)):
        for k, name in enumerate(system.channel_names):
            here = (record.channel == k) & (record.time > first) & (record.time <= last)
            counts = np.bincount(record.trajectory[here], minlength=400)
            error = counts.std(ddof=1) / 20.0
            assert abs(counts.mean() - 10.0 * steady.rate(name)) < 4.5 * error


def test_a_start_in_the_vacuum_would_be_noticed():
    """The planted fault of the test above: from the ground state the first half has too few clicks."""
    system, steady = driven_cavity(40), lindblad.steady_state(driven_cavity(40))
    ground = np.eye(1, 80)[0]
    record = tj.simulate(system, 400, 20.0, seed=4, initial=ground, workers=1, progress=False)
    counts = np.bincount(record.trajectory[(record.channel == 0) & (record.time <= 10.0)], minlength=400)
    assert counts.mean() - 10.0 * steady.rate("cavity") < -4.5 * counts.std(ddof=1) / 20.0
