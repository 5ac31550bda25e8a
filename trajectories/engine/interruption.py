"""Ctrl-C while blocks run: the first requests the end, the second acts as usual."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Interruption:
    """Context manager: the first Ctrl-C only sets `asked`, the second goes to the previous handler.

    So Ctrl-C interrupts no operation of the main thread. Signals reach only the main thread, so that this does
    nothing in other threads, nor if Ctrl-C is ignored or has the default handler of the system. SIGTERM is treated
    in the same way if the program handles it, as the command line does.

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
