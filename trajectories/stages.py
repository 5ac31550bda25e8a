"""Stages of long work: named by the code that does the work, and shown to the user while they last.

The command line shows stages on standard error from its start to its end. In a script at a terminal and in a
notebook a bar of tqdm shows them once a call has taken some seconds; elsewhere nothing is shown.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, ParamSpec, TextIO, TypeVar

from .displays import Bar, Display, Line, Lines, in_notebook

Given = ParamSpec("Given")
Result = TypeVar("Result")

# Seconds after which a stage is shown (most end earlier), and seconds without output after which the present stage
# is shown however young it is (many short stages may follow one another).
PATIENCE, SILENCE = 1.5, 2.5
# The same for a whole call in a script or a notebook.
CALL_PATIENCE = 2.0
# Seconds between updates of the display.
REDRAW = 0.5
# Work that is expected to take so many seconds is announced at once: it may be a call into a library that lets no
# other thread run. An expectation is dropped when it was wrong by this factor.
ANNOUNCED, WRONG = 1.0, 1.5

_lock = threading.RLock()
_active: list[Stage] = []
# The watcher of the command line, and that of a call from Python.
_watcher: Watcher | None = None
_aside: Watcher | None = None


class Stage:
    """Context manager for a piece of work that may take seconds.

    The stage that started last is shown, unless it is inside a stage that `covers` it. Nothing is shown inside a
    covering stage with ``shown=False``, because something else, such as a progress bar, reports the work there.

    Parameters
    ----------
    text : str
        Name of the work, in a few words.
    covers : bool
        Whether it is shown instead of the stages inside it.
    shown : bool
        Whether it is shown.
    expected : float
        Expected duration in seconds; 0 if unknown.
    at_once : bool
        Whether it is shown without delay at a terminal, because nothing was shown before; not in a file.
    whole : bool
        Whether it is a whole call, shown only while no stage inside it is active.
    """

    def __init__(
        self,
        text: str,
        *,
        covers: bool = False,
        shown: bool = True,
        expected: float = 0.0,
        at_once: bool = False,
        whole: bool = False,
    ) -> None:
        self.text = text
        self.covers = covers
        self.shown = shown
        self.expected = expected
        self.at_once = at_once
        self.whole = whole
        self.begun = time.monotonic()

    def words(self, now: float) -> str:
        """Return the text to show at time `now`, without elapsed seconds."""
        expecting = self.expected >= ANNOUNCED and now - self.begun < WRONG * self.expected
        return f"{self.text}, some {self.expected:.0f} s" if expecting else self.text

    def left(self, now: float) -> float:
        """Return the expected remaining seconds of the whole work; 0 if unknown."""
        return 0.0

    def say(self, text: str) -> None:
        """Change the text, for example to report progress."""
        self.text = text

    def __enter__(self) -> Stage:
        with _lock:
            self.begun = time.monotonic()
            _active.append(self)
            watcher = _watcher or _aside or _begin_call_watcher()
            if watcher is not None:
                watcher.entered(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _lock:
            if self in _active:  # absent in a process that was forked meanwhile
                _active.remove(self)
            watcher = _watcher or _aside
            if watcher is not None:
                watcher.left()


class Steps:
    """A piece of work in steps, which shows the present step and the expected remaining time.

    Parameters
    ----------
    what : str
        Name of the whole work.
    weights : sequence of float
        Approximate relative durations of the steps.

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
        self.took, self.done = 0.0, 0.0  # seconds and weights of the finished steps

    def next(self, text: str) -> Step:
        """Return the stage of the next step."""
        self.at += 1
        if self.at > len(self.weights):  # more steps than weights
            self.weights.append(self.done / max(self.at - 1, 1))
        return Step(self, f"{self.what} {self.at} of {len(self.weights)}: {text}")

    def skip(self) -> None:
        """Skip a step whose result is known."""
        self.at += 1
        if self.at <= len(self.weights):
            self.weights[self.at - 1] = 0.0


class Step(Stage):
    """One of several steps; stages inside it are shown after its name."""

    def __init__(self, steps: Steps, text: str) -> None:
        super().__init__(text)
        self.steps, self.number = steps, steps.at

    def left(self, now: float) -> float:
        """Return the expected seconds of this step and the later ones, from the durations of those before."""
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
    """Return a decorator that makes a function a stage."""

    def decorated(function: Callable[Given, Result]) -> Callable[Given, Result]:
        @functools.wraps(function)
        def within(*args: Given.args, **kwargs: Given.kwargs) -> Result:
            with Stage(text):
                return function(*args, **kwargs)

        return within

    return decorated


class Watcher(threading.Thread):
    """Thread that shows the stage that started last.

    Parameters
    ----------
    display : Display
        Where stages are shown.
    at_terminal : bool
        Whether it is a terminal, where every long stage is shown.
    """

    def __init__(self, display: Display, at_terminal: bool) -> None:
        super().__init__(name="stages", daemon=True)
        self.display = display
        self.at_terminal = at_terminal
        self._over = threading.Event()
        self._spoke = time.monotonic()

    def run(self) -> None:
        """Check the stages at regular intervals."""
        while not self._over.wait(REDRAW):
            with _lock:
                self.look()

    def entered(self, stage: Stage) -> None:
        """Register a stage that starts."""
        self.clear()
        if stage.expected >= ANNOUNCED or stage.at_once:
            self.look()

    def left(self) -> None:
        """Register the end of a stage: elapsed seconds of unnamed work count from here."""
        if _active and _active[-1].whole:
            _active[-1].begun = time.monotonic()
        self.clear()

    def look(self) -> None:
        """Show the present stage, unless it can wait."""
        now = time.monotonic()
        if self._over.is_set() or not _active:
            return
        named = [stage for stage in _active if not stage.whole] or _active
        stage = next((stage for stage in _active if stage.covers), named[-1])
        if not stage.shown:
            self.clear()
        elif not self.can_wait(stage, now):
            self._spoke = now
            self._show(stage, now)

    def can_wait(self, stage: Stage, now: float) -> bool:
        """Whether a stage is too young to be shown."""
        if stage.at_once:
            return not self.at_terminal
        waits = now - stage.begun < PATIENCE and stage.expected < ANNOUNCED
        return waits and now - self._spoke < SILENCE

    def _show(self, stage: Stage, now: float) -> None:
        around = [] if stage.covers else [each for each in _active if isinstance(each, Step)]
        outer = around[-1] if around else None
        words = stage.words(now)
        if outer is not None and outer is not stage:
            words = f"{outer.text}; {words}"
        left = 0.0 if outer is None else outer.left(now)
        self._call_display(self.display.show, words, now - (outer or stage).begun, left)

    def clear(self) -> None:
        """Erase the display, so that something else can be written."""
        self._call_display(self.display.clear)

    def _call_display(self, order: Callable[..., None], *what: Any) -> None:
        try:
            order(*what)
        except (OSError, ValueError):  # a closed pipe or stream
            self._over.set()

    def stop(self) -> None:
        """End the thread and erase the display."""
        self._over.set()
        if self.is_alive():
            self.join(2.0)
        self.clear()


class CallWatcher(Watcher):
    """Watcher of one call from Python, which it shows in a bar of tqdm, below other bars of a script.

    The delay before anything is shown counts for the whole call, so that loops over short calls show nothing.
    """

    def __init__(self) -> None:
        super().__init__(Bar(), at_terminal=True)

    def entered(self, stage: Stage) -> None:
        """Register a stage that starts."""
        if stage.expected >= CALL_PATIENCE:
            self.look()

    def left(self) -> None:
        """End with the outermost stage."""
        global _aside
        if not _active:
            _aside = None
            self._over.set()
            self.clear()

    def can_wait(self, stage: Stage, now: float) -> bool:
        """Whether the call is too young to be shown."""
        return now - _active[0].begun < CALL_PATIENCE and stage.expected < CALL_PATIENCE


def is_interactive() -> bool:
    """Whether standard error is a terminal, or this is a notebook."""
    return sys.stderr is not None and (sys.stderr.isatty() or in_notebook())


def _begin_call_watcher() -> Watcher | None:
    """Start the watcher of a call from Python if output is interactive; the caller holds the lock."""
    global _aside
    try:
        if is_interactive():
            _aside = CallWatcher()
            _aside.start()
    except (ValueError, RuntimeError):  # a closed stream, or the interpreter ends
        _aside = None
    return _aside


def _forget() -> None:
    """Reset the state in a forked process, which has neither the threads nor the holder of the lock."""
    global _lock, _watcher, _aside
    _lock, _watcher, _aside = threading.RLock(), None, None
    _active.clear()
    # The parent process reports; a worker shows nothing.
    _active.append(Stage("a worker", covers=True, shown=False))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def call(text: str, progress: bool) -> Stage:
    """Return the stage of a whole call, which shows nothing if `progress` is False."""
    return Stage(text, whole=True, covers=not progress, shown=progress)


def quiet() -> AbstractContextManager[object]:
    """Show no progress of long work inside the ``with`` block.

    At a terminal and in a notebook, work that takes longer than two seconds shows its name while it lasts.
    Functions with a parameter `progress` show nothing if it is False; this context does the same for all.

    Returns
    -------
    context manager

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    >>> with tj.quiet():
    ...     steady = tj.lindblad.steady_state(system)
    """
    return call("quiet", progress=False)


@contextmanager
def watched(out: TextIO) -> Iterator[None]:
    """Show stages on a stream, such as standard error, inside the ``with`` block."""
    global _watcher
    at_terminal = out.isatty()
    watcher = Watcher(Line(out) if at_terminal else Lines(out), at_terminal)
    with _lock:
        before, _watcher = _watcher, watcher
    watcher.start()
    try:
        yield
    finally:
        with _lock:
            _watcher = before
        watcher.stop()


def under_way(beginning: str) -> bool:
    """Whether a stage whose text begins so is going on, in any thread."""
    with _lock:
        return any(stage.text.startswith(beginning) for stage in _active)


def in_lines() -> bool:
    """Whether stages are shown line by line, because the output is no terminal; a bar needs a terminal."""
    with _lock:
        return _watcher is not None and not _watcher.at_terminal


def clear_line() -> None:
    """Erase the display before something else is written there."""
    with _lock:
        watcher = _watcher or _aside
        if watcher is not None:
            watcher.clear()
