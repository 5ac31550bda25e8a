"""The eigenmode propagator's kernels against dense linear algebra, and where it must be refused."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from click_systems import random_system
from plain_kernels import interpret

import trajectories as tj
from trajectories.engine.compiled import compile_system
from trajectories.engine.modes.eigenmodes import ModesPropagator
from trajectories.engine.modes.forms_kernels import (
    BLOCK,
    SUMS_STRIDE,
    VECTORS_NORM,
    cut_rows,
    form_value,
    move_to,
    survival,
)
from trajectories.engine.modes.modal_jump_kernels import click, extend_jump, live_blocks, open_base
from trajectories.engine.phase_kernels import LARGEST_ANGLE, decayed, exponentials
from trajectories.errors import ConvergenceError, InvalidInput


@pytest.fixture
def plain(monkeypatch):
    """The parts of the kernel as plain Python: each compiled by itself would take longer than all these tests."""
    interpret(monkeypatch, sys.modules[__name__])


PAPER = tj.SpinningResonator(detuning=1.3406).system(levels=(4, 3, 3))


def compiled(system, tolerance=1e-10):
    return ModesPropagator.compile(system, tolerance)


def settled(propagator, ket, time, limit=1e-14):
    """Return the workspace of `ket` after `time` without a click, and the number of live blocks of modes."""
    state = propagator.start(ket / np.linalg.norm(ket), 1)
    open_base(propagator.arrays, time, state.work)
    blocks = int(live_blocks(state.work.base_tails, limit))
    assert state.work.base_tails[blocks] <= limit
    move_to(propagator.arrays, blocks, time, state.work)
    return state.work, blocks


def begun(work, exact):
    """Return the amplitudes with which the gap began, with the phase that makes them most like `exact`."""
    amplitudes = work.start[: len(exact)] + 1j * work.start[SUMS_STRIDE : SUMS_STRIDE + len(exact)]
    overlap = np.vdot(amplitudes, exact)
    return amplitudes * overlap / abs(overlap)


def dense_state(system, ket, time):
    energies, vectors = np.linalg.eig(system.H_eff.toarray())
    amplitudes = np.linalg.solve(vectors, ket / np.linalg.norm(ket))
    return vectors @ (np.exp(-1j * energies * time) * amplitudes)


def after_a_click(channel):
    """Return a state of the paper's system just after a click: a few strong modes and many weak ones."""
    waited = dense_state(PAPER, np.eye(PAPER.dimension)[0], 500.0)
    return PAPER.channels[channel].operator @ waited


@pytest.mark.parametrize("time", [0.0, 1e-6, 0.3, -4.0, 77.0, 640.0, 3e4])
def test_exponentials(time, plain):
    rng = np.random.default_rng(3)
    energy, decay = rng.uniform(-15.0, 15.0, 61), rng.uniform(0.0, 0.04, 61)
    real, imag = np.empty(61), np.empty(61)
    exponentials(energy, decay, 61, time, real, imag)
    expected = np.exp(-(decay + 1j * energy) * time)
    # Both round the angle itself, to an ulp of up to 15·time.
    tolerance = 3e-14 + 4.0 * np.spacing(15.0 * abs(time))
    # Modes below e^{−64} are taken for gone.
    assert (np.abs(real + 1j * imag - expected) <= tolerance * np.abs(expected) + np.exp(-64.0)).all()


@pytest.mark.parametrize("time", [0.0, 3.0, 700.0, 1e5])
def test_decayed_is_a_bound(time, plain):
    rng = np.random.default_rng(4)
    values, decay, left = rng.uniform(0.0, 1.0, 40), rng.uniform(0.0, 0.04, 40), np.empty(40)
    decayed(values, decay, 40, time, left)
    expected = values * np.exp(-2.0 * decay * time)
    assert (left >= expected * (1.0 - 1e-13)).all()
    assert (left <= expected * (1.0 + 1e-13) + np.exp(-64.0)).all()


def test_exponentials_of_large_angles_are_the_library_s(plain):
    energy, decay = np.array([7.0, -3.0]), np.array([0.0, 1e-9])
    real, imag = np.empty(2), np.empty(2)
    time = 10.0 * LARGEST_ANGLE
    exponentials(energy, decay, 2, time, real, imag)
    np.testing.assert_allclose(real, np.exp(-decay * time) * np.cos(energy * time), rtol=1e-14)
    np.testing.assert_allclose(imag, -np.exp(-decay * time) * np.sin(energy * time), rtol=1e-14)


@pytest.mark.parametrize("limit", [1e-3, 1e-6, 1e-9, 1e-12])
@pytest.mark.parametrize("time", [0.0, 30.0, 900.0])
def test_forms_keep_their_bound(limit, time, plain):
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


@pytest.mark.parametrize("limit", [1e-4, 1e-7, 1e-10, 1e-13])
@pytest.mark.parametrize("time", [0.0, 30.0, 900.0])
def test_survival_keeps_its_limit(limit, time, plain):
    propagator = compiled(PAPER)
    ket = after_a_click(2)
    work, blocks = settled(propagator, ket, time)
    psi = dense_state(PAPER, ket, time)
    norm, slope, _, _ = survival(propagator.arrays, limit, blocks, work)
    assert abs(norm - np.vdot(psi, psi).real) <= limit + 2e-12
    # The slope of what is left out is that of the fastest pair at the most.
    fastest = np.ptp(propagator.arrays.energy)
    assert slope == pytest.approx(-np.vdot(psi, PAPER.decay @ psi).real, abs=fastest * limit + 2e-12)


@pytest.mark.parametrize("time", [0.0, 1.4, 55.0])
def test_survival_and_its_derivatives_are_those_of_the_dense_state(time, plain):
    system = random_system(11, 29, 2)
    propagator = compiled(system)
    ket = np.arange(1.0, 30.0) + 0j
    work, blocks = settled(propagator, ket, time)
    s = survival(propagator.arrays, 1e-14, blocks, work)
    psi = dense_state(system, ket, time)
    decay, h = system.decay.toarray(), system.H_eff.toarray()
    # d/dt ⟨A⟩ = ⟨i(H_eff† A − A H_eff)⟩ for the unnormalised state.
    operator, expected = np.eye(29), []
    for _ in range(4):
        expected.append(np.vdot(psi, operator @ psi).real)
        operator = 1j * (h.conj().T @ operator - operator @ h)
    np.testing.assert_allclose(s, expected, atol=1e-11 * (1.0 + np.abs(decay).max()))
    # Pairs left out on purpose must show: the comparison above can fail.
    few = survival(propagator.arrays, 1e2, blocks, work)
    assert not np.allclose(few, expected, rtol=0, atol=1e-11 * (1.0 + np.abs(decay).max()))


@pytest.mark.parametrize("share", [1e-3, 1e-6, 1e-9])
def test_rows_are_cut_where_a_search_would_cut_them(share, plain):
    propagator = compiled(PAPER)
    work, blocks = settled(propagator, after_a_click(0), 30.0)
    tails, rows = propagator.arrays.form_tail[2], BLOCK * blocks - 3
    error = cut_rows(tails, share, rows, blocks, 0.5, work)
    expected, left = [], 0.5
    for i in range(rows):
        size, last = 2.0 * np.sqrt(work.square[i]), i // BLOCK
        while last < blocks and size * tails[last, i] * work.tails[last] > share:
            last += 1
        expected.append(last)
        left += size * tails[last, i] * work.tails[last]
    np.testing.assert_array_equal(work.until[:rows], expected)
    assert error == left
    assert len(set(expected)) > 2


def test_tables_of_earlier_versions_are_read():
    arrays = compiled(PAPER).arrays
    turned = {name: getattr(arrays, name).transpose(0, 2, 1) for name in ("form_tail", "jump_tail")}
    named = {key: value for key, value in arrays._asdict().items() if not key.startswith("leak")}
    for now, then in zip(ModesPropagator.restored({**named, **turned}), arrays, strict=True):
        np.testing.assert_array_equal(now, then)


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


@pytest.mark.parametrize("channel", [0, 1, 2, 3])
@pytest.mark.parametrize("tolerance", [1e-6, 1e-10])
def test_the_bounds_of_a_jump_hold(tolerance, channel, plain):
    """Direction and norm after a jump: what is left out of both stays below the bounds."""
    propagator = compiled(PAPER, tolerance=tolerance)
    arrays = propagator.arrays
    ket = after_a_click(0) / np.linalg.norm(after_a_click(0))
    state = propagator.start(ket, 4)
    work, fields = state.work, state.fields
    wait, threshold = 40.0, 0.5
    open_base(arrays, wait, work)
    blocks = live_blocks(work.base_tails, 0.01 * tolerance)
    dropped = work.base_tails[blocks]
    move_to(arrays, blocks, wait, work)
    total = sum(form_value(arrays, 1 + k, 0.0, blocks, work)[0] for k in range(4))
    click(arrays, channel, wait, blocks, dropped, total, threshold, fields, work)
    psi = PAPER.channels[channel].operator @ dense_state(PAPER, ket, wait)
    exact = arrays.inverse @ (psi / np.linalg.norm(psi))
    # The dense state is right to so much, before it is divided by the norm of a rare jump.
    rounding = 1e-14 / np.linalg.norm(psi)
    goal = tolerance * np.sqrt(threshold) / (16.0 * arrays.scalars[VECTORS_NORM])
    assert fields.norm_error <= 0.25 * tolerance
    assert fields.missing <= 2.0 * goal
    decay, previous = arrays.decay[: PAPER.dimension], np.inf
    # First what counts after a long time, then more and more.
    for time in (900.0, 300.0, 0.0):
        bound = extend_jump(arrays, 0.5 * goal, 0.5 * goal, time, work)
        assert bound <= 0.5 * goal
        difference = np.linalg.norm((begun(work, exact) - exact) * np.exp(-decay * time))
        assert difference <= fields.missing + bound + 0.5 * fields.norm_error + rounding
        at_start = np.linalg.norm(begun(work, exact) - exact)
        assert at_start <= previous + rounding
        previous = at_start
    # Rows that are not there must show.
    work.start[:16] = 0.0
    assert np.linalg.norm(begun(work, exact) - exact) > 1e3 * goal


def test_a_rare_click_counts_what_was_dropped(plain):
    """A click a thousand times rarer than the others needs modes that the waiting time did not."""
    lower = np.diag(np.sqrt(np.arange(1.0, 12.0)), 1)
    drive = 0.5 * (lower + lower.T)
    rare = np.zeros((12, 12))
    rare[0, 7] = 1e-3
    system = tj.OpenSystem(np.diag(np.arange(12.0)) + drive, [tj.Channel("a", 0.3 * lower), tj.Channel("b", rare)])
    propagator = compiled(system)
    arrays = propagator.arrays
    ket = np.eye(12)[0] + 0j
    state = propagator.start(ket, 2)
    work, fields = state.work, state.fields
    # As if only the first block had been kept.
    open_base(arrays, 20.0, work)
    dropped = work.base_tails[1]
    move_to(arrays, 1, 20.0, work)
    click(arrays, 1, 20.0, 1, dropped, 1e-6, 0.5, fields, work)
    bound = fields.missing + extend_jump(arrays, 1e-13, 1e-13, 0.0, work)
    psi = rare @ dense_state(system, ket, 20.0)
    exact = arrays.inverse @ (psi / np.linalg.norm(psi))
    assert fields.missing < 1e-10
    assert np.linalg.norm(begun(work, exact) - exact) <= bound + fields.norm_error + 1e-12
