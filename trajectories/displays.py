"""Where it is shown what long work is doing: a line of a terminal, lines of a file, or a bar of tqdm."""

from __future__ import annotations

import os
import shutil
import sys
import time
import warnings
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from tqdm import tqdm

# Smallest number of seconds between two lines in a file, and of those still to go that are told.
BETWEEN_LINES, LEAST_LEFT = 2.0, 1.0
# Moves the cursor to the start of the line, and erases the line.
CLEAR = "\r\x1b[K"


class Display(Protocol):
    """Where stages are shown."""

    def show(self, words: str, since: float, left: float) -> None:
        """Show what is being done, since how many seconds, and how many may be left; 0 where that is unknown."""

    def clear(self) -> None:
        """Take away what is shown, so that something else can be written."""


def bar(**options: Any) -> tqdm[Any]:
    """Return a bar of tqdm, which is loaded only then: that takes longer than short work."""
    with warnings.catch_warnings():  # a notebook without widgets gets a line of text, and need not be told
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm

    return tqdm(**(_unknown_size() | options))


def _unknown_size() -> dict[str, int]:
    """Return a usual size for terminals that say 0, such as those of some containers; tqdm asks the others."""
    try:
        columns, rows = os.get_terminal_size(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):  # no terminal: a notebook, or a file
        return {}
    usual = shutil.get_terminal_size()
    return ({} if columns else {"ncols": usual.columns}) | ({} if rows else {"nrows": usual.lines})


class Line:
    """One line of a terminal, with the seconds."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._drawn = False

    def show(self, words: str, since: float, left: float) -> None:
        """Write the line over the former one."""
        # A line that wraps could not be taken away.
        self._write(CLEAR + counted(words, since, left)[: max(shutil.get_terminal_size().columns - 1, 1)])
        self._drawn = True

    def clear(self) -> None:
        """Erase the line."""
        if self._drawn:
            self._drawn = False
            self._write(CLEAR)

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


class Lines:
    """A line of a file for each stage."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._last: tuple[float, str] = (-BETWEEN_LINES, "")

    def show(self, words: str, since: float, left: float) -> None:
        """Write a line, unless it was the last one, or that was just now."""
        now = time.monotonic()
        if words != self._last[1] and now - self._last[0] >= BETWEEN_LINES:
            self._last = (now, words)
            self._out.write(f"{words} …\n")
            self._out.flush()

    def clear(self) -> None:
        """Leave what is written."""


class Bar:
    """The text of a bar of tqdm, which finds its place at a terminal, below other bars, and in a notebook."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None

    def show(self, words: str, since: float, left: float) -> None:
        """Show the text."""
        text = counted(words, since, left)
        if not in_notebook():  # tqdm shortens bars only
            text = text[: max(shutil.get_terminal_size().columns - 1, 1)]
        if self._bar is None:
            self._bar = bar(bar_format="{desc}", leave=False)
        self._bar.set_description_str(text)

    def clear(self) -> None:
        """Take the bar away."""
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()


def counted(words: str, since: float, left: float) -> str:
    """Return what is being done with its seconds."""
    return f"{words} … {since:.0f} s" + (f", {left:.0f} s left" if left >= LEAST_LEFT else "")


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, which shows bars and pictures in its own way."""
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None
