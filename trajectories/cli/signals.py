"""Ctrl-C and SIGTERM during a command: one line and an exit status, at any time and for any number of them."""

from __future__ import annotations

import os
import signal
import sys

# No slow imports here: until this module is loaded, Ctrl-C prints a traceback of Python.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Any, NoReturn

INTERRUPTED = 130
AGAIN = "interrupted; run the same command again"
# Batch systems send SIGTERM.
STOPPING = (signal.SIGINT, signal.SIGTERM)
# While a library is loaded, a signal is checked again after LATER seconds, at most MOST_OFTEN times.
LATER, MOST_OFTEN = 0.02, 500


def leave_at_once(status: int = INTERRUPTED, line: str = AGAIN) -> None:
    """Let Ctrl-C and SIGTERM end the process at once, because there is nothing to finish or clean up.

    Parameters
    ----------
    status : int
        Exit status.
    line : str
        Last line; may be empty.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        leave_now(status, line)

    for number in STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, leave)


def ignore() -> None:
    """Ignore Ctrl-C and SIGTERM, because the interpreter is about to exit after one of them.

    Errors of incomplete objects, raised when Python destroys them, are not shown.
    """
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    sys.unraisablehook = lambda _: None


def leave_now(status: int, line: str) -> NoReturn:
    """End the process without unwinding, with a last line on standard error."""
    try:
        if line:
            os.write(2, f"{line}\n".encode())
    finally:
        os._exit(status)


class Stop:
    """Context manager: the first Ctrl-C or SIGTERM raises KeyboardInterrupt, further ones are ignored.

    So a second signal does not interrupt the clean-up after the first. While blocks run, `Interruption` handles
    the first one, and this context the second. A signal during the import of a library is handled after it,
    because C extensions print exceptions raised during their imports and raise others.

    Attributes
    ----------
    pressed : bool
        Whether a signal came, or signals no longer matter.
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
        """Whether an import that started inside this context is running."""
        while frame is not None and frame is not self._frame:
            code = frame.f_code
            if code.co_name == "_find_and_load" and code.co_filename == "<frozen importlib._bootstrap>":
                return True
            frame = frame.f_back
        return False

    def _lost(self, unraisable: Any) -> None:
        """End the process at a KeyboardInterrupt in code that cannot raise it further, e.g. called from C.

        After the interruption, errors of finalisers of incomplete objects are not shown.
        """
        if unraisable.exc_type is KeyboardInterrupt:
            leave_now(INTERRUPTED, AGAIN)
        if not self.pressed:
            self._hook(unraisable)
