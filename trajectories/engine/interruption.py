"""Ctrl-C while blocks run: the first asks for the end, the second is what it is elsewhere."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Interruption:
    """Context in which the first Ctrl-C only sets `asked`; the second goes to the handler installed before.

    Wherever the main thread is when it comes, nothing is torn apart. Signals reach the main thread only, so
    elsewhere this does nothing; nor does it where Ctrl-C is ignored or left to the system. SIGTERM is the same,
    where a program handles it, as the command line does.

    Attributes
    ----------
    asked : bool
        Whether Ctrl-C was pressed.
    """

    def __init__(self) -> None:
        self.asked = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if callable(signal.getsignal(number)):
                    self._previous[number] = signal.signal(number, self._press)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)

    def _press(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            self._previous[number](number, frame)
        self.asked = True
