"""Pictures of click streams, correlations, lags and populations; every function takes `ax` and returns it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import ArrayLike
from scipy.special import ndtri

from trajectories.checks import integer
from trajectories.errors import InvalidInput
from trajectories.records.clicks import ClickRecord
from trajectories.results import Correlation, Histogram

from .bundles import Bundles

# Colours that colour-blind readers tell apart (Okabe and Ito, 2008).
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#999999"
CHANNEL_COLOURS = {"photon": BLUE, "phonon": GREEN, "magnon": VERMILION, "atom": GREY}
OTHER_COLOURS = (PURPLE, ORANGE, SKY, BLACK)
BUNDLE_COLOURS = (SKY, YELLOW, PURPLE)  # of the three most common compositions; grey for the rest
LINE_STYLES = ("-", "--", "-.", ":")
TIME = r"time  $t$  ($1/\omega_b$)"
# A bundle is drawn at least this wide, as a share of the stretch shown, because most are far shorter.
NARROWEST_BUNDLE = 0.006
# The interval that bands and error bars show.
LEVEL = 0.95


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
    ax = _axes(ax, (8.0, 0.55 * len(names) + 1.4))
    if bundles is not None:
        _shade_bundles(ax, bundles, trajectory, low, high)
    mine = slice(*record.offsets[trajectory : trajectory + 2])
    time, channel = record.time[mine], record.channel[mine]
    for row, name in enumerate(names):
        clicks = time[(channel == row) & (time >= low) & (time <= high)]
        ax.vlines(clicks, row - 0.36, row + 0.36, color=channel_colour(name, row), linewidth=1.4)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(low, high)
    ax.set_xlabel(TIME)
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    return ax


def lag_histogram(
    histogram: Histogram,
    exact: Histogram | None = None,
    ax: Axes | None = None,
    *,
    first: str = "k",
    second: str = "l",
) -> Axes:
    """Draw the density of the signed lag inside bundles with its 95 % band, and the exact one over it.

    Bins without a pair are left out.

    Parameters
    ----------
    histogram : Histogram
        From `lag_histogram`.
    exact : Histogram, optional
        The exact density, in any bins.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when not given.
    first, second : str
        The channels, for the labels.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = _axes(ax, (6.0, 4.0))
    _band(ax, histogram, BLUE)
    if exact is not None:
        ax.stairs(exact.value, exact.edges, color=BLACK, linestyle="--", label="exact")
    ax.axvline(0.0, color=GREY, linewidth=0.8)
    ax.set_ylim(bottom=0.0)
    ax.set_xlim(histogram.edges[0], histogram.edges[-1])
    ax.set_xlabel(rf"lag  $t$({second}) − $t$({first})  ($1/\omega_b$)")
    ax.set_ylabel(r"probability density  ($\omega_b$)")
    for x, side, words in ((0.02, "left", f"← {second} first"), (0.98, "right", f"{first} first →")):
        ax.text(x, 1.02, words, transform=ax.transAxes, ha=side, va="bottom")
    ax.legend(frameon=False)
    return ax


def correlation(correlation: Correlation, exact: Correlation | None = None, ax: Axes | None = None) -> Axes:
    """Draw g²(τ) with its pointwise 95 % band, and the exact one over it; bins without a pair are left out.

    Parameters
    ----------
    correlation : Correlation
        From `g2`, `g2_matrix` or `cluster_g2`. Geometric bins get a logarithmic axis.
    exact : Correlation, optional
        The exact correlation, in any bins.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when not given.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = _axes(ax, (6.0, 4.0))
    edges = correlation.edges
    ax.axhline(1.0, color=GREY, linewidth=0.8)
    _band(ax, correlation, BLUE)
    if exact is not None:
        ax.stairs(exact.value, exact.edges, color=BLACK, linestyle="--", label="exact")
    widths = np.diff(edges)
    if edges[0] > 0 and edges[-1] > 20 * edges[0] and widths[-1] > 2 * widths[0]:
        ax.set_xscale("log")
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel(rf"lag  $\tau$  ($1/\omega_b$); {correlation.second} after {correlation.first}")
    ax.set_ylabel(rf"$g^{{(2)}}(\tau)$  {correlation.first}, {correlation.second}")
    ax.legend(frameon=False)
    return ax


def populations(
    times: ArrayLike,
    populations: Mapping[str, ArrayLike],
    clicks: Mapping[str, ArrayLike] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw populations along a trajectory, with the instants of its clicks (paper, Fig. 2(d)–(g)).

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

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidInput
        Populations whose shape is not that of `times`.
    """
    t = np.asarray(times, dtype=np.float64)
    values = {label: np.asarray(value, dtype=np.float64) for label, value in populations.items()}
    if t.ndim != 1 or len(t) < 2 or not values:
        raise InvalidInput(f"times has shape {t.shape}; give at least two times and one population")
    for label, value in values.items():
        if value.shape != t.shape:
            raise InvalidInput(f"population {label!r} has shape {value.shape}, times {t.shape}; must be equal")
    ax = _axes(ax, (8.0, 3.8))
    styles = zip(cycle((BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK)), cycle(LINE_STYLES), strict=False)
    handles = []
    for (label, value), (colour, style) in zip(values.items(), styles, strict=False):
        handles += ax.plot(t, value, color=colour, linestyle=style, linewidth=1.6, label=label)
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
        handles.append(Line2D([], [], color=colour, marker=marker, linewidth=0.9, label=f"{name} click"))
    ax.set_xlim(t[0], t[-1])
    ax.set_ylim(-0.03, 1.03)
    ax.set_xlabel(TIME)
    ax.set_ylabel("population")
    ax.legend(handles=handles, frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return ax


def save(ax: Axes, path: Path) -> Path:
    """Write the figure of `ax` to a file, sized to what is drawn, and return its path.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Axes of the figure.
    path : pathlib.Path
        The file; its ending names the format.
    """
    figure = ax.get_figure(root=True)
    if figure is not None:  # as it is for axes that were removed
        figure.savefig(path, dpi=150, bbox_inches="tight")
    return path


def channel_colour(name: str, position: int) -> str:
    """Return the colour of a channel: always the same for the paper's four."""
    return CHANNEL_COLOURS.get(name.split()[0], OTHER_COLOURS[position % len(OTHER_COLOURS)])


def _axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    # A Figure of its own, not pyplot's: nothing global, no window, and freed with its last reference.
    return Figure(figsize=size, dpi=150, layout="constrained").add_subplot() if ax is None else ax


def _band(ax: Axes, estimate: Histogram | Correlation, colour: str) -> None:
    half = float(ndtri(0.5 + 0.5 * LEVEL)) * estimate.standard_error
    # Bins without an event have no error; they are left out rather than drawn as certain.
    value = np.where((estimate.counts > 0) | np.isfinite(half), estimate.value, np.nan)
    band = f"{100 * LEVEL:g} % band"
    ax.stairs(value, estimate.edges, baseline=None, color=colour, linewidth=1.4, label="clicks")
    ax.stairs(
        value + half,
        estimate.edges,
        baseline=value - half,
        fill=True,
        color=colour,
        alpha=0.3,
        linewidth=0.0,
        label=band,
    )


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
                Patch(color=colour, alpha=0.55, linewidth=0.0, label=label) for label, colour in colours.items()
            ],
            frameon=False,
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            borderaxespad=0.2,
            ncols=len(colours),
            handlelength=1.2,
            columnspacing=1.4,
            fontsize="small",
        )


def _short_name(bundles: Bundles, bundle: int) -> str:
    """Return a composition such as "2 photon + magnon", which stays short for large bundles."""
    counted = zip(bundles.composition[bundle], bundles.channels, strict=True)
    return " + ".join(name if n == 1 else f"{n} {name}" for n, name in counted if n)
