"""Whole periods in few vectors: ways to them and from them, against steps and against the tree without them."""

from types import SimpleNamespace

import numpy as np
import pytest

import trajectories as tj
from trajectories.engine.blocks import BlockTask, run_block
from trajectories.engine.compiled import CompiledSystem, compile_system
from trajectories.engine.pulses import periods, trees
from trajectories.engine.pulses.taylor_kernels import SLOW_ERROR

SPACE = tj.HilbertSpace(photon=6, atom=2)
A, S = SPACE.lower("photon"), SPACE.lower("atom")
GROUND = SPACE.ket(photon=0, atom="g")
# A cavity with an atom that is dark for long; its drive is stepped, too, so that constant stretches are passed.
PULSE = tj.Gaussian(8.0, 1.2, 0.15) + 0.05 * tj.Square(20.0, 23.0)
SYSTEM = tj.OpenSystem(
    0.5 * (A.T @ S + S.T @ A),
    [tj.Channel("photon", 0.7 * A), tj.Channel("atom", 0.3 * S)],
    SPACE,
    drives=[tj.Drive(S + S.T, PULSE)],
    period=40.0,
)


def block_of(compiled, trajectories=6, duration=4000.0):
    return run_block(compiled, BlockTask(0, trajectories, 3, duration))


@pytest.fixture(scope="module")
def compiled():
    return compile_system(SYSTEM, GROUND, propagator="tree")


@pytest.fixture(scope="module")
def by_steps():
    return block_of(compile_system(SYSTEM, GROUND, propagator="steps"))


def clicks_agree(mine, there):
    """Channels and counts are equal, and times as errors of 1e-10 grow from click to click."""
    same = np.array_equal(mine.counts, there.counts) and np.array_equal(mine.channel, there.channel)
    return same and bool(np.abs(mine.time - there.time).max() < 1e-5)


def matrices(columns):
    """Matrices from their columns with real and imaginary parts apart."""
    return (columns[:, :, 0] + 1j * columns[:, :, 1]).transpose(0, 2, 1)


def test_clicks_are_those_of_steps(compiled, by_steps):
    arrays = compiled.propagator.arrays
    assert 0 < arrays.from_slow.shape[1] < 0.75 * SPACE.dimension
    mine = block_of(compiled)
    assert len(mine.time) > 100
    # Some click in the same period as the one before, most in a later one.
    together = np.diff(np.floor(mine.time / SYSTEM.period)) == 0
    assert 3 < together.sum() < 0.8 * len(together)
    assert clicks_agree(mine, by_steps)
    assert mine.worst_error < 1e-10


def test_most_products_are_saved(compiled, monkeypatch):
    """Beside the same tree without whole periods."""
    monkeypatch.setattr(trees, "span_of", lambda *_: None)
    plain = compile_system(SYSTEM, GROUND, propagator="tree")
    assert len(plain.propagator.arrays.from_slow) == 0
    mine, there = block_of(compiled), block_of(plain)
    assert clicks_agree(mine, there)
    assert mine.products < there.products


def test_ways_to_the_vectors_and_from_them_agree_as_stated(compiled):
    """From a mark to the slow space and back to it are two periods: within what is stated, and not far below."""
    arrays = compiled.propagator.arrays
    period, from_slow, to_slow = matrices(arrays.ladder)[0], matrices(arrays.from_slow), matrices(arrays.to_slow)
    vectors = from_slow[0]
    np.testing.assert_allclose(vectors.conj().T @ vectors, np.eye(vectors.shape[1]), atol=1e-14)
    twice = vectors.conj().T @ period @ period @ vectors
    errors = [np.linalg.norm(back @ there - twice, 2) for back, there in zip(to_slow, from_slow, strict=True)]
    outside = np.linalg.norm(period - vectors @ (vectors.conj().T @ period), 2)
    stated = arrays.scalars[SLOW_ERROR]
    assert max(*errors, outside) < stated < 1e-12
    assert max(*errors, outside) > 0.01 * stated
    for there, triangle in zip(from_slow, matrices(arrays.within), strict=True):
        np.testing.assert_allclose(triangle.conj().T @ triangle, there.conj().T @ there, atol=1e-14)


def test_what_random_states_leave_out_is_never_more_than_stated(monkeypatch):
    """Where one direction is all that is left out, which sixteen random states may hardly have."""
    diagonal = np.zeros(12)
    diagonal[:7] = [1.0, 0.5, 0.2, 0.1, 0.05, 9e-14, 9e-14]
    monkeypatch.setattr(periods, "through_leaf", lambda *given: diagonal[:, None] * given[-1])
    outside, measured = [], []
    for number in range(300):
        builder = SimpleNamespace(system=SimpleNamespace(dimension=12, digest=f"{number:064x}"), tolerance=1e-10)
        found = periods.sampled_span(builder, None, [None])
        kept = found.vectors @ found.vectors.conj().T
        outside.append(np.linalg.norm(np.diag(diagonal) - kept * diagonal, 2))
        measured.append(found.left_out / periods.SURE)
    assert found.vectors.shape[1] == 6
    assert (np.array(outside) <= periods.SURE * np.array(measured)).all()
    # Planted fault: what is measured, taken for the bound.
    assert (np.array(outside) > measured).sum() > 50


@pytest.mark.parametrize("table", ["from_slow", "to_slow", "within", "slow_ladder"])
def test_wrong_tables_are_noticed(compiled, by_steps, table):
    """Each of them off by 1 %: clicks are no longer those of steps."""
    propagator = compiled.propagator
    arrays = propagator.arrays
    part = getattr(arrays, table) * 1.01
    wrong = CompiledSystem(
        type(propagator)(arrays._replace(**{table: part})),
        compiled.reason,
        compiled.jumps,
        compiled.kets,
        compiled.cumulative,
    )
    mine = run_block(wrong, BlockTask(0, 6, 3, 4000.0))
    assert not clicks_agree(mine, by_steps)


def test_marks_every_few_steps(monkeypatch, by_steps):
    """Where memory holds fewer marks than steps, the steps between are followed."""
    monkeypatch.setattr(periods, "PERIOD_BYTES", 5e4)
    monkeypatch.setattr(trees, "TREE_BYTES", 1e4)
    sparse = compile_system(SYSTEM, GROUND, propagator="tree")
    arrays = sparse.propagator.arrays
    assert len(arrays.leaf_modes) < len(arrays.mark_step) < len(arrays.starts) - 1
    assert clicks_agree(block_of(sparse), by_steps)


def test_what_keeps_its_light_for_long_has_no_such_tables():
    """A period that is short beside all lifetimes leaves nearly all states as they are."""
    fast = tj.OpenSystem(
        SYSTEM.hamiltonian, SYSTEM.channels, SPACE, drives=[tj.Drive(S + S.T, tj.Gaussian(0.5, 0.1))], period=1.0
    )
    assert len(compile_system(fast, GROUND, propagator="tree").propagator.arrays.mark_step) == 0


def test_files_without_the_tables_are_read(compiled):
    """Systems stored before there were any: the same clicks, by the tree alone."""
    arrays = compiled.to_arrays()
    since = (
        "mark_of_step",
        "mark_step",
        "mark_leaf",
        "from_slow",
        "to_slow",
        "within",
        "slow_ladder",
        "slow_rungs",
    )
    older = {key: part for key, part in arrays.items() if key.removeprefix("propagator.") not in since}
    older["propagator.scalars"] = older["propagator.scalars"][:SLOW_ERROR]
    restored = CompiledSystem.from_arrays(older)
    assert len(restored.propagator.arrays.mark_step) == 0
    assert clicks_agree(block_of(restored), block_of(compiled))
