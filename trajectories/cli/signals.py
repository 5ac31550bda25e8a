"""Ctrl-C and SIGTERM while a command runs: one line and an exit status, whenever and however often they come."""

from __future__ import annotations

import os
import signal
import sys

# Nothing is imported here that takes time: until this module is loaded, Ctrl-C is a traceback of Python's.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Any, NoReturn

INTERRUPTED = 130
AGAIN = "interrupted; run the same command again"
# A batch system sends SIGTERM where a person presses Ctrl-C.
STOPPING = (signal.SIGINT, signal.SIGTERM)


def leave_at_once(status: int = INTERRUPTED, line: str = AGAIN) -> None:
    """From now on Ctrl-C and SIGTERM end the process: there is nothing to finish or to clean up yet.

    Parameters
    ----------
    status : int
        Exit status.
    line : str
        What to say; may be empty.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        leave_now(status, line)

    for number in STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, leave)


def ignore() -> None:
    """From now on ignore Ctrl-C and SIGTERM: the interpreter is about to end."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)


def leave_now(status: int, line: str) -> NoReturn:
    """End the process without unwinding anything, with a last line on standard error."""
    try:
        if line:
            os.write(2, f"{line}\n".encode())
    finally:
        os._exit(status)


class Stop:
    """Context in which the first Ctrl-C or SIGTERM is a KeyboardInterrupt, and further ones are nothing.

    So the second one does not interrupt the clean-up after the first. While blocks run, `Interruption` handles the
    first one, and this context the second.

    Attributes
    ----------
    pressed : bool
        Whether one came, or need not be heard any more.
    """

    def __init__(self) -> None:
        self.pressed = False
        self._previous: dict[int, Any] = {}
        self._hook = sys.unraisablehook

    def __enter__(self) -> Stop:
        import threading

        if threading.current_thread() is threading.main_thread():
            for number in STOPPING:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._press)
            sys.unraisablehook = self._lost
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)
        sys.unraisablehook = self._hook

    def _press(self, number: int, frame: FrameType | None) -> None:
        if not self.pressed:
            self.pressed = True
            raise KeyboardInterrupt

    def _lost(self, unraisable: Any) -> None:
        """End the process at a KeyboardInterrupt in code that cannot raise it further, e.g. called from C."""
        if unraisable.exc_type is KeyboardInterrupt:
            leave_now(INTERRUPTED, AGAIN)
        self._hook(unraisable)
