"""Long calculations beside the main thread: results in order, errors, and Ctrl-C that waits for none of them."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from trajectories.lindblad.side_by_side import side_by_side


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

    assert side_by_side([lambda n=n: task(n) for n in range(6)]) == [0, 1, 4, 9, 16, 25]
    assert max(most) == 2
    assert side_by_side([]) == []


def test_what_a_task_raises_is_raised():
    def fail():
        raise ValueError("of the second")

    with pytest.raises(ValueError, match="of the second"):
        side_by_side([lambda: 1, fail])


def test_ctrl_c_does_not_wait():
    """As while LAPACK diagonalises: no thread is asked to end, and none keeps the process alive."""
    done, later = threading.Event(), []
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        side_by_side([lambda: done.wait(20.0), lambda: done.wait(20.0), lambda: later.append(1)])
    assert time.monotonic() - begun < 5.0
    assert all(thread.daemon for thread in threading.enumerate() if thread.name.endswith("(work)"))
    done.set()
    time.sleep(0.05)
    assert later == []  # nothing new begins
