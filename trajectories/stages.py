"""What long work is at: said by those who do it, shown where somebody watches, and nowhere else."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import ParamSpec, TextIO, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")

# A stage is shown after so many seconds, since most are over before; or when nothing was said for so long, since
# short ones may come in a row.
PATIENCE, SILENCE = 1.5, 2.5
# How often the line at a terminal is drawn anew, and the least time between two lines in a file.
REDRAW, BETWEEN_LINES = 0.5, 2.0
# Takes the cursor to the start of the line, and the line away.
CLEAR = "\r\x1b[K"

_lock = threading.RLock()
_active: list[Stage] = []
_watcher: Watcher | None = None


class Stage:
    """Context of a piece of work that may take seconds.

    The one begun last is what is shown, unless it is inside one that `covers` it. While one that is not shown
    covers the rest, nothing is: something else, such as a bar, shows how far the work is.

    Parameters
    ----------
    text : str
        What is being done, in a few words.
    covers : bool
        Whether it stands for all that is done inside.
    shown : bool
        Whether it is shown.
    """

    def __init__(self, text: str, *, covers: bool = False, shown: bool = True) -> None:
        self.text = text
        self.covers = covers
        self.shown = shown
        self.begun = time.monotonic()

    def say(self, text: str) -> None:
        """Change what is said, e.g. to how far the work is."""
        self.text = text

    def __enter__(self) -> Stage:
        with _lock:
            self.begun = time.monotonic()
            _active.append(self)
            if _watcher is not None:
                _watcher.clear()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _lock:
            _active.remove(self)
            if _watcher is not None:
                _watcher.clear()


def staged(text: str) -> Callable[[Callable[Given, Result]], Callable[Given, Result]]:
    """Make a function a stage; a decorator."""

    def decorated(function: Callable[Given, Result]) -> Callable[Given, Result]:
        @functools.wraps(function)
        def within(*args: Given.args, **kwargs: Given.kwargs) -> Result:
            with Stage(text):
                return function(*args, **kwargs)

        return within

    return decorated


class Watcher(threading.Thread):
    """Shows the stage begun last: one line with its seconds at a terminal, a line for each in a file."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(name="stages", daemon=True)
        self._out = out
        self.at_terminal = out.isatty()
        self._over = threading.Event()
        self._drawn = False
        self._spoke = time.monotonic()
        self._last: tuple[float, str] = (-BETWEEN_LINES, "")

    def run(self) -> None:
        """Look at the stages now and then."""
        while not self._over.wait(REDRAW):
            with _lock:
                now = time.monotonic()
                stage = next((stage for stage in _active if stage.covers), _active[-1] if _active else None)
                if stage is None or not stage.shown or self._can_wait(stage, now):
                    continue
                try:
                    self._show(stage, now)
                except (OSError, ValueError):  # a closed pipe or stream: nobody watches any more
                    return

    def _can_wait(self, stage: Stage, now: float) -> bool:
        return now - stage.begun < PATIENCE and now - self._spoke < SILENCE

    def _show(self, stage: Stage, now: float) -> None:
        self._spoke = now
        if self.at_terminal:
            self._out.write(f"{CLEAR}{stage.text} … {now - stage.begun:.0f} s")
            self._drawn = True
        elif stage.text != self._last[1] and now - self._last[0] >= BETWEEN_LINES:
            self._out.write(f"{stage.text} …\n")
            self._last = (now, stage.text)
        self._out.flush()

    def clear(self) -> None:
        """Take the line away, so that something else can be written."""
        if self._drawn:
            self._drawn = False
            try:
                self._out.write(CLEAR)
                self._out.flush()
            except (OSError, ValueError):
                self._over.set()

    def stop(self) -> None:
        """End, and leave nothing behind."""
        self._over.set()
        self.join(2.0)
        self.clear()


@contextmanager
def watched(out: TextIO) -> Iterator[None]:
    """Show stages on a stream, such as standard error, while the context lasts."""
    global _watcher
    watcher = Watcher(out)
    with _lock:
        before, _watcher = _watcher, watcher
    watcher.start()
    try:
        yield
    finally:
        with _lock:
            _watcher = before
        watcher.stop()


def in_lines() -> bool:
    """Whether stages are shown line by line, because nobody sits at a terminal; a bar would not do there."""
    with _lock:
        return _watcher is not None and not _watcher.at_terminal


def clear_line() -> None:
    """Take the line at the terminal away before something else is written there."""
    with _lock:
        if _watcher is not None:
            _watcher.clear()
