"""Ways between constant stretches in their eigenmodes: against steps, and against the tree without them."""

import numpy as np
import pytest

import trajectories as tj
from trajectories.engine.blocks import BlockTask, run_block
from trajectories.engine.compiled import CompiledSystem, compile_system
from trajectories.engine.operators import stack_operators
from trajectories.engine.pulses import bridges
from trajectories.engine.pulses.bridge_kernels import ACROSS, DIRECT, FROM_ANCHOR, FROM_SLOW, NEXT, SURVIVAL
from trajectories.engine.pulses.taylor_kernels import ANCHOR_OFFSET, PERIOD
from trajectories.engine.trajectory_state import HORIZON
from trajectories.random_streams import trajectory_stream

SPACE = tj.HilbertSpace(photon=6, atom=2)
A, S = SPACE.lower("photon"), SPACE.lower("atom")
GROUND = SPACE.ket(photon=0, atom="g")
# Drives that never rest: between the pulses there are clicks, too.
DRIVES = {
    "pulse in the middle": (0.03 + 0.15 * tj.Gaussian(40.0, 1.2), 200.0),
    "pulse at the end": (0.03 + 0.15 * tj.Gaussian(185.0, 1.2), 200.0),
    "squares": (0.03 + 0.2 * tj.Square(0.0, 40.0) + 0.1 * tj.Square(40.0, 100.0), 300.0),
    "short squares": (0.03 + 0.2 * tj.Square(0.0, 1.0), 2.0),
    "squares and a pulse": (
        0.03 + 0.15 * tj.Gaussian(20.0, 1.2) + 0.1 * tj.Square(100.0, 130.0) - 0.02 * tj.Square(130.0, 132.0),
        200.0,
    ),
    # Most of the period without a pulse: the slow space has its anchor there.
    "long dark": (0.03 + 0.15 * tj.Gaussian(40.0, 1.2), 1000.0),
    "long dark before": (0.03 + 0.15 * tj.Gaussian(950.0, 1.2), 1000.0),
    "long squares": (0.03 + 0.01 * tj.Square(1400.0, 2000.0), 2000.0),
    "long dark in the middle": (
        0.03 + 0.15 * tj.Gaussian(20.0, 1.2) + 0.01 * tj.Square(900.0, 960.0) - 0.02 * tj.Square(960.0, 961.0),
        1000.0,
    ),
}
# Of most runs: at least so long, and so many periods.
DURATION, PERIODS = 4000.0, 20


def system_of(name):
    drive, period = DRIVES[name]
    return tj.OpenSystem(
        0.5 * (A.T @ S + S.T @ A),
        [tj.Channel("photon", 0.7 * A), tj.Channel("atom", 0.3 * S)],
        SPACE,
        drives=[tj.Drive(S + S.T, drive)],
        period=period,
    )


def block_of(compiled, trajectories=4, duration=None):
    period = compiled.propagator.arrays.scalars[PERIOD]
    return run_block(compiled, BlockTask(0, trajectories, 7, duration or max(DURATION, PERIODS * period)))


@pytest.fixture(scope="module", params=DRIVES)
def train(request):
    """A train by its tree, its clicks by steps, and the system."""
    system = system_of(request.param)
    by_steps = block_of(compile_system(system, GROUND, propagator="steps"))
    compiled = compile_system(system, GROUND, propagator="tree")
    return compiled, by_steps, system


def clicks_agree(mine, there):
    """Channels and counts are equal, and times as errors of 1e-10 grow from click to click."""
    same = np.array_equal(mine.counts, there.counts) and np.array_equal(mine.channel, there.channel)
    return same and bool(np.abs(mine.time - there.time).max() < 1e-5)


def changed(compiled, **parts):
    propagator = type(compiled.propagator)(compiled.propagator.arrays._replace(**parts))
    return CompiledSystem(propagator, "changed", compiled.jumps, compiled.kets, compiled.cumulative)


def test_clicks_are_those_of_steps(train):
    compiled, by_steps, _ = train
    mine = block_of(compiled)
    assert len(mine.time) > 50
    assert clicks_agree(mine, by_steps)
    assert mine.worst_error < 1e-10


def test_the_first_clicks_keep_the_tolerance(train):
    """Of forty trajectories, before errors grow from click to click: with click rates below 2, |ΔS|/S < 1e-10."""
    compiled, _, system = train
    duration = max(600.0, 4.0 * system.period)
    mine = block_of(compiled, trajectories=40, duration=duration)
    there = block_of(compile_system(system, GROUND, propagator="steps"), trajectories=40, duration=duration)
    assert np.array_equal(mine.counts, there.counts)
    first = np.concatenate([[0], np.cumsum(mine.counts)[:-1]])
    early = np.arange(len(mine.time)) - np.repeat(first, mine.counts) < 3
    assert early.sum() > 50
    assert np.abs(mine.time - there.time)[early].max() < 1e-9


def test_bridges_lead_where_the_propagator_leads(train):
    """V_b⁻¹UV_a, and S behind it, beside the propagators of leaves."""
    arrays = train[0].propagator.arrays
    channels, size = arrays.still.jump_corner.shape[1], SPACE.dimension
    nodes = [columns[:, 0].T + 1j * columns[:, 1].T for columns in arrays.tree]
    seen = 0
    for a, row in enumerate(arrays.bridges):
        if row[SURVIVAL] < 0:
            continue
        seen += 1
        b, between = int(row[NEXT]), np.eye(size)
        leaf = a + 1
        while leaf % len(arrays.leaf_modes) != b:
            between = nodes[leaf % len(arrays.leaf_modes)] @ between
            leaf += 1
        here, there = arrays.leaf_modes[a], arrays.leaf_modes[b]
        vectors = arrays.vectors[here][:, 0].T + 1j * arrays.vectors[here][:, 1].T
        inverse = arrays.inverse[there][:, 0].T + 1j * arrays.inverse[there][:, 1].T
        assert row[ACROSS] >= channels
        bridge = arrays.still.jump[there, row[ACROSS]][:size, :, :size]
        np.testing.assert_allclose(bridge[:, 0].T + 1j * bridge[:, 1].T, inverse @ between @ vectors, atol=1e-12)
        form = arrays.still.form[here, row[SURVIVAL]][:, :size, :size]
        upper = form[0] + 1j * form[1]
        whole = upper + upper.conj().T + np.diag(arrays.still.diagonal[here, row[SURVIVAL]][:size])
        np.testing.assert_allclose(whole, (between @ vectors).conj().T @ (between @ vectors), atol=1e-12)
    # Without the few vectors of whole periods there are no bridges.
    assert seen == ((arrays.leaf_modes >= 0).sum() if len(arrays.segment_of_position) else 0)


WAYS = {
    "across": ACROSS,
    "from the slow space": FROM_SLOW,
    "from the anchor": FROM_ANCHOR,
    "survival": SURVIVAL,
    "direct": DIRECT,
}


@pytest.mark.parametrize("way", WAYS)
def test_wrong_tables_are_noticed(train, way):
    """Each way wrong: clicks are no longer those of steps, where there is this way."""
    compiled, by_steps, _ = train
    arrays, still = compiled.propagator.arrays, compiled.propagator.arrays.still
    used = arrays.bridges[:, WAYS[way]]
    if way == "survival":
        # Between stretches that follow immediately no click is possible.
        leaves = np.arange(len(used))
        used = np.where((arrays.bridges[:, NEXT] - leaves - 1) % len(used) > 0, used, -1)
    used = used[used >= 0]
    # There are no bridges without the few vectors of whole periods, nor ways over pulses where there are none.
    apart = (arrays.leaf_modes < 0).any()
    expected = len(arrays.segment_of_position) > 0 and (apart or way not in ("survival", "direct"))
    if way == "from the anchor":
        expected = bool(arrays.scalars[ANCHOR_OFFSET] > 0.0)
    if len(used) == 0:
        # The stretch after a pulse at the end of the period is too short for a direct way.
        assert not expected or (way == "direct" and arrays.leaf_start[-2] > 190.0)
        return
    assert expected
    parts = {
        "direct": {"tree": arrays.tree},
        "survival": {"form": still.form, "diagonal": still.diagonal},
    }.get(way, {"jump": still.jump, "jump_single": still.jump_single})
    wrong = {name: part.copy() for name, part in parts.items()}
    for name, part in wrong.items():
        part[used if name == "tree" else (slice(None), used)] *= 5.0 if way == "survival" else 1.03
    made = changed(compiled, **wrong) if way == "direct" else changed(compiled, still=still._replace(**wrong))
    assert not clicks_agree(block_of(made), by_steps)


def test_without_memory_for_them_there_are_none(monkeypatch, train):
    """Beside the same tree without bridges, as of a system that needs more memory for them than there is."""
    compiled, _, system = train
    monkeypatch.setattr(bridges, "BRIDGE_BYTES", 0.0)
    plain = compile_system(system, GROUND, propagator="tree")
    assert (plain.propagator.arrays.bridges == -1).all()
    assert plain.propagator.arrays.still.jump.shape[1] == 2
    assert clicks_agree(block_of(plain), block_of(compiled))


def test_files_without_bridges_are_read(train):
    """Systems stored before there were any have no bridges."""
    compiled, by_steps, _ = train
    older = {key: part for key, part in compiled.to_arrays().items() if not key.endswith("bridges")}
    restored = CompiledSystem.from_arrays(older)
    assert (restored.propagator.arrays.bridges == -1).all()
    assert clicks_agree(block_of(restored), by_steps)
    again = CompiledSystem.from_arrays(compiled.to_arrays())
    np.testing.assert_array_equal(block_of(again).time, block_of(compiled).time)


def test_bits_depend_on_no_buffer_no_horizon_and_no_samples(train):
    """Random numbers three at a time, room for one click, samples in stretches and between: the same bits."""
    compiled = train[0]
    whole = block_of(compiled)
    mine = whole.time[whole.trajectory == 0], whole.channel[whole.trajectory == 0]
    drawn = trajectory_stream(7, 0).random(2 * len(mine[0]) + 12)[1:]
    state = compiled.propagator.start(compiled.kets[0], 2)
    number = stack_operators([SPACE.number("photon")], SPACE.dimension)
    samples = np.linspace(0.0, 1500.0, 301)
    values, kets = np.zeros((len(samples), 1)), np.zeros((0, SPACE.dimension), complex)
    times, channels, first, status = [], [], 0, None
    buffer = np.zeros(1), np.zeros(1, np.int16)
    while status != HORIZON:
        status = compiled.propagator.advance(
            compiled.jumps, 1500.0, state, drawn[first : first + 3], (number, samples, values, kets), buffer
        )
        times += buffer[0][: state.fields.n_clicks].tolist()
        channels += buffer[1][: state.fields.n_clicks].tolist()
        first += int(state.fields.next_uniform)
        state.fields.n_clicks = state.fields.next_uniform = 0
    before = mine[0] <= 1500.0
    np.testing.assert_array_equal(times, mine[0][before])
    np.testing.assert_array_equal(channels, mine[1][before])
    assert state.fields.next_sample == len(samples)
    assert (values > 0.0).sum() > 290


def test_averages_on_the_way_are_those_of_steps(train):
    system, times = train[2], np.linspace(0.0, 900.0, 91)
    found = [
        tj.simulate(
            system, 4, 900.0, seed=7, initial=GROUND, progress=False, propagator=propagator, workers=1,
            observables={"n": SPACE.number("photon")}, sample_times=times, final_states=True,
        )
        for propagator in ("tree", "steps")
    ]  # fmt: skip
    np.testing.assert_allclose(found[0].time, found[1].time, atol=1e-6)
    np.testing.assert_allclose(*(record.expectations["n"].value for record in found), atol=1e-7)
    overlap = np.abs((found[0].final_states.kets.conj() * found[1].final_states.kets).sum(axis=1))
    np.testing.assert_allclose(overlap, 1.0, atol=1e-7)
