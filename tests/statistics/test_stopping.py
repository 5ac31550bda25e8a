"""Targets and time budgets must not choose trajectories by what they contain."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from heapq import heappop, heappush

import numpy as np
import pytest
from click_systems import driven_atom

from trajectories.cli.targets import read_target
from trajectories.engine import blocks as engine
from trajectories.engine.blocks import BlockTask, run_blocks
from trajectories.engine.compiled import compile_system
from trajectories.lindblad import steady_state
from trajectories.records import Run
from trajectories.simulation import preparation
from trajectories.simulation.request import checked_request
from trajectories.simulation.simulate import simulate_run

OMEGA, GAMMA = 1.0, 0.4
ATOM = driven_atom(OMEGA, GAMMA)
RATE = GAMMA * OMEGA**2 / (2.0 * OMEGA**2 + GAMMA**2)  # of resonance fluorescence
DURATION = 30.0
# Two-sided, normal: one false alarm in 16,000.
THRESHOLD = 4.0


def deviation(excess: np.ndarray) -> float:
    """z of the hypothesis that the mean of Σ (clicks − expected clicks) over runs is zero."""
    return float(excess.sum() / np.sqrt((excess**2).sum()))


class Clocked(Executor):
    """Workers on a virtual clock: a block takes as long as it has clicks; waiting for it moves the clock."""

    def __init__(self, workers: int, budget: float = np.inf) -> None:
        self.workers, self.budget = workers, budget
        self.now = 0.0
        self.queue: list = []
        self.running: list = []

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        self.queue.append((future, fn(*args, **kwargs)))
        return future

    def expired(self) -> bool:
        """Finish the block that ends next."""
        while self.queue and len(self.running) < self.workers:
            future, block = self.queue.pop(0)
            heappush(self.running, (self.now + 1.0 + len(block.time), block.first, future, block))
        if self.running:
            self.now, _, future, block = heappop(self.running)
            future.set_result(block)
        return self.now > self.budget


@pytest.fixture(scope="module")
def compiled():
    return compile_system(ATOM, steady_state(ATOM).rho)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """The virtual clock does not move by waiting."""
    monkeypatch.setattr(engine, "POLL", 0.0)


def followed(compiled, seed: int, executor: Clocked, blocks: int):
    tasks = [BlockTask(k, k + 1, seed, DURATION) for k in range(blocks)]
    return run_blocks(compiled, tasks, executor, expired=executor.expired, ahead=2 * executor.workers)


def test_a_time_budget_does_not_choose_short_blocks(compiled):
    runs = []
    for seed in range(200):
        done = list(followed(compiled, seed, Clocked(4, budget=30.0), 200))
        assert sorted(block.first for block in done) == list(range(len(done)))
        runs.append((len(done), sum(len(block.time) for block in done)))
    count, clicks = np.array(runs).T
    assert count.std() > 0.5  # time, and so the clicks, did decide how many there are
    assert abs(deviation(clicks - count * RATE * DURATION)) < THRESHOLD


def test_the_blocks_that_finish_first_are_a_biased_sample(compiled):
    """The planted fault: a record of the first twenty blocks that happen to be finished."""
    excess = []
    for seed in range(150):
        first = [block for block, _ in zip(followed(compiled, seed, Clocked(8), 200), range(20), strict=False)]
        excess.append(sum(len(block.time) for block in first) - 20 * RATE * DURATION)
    # What the other tests here ask for would reject it.
    assert deviation(np.array(excess)) < -THRESHOLD


@pytest.mark.parametrize("seeds", [10, pytest.param(40, marks=pytest.mark.slow)])
@pytest.mark.parametrize("target", ["rate(atom) error < 4%", "clicks(atom) >= 420"])
def test_a_target_leaves_the_rate_unbiased(tmp_path, monkeypatch, target, seeds):
    """Clicks do decide when to stop, at a stage of about 64 trajectories more or less, each with 5.6 clicks."""
    monkeypatch.setattr(preparation, "MOST_BLOCKS", 2)  # fewer files
    until = read_target(target, ATOM, None)
    runs = []
    for seed in range(seeds):
        request = checked_request(ATOM, 2000, DURATION, seed=seed)
        run = simulate_run(request, tmp_path / str(seed), workers=1, progress=False, until=until)
        runs.append((run.trajectories, sum(len(part) for part in run.blocks())))
    count, clicks = np.array(runs).T
    assert len(set(count)) > 3
    excess = clicks - count * RATE * DURATION
    assert abs(deviation(excess)) < THRESHOLD
    # And the mean of the estimates themselves, whose bias is of second order.
    relative = excess / count
    assert abs(relative.mean()) < THRESHOLD * relative.std() / np.sqrt(len(relative))


def test_an_unfinished_run_is_read_without_choosing(tmp_path):
    """What an interruption leaves: the blocks before the first gap, and not the short ones behind it."""
    request = checked_request(ATOM, 100, DURATION, seed=1)
    run = simulate_run(request, tmp_path / "run", workers=1, progress=False)
    run._path(run.block_bounds()[40]).unlink()
    assert Run.open(run.folder).record().n_trajectories == 40
