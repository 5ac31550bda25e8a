"""A computation on a background thread, which does not keep the program from ending."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def in_background(compute: Callable[[], Result]) -> Callable[[], Result]:
    """Start a computation and return a function that waits for its result, or raises what it raised.

    The thread is a daemon: on Ctrl-C nothing waits for it.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(compute())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="background", daemon=True)
    thread.start()

    def result() -> Result:
        thread.join()
        if errors:
            raise errors[0]
        return results[0]

    return result
