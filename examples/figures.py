"""What the figure scripts share: options, one style for all plots, and how pictures and tables are written."""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from PIL import Image

from trajectories.analysis.plot.style import CHANNEL_COLOURS
from trajectories.errors import InvalidInput

# The regimes are named after their colours in the paper's Fig. 1. Colour-blind readers can distinguish these, and
# with the regime's name beside them they serve in black and white.
REGIMES = {"blue": "#56B4E9", "pink": "#CC79A7", "orange": "#E69F00"}
# Colour and line style of each mode; the style alone distinguishes them in print.
MODES = {
    "photon": {"color": CHANNEL_COLOURS["photon"], "linestyle": "-"},
    "phonon": {"color": CHANNEL_COLOURS["phonon"], "linestyle": "--"},
    "magnon": {"color": CHANNEL_COLOURS["magnon"], "linestyle": "-."},
}
DIRECTIONS = {"left": "LD", "right": "RD"}  # the paper's names: driven from the left, from the right
DOUBLE_COLUMN = 7.0  # inches, width of a figure across both columns of the journal
LARGEST_PNG = 200_000  # bytes
RESOLUTIONS = (200, 170, 150, 130, 110, 90)


def options(description: str, clicks: int = 0, quick_clicks: int = 0) -> argparse.Namespace:
    """Read the options that every figure script has: `out` (a folder, made if missing), `clicks` and `quick`.

    Parameters
    ----------
    description : str
        What the script draws; its first paragraph is shown by ``--help``.
    clicks, quick_clicks : int
        How many clicks are simulated by default, and with ``--quick``; 0 for a figure without clicks, which
        ignores the option.
    """
    parser = argparse.ArgumentParser(description=description.split("\n\n")[0])
    add = parser.add_argument
    add("--out", type=Path, default=Path("runs/figures"), metavar="DIR", help="where to write (%(default)s)")
    what = f"about how many to simulate ({clicks}, or {quick_clicks} with --quick)"
    add("--clicks", type=int, metavar="N", help=what if clicks else "ignored: this figure needs none")
    add("--quick", action="store_true", help="fewer levels and points: a check, not a result")
    chosen = parser.parse_args()
    if chosen.clicks is None:
        chosen.clicks = quick_clicks if chosen.quick else clicks
    elif chosen.clicks < 1:
        parser.error(f"--clicks {chosen.clicks} must be at least 1")
    chosen.out.mkdir(parents=True, exist_ok=True)
    return chosen


def style() -> None:
    """Set the style of all figures drawn from now on: 8 pt text, readable in print, thin axes, no boxes."""
    matplotlib.rcParams.update(
        {
            "font.size": 8,
            "mathtext.fontset": "dejavusans",
            "axes.linewidth": 0.7,
            "axes.labelpad": 2.5,
            "lines.linewidth": 1.3,
            "legend.frameon": False,
            "legend.fontsize": 7,
            "legend.handlelength": 2.2,
            "xtick.direction": "in",
            "ytick.direction": "in",
            "xtick.labelsize": 7,
            "ytick.labelsize": 7,
            "errorbar.capsize": 1.5,
            "pdf.fonttype": 42,  # text stays text
            "figure.constrained_layout.use": True,
        }
    )


def figure(height: float, width: float = DOUBLE_COLUMN) -> Figure:
    """Return an empty figure of a size in inches; it is not registered with pyplot and opens no window."""
    return Figure(figsize=(width, height), layout="constrained")


def panel(ax: Axes, letter: str, title: str = "", pad: float = 4.0) -> None:
    """Write the panel's letter, and what it shows, `pad` points above its left corner."""
    ax.set_title(rf"$\bf{{({letter})}}$  {title}", loc="left", fontsize=8, pad=pad)


def panels(axes: Iterable[Axes], titles: Sequence[str]) -> None:
    """Write the letters from a on, and what each panel shows, above panels."""
    for ax, letter, title in zip(axes, ascii_lowercase, titles, strict=False):
        panel(ax, letter, title)


def decades(ax: Axes) -> None:
    """Put a logarithmic y axis, with a tick at every decade."""
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(base=10, numticks=12))


def save(drawn: Figure, out: Path, name: str) -> Path:
    """Write `drawn` to NAME.png (at most 200 kB) and NAME.pdf in the folder `out`; return the path of the PNG."""
    drawn.savefig(out / f"{name}.pdf", metadata={"CreationDate": None})
    path = out / f"{name}.png"
    path.write_bytes(_small_png(drawn))
    print(f"wrote {path} and {name}.pdf")
    return path


def _small_png(drawn: Figure) -> bytes:
    """Return the picture as a PNG of 256 colours, at the finest resolution that keeps it within the limit."""
    for resolution in RESOLUTIONS:
        full, small = BytesIO(), BytesIO()
        drawn.savefig(full, format="png", dpi=resolution, facecolor="white")
        full.seek(0)
        Image.open(full).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
        if small.tell() <= LARGEST_PNG:
            return small.getvalue()
    raise InvalidInput(f"the picture has {small.tell()} bytes, above {LARGEST_PNG}; draw fewer points")


def write_table(path: Path, columns: Mapping[str, Sequence[Any] | np.ndarray]) -> Path:
    """Write columns of equal length to a CSV file with their names in the first row; return its path.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    columns : mapping of str to sequence
        Numbers, written to twelve digits, or words.

    Raises
    ------
    InvalidInput
        Columns of different lengths.
    """
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InvalidInput(f"columns have lengths {lengths}; they must be equal")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow(f"{value:.12g}" if isinstance(value, float | np.floating) else value for value in row)
    print(f"wrote {path}")
    return path


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows of equal keys as `write_table` does."""
    return write_table(path, as_columns(rows))


def as_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return rows of equal keys as columns."""
    return {name: [row[name] for row in rows] for name in rows[0]}


@contextmanager
def timed() -> Iterator[None]:
    """Say at the end how long the block took."""
    begun = time.perf_counter()
    yield
    print(f"took {time.perf_counter() - begun:.0f} s")
