"""The reduced propagator: its records, the fallback, replay, and the choice."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click_systems import ground, jumps_of, shelving, thermal_cavity, watch, weak_cavity
from command_line import PACKAGE, environment

import trajectories as tj
from trajectories import lindblad
from trajectories.engine import compiled as compiling
from trajectories.engine import cost
from trajectories.engine.blocks import BlockTask, run_block
from trajectories.engine.compiled import CompiledSystem, compile_system
from trajectories.engine.cost import predicted_cost
from trajectories.engine.operators import stack_operators
from trajectories.engine.reduced import essential
from trajectories.engine.reduced.level import reduced_arrays
from trajectories.engine.reduced.moves import moves
from trajectories.engine.reduced.reduced_basis import ReducedArrays, ReducedPropagator
from trajectories.engine.sparse.sparse_action import SparsePropagator
from trajectories.errors import ConvergenceError, InvalidInput


@pytest.fixture(scope="module")
def weak() -> tuple[tj.OpenSystem, CompiledSystem]:
    system = weak_cavity()
    return system, compile_system(system, ground(system), propagator="reduced")


def test_record_is_that_of_the_eigenmodes_until_rounding_shows(weak):
    system, compiled = weak
    other = compile_system(system, ground(system), propagator="modes")
    task = BlockTask(0, 6, 3, 300.0)
    ours, theirs = run_block(compiled, task), run_block(other, task)
    for n in range(6):
        first = [block.time[block.trajectory == n][:8] for block in (ours, theirs)]
        np.testing.assert_allclose(first[0], first[1], atol=1e-5)
    assert 0.0 < ours.worst_error < 1e-10


def test_bits_depend_on_seed_and_system_alone(weak, tmp_path):
    """Compiled twice, read from a file, in other blocks, and in a run that is extended: the same record."""
    system, compiled = weak
    again = CompiledSystem.from_arrays(dict(compiled.to_arrays()))
    fresh = compile_system(system, ground(system), propagator="reduced")
    whole = run_block(compiled, BlockTask(0, 6, 8, 4e3))
    assert len(whole.time) > 50
    for other in (again, fresh):
        pieces = [run_block(other, BlockTask(n, n + 2, 8, 4e3)) for n in (4, 0, 2)]
        joined = np.concatenate([pieces[n].time for n in (1, 2, 0)])
        assert joined.tobytes() == whole.time.tobytes()
    options = {"seed": 8, "initial": ground(system), "propagator": "reduced", "out": tmp_path / "run"}
    for trajectories in (2, 6):
        record = watch(system, trajectories, 4e3, **options)
    assert record.time.tobytes() == whole.time.tobytes()
    assert "audited" in record.provenance["propagator_reason"]


IN_ITS_OWN_PROCESS = """
import sys
from test_reduced import ground, watch, weak_cavity
system = weak_cavity()
watch(system, 64, 2e4, seed=8, initial=ground(system), propagator="reduced", out=sys.argv[1])
"""


def test_killed_and_completed_by_other_workers_it_has_the_same_bits(weak, tmp_path):
    """Killed by SIGKILL between two blocks; two threads complete it, and one more trajectory extends it."""
    system, compiled = weak
    folder = tmp_path / "run"
    paths = [str(PACKAGE), str(Path(__file__).parent), str(Path(__file__).parents[1] / "support")]
    own = {"cwd": tmp_path, "env": environment() | {"PYTHONPATH": os.pathsep.join(paths)}}
    with subprocess.Popen([sys.executable, "-c", IN_ITS_OWN_PROCESS, str(folder)], **own) as process:
        while len(list(folder.glob("blocks/*.npz"))) < 3:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    assert 0 < len(tj.Run.open(folder).finished()) < 64
    options = {"seed": 8, "initial": ground(system), "propagator": "reduced", "out": folder, "progress": False}
    for trajectories in (64, 65):
        record = tj.simulate(system, trajectories, 2e4, workers=2, **options)
    whole = run_block(compiled, BlockTask(0, 65, 8, 2e4))
    assert record.time.tobytes() == whole.time.tobytes()
    assert record.channel.tobytes() == whole.channel.tobytes()
    assert compiled.propagator.digest[:12] in record.provenance["propagator_reason"]


def blind_to_the_shelf(system: tj.OpenSystem, levels: list[int]) -> CompiledSystem:
    """Return a compiled system whose bases were made by a pilot that never saw the shelf."""
    arrays = tuple(reduced_arrays(system, np.arange(size), None, 1e-10) for size in levels)
    action = SparsePropagator.compile(system, 1e-10).arrays
    propagator = ReducedPropagator(ReducedArrays(arrays, moves(system, arrays), action, np.zeros(5)))
    return replace(compile_system(system, ground(system)), propagator=propagator)


def repaired(branching: float, duration: float, levels: list[int]) -> int:
    system = shelving(branching)
    task = BlockTask(0, 4, 5, duration)
    ours = run_block(blind_to_the_shelf(system, levels), task)
    theirs = run_block(compile_system(system, ground(system), propagator="modes"), task)
    # Every click leaves a basis state, so that nothing is chaotic here.
    np.testing.assert_array_equal(ours.channel, theirs.channel)
    np.testing.assert_allclose(ours.time, theirs.time, rtol=1e-9, atol=1e-6)
    return int((ours.channel == 1).sum())


@pytest.mark.parametrize("levels", [[2], [2, 5]], ids=["by the sparse action", "by the larger basis"])
def test_rare_state_that_the_pilot_missed_is_repaired(levels):
    assert repaired(1e-3, 1e4, levels) > 5


@pytest.mark.slow
def test_excursions_of_probability_1e_5_are_repaired():
    assert repaired(1e-5, 1e6, [2]) > 5


def test_a_basis_without_the_shelf_and_without_repair_is_wrong():
    """The planted fault of the tests above: were leaks not measured, nothing would be left of the state."""
    system = shelving(1e-3)
    compiled = blind_to_the_shelf(system, [2])
    scalars = compiled.propagator.arrays.levels[0].scalars
    scalars[-1] = np.inf
    with pytest.raises(ConvergenceError, match="no click time could be bracketed"):
        run_block(compiled, BlockTask(0, 4, 5, 1e4))


def test_samples_and_kets_are_those_of_the_eigenmodes(weak):
    system, compiled = weak
    other = compile_system(system, ground(system), propagator="modes")
    number = system.space.number("cavity")
    sampling = tj.engine.blocks.Sampling(
        1, stack_operators([number], system.dimension), np.linspace(0, 20, 9), True
    )
    ours, theirs = (run_block(c, BlockTask(0, 3, 2, 20.0, sampling)) for c in (compiled, other))
    np.testing.assert_allclose(ours.sampled, theirs.sampled, atol=1e-6)
    overlap = np.abs((ours.kets.conj() * theirs.kets).sum(axis=2))
    np.testing.assert_allclose(overlap, 1.0, atol=1e-8)


def test_start_outside_the_basis_is_followed_by_the_fallback():
    """A ket that no essential state holds is taken up by the sparse action, until a jump leads back."""
    system = shelving(1e-3)
    compiled = blind_to_the_shelf(system, [2])
    shelf = np.eye(5, dtype=complex)[2]
    block = run_block(replace(compiled, kets=shelf[None]), BlockTask(0, 5, 1, 500.0))
    direct = run_block(compile_system(system, shelf, propagator="modes"), BlockTask(0, 5, 1, 500.0))
    np.testing.assert_array_equal(block.channel, direct.channel)
    np.testing.assert_allclose(block.time, direct.time, atol=1e-6)


def assert_same_replay(record: tj.ClickRecord, system: tj.OpenSystem, ours: CompiledSystem) -> tj.Replay:
    other = compile_system(system, ground(system), propagator="modes")
    found, right = (tj.replay(record, system, ground(system), compiled=made) for made in (ours, other))
    np.testing.assert_allclose(found.hazard, right.hazard, atol=1e-9)
    np.testing.assert_allclose(found.intensity, right.intensity, rtol=1e-6, atol=1e-12)
    assert not found.forbidden.any()
    return found


def test_replay_on_essential_states_is_that_of_the_eigenmodes(weak):
    system, compiled = weak
    record = watch(system, 4, 4e3, seed=2, initial=ground(system), propagator="modes")
    assert len(record) > 20
    found = assert_same_replay(record, system, compiled)
    assert f"of {system.dimension} basis states" in found.method
    assert found.discarded < 1e-9


def test_replay_that_leaves_the_states_is_done_by_the_sparse_action():
    """Clicks that lead to the shelf: without the fallback what follows would have no state at all."""
    system = shelving(0.2)
    record = watch(system, 3, 200.0, seed=4, initial=ground(system), propagator="modes")
    assert (record.channel == 1).sum() > 3
    assert_same_replay(record, system, blind_to_the_shelf(system, [2]))


def test_hot_system_is_refused_with_the_reason(monkeypatch):
    system = thermal_cavity(30.0, 0.1, levels=300)
    monkeypatch.setattr(essential, "MOST_STATES", 150)
    with pytest.raises(InvalidInput, match=r"more than 150 of the 300 basis states.*propagator='auto'"):
        compile_system(system, ground(system), propagator="reduced")


def test_auto_follows_a_large_hot_system_by_the_sparse_action_and_says_why(monkeypatch):
    """The choice at 6×60×6 levels and five thermal phonons, in small; clicks are right."""
    monkeypatch.setattr(compiling, "SHORT", 0.0)
    for name in ("LONG", "WORTH_REDUCING", "MOST_BYTES"):
        monkeypatch.setattr(cost, name, 0.0)
    monkeypatch.setattr(essential, "MOST_STATES", 60)
    hot = tj.SpinningResonator(direction="left", detuning=1.3406, kappa=0.05, thermal=(0.0, 2.0, 0.0))
    system = hot.system(levels=(2, 16, 2))
    made = compile_system(system, ground(system))
    assert made.propagator.name == "sparse"
    assert "not reduced: trajectories reach more than 60 of the 128 basis states" in made.reason
    ours, theirs = (
        run_block(c, BlockTask(0, 4, 3, 200.0))
        for c in (made, compile_system(system, ground(system), propagator="modes"))
    )
    for n in range(4):
        first = [block.time[block.trajectory == n][:6] for block in (ours, theirs)]
        assert len(first[0]) == 6
        np.testing.assert_allclose(first[0], first[1], atol=1e-6)


def test_choice_by_cost():
    """A large system of rare clicks is to be reduced; a lossy chain of many channels keeps the sparse action."""
    large = tj.SpinningResonator(direction="left", detuning=1.3406).system(levels=(8, 8, 8))
    size = 1024
    hop = np.diag(np.ones(size - 1), 1)
    leaks = [tj.Channel(f"site {n}", np.eye(1, size, n).T @ np.eye(1, size, 50 * n)) for n in range(20)]
    costs = []
    for system in (large, tj.OpenSystem(hop + hop.T, leaks)):
        action = SparsePropagator.compile(system, 1e-10)
        costs.append(predicted_cost(system, action, jumps_of(system), ground(system), None))
    assert [cost.favours_reduced for cost in costs] == [True, False]
    assert [cost.avoids_modes for cost in costs] == [False, True]


@pytest.mark.slow
def test_rates_at_432_are_exact():
    """Click rates of 3e5 clicks against the steady state: 4 z-scores below 4, false alarm 2.5e-4."""
    system = tj.SpinningResonator(direction="left", detuning=1.3406).system(levels=(6, 6, 6))
    steady = lindblad.steady_state(system)
    record = watch(system, 64, 1e7, seed=4, propagator="reduced")
    total = 64 * 1e7
    for k, name in enumerate(system.channel_names):
        counts = np.bincount(record.trajectory[record.channel == k], minlength=64)
        error = max(counts.std(ddof=1) * 8.0, np.sqrt(counts.sum() + 1.0))
        assert abs(counts.sum() - steady.rate(name) * total) < 4.0 * error
