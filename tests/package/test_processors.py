"""Work that is shared between processors: on several threads at once, every part once, errors raised."""

from __future__ import annotations

import threading

import pytest

from trajectories.processors import side_by_side


def test_threads_work_at_the_same_time():
    """Each of two parts waits for the other: on one thread the first would never end."""
    meeting = threading.Barrier(2, timeout=20.0)
    side_by_side(range(2), lambda: lambda _: meeting.wait(), threads=2)


@pytest.mark.parametrize("threads", [1, 4])
def test_every_part_is_done_once_by_a_worker_of_its_thread(threads):
    workers, done = [], []

    def worker():
        mine = threading.get_ident()
        workers.append(mine)

        def one(part):
            assert threading.get_ident() == mine
            done.append(part)

        return one

    side_by_side(range(500), worker, threads)
    assert sorted(done) == list(range(500))
    assert len(workers) == threads


@pytest.mark.parametrize("threads", [1, 3])
def test_what_a_part_raises_is_raised_and_the_rest_is_left(threads):
    begun = []

    def one(part):
        begun.append(part)
        if part == 5:
            raise ZeroDivisionError("part 5")

    endless = iter(int, 1)
    parts = (n for n, _ in enumerate(endless))
    with pytest.raises(ZeroDivisionError, match="part 5"):
        side_by_side(parts, lambda: one, threads)
    assert 5 in begun
