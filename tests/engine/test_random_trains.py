"""Trains that nobody chose: a cavity and an atom with random rates, pulses and dark times, beside steps."""

import numpy as np
import pytest

import trajectories as tj
from trajectories.engine.blocks import BlockTask, run_block
from trajectories.engine.compiled import compile_system
from trajectories.engine.pulses.taylor_kernels import ANCHOR_OFFSET

TRAJECTORIES, PERIODS, LONGEST = 6, 12, 60_000.0


def system_of(seed):
    """A system with 4 to 12 levels, and its ground state."""
    rng = np.random.default_rng(seed)
    space = tj.HilbertSpace(photon=int(rng.integers(2, 6)), atom=2)
    a, s = space.lower("photon"), space.lower("atom")
    coupling, kappa, gamma = rng.uniform(0.1, 1.0), rng.uniform(0.05, 1.2), rng.uniform(0.02, 0.8)
    period = float(10.0 ** rng.uniform(2.0, 4.3))
    rest = float(rng.choice([0.0, 10.0 ** rng.uniform(-3.0, -0.7)]))
    centre, height = period * rng.uniform(0.05, 0.95), rng.uniform(0.05, 0.3)
    drive = [
        tj.Gaussian(float(np.clip(centre, 30.0, period - 30.0)), rng.uniform(0.5, 2.5)),
        tj.Square(0.9 * centre, centre),
        tj.Square(0.0, centre),
        tj.Gaussian(15.0, 1.0) + 0.3 * tj.Square(0.7 * period, 0.7 * period + rng.uniform(1.0, 29.0)),
    ][rng.integers(4)]
    system = tj.OpenSystem(
        coupling * (a.T @ s + s.T @ a) + rng.uniform(-1.0, 1.0) * space.number("photon"),
        [tj.Channel("photon", np.sqrt(kappa) * a), tj.Channel("atom", np.sqrt(gamma) * s)],
        space,
        drives=[tj.Drive(s + s.T, rest + height * drive)],
        period=period,
    )
    return system, space.ket(photon=0, atom="g")


def first_clicks(block):
    """Times and channels of the first three clicks of each trajectory: errors grow from click to click."""
    ends = np.cumsum(block.counts)
    chosen = np.concatenate(
        [np.arange(end - count, end)[:3] for end, count in zip(ends, block.counts, strict=True)]
    )
    return block.time[chosen], block.channel[chosen], np.minimum(block.counts, 3)


def compared(seed):
    """Compare a system by both ways; return whether its tree has an anchor, and the number of clicks."""
    system, ket = system_of(seed)
    task = BlockTask(0, TRAJECTORIES, seed, min(PERIODS * system.period, LONGEST))
    compiled = compile_system(system, ket, propagator="tree")
    mine = run_block(compiled, task)
    there = run_block(compile_system(system, ket, propagator="steps"), task)
    times, channels, counts = first_clicks(mine)
    right_times, right_channels, right_counts = first_clicks(there)
    np.testing.assert_array_equal(counts, right_counts)
    np.testing.assert_array_equal(channels, right_channels)
    np.testing.assert_allclose(times, right_times, rtol=1e-7)
    assert mine.worst_error < 1e-10
    return compiled.propagator.arrays.scalars[ANCHOR_OFFSET] > 0.0, len(times)


def test_random_trains_are_those_of_steps():
    anchored, clicks = np.array([compared(seed) for seed in range(8)]).T
    assert 2 < anchored.sum() < 8
    assert clicks.sum() > 80


@pytest.mark.slow
@pytest.mark.parametrize("tens", range(1, 31))
def test_many_random_trains_are_those_of_steps(tens):
    assert sum(compared(seed)[1] for seed in range(10 * tens, 10 * tens + 10)) > 30
