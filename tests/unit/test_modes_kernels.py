"""The eigenmode propagator's kernels against dense linear algebra, and where it must step aside."""

from __future__ import annotations

import numpy as np
import pytest
from click_systems import random_system

import trajectories as tj
from trajectories.engine.compiled import compile_system
from trajectories.engine.eigenmodes import ModesPropagator
from trajectories.engine.forms_kernels import VECTORS_NORM, form_value, list_pairs, norm_and_slope
from trajectories.engine.modes_kernels import choose_live, jump, move_to, survival
from trajectories.engine.phase_kernels import LARGEST_ANGLE, exponentials
from trajectories.engine.slots import ERROR, NORM_ERROR
from trajectories.errors import ConvergenceError, InvalidInput

PAPER = tj.SpinningResonator(detuning=1.3406).system(levels=(4, 3, 3))


def compiled(system, tolerance=1e-10):
    return ModesPropagator.compile(system, tolerance)


def settled(propagator, ket, time, limit=1e-14):
    """Return the workspace of `ket` after `time` without a click, and the number of live modes."""
    state = propagator.start(ket / np.linalg.norm(ket), 1)
    live, dropped = choose_live(propagator.arrays, time, limit, state.work)
    assert dropped <= limit
    move_to(live, time, state.work)
    return state.work, int(live)


def dense_state(system, ket, time):
    energies, vectors = np.linalg.eig(system.H_eff.toarray())
    amplitudes = np.linalg.solve(vectors, ket / np.linalg.norm(ket))
    return vectors @ (np.exp(-1j * energies * time) * amplitudes)


def after_a_click(channel):
    """Return a state of the paper's system just after a click: a few strong modes and many weak ones."""
    waited = dense_state(PAPER, np.eye(PAPER.dimension)[0], 500.0)
    return PAPER.channels[channel].operator @ waited


@pytest.mark.parametrize("time", [0.0, 1e-6, 0.3, -4.0, 77.0, 640.0, 3e4])
def test_exponentials(time):
    rng = np.random.default_rng(3)
    energy, decay = rng.uniform(-15.0, 15.0, 61), rng.uniform(0.0, 0.04, 61)
    real, imag = np.empty(61), np.empty(61)
    exponentials(energy, decay, 61, time, real, imag)
    expected = np.exp(-(decay + 1j * energy) * time)
    # Both round the angle itself, to an ulp of up to 15·time.
    tolerance = 3e-14 + 4.0 * np.spacing(15.0 * abs(time))
    assert (np.abs(real + 1j * imag - expected) <= tolerance * np.abs(expected)).all()


def test_exponentials_of_large_angles_are_the_library_s():
    energy, decay = np.array([7.0, -3.0]), np.array([0.0, 1e-9])
    real, imag = np.empty(2), np.empty(2)
    time = 10.0 * LARGEST_ANGLE
    exponentials(energy, decay, 2, time, real, imag)
    np.testing.assert_allclose(real, np.exp(-decay * time) * np.cos(energy * time), rtol=1e-14)
    np.testing.assert_allclose(imag, -np.exp(-decay * time) * np.sin(energy * time), rtol=1e-14)


@pytest.mark.parametrize("limit", [1e-3, 1e-6, 1e-9, 1e-12])
@pytest.mark.parametrize("time", [0.0, 30.0, 900.0])
def test_forms_keep_their_bound(limit, time):
    """What a form leaves out is below the bound that it states, and that below what was allowed."""
    propagator = compiled(PAPER)
    ket = after_a_click(0)
    work, live = settled(propagator, ket, time)
    psi = dense_state(PAPER, ket, time)
    operators = [np.eye(PAPER.dimension)]
    operators += [(c.operator.conj().T @ c.operator).toarray() for c in PAPER.channels]
    left_out = []
    for form, operator in enumerate(operators):
        value, bound = form_value(propagator.arrays, form, limit, live, work)
        error = abs(value - np.vdot(psi, operator @ psi).real)
        assert bound <= limit
        assert error <= bound + 1e-12
        left_out.append(bound)
    # The test could not fail if nothing were ever left out.
    assert limit < 1e-9 or max(left_out) > 0.0


@pytest.mark.parametrize("time", [0.0, 30.0, 900.0])
def test_norm_and_slope_are_those_of_the_dense_state(time):
    propagator = compiled(PAPER)
    ket = after_a_click(2)
    work, live = settled(propagator, ket, time)
    psi = dense_state(PAPER, ket, time)
    norm, slope = norm_and_slope(propagator.arrays, 1e-13, live, work)
    assert norm == pytest.approx(np.vdot(psi, psi).real, abs=2e-12)
    assert slope == pytest.approx(-np.vdot(psi, PAPER.decay @ psi).real, abs=2e-12)


@pytest.mark.parametrize("ahead", [0.0, 0.4, 55.0])
def test_listed_pairs_give_the_survival_and_its_derivatives(ahead):
    system = random_system(11, 9, 2)
    propagator = compiled(system)
    ket = np.arange(1.0, 10.0) + 0j
    work, live = settled(propagator, ket, 1.0)
    listed, pairs = list_pairs(propagator.arrays, 1e-12, live, work)
    s = survival(listed, pairs, ahead, work)
    psi = dense_state(system, ket, 1.0 + ahead)
    decay, h = system.decay.toarray(), system.H_eff.toarray()
    # d/dt ⟨A⟩ = ⟨i(H_eff† A − A H_eff)⟩ for the unnormalised state.
    operator, expected = np.eye(9), []
    for _ in range(4):
        expected.append(np.vdot(psi, operator @ psi).real)
        operator = 1j * (h.conj().T @ operator - operator @ h)
    np.testing.assert_allclose(s, expected, atol=1e-9 * (1.0 + np.abs(decay).max()))
    # Pairs left out on purpose must show: the comparison above can fail.
    few = survival(listed, max(0, pairs - 3), ahead, work)
    assert ahead > 1.0 or not np.allclose(few, expected, rtol=0, atol=1e-9 * (1.0 + np.abs(decay).max()))


def critically_damped():
    """Return a driven decaying atom at its exceptional point, where two eigenvectors of H_eff coincide."""
    sigma = np.array([[0.0, 1.0], [0.0, 0.0]])
    return tj.OpenSystem(0.25 * (sigma + sigma.T), [tj.Channel("atom", sigma)])


def test_an_exceptional_point_is_left_to_the_sparse_propagator():
    ket = np.array([0.0, 1.0])
    chosen = compile_system(critically_damped(), ket, propagator="auto")
    assert chosen.propagator.name == "sparse"
    assert "condition" in chosen.reason
    with pytest.raises(ConvergenceError, match="condition"):
        compiled(critically_damped())
    with pytest.raises(InvalidInput, match="sparse"):
        compile_system(critically_damped(), ket, propagator="modes")


def test_near_an_exceptional_point_both_give_the_same_record():
    sigma = np.array([[0.0, 1.0], [0.0, 0.0]])
    system = tj.OpenSystem(0.2502 * (sigma + sigma.T), [tj.Channel("atom", sigma)])
    records = [
        tj.simulate(system, 5, 60.0, seed=4, initial=[1.0, 0.0], propagator=name, progress=False)
        for name in ("modes", "sparse")
    ]
    assert len(records[0]) > 30
    np.testing.assert_array_equal(records[0].channel, records[1].channel)
    np.testing.assert_allclose(records[0].time, records[1].time, atol=1e-7)


def test_auto_takes_the_modes_and_says_so():
    assert compile_system(PAPER, np.eye(PAPER.dimension)[0]).propagator.name == "modes"
    assert "auto" in compile_system(PAPER, np.eye(PAPER.dimension)[0]).reason


def test_the_stated_bound_counts_the_norm_of_the_jump():
    """A jump divides by a rate that is known to a bound; that bound belongs to the error of the next gap."""
    propagator = compiled(PAPER, tolerance=1e-6)
    state = propagator.start(after_a_click(0) / np.linalg.norm(after_a_click(0)), 4)
    work, reals = state.work, state.reals
    live, _ = choose_live(propagator.arrays, 40.0, 1e-9, work)
    move_to(live, 40.0, work)
    total = sum(form_value(propagator.arrays, 1 + k, 0.0, live, work)[0] for k in range(4))
    jump(propagator.arrays, 2, live, total, 0.5, reals, work)
    assert 0.0 < reals[NORM_ERROR] <= 0.25e-6
    amplitudes = work.start[0] + 1j * work.start[1]
    norm = np.linalg.norm(propagator.arrays.vectors @ amplitudes) ** 2
    assert (
        abs(norm - 1.0) <= reals[NORM_ERROR] + 2.0 * reals[ERROR] * propagator.arrays.scalars[VECTORS_NORM] + 1e-12
    )
