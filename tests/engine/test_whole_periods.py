"""Whole periods in few vectors: ways to them and from them, against steps and against the tree without them."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

import trajectories as tj
from trajectories.engine.blocks import BlockTask, run_block
from trajectories.engine.compiled import CompiledSystem, compile_system
from trajectories.engine.pulses import periods, segments, slow_space, trees
from trajectories.engine.pulses.segment_kernels import expand_within
from trajectories.engine.pulses.tables import no_periods
from trajectories.engine.pulses.taylor_kernels import ANCHOR_OFFSET, LEAVING_ERROR, SLOW_ERROR, evaluate, expand

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


# The same with a drive that never rests, and a period that is mostly dark: the slow space has its anchor there.
LONG = tj.OpenSystem(
    SYSTEM.hamiltonian,
    SYSTEM.channels,
    SPACE,
    drives=[tj.Drive(S + S.T, 0.03 + 0.15 * tj.Gaussian(40.0, 1.2))],
    period=1000.0,
)


def block_of(compiled, trajectories=6, duration=4000.0):
    return run_block(compiled, BlockTask(0, trajectories, 3, duration))


@pytest.fixture(scope="module")
def compiled():
    return compile_system(SYSTEM, GROUND, propagator="tree")


@pytest.fixture(scope="module")
def by_steps():
    return block_of(compile_system(SYSTEM, GROUND, propagator="steps"))


@pytest.fixture(scope="module")
def long_dark():
    return compile_system(LONG, GROUND, propagator="tree")


@pytest.fixture(scope="module")
def long_by_steps():
    return block_of(compile_system(LONG, GROUND, propagator="steps"), duration=20_000.0)


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
    """From a step to the slow space and back to it are two periods: within what is stated, and not far below."""
    arrays = compiled.propagator.arrays
    period, from_slow, to_slow = matrices(arrays.ladder)[0], matrices(arrays.from_slow), matrices(arrays.to_slow)
    there, back, of_step = matrices(arrays.from_vectors), matrices(arrays.to_vectors), arrays.segment_of_position
    vectors = there[0] @ from_slow[0]
    once = vectors.conj().T @ period @ vectors
    # The last leaf is constant: any state passes it and a period. It has hardly anything of the last vectors then.
    into = period @ matrices(arrays.tree)[len(arrays.leaf_modes) - 1]
    components = np.linalg.norm(vectors.conj().T @ period, axis=1)
    still = arrays.leaf_modes[arrays.leaf_of_step] >= 0
    errors, stated = [], arrays.scalars[SLOW_ERROR] + arrays.scalars[LEAVING_ERROR]
    for step in range(1, len(of_step)):
        # A step has the way to the slow space from its end, a constant stretch that from its start.
        at = step if still[step] else step - 1
        if at == step or not still[at]:
            product = to_slow[at] @ back[of_step[at]] @ there[of_step[step]] @ from_slow[step]
            errors.append(np.linalg.norm((product - once @ once) * components, 2))
    outside = np.linalg.norm(into - vectors @ (vectors.conj().T @ into), 2)
    assert len(errors) > 20
    assert max(*errors, outside) < stated < 2e-12
    assert max(*errors, outside) > 0.01 * stated


def test_ways_from_an_anchor_and_to_it(long_dark):
    """In a long stretch states reach Q before the first period is over: beside the propagators of all leaves."""
    arrays, modes = long_dark.propagator.arrays, long_dark.propagator.arrays.still
    _, leaf, first = arrays.anchor
    assert (first, arrays.leaf_modes[leaf]) == (0, 0)
    assert arrays.leaf_step[-1] == len(arrays.leaf_modes) == len(arrays.segment_of_position) - 1
    leaves = matrices(arrays.tree)[: len(arrays.leaf_modes)]
    (vectors,), (inverse,) = matrices(arrays.vectors), matrices(arrays.inverse)

    def still(time):
        phases = np.exp(-(1j * modes.energy[0] + modes.decay[0])[: SPACE.dimension] * time)
        return vectors @ (phases[:, None] * inverse)

    offset, length = arrays.scalars[ANCHOR_OFFSET], np.diff(arrays.leaf_start)[leaf]
    assert 0.01 * length < offset <= 0.1 * length
    slow = arrays.slow_vectors[:, 0].T + 1j * arrays.slow_vectors[:, 1].T
    entering, leaving = arrays.scalars[SLOW_ERROR], arrays.scalars[LEAVING_ERROR]
    begun = still(offset)
    assert np.linalg.norm(begun - slow @ (slow.conj().T @ begun), 2) < entering < 1e-12
    order = [*range(leaf + 1, len(leaves)), *range(leaf)]
    passed = [slow, still(length - offset) @ slow]
    for number in order:
        passed.append(leaves[number] @ passed[-1])
    there, back, of_position = (
        matrices(arrays.from_vectors),
        matrices(arrays.to_vectors),
        arrays.segment_of_position,
    )
    from_slow, to_slow = matrices(arrays.from_slow), matrices(arrays.to_slow)
    for position, right in enumerate(passed):
        found = there[of_position[position]] @ from_slow[position]
        assert (np.linalg.norm(found - right, axis=0) < arrays.slow_errors + leaving).all()
    once = slow.conj().T @ begun @ passed[-1]
    assert np.linalg.norm(matrices(arrays.slow_ladder)[0] - once, 2) < leaving
    after = slow.conj().T @ begun
    assert np.linalg.norm(to_slow[-1] @ back[of_position[-1]] - after, 2) < entering
    for position in range(len(order), 0, -1):
        number = order[position - 1]
        # Steps have the way from their end, constant stretches from their beginning.
        ends = after, after @ leaves[number]
        right, after = ends[int(arrays.leaf_modes[number] >= 0)], ends[1]
        assert np.linalg.norm(to_slow[position] @ back[of_position[position]] - right, 2) < entering
    assert np.linalg.norm(matrices(arrays.still_to_slow)[leaf] - after @ vectors, 2) < entering
    # The slowest mode at the end of the stretch, and what it was at the anchor.
    end = still(length - offset) @ slow @ arrays.slowest_to_slow
    assert off_but_for_phase(end, vectors[:, 0]) < entering


def test_clicks_by_an_anchor_are_those_of_steps(long_dark, long_by_steps):
    mine = block_of(long_dark, duration=20_000.0)
    # Most gaps end in the dark, some behind it, and some in pulses.
    phase = mine.time % LONG.period
    assert (phase > 150.0).sum() > 100
    assert (phase < 45.0).sum() > 5
    assert clicks_agree(mine, long_by_steps)
    assert mine.worst_error < 1e-10
    assert mine.products < 0.2 * long_by_steps.products


@pytest.mark.parametrize("table", ["from_slow", "to_slow", "slow_ladder", "still_to_slow", "slowest_to_slow"])
def test_wrong_tables_of_an_anchor_are_noticed(long_dark, long_by_steps, table):
    """Each of them off by 1 %: clicks are no longer those of steps."""
    arrays = long_dark.propagator.arrays
    wrong = type(long_dark.propagator)(arrays._replace(**{table: getattr(arrays, table) * 1.01}))
    made = CompiledSystem(wrong, "wrong", long_dark.jumps, long_dark.kets, long_dark.cumulative)
    assert not clicks_agree(block_of(made, duration=20_000.0), long_by_steps)


@pytest.mark.parametrize("name", ["a cavity and an atom", "the paper's resonator"])
def test_states_within_a_step_are_those_in_all_states(compiled, name):
    """From the slow space to a place in any step, and from there to it: as by Taylor steps, as far as stated."""
    source = compiled
    if name.startswith("the paper's"):
        drive = 0.05 + 0.75 * tj.Gaussian(1000.0, 100.0)
        system = tj.SpinningResonator(detuning=1.3406, drive=drive, period=6000.0).system((2, 2, 2))
        source = compile_system(system, np.eye(16)[0], propagator="tree")
    arrays = source.propagator.arrays
    size = arrays.slow_vectors.shape[2]
    work = source.propagator.start(np.eye(size, dtype=complex)[0], 3).work
    random = np.random.default_rng(5)
    there, back, of_step = matrices(arrays.from_vectors), matrices(arrays.to_vectors), arrays.segment_of_position
    from_slow, to_slow = matrices(arrays.from_slow), matrices(arrays.to_slow)
    once = matrices(arrays.slow_ladder)[0]

    def moved(expanded, y):
        out = np.zeros(expanded[1], complex)
        evaluate(work.series, expanded[0], y, out)
        return out

    leaving, entering = [], []
    steps = np.flatnonzero(arrays.leaf_modes[arrays.leaf_of_step] < 0)
    for step, y in itertools.product(steps, [0.1, 0.3, 0.5, 0.7, 0.9]):
        segment = of_step[step]
        slow = once @ random.normal(size=(len(once), 2)) @ np.array([1.0, 1.0j])
        slow /= np.linalg.norm(slow)
        start = from_slow[step] @ slow
        whole = there[segment] @ start
        count = expand_within(arrays, arrays.from_operators[segment], step, 0.0, start, work)
        found = there[segment] @ moved((count, len(start)), y)
        right = moved((expand(arrays, whole, step, 0.0, work), size), y)
        stated = arrays.slow_errors @ np.abs(slow) + arrays.scalars[LEAVING_ERROR]
        leaving.append(off_but_for_phase(found, right) / stated)
        # States that enter are sought in the worst direction: that of what is left out.
        psi = random.normal(size=(size, 2)) @ np.array([1.0, 1.0j])
        psi -= back[segment].conj().T @ (back[segment] @ psi)
        psi /= np.linalg.norm(psi)
        start = back[segment] @ psi
        count = expand_within(arrays, arrays.to_operators[segment], step, y, start, work)
        found = to_slow[step] @ moved((count, len(start)), 1.0)
        right = moved((expand(arrays, psi, step, y, work), size), 1.0)
        right = to_slow[step] @ back[segment] @ right
        entering.append(off_but_for_phase(found, right) / arrays.scalars[SLOW_ERROR])
    assert len(leaving) > 100
    assert max(leaving) < 1.0
    assert max(entering) < 1.0


def off_but_for_phase(one, other):
    """The norm of the difference of two states, whose phases are of no account."""
    common = np.vdot(one, other)
    return np.linalg.norm(one * common / abs(common) - other)


def test_what_random_states_leave_out_is_never_more_than_stated(monkeypatch):
    """Where one direction is all that is left out, which sixteen random states may hardly have."""
    diagonal = np.zeros(12)
    diagonal[:7] = [1.0, 0.5, 0.2, 0.1, 0.05, 2.5e-14, 2.5e-14]
    monkeypatch.setattr(slow_space, "through_leaf", lambda *given: diagonal[:, None] * given[-1])
    outside, measured = [], []
    for number in range(300):
        builder = SimpleNamespace(system=SimpleNamespace(dimension=12, digest=f"{number:064x}"), tolerance=1e-10)
        found = slow_space.sampled_span(builder, None, [SimpleNamespace(modes=-1)])
        kept = found.vectors @ found.vectors.conj().T
        outside.append(np.linalg.norm(np.diag(diagonal) - kept * diagonal, 2))
        measured.append(found.left_out / slow_space.SURE)
    assert found.vectors.shape[1] == 6
    assert (np.array(outside) <= slow_space.SURE * np.array(measured)).all()
    # Planted fault: what is measured, taken for the bound.
    assert (np.array(outside) > measured).sum() > 50


@pytest.mark.parametrize(
    "table",
    ["from_slow", "to_slow", "from_vectors", "to_vectors", "from_operators", "to_operators", "slow_ladder"],
)
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


def test_segments_of_many_steps(monkeypatch, by_steps):
    """Where memory is small, segments are long, and leaves too."""
    monkeypatch.setattr(periods, "PERIOD_BYTES", 2e4)
    monkeypatch.setattr(trees, "TREE_BYTES", 1e4)
    sparse = compile_system(SYSTEM, GROUND, propagator="tree")
    arrays = sparse.propagator.arrays
    assert np.bincount(arrays.segment_of_position).max() > 2 * segments.STEPS
    assert np.diff(arrays.leaf_step).max() > 1
    assert clicks_agree(block_of(sparse), by_steps)


def test_what_keeps_its_light_for_long_has_no_such_tables():
    """A period that is short beside all lifetimes leaves nearly all states as they are."""
    fast = tj.OpenSystem(
        SYSTEM.hamiltonian, SYSTEM.channels, SPACE, drives=[tj.Drive(S + S.T, tj.Gaussian(0.5, 0.1))], period=1.0
    )
    assert len(compile_system(fast, GROUND, propagator="tree").propagator.arrays.segment_of_position) == 0


def test_files_without_the_tables_are_read(compiled):
    """Systems stored before there were any: the same clicks, by the tree alone."""
    arrays = compiled.to_arrays()
    since = no_periods(SPACE.dimension)
    older = {key: part for key, part in arrays.items() if key.removeprefix("propagator.") not in since}
    older["propagator.scalars"] = older["propagator.scalars"][:SLOW_ERROR]
    restored = CompiledSystem.from_arrays(older)
    assert len(restored.propagator.arrays.segment_of_position) == 0
    assert clicks_agree(block_of(restored), block_of(compiled))


def swept():
    """The paper's resonator driven from the right while its Δ_ad rises: N = 18 and long steps."""
    drive = 0.8 * (tj.Ramp(200.0, 300.0) - tj.Ramp(600.0, 700.0))
    rise = tj.Ramp(300.0, 600.0, 1.291, 1.331) - 0.04 * tj.Square(8500.0, 9000.0)
    return tj.SpinningResonator("right", rise, drive=drive, period=9000.0).system((3, 2, 3), max_quanta=2)


@pytest.mark.parametrize("given", ["as it is", "at half steps alone", "planted: whatever the error"])
def test_motion_between_half_steps_is_held_or_whole_periods_are_not_passed(monkeypatch, given):
    """States at half steps do not span those between them: the error of that was stated, 3e-7."""
    if given != "as it is":
        monkeypatch.setattr(periods, "SAMPLES", (2,))
    if given.startswith("planted"):
        monkeypatch.setattr(periods, "WITHIN", (np.inf, np.inf))
    system = swept()
    compiled = compile_system(system, system.space.ket(photon=0, phonon=0, magnon=0, atom="e"), propagator="tree")
    arrays = compiled.propagator.arrays
    assert (len(arrays.segment_of_position) == 0) == (given == "at half steps alone")
    found = block_of(compiled, 20, 20 * system.period)
    assert len(found.time) > 20
    assert (found.worst_error > 1e-9) == given.startswith("planted")
