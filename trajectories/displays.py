"""Displays of the progress of long work: a line in a terminal, lines in a file, or a bar of tqdm."""

from __future__ import annotations

import os
import shutil
import sys
import time
import warnings
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from tqdm import tqdm

# Least seconds between two lines in a file, and least remaining time that is shown.
BETWEEN_LINES, LEAST_LEFT = 2.0, 1.0
# Moves the cursor to the start of the line, and erases the line.
CLEAR = "\r\x1b[K"


class Display(Protocol):
    """A place where stages are shown."""

    def show(self, words: str, since: float, left: float) -> None:
        """Show the name of a stage, the seconds it has taken, and those it may still take (0: unknown)."""

    def clear(self) -> None:
        """Erase the display, so that something else can be written."""


def bar(**options: Any) -> tqdm[Any]:
    """Return a bar of tqdm, which is imported here because its import takes longer than short work."""
    with warnings.catch_warnings():  # a notebook without widgets gets text; the warning about it is of no use
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm

    return tqdm(**(_unknown_size() | options))


def _unknown_size() -> dict[str, int]:
    """Return a usual size for terminals that report 0 × 0, such as those of some containers; else nothing."""
    try:
        columns, rows = os.get_terminal_size(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):  # not a terminal, but a notebook or a file
        return {}
    usual = shutil.get_terminal_size()
    return ({} if columns else {"ncols": usual.columns}) | ({} if rows else {"nrows": usual.lines})


class Line:
    """One line of a terminal, with elapsed seconds."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._drawn = False

    def show(self, words: str, since: float, left: float) -> None:
        """Overwrite the line."""
        # Cut to the width of the terminal, because a wrapped line could not be erased.
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
    """One line of a file for each stage."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._last: tuple[float, str] = (-BETWEEN_LINES, "")

    def show(self, words: str, since: float, left: float) -> None:
        """Write a line, unless it repeats the last one or follows it too soon."""
        now = time.monotonic()
        if words != self._last[1] and now - self._last[0] >= BETWEEN_LINES:
            self._last = (now, words)
            self._out.write(f"{words} …\n")
            self._out.flush()

    def clear(self) -> None:
        """Do nothing: lines in a file stay."""


class Bar:
    """A bar of tqdm without a scale, which tqdm places in a terminal, below other bars, or in a notebook."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None

    def show(self, words: str, since: float, left: float) -> None:
        """Show the text."""
        text = counted(words, since, left)
        if not in_notebook():  # there tqdm does not shorten the text
            text = text[: max(shutil.get_terminal_size().columns - 1, 1)]
        if self._bar is None:
            self._bar = bar(bar_format="{desc}", leave=False)
        self._bar.set_description_str(text)

    def clear(self) -> None:
        """Remove the bar."""
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()


def counted(words: str, since: float, left: float) -> str:
    """Return the name of a stage with its seconds."""
    return f"{words} … {since:.0f} s" + (f", {left:.0f} s left" if left >= LEAST_LEFT else "")


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, which shows bars and pictures itself."""
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None
