"""Stages of long work: named by the code that does it, and shown only while a stream is watched."""

from __future__ import annotations

import functools
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import ParamSpec, TextIO, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")

# Seconds after which a stage is shown (most end before), and seconds without any line after which a stage is shown
# in any case (many short stages may follow one another).
PATIENCE, SILENCE = 1.5, 2.5
# Seconds between updates of the line at a terminal, and smallest time between two lines in a file.
REDRAW, BETWEEN_LINES = 0.5, 2.0
# Work that is expected to take so many seconds is announced at once: it may be a call into a library that lets no
# other thread run. An expectation is dropped when it was wrong by this factor.
ANNOUNCED, WRONG = 1.0, 1.5
# Moves the cursor to the start of the line, and erases the line.
CLEAR = "\r\x1b[K"

_lock = threading.RLock()
_active: list[Stage] = []
_watcher: Watcher | None = None


class Stage:
    """Context of a piece of work that may take seconds.

    The stage that began last is shown, unless it is inside a stage that `covers` it. Nothing is shown inside a
    covering stage with ``shown=False``: something else, such as a progress bar, reports on the work there.

    Parameters
    ----------
    text : str
        What is being done, in a few words.
    covers : bool
        Whether it is shown instead of the stages inside it.
    shown : bool
        Whether it is shown.
    expected : float
        How many seconds it is expected to take; 0 where that is not known.
    at_once : bool
        Whether it is shown without delay at a terminal, because nothing was said before it, and not in a file.
    """

    def __init__(
        self, text: str, *, covers: bool = False, shown: bool = True, expected: float = 0.0, at_once: bool = False
    ) -> None:
        self.text = text
        self.covers = covers
        self.shown = shown
        self.expected = expected
        self.at_once = at_once
        self.begun = time.monotonic()

    def words(self, now: float) -> str:
        """Return the text that is shown now, without its seconds."""
        told = self.expected >= ANNOUNCED and now - self.begun < WRONG * self.expected
        return f"{self.text}, some {self.expected:.0f} s" if told else self.text

    def left(self, now: float) -> float:
        """Return how many seconds all of the work may still take; 0 where that is not known."""
        return 0.0

    def say(self, text: str) -> None:
        """Change the text, for example to report progress."""
        self.text = text

    def __enter__(self) -> Stage:
        with _lock:
            self.begun = time.monotonic()
            _active.append(self)
            if _watcher is not None:
                _watcher.clear()
                if self.expected >= ANNOUNCED or self.at_once:
                    _watcher.look()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _lock:
            _active.remove(self)
            if _watcher is not None:
                _watcher.clear()


class Steps:
    """A piece of work in steps: says which one it is at, and how long the rest may take.

    Parameters
    ----------
    what : str
        What all steps do together.
    weights : sequence of float
        About how long each step takes beside the others.

    Examples
    --------
    >>> from trajectories.stages import Steps
    >>> steps = Steps("exact values", [3.0, 1.0])
    >>> with steps.next("g²") as stage:
    ...     stage.text
    'exact values 1 of 2: g²'
    """

    def __init__(self, what: str, weights: Sequence[float]) -> None:
        self.what = what
        self.weights = list(weights)
        self.at = 0
        self.took, self.done = 0.0, 0.0  # seconds and weights of the steps that are over

    def next(self, text: str) -> Step:
        """Return the stage of the next step."""
        self.at += 1
        if self.at > len(self.weights):  # more than was planned
            self.weights.append(self.done / max(self.at - 1, 1))
        return Step(self, f"{self.what} {self.at} of {len(self.weights)}: {text}")

    def skip(self) -> None:
        """Pass over a step whose result is known."""
        self.at += 1
        if self.at <= len(self.weights):
            self.weights[self.at - 1] = 0.0


class Step(Stage):
    """One of several steps; stages inside it are shown behind it."""

    def __init__(self, steps: Steps, text: str) -> None:
        super().__init__(text)
        self.steps, self.number = steps, steps.at

    def left(self, now: float) -> float:
        """Return how many seconds this and the later steps may take, judged by those before."""
        steps = self.steps
        if steps.done <= 0.0:
            return 0.0
        a_weight = steps.took / steps.done
        here = max(a_weight * steps.weights[self.number - 1] - (now - self.begun), 0.0)
        return here + a_weight * sum(steps.weights[self.number :])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self.steps.took += time.monotonic() - self.begun
        self.steps.done += self.steps.weights[self.number - 1]


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
    """Shows the stage that began last: one line with its seconds at a terminal, a line for each one in a file."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(name="stages", daemon=True)
        self._out = out
        self.at_terminal = out.isatty()
        self._over = threading.Event()
        self._drawn = False
        self._spoke = time.monotonic()
        self._last: tuple[float, str] = (-BETWEEN_LINES, "")

    def run(self) -> None:
        """Look at the stages at regular intervals."""
        while not self._over.wait(REDRAW):
            with _lock:
                self.look()

    def look(self) -> None:
        """Show the present stage, unless it can wait."""
        now = time.monotonic()
        stage = next((stage for stage in _active if stage.covers), _active[-1] if _active else None)
        if self._over.is_set() or stage is None or not stage.shown or self._can_wait(stage, now):
            return
        try:
            self._show(stage, now)
        except (OSError, ValueError):  # a closed pipe or stream: nobody reads it
            self._over.set()

    def _can_wait(self, stage: Stage, now: float) -> bool:
        if stage.at_once:
            return not self.at_terminal
        waits = now - stage.begun < PATIENCE and stage.expected < ANNOUNCED
        return waits and now - self._spoke < SILENCE

    def _show(self, stage: Stage, now: float) -> None:
        self._spoke = now
        around = [] if stage.covers else [each for each in _active if isinstance(each, Step)]
        outer = around[-1] if around else None
        words = stage.words(now)
        if outer is not None and outer is not stage:
            words = f"{outer.text}; {words}"
        if self.at_terminal:
            left = 0.0 if outer is None else outer.left(now)
            to_go = f", {left:.0f} s left" if left >= ANNOUNCED else ""
            line = f"{words} … {now - (outer or stage).begun:.0f} s{to_go}"
            # A line that wraps could not be taken away.
            self._out.write(CLEAR + line[: max(shutil.get_terminal_size().columns - 1, 1)])
            self._drawn = True
        elif words != self._last[1] and now - self._last[0] >= BETWEEN_LINES:
            self._out.write(f"{words} …\n")
            self._last = (now, words)
        self._out.flush()

    def clear(self) -> None:
        """Erase the line, so that something else can be written."""
        if self._drawn:
            self._drawn = False
            try:
                self._out.write(CLEAR)
                self._out.flush()
            except (OSError, ValueError):
                self._over.set()

    def stop(self) -> None:
        """End the thread and erase the line."""
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
    """Whether stages are shown line by line, because the output is no terminal; a bar needs a terminal."""
    with _lock:
        return _watcher is not None and not _watcher.at_terminal


def clear_line() -> None:
    """Erase the line at the terminal before something else is written there."""
    with _lock:
        if _watcher is not None:
            _watcher.clear()
