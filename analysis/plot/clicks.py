"""Pictures of single trajectories: stretches of the click stream, and populations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import ArrayLike

from trajectories.checks import integer
from trajectories.errors import InvalidInput
from trajectories.records.clicks import ClickRecord
from trajectories.time_units import TimeUnit

from ..bundles.table import Bundles
from .style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    LINE_STYLES,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    YELLOW,
    channel_colour,
    in_its_unit,
    name_label,
    name_labels,
    new_axes,
    time_unit,
)

# Clicks of the stretch that is drawn by default.
FEW_CLICKS = 60
# Of a picture of many channels, in inches.
HIGHEST = 60.0
# Characters of a bundle's name in a legend; of a bundle with a longer name the size is given.
LONGEST_LABEL = 60
BUNDLE_COLOURS = (SKY, YELLOW, PURPLE)  # colours of the three most common compositions; the others are grey
# Characters side by side in a legend above the clicks.
LEGEND_WIDTH = 100
# A bundle is drawn at least this wide, as a share of the stretch shown, because most are far shorter.
NARROWEST_BUNDLE = 0.006


@in_its_unit
def click_stream(
    record: ClickRecord,
    trajectory: int = 0,
    start: float | None = None,
    stop: float | None = None,
    bundles: Bundles | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a stretch of one trajectory's clicks, one row a channel, with bundles of two and more shaded.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    trajectory : int
        Which trajectory.
    start, stop : float, optional
        Stretch to show in 1/ω_b; the whole observation window when not given.
    bundles : Bundles, optional
        Bundles of the same record; the three most common compositions get a colour each. Bundles are drawn at
        least 0.6 % of the stretch wide.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidInput
        A trajectory that the record lacks, an empty stretch, or bundles of another record.
    """
    if integer(trajectory, "trajectory", 0) >= record.n_trajectories:
        raise InvalidInput(f"trajectory={trajectory} must be below {record.n_trajectories}")
    low = float(record.start[trajectory] if start is None else start)
    high = float(record.stop[trajectory] if stop is None else stop)
    if not low < high:
        raise InvalidInput(f"stretch [{low:g}, {high:g}] is empty; stop must exceed start")
    if bundles is not None and bundles.record is not record:
        raise InvalidInput("bundles belong to another record; give those that find_bundles found in this one")
    names = record.channel_names
    ax = new_axes(ax, (8.0, min(0.55 * len(names) + 1.4, HIGHEST)))
    if bundles is not None:
        _shade_bundles(ax, bundles, trajectory, low, high)
    mine = slice(*record.offsets[trajectory : trajectory + 2])
    time, channel = record.time[mine], record.channel[mine]
    for row, name in enumerate(names):
        clicks = time[(channel == row) & (time >= low) & (time <= high)]
        ax.vlines(clicks, row - 0.36, row + 0.36, color=channel_colour(name, row), linewidth=1.4)
    ax.set_yticks(range(len(names)), name_labels(names))
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(low, high)
    ax.set_xlabel(rf"time  $t$  ({time_unit()})")
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    return ax


def record(
    record: ClickRecord,
    trajectory: int = 0,
    start: float | None = None,
    stop: float | None = None,
    bundles: Bundles | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the clicks of a record as `click_stream` does, in the unit of the record.

    Parameters
    ----------
    record, trajectory, bundles, ax
        As in `click_stream`.
    start, stop : float, optional
        The stretch; the first sixty clicks when neither is given.

    Returns
    -------
    matplotlib.axes.Axes
    """
    known = integer(trajectory, "trajectory", 0) < record.n_trajectories
    if start is None and stop is None and known:
        first, last = record.offsets[trajectory : trajectory + 2]
        if last - first > FEW_CLICKS:
            stop = float(record.time[first + FEW_CLICKS])
    return click_stream(record, trajectory, start, stop, bundles, ax)


@in_its_unit
def populations(
    times: ArrayLike,
    populations: Mapping[str, ArrayLike],
    clicks: Mapping[str, ArrayLike] | None = None,
    ax: Axes | None = None,
    *,
    unit: TimeUnit | str | float | None = None,
) -> Axes:
    """Draw populations along a trajectory, with the times of its clicks (paper, Fig. 2(d)–(g)).

    Parameters
    ----------
    times : array_like of shape (n_times,)
        Sample times in 1/ω_b.
    populations : mapping of str to array_like of shape (n_times,)
        Population by label, e.g. "|000+⟩".
    clicks : mapping of str to array_like, optional
        Click times in 1/ω_b by channel; those outside `times` are not drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when not given.
    unit : TimeUnit, str or float, optional
        Unit of time for the labels, as of a record; 1/ω_b when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidInput
        Populations whose shape is not that of `times`.
    """
    t = np.asarray(times, dtype=np.float64)
    values = {state: np.asarray(value, dtype=np.float64) for state, value in populations.items()}
    if t.ndim != 1 or len(t) < 2 or not values:
        raise InvalidInput(f"times has shape {t.shape}; give at least two times and one population")
    for state, value in values.items():
        if value.shape != t.shape:
            raise InvalidInput(f"population {state!r} has shape {value.shape}, times {t.shape}; must be equal")
    ax = new_axes(ax, (8.0, 3.8))
    styles = zip(cycle((BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK)), cycle(LINE_STYLES), strict=False)
    handles = []
    for (state, value), (colour, style) in zip(values.items(), styles, strict=False):
        handles += ax.plot(t, value, color=colour, linestyle=style, linewidth=1.6, label=state)
    for row, (name, instants) in enumerate((clicks or {}).items()):
        colour, marker = channel_colour(name, row), "vo^sD"[row % 5]
        inside = [x for x in np.atleast_1d(np.asarray(instants, dtype=np.float64)) if t[0] <= x <= t[-1]]
        for x in inside:
            ax.axvline(x, color=colour, linewidth=0.9, alpha=0.7, zorder=0)
        ax.plot(
            inside,
            np.full(len(inside), 1.04 + 0.05 * row),
            marker,
            color=colour,
            markersize=6,
            transform=ax.get_xaxis_transform(),
            clip_on=False,
        )
        handles.append(
            Line2D([], [], color=colour, marker=marker, linewidth=0.9, label=f"{name_label(name)} click")
        )
    ax.set_xlim(t[0], t[-1])
    ax.set_ylim(-0.03, 1.03)
    ax.set_xlabel(rf"time  $t$  ({time_unit()})")
    ax.set_ylabel("population")
    ax.legend(handles=handles, frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return ax


def _shade_bundles(ax: Axes, bundles: Bundles, trajectory: int, low: float, high: float) -> None:
    shown = np.flatnonzero(
        (bundles.trajectory == trajectory) & (bundles.size > 1) & (bundles.stop >= low) & (bundles.start <= high)
    )
    names = {int(k): _short_name(bundles, int(k)) for k in shown}
    common = [name for name, _ in Counter(names.values()).most_common(len(BUNDLE_COLOURS))]
    colours = dict(zip(common, BUNDLE_COLOURS, strict=False))
    for k, name in names.items():
        missing = max(NARROWEST_BUNDLE * (high - low) - (bundles.stop[k] - bundles.start[k]), 0.0)
        ax.axvspan(
            bundles.start[k] - 0.5 * missing,
            bundles.stop[k] + 0.5 * missing,
            color=colours.get(name, GREY),
            alpha=0.55,
            linewidth=0.0,
            zorder=0,
        )
    if set(names.values()) - set(common):
        colours["other bundles"] = GREY
    if colours:
        ax.legend(
            handles=[
                Patch(color=colour, alpha=0.55, linewidth=0.0, label=words) for words, colour in colours.items()
            ],
            frameon=False,
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            borderaxespad=0.2,
            ncols=max(1, min(len(colours), LEGEND_WIDTH // max(len(words) + 4 for words in colours))),
            handlelength=1.2,
            columnspacing=1.4,
            fontsize="small",
        )


def _short_name(bundles: Bundles, bundle: int) -> str:
    """Return a composition such as "2 photon + magnon", which stays short for large bundles."""
    counted = zip(bundles.composition[bundle], bundles.channels, strict=True)
    words = " + ".join(name_label(name) if n == 1 else f"{n} {name_label(name)}" for n, name in counted if n)
    return words if len(words) <= LONGEST_LABEL else f"{bundles.size[bundle]} clicks"
