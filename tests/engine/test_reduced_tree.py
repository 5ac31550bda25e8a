"""The reduced tree: few vectors hold the states of a train, what they miss is found by the audit or followed."""

from itertools import pairwise

import numpy as np
import pytest

import trajectories as tj
from trajectories.engine import compiled as compiled_module
from trajectories.engine.blocks import BlockTask, run_block
from trajectories.engine.compiled import CompiledSystem, compile_system
from trajectories.engine.pulses import reduced_tree, trees
from trajectories.engine.pulses.bridge_kernels import FROM_ANCHOR, FROM_SLOW
from trajectories.engine.pulses.frames import click_density
from trajectories.engine.pulses.tables import Builder
from trajectories.engine.pulses.taylor_kernels import ANCHOR_OFFSET, MISSED
from trajectories.errors import InvalidInput

SPACE = tj.HilbertSpace(photon=10, atom=2)
A, S = SPACE.lower("photon"), SPACE.lower("atom")
GROUND = SPACE.ket(photon=0, atom="g")


def source(dark=True):
    """A weakly driven cavity with an atom, N = 20: high levels are hardly reached."""
    pulse = tj.Gaussian(8.0, 1.2, 0.15) if dark else tj.Gaussian(8.0, 1.2, 0.15) + 0.02 * tj.Cosine(0.3)
    channels = [tj.Channel("photon", 0.7 * A), tj.Channel("atom", 0.3 * S)]
    drive = tj.Drive(S + S.T, pulse)
    period = 40.0 if dark else 2.0 * np.pi / 0.3 * 2.0
    return tj.OpenSystem(0.5 * (A.T @ S + S.T @ A), channels, SPACE, drives=[drive], period=period)


def block_of(compiled, trajectories=6, duration=4000.0):
    return run_block(compiled, BlockTask(0, trajectories, 3, duration))


@pytest.fixture(scope="module")
def compiled():
    return compile_system(source(), GROUND, propagator="reduced")


def test_clicks_are_those_of_steps(compiled):
    """Six trajectories of some twenty clicks; errors of 1e-10 grow from click to click."""
    arrays = compiled.propagator.arrays
    assert compiled.propagator.name == "reduced tree"
    assert len(arrays.frame) < SPACE.dimension
    assert "audited" in compiled.reason
    # The stretches between pulses are entered from the few vectors of whole periods.
    assert (arrays.bridges[:, FROM_SLOW] >= 0).any()
    mine = block_of(compiled)
    there = block_of(compile_system(source(), GROUND, propagator="steps"))
    np.testing.assert_array_equal(mine.counts, there.counts)
    np.testing.assert_array_equal(mine.channel, there.channel)
    assert len(mine.time) > 60
    np.testing.assert_allclose(mine.time, there.time, atol=1e-5)
    first = np.concatenate([[0], np.cumsum(mine.counts)[:-1]])
    np.testing.assert_allclose(mine.time[first], there.time[first], atol=1e-7)
    assert mine.worst_error < 1e-10


def test_without_a_constant_stretch(compiled):
    smooth = compile_system(source(dark=False), GROUND, propagator="reduced tree")
    assert (smooth.propagator.arrays.leaf_modes < 0).all()
    mine = block_of(smooth)
    there = block_of(compile_system(source(dark=False), GROUND, propagator="steps"))
    np.testing.assert_allclose(mine.time, there.time, atol=1e-4)


def test_an_anchor_in_a_long_dark_stretch():
    """Clicks come between pulses, too, most of them beyond the anchor: states leave the frame and come back."""
    drive = tj.Drive(S + S.T, 0.03 + 0.15 * tj.Gaussian(40.0, 1.2))
    system = tj.OpenSystem(source().hamiltonian, source().channels, SPACE, drives=[drive], period=1000.0)
    reduced = compile_system(system, GROUND, propagator="reduced tree")
    arrays = reduced.propagator.arrays
    assert len(arrays.frame) < SPACE.dimension
    assert 0.0 < arrays.scalars[ANCHOR_OFFSET] < 100.0
    assert arrays.bridges[arrays.anchor[1], FROM_ANCHOR] >= 0
    mine = block_of(reduced, duration=20_000.0)
    there = block_of(compile_system(system, GROUND, propagator="steps"), duration=20_000.0)
    np.testing.assert_array_equal(mine.counts, there.counts)
    np.testing.assert_array_equal(mine.channel, there.channel)
    assert len(mine.time) > 200
    np.testing.assert_allclose(mine.time, there.time, atol=1e-5)
    assert mine.worst_error < 1e-10


def test_leaves_are_shorter_where_clicks_fall():
    """They cover the period as leaves of equal length do, and are about as many."""
    system = source()
    builder = Builder(system, 1e-10, np.inf)
    density = click_density(builder, GROUND[None, :].astype(complex), np.ones(1))
    even, uneven = builder.arrays(20)[1], builder.arrays(20, density)[1]
    for leaves in (even, uneven):
        assert (leaves[0].start, leaves[-1].stop) == (0.0, system.period)
        assert all(one.stop == other.start for one, other in pairwise(leaves))
    assert sum(leaf.steps for leaf in uneven) == sum(leaf.steps for leaf in even)
    assert len(uneven) < 1.3 * len(even)
    middle = np.array([0.5 * (leaf.start + leaf.stop) for leaf in uneven if leaf.modes < 0])
    steps = np.array([leaf.steps for leaf in uneven if leaf.modes < 0])
    rate = density.density[np.searchsorted(density.edges, middle, side="right") - 1]
    # The pulse is over at t = 12, and the cavity empties within three time units.
    assert 8.0 < middle[np.argmax(rate)] < 14.0
    assert steps[rate > 0.3 * rate.max()].max() < steps[rate < 1e-3 * rate.max()].min()


def test_states_outside_the_frame_are_followed_in_all_states(compiled):
    """Trajectories that begin with seven photons, which the frame does not know, click as by steps."""
    high = SPACE.ket(photon=7, atom="e")
    frame = compiled.propagator.arrays.frame
    outside = 1.0 - np.sum(np.abs((frame[:, 0] - 1j * frame[:, 1]) @ high) ** 2)
    assert outside > 1e-9
    from dataclasses import replace

    mine = block_of(replace(compiled, kets=high[None, :].astype(complex)), duration=200.0)
    there = block_of(compile_system(source(), high, propagator="steps"), duration=200.0)
    assert (mine.counts >= 7).all()
    np.testing.assert_allclose(mine.time, there.time, atol=1e-6)


def test_a_frame_that_is_too_small_is_refused(monkeypatch):
    found = reduced_tree.find_frame
    monkeypatch.setattr(reduced_tree, "find_frame", lambda *given: found(*given)[:, :5].copy())
    with pytest.raises(InvalidInput, match=r"the audit of the frame found .*use propagator='steps'"):
        compile_system(source(), GROUND, propagator="reduced")


def test_the_audit_notices_wrong_propagators(monkeypatch):
    """The planted fault: each leaf loses 1e-10 of the norm², as if the frame missed a little of everything."""
    right = reduced_tree._leaf_matrix
    monkeypatch.setattr(reduced_tree, "_leaf_matrix", lambda *given: (1.0 - 5e-11) * right(*given))
    with pytest.raises(InvalidInput, match=r"the audit of the frame found .*use propagator='steps'"):
        compile_system(source(), GROUND, propagator="reduced")


def test_the_audit_tells_how_often_jumps_leave_the_frame(compiled):
    assert 0.0 <= compiled.propagator.arrays.scalars[MISSED] <= 0.1


def test_records_survive_files_and_do_not_depend_on_blocks(compiled, tmp_path):
    again = CompiledSystem.from_arrays(compiled.to_arrays())
    whole = block_of(compiled)
    np.testing.assert_array_equal(block_of(again).time, whole.time)
    pieces = [run_block(again, BlockTask(first, first + 2, 3, 4000.0)).time for first in (0, 2, 4)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole.time)
    longer = run_block(again, BlockTask(0, 1, 3, 6000.0))
    np.testing.assert_array_equal(longer.time[: whole.counts[0]], whole.time[: whole.counts[0]])
    number = {"photon": SPACE.number("photon")}
    times = np.linspace(0.0, 300.0, 7)
    seen = [
        tj.simulate(
            source(), 4, 300.0, seed=3, initial=GROUND, propagator=p, observables=number, sample_times=times,
            progress=False,
        )
        for p in ("reduced", "steps")
    ]  # fmt: skip
    np.testing.assert_allclose(
        seen[0].expectations["photon"].value, seen[1].expectations["photon"].value, atol=1e-8
    )


def test_what_has_no_period_is_refused():
    system = tj.OpenSystem(0 * S, source().channels, SPACE, drives=source().drives)
    with pytest.raises(InvalidInput, match="reduced tree is for systems with a period"):
        compile_system(system, GROUND, propagator="reduced", horizon=30.0)


def paper_train(levels):
    """The train of `benchmarks/pulse_trains.py`."""
    drive = 0.05 + 0.75 * tj.Gaussian(1000.0, 100.0)
    return tj.SpinningResonator(detuning=1.3406, drive=drive, period=4000.0).system((levels,) * 3)


@pytest.mark.parametrize(
    ("levels", "chosen", "seconds"), [(3, "tree", 5.0), (4, "tree", 25.0), (6, "reduced tree", 600.0)]
)
def test_auto_takes_the_reduced_tree_where_a_tree_takes_more_than_a_minute(monkeypatch, levels, chosen, seconds):
    """Of N = 54, 128 and 432; the first two were timed, the last one is what its N and its steps make of them."""
    system, asked = paper_train(levels), []
    for kind in (compiled_module.TreePropagator, compiled_module.ReducedTreePropagator):
        monkeypatch.setattr(kind, "compile", classmethod(lambda cls, *_: asked.append(cls.name) or Chosen()))
    compiled = compile_system(system, np.eye(system.dimension)[0])
    assert asked == [chosen]
    predicted = trees.build_seconds(system, 4000.0)
    assert seconds / 3.0 < predicted < 3.0 * seconds
    assert compiled.reason.startswith(
        f"auto: the propagators of all blocks take about {predicted:.2g} s to prepare"
    )
    assert ("promised" in compiled.reason) == (chosen == "reduced tree")


class Chosen:
    """Stands for a propagator that was compiled."""

    promise = "promised"


def test_auto_says_why_and_so_does_a_dry_run(monkeypatch):
    monkeypatch.setattr(compiled_module, "LONGEST_BUILD", 0.0)
    told = tj.estimate_run(source(), 6, 4000.0, initial=GROUND, workers=1, seconds=0.05)
    assert told.propagator == "reduced tree"
    assert told.reason.startswith("auto: the propagators of all blocks take about")
    assert "vectors, audited" in told.reason
    assert "reduced tree (auto: " in told.table()
    record = tj.simulate(source(), 6, 4000.0, seed=3, initial=GROUND, progress=False)
    assert record.provenance["compiled_propagator"] == "reduced tree"
    assert 0.3 < told.total_clicks / len(record.time) < 3.0
    # One that the audit refuses is not taken.
    found = reduced_tree.find_frame
    monkeypatch.setattr(reduced_tree, "find_frame", lambda *given: found(*given)[:, :5].copy())
    refused = compile_system(source(), GROUND)
    assert refused.propagator.name == "steps"
    assert "no reduced tree: the audit of the frame found" in refused.reason
