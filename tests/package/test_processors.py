"""Work that is shared between processors: on several threads at once, every part once, errors raised."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest

from trajectories.processors import beside, side_by_side


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


def test_results_come_in_the_order_of_the_tasks():
    running, most, lock = [], [], threading.Lock()

    def task(number):
        with lock:
            running.append(number)
            most.append(len(running))
        time.sleep(0.01 * (3 - number % 3))
        with lock:
            running.remove(number)
        return number**2

    assert beside([lambda n=n: task(n) for n in range(6)]) == [0, 1, 4, 9, 16, 25]
    assert max(most) == 2
    assert beside([]) == []


def test_what_a_task_beside_raises_is_raised():
    def fail():
        raise ValueError("of the second")

    with pytest.raises(ValueError, match="of the second"):
        beside([lambda: 1, fail])


def test_ctrl_c_does_not_wait():
    """As while LAPACK diagonalises: no thread is asked to end, and none keeps the process alive."""
    done, later = threading.Event(), []
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        beside([lambda: done.wait(20.0), lambda: done.wait(20.0), lambda: later.append(1)])
    assert time.monotonic() - begun < 5.0
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "beside")
    done.set()
    time.sleep(0.05)
    assert later == []  # nothing new begins


def test_floating_point_errors_beside_the_caller_are_as_it_chose():
    """`fit` ignores those of trial parameters; a warning from a thread would be an error here."""
    with np.errstate(divide="ignore"):
        assert beside([lambda: 1.0 / np.zeros(1)] * 3) == [np.inf] * 3
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        beside([lambda: 1.0 / np.zeros(1)])
