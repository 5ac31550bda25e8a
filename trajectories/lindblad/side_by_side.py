"""Long calculations beside the main thread, so that Ctrl-C need not wait for a library that is in one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock, Thread
from typing import TypeVar

Result = TypeVar("Result")


def side_by_side(tasks: Sequence[Callable[[], Result]], at_once: int = 2) -> list[Result]:
    """Return the results of some tasks, which run in threads of their own, the first ones first.

    What a task raises is raised here, after all have ended. KeyboardInterrupt is raised at once: threads finish
    what they are at, but do not keep the process from ending, as those of a ThreadPoolExecutor would.

    Parameters
    ----------
    tasks : sequence of callable
        Without arguments.
    at_once : int
        Number of threads.
    """
    found: dict[int, Result] = {}
    failed: dict[int, BaseException] = {}
    left, lock = list(enumerate(tasks)), Lock()

    def work() -> None:
        while True:
            with lock:
                if not left:
                    return
                number, task = left.pop(0)
            try:
                found[number] = task()
            except BaseException as error:
                failed[number] = error

    threads = [Thread(target=work, daemon=True) for _ in range(min(at_once, len(tasks)))]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        with lock:
            left.clear()
    for number in sorted(failed):
        raise failed[number]
    return [found[number] for number in range(len(tasks))]
