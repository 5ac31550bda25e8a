"""The processors that this process may use, and work that is shared between threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from contextvars import copy_context
from typing import TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")


def usable_processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def side_by_side(parts: Iterable[Part], worker: Callable[[], Callable[[Part], None]], threads: int) -> None:
    """Process independent parts on several threads, each of which takes the next part when it is free.

    The calling thread is one of them. The others are daemon threads, so that Ctrl-C does not wait for them.

    Parameters
    ----------
    parts : iterable
        The parts.
    worker : callable
        Called once on each thread; returns a function that processes a part, with buffers of its own.
    threads : int
        Number of threads, including the calling one.

    Raises
    ------
    BaseException
        The first exception that a part raised; parts that have not started are skipped.
    """
    waiting = iter(parts)
    lock = threading.Lock()
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work = worker()
            while not errors:
                with lock:
                    try:
                        part = next(waiting)
                    except StopIteration:
                        return
                work(part)
        except BaseException as error:
            errors.append(error)

    others = [threading.Thread(target=run, name="side by side", daemon=True) for _ in range(threads - 1)]
    for thread in others:
        thread.start()
    run()
    if errors and isinstance(errors[0], KeyboardInterrupt):
        raise errors[0]
    for thread in others:
        thread.join()
    if errors:
        raise errors[0]


def beside(tasks: Sequence[Callable[[], Result]], at_once: int = 2) -> list[Result]:
    """Return the results of some tasks, which run on threads beside the calling one, the first ones first.

    What a task raises is raised here, after all have ended. KeyboardInterrupt is raised at once, even while the
    tasks are in a library: threads finish what they are at, but do not keep the process from ending, as those of a
    ThreadPoolExecutor would.

    Parameters
    ----------
    tasks : sequence of callable
        Without arguments.
    at_once : int
        Number of threads.
    """
    found: dict[int, Result] = {}
    failed: dict[int, BaseException] = {}
    # What floating-point errors do (`numpy.errstate`), for example, is as for the caller.
    contexts = [copy_context() for _ in tasks]
    left, lock = list(enumerate(tasks)), threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if not left:
                    return
                number, task = left.pop(0)
            try:
                found[number] = contexts[number].run(task)
            except BaseException as error:
                failed[number] = error

    others = [threading.Thread(target=work, name="beside", daemon=True) for _ in range(min(at_once, len(tasks)))]
    try:
        for thread in others:
            thread.start()
        for thread in others:
            thread.join()
    finally:
        with lock:
            left.clear()
    for number in sorted(failed):
        raise failed[number]
    return [found[number] for number in range(len(tasks))]
