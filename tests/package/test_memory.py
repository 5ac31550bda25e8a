"""A run into a folder holds its blocks in flight, never the whole record."""

from __future__ import annotations

import tracemalloc

import pytest
from click_systems import driven_atom

from trajectories.records import Run
from trajectories.simulation.estimate import estimate_run
from trajectories.simulation.request import checked_request
from trajectories.simulation.simulate import simulate_run

DURATION = 2e4  # about 2700 clicks of each trajectory, which is a block


def peak(work) -> int:
    """Return the most memory that something has held, in bytes."""
    tracemalloc.start()
    work()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


@pytest.fixture
def grown(tmp_path):
    """Return by how many bytes a peak grows from 8 blocks to 72, and how many the clicks of 64 blocks take."""
    system = driven_atom(1.0, 0.4)
    simulate_run(checked_request(system, 1, 100.0, seed=1), tmp_path / "kernels", workers=1, progress=False)

    def measure(work) -> tuple[int, float]:
        few, many = (
            peak(lambda n=n: work(checked_request(system, n, DURATION, seed=1), tmp_path / f"run of {n}"))
            for n in (8, 72)
        )
        return many - few, 64 * estimate_run(system, 1, DURATION, workers=1, seconds=0.01).largest_block

    return measure


def test_a_run_holds_no_more_than_its_blocks(grown):
    more, clicks = grown(lambda request, out: simulate_run(request, out, workers=1, progress=False))
    assert more < 0.1 * clicks


def test_holding_the_whole_record_would_be_seen(grown):
    """The planted fault: the record is put together at the end."""
    more, clicks = grown(lambda request, out: simulate_run(request, out, workers=1, progress=False).record())
    assert more > 0.9 * clicks


def test_blocks_are_read_one_at_a_time(grown, tmp_path):
    for n in (8, 72):
        request = checked_request(driven_atom(1.0, 0.4), n, DURATION, seed=1)
        simulate_run(request, tmp_path / f"run of {n}", workers=1, progress=False)
    more, clicks = grown(lambda _, out: [len(block.time) for block in Run.open(out).blocks()])
    assert more < 0.1 * clicks
