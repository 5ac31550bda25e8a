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
# While a library is loaded, a signal is looked at again after so many seconds, at most so often.
LATER, MOST_OFTEN = 0.02, 500


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
    """From now on ignore Ctrl-C and SIGTERM: the interpreter is about to end after one of them.

    Objects that it left half made may raise errors when Python destroys them; these are not shown.
    """
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    sys.unraisablehook = lambda _: None


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
    first one, and this context the second. One that comes while a library is loaded waits until it is: extensions
    written in C print what is raised in what they load, and raise something else.

    Attributes
    ----------
    pressed : bool
        Whether one came, or need not be heard any more.
    """

    def __init__(self) -> None:
        self.pressed = False
        self._previous: dict[int, Any] = {}
        self._hook = sys.unraisablehook
        self._frame: FrameType | None = None
        self._put_off = 0

    def __enter__(self) -> Stop:
        import threading

        self._frame = sys._getframe(1)
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
        if self._put_off:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
        sys.unraisablehook = self._hook

    def _press(self, number: int, frame: FrameType | None) -> None:
        if self.pressed:
            return
        if self._put_off < MOST_OFTEN and self._loading(frame):
            self._put_off += 1
            signal.signal(signal.SIGALRM, self._press)
            signal.setitimer(signal.ITIMER_REAL, LATER)
            return
        self.pressed = True
        raise KeyboardInterrupt

    def _loading(self, frame: FrameType | None) -> bool:
        """Whether an import statement is at work, of those that began inside this context."""
        while frame is not None and frame is not self._frame:
            code = frame.f_code
            if code.co_name == "_find_and_load" and code.co_filename == "<frozen importlib._bootstrap>":
                return True
            frame = frame.f_back
        return False

    def _lost(self, unraisable: Any) -> None:
        """End the process at a KeyboardInterrupt in code that cannot raise it further, e.g. called from C.

        Once the interruption is on its way, finalisers of what it left half made have nothing to say.
        """
        if unraisable.exc_type is KeyboardInterrupt:
            leave_now(INTERRUPTED, AGAIN)
        if not self.pressed:
            self._hook(unraisable)
