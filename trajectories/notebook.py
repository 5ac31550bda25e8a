"""How a notebook or a prompt shows an object: a title and a small table, as text and as HTML.

Pictures are drawn by `trajectories.analysis.plot`, which imports the objects, not the reverse. It is imported by
name when `plot` is called, so that objects can have this method without importing matplotlib.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .displays import in_notebook as in_notebook
from .names import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Most rows that are shown; the number of omitted rows is shown too.
MOST_ROWS = 12
STYLE = "border-collapse:collapse;font-variant-numeric:tabular-nums"
CELL = "padding:0.15em 0.8em 0.15em 0;border:0;background:none"


@dataclass(frozen=True)
class Summary:
    """A title and a table.

    Attributes
    ----------
    title : str
        One line that says what the object is.
    heads : sequence of str
        Heads of the columns; the first column is text, the others are numbers.
    rows : sequence of sequences of str
        Rows, with one entry for each column.
    note : str
        A line below the table.
    picture : str
        SVG shown between title and table, in a notebook only.
    """

    title: str
    heads: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = field(default_factory=list)
    note: str = ""
    picture: str = ""

    @property
    def _last(self) -> str:
        left_out = len(self.rows) - MOST_ROWS
        return "; ".join(part for part in (f"{left_out} more rows" if left_out > 0 else "", self.note) if part)

    def text(self) -> str:
        """Return the summary as text."""
        table = [list(map(printable, row)) for row in ([self.heads] if self.rows else [])]
        table += [list(map(printable, row)) for row in self.rows[:MOST_ROWS]]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [printable(self.title)]
        for row in table:
            cells = [
                cell.ljust(width) if k == 0 else cell.rjust(width)
                for k, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("  " + "  ".join(cells).rstrip())
        return "\n".join([*lines, *([f"  {printable(self._last)}"] if self._last else [])])

    def html(self) -> str:
        """Return the summary as HTML, with all text escaped."""

        def row(cells: Sequence[str], kind: str) -> str:
            aligned = ("left", *["right"] * (len(cells) - 1))
            return "".join(
                f'<{kind} style="{CELL};text-align:{side}">{html.escape(printable(cell))}</{kind}>'
                for cell, side in zip(cells, aligned, strict=True)
            )

        head = f"<thead><tr>{row(self.heads, 'th')}</tr></thead>" if self.rows else ""
        body = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in self.rows[:MOST_ROWS])
        table = f'<table style="{STYLE}">{head}<tbody>{body}</tbody></table>' if self.rows else ""
        note = f"<div><small>{html.escape(printable(self._last))}</small></div>" if self._last else ""
        return f"<div><div><b>{html.escape(printable(self.title))}</b></div>{self.picture}{table}{note}</div>"


class Shown:
    """An object that a notebook shows as its summary; dataclasses need ``repr=False``."""

    def _summary(self) -> Summary:
        raise NotImplementedError

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()


def drawn(picture: str, *args: Any, **kwargs: Any) -> Axes:
    """Draw with a function of `trajectories.analysis.plot`, and return the axes.

    Parameters
    ----------
    picture : str
        Name of the function.
    *args, **kwargs
        Its arguments.
    """
    axes: Axes = getattr(import_module(f"{__package__}.analysis.plot"), picture)(*args, **kwargs)
    return axes
