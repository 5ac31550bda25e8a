"""Pictures of densities and correlations over lags and waits, each with its band and the exact curve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from trajectories.errors import InvalidInput
from trajectories.results import Correlation, Histogram

from .style import (
    BLACK,
    BLUE,
    GREY,
    LINE_STYLES,
    POINTWISE,
    channel_colour,
    draw_bins,
    draw_exact_bins,
    in_its_unit,
    logarithmic_x,
    name_label,
    name_labels,
    new_axes,
    rate_unit,
    reference_line,
    seen,
    time_unit,
)

# Size of one panel of the matrix of correlations, in inches.
PANEL = (2.5, 2.0)
# Characters of a channel's name that fit above one.
LONGEST_IN_PANEL = 16
Pair = tuple[str, str]


@in_its_unit
def lag_histogram(
    histogram: Histogram,
    exact: Histogram | None = None,
    ax: Axes | None = None,
    *,
    first: str = "k",
    second: str = "l",
    critical: float | None = None,
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
    critical : float, optional
        As in `correlation`.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(ax, (6.0, 4.0))
    draw_bins(ax, histogram, BLUE, critical=critical)
    if exact is not None:
        draw_exact_bins(ax, exact)
    ax.axvline(0.0, color=GREY, linewidth=0.8)
    ax.set_ylim(bottom=0.0)
    ax.set_xlim(histogram.edges[0], histogram.edges[-1])
    one, other = name_label(first), name_label(second)
    ax.set_xlabel(rf"lag  $t$({other}) − $t$({one})  ({time_unit()})")
    ax.set_ylabel(rf"probability density  ({rate_unit()})")
    for x, side, words in ((0.02, "left", f"← {other} first"), (0.98, "right", f"{one} first →")):
        ax.text(x, 1.02, words, transform=ax.transAxes, ha=side, va="bottom")
    ax.legend(frameon=False)
    return ax


@in_its_unit
def correlation(
    correlation: Correlation,
    exact: Correlation | None = None,
    ax: Axes | None = None,
    *,
    critical: float | None = None,
) -> Axes:
    """Draw g²(τ) with its 95 % band, and the exact one over it; bins without a pair are left out.

    Parameters
    ----------
    correlation : Correlation
        From `g2`, `g2_matrix` or `cluster_g2`. Geometric bins get a logarithmic axis.
    exact : Correlation, optional
        The exact correlation, in any bins.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when not given.
    critical : float, optional
        Half width of the band in standard errors, as `Resampled.critical_value` gives it for a band that holds
        for all bins at once; that of each bin on its own when not given.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(ax, (6.0, 4.0))
    edges = correlation.edges
    reference_line(ax, 1.0)
    draw_bins(ax, correlation, BLUE, critical=critical)
    if exact is not None:
        draw_exact_bins(ax, exact)
    widths = np.diff(edges)
    ax.set_xlim(edges[0], edges[-1])
    if edges[0] > 0 and edges[-1] > 20 * edges[0] and widths[-1] > 2 * widths[0]:
        ax.set_xscale("log")
    ax.set_ylim(bottom=0.0)
    first, second = name_label(correlation.first), name_label(correlation.second)
    ax.set_xlabel(rf"lag  $\tau$  ({time_unit()}); {second} after {first}")
    ax.set_ylabel(rf"$g^{{(2)}}(\tau)$  {first}, {second}")
    ax.legend(frameon=False)
    return ax


@in_its_unit
def g2_matrix(
    matrix: Mapping[Pair, Correlation],
    exact: Mapping[Pair, Correlation] | None = None,
    axes: NDArray[Any] | None = None,
    *,
    critical: Mapping[Pair, float] | None = None,
) -> NDArray[Any]:
    """Draw g²(τ) of all channel pairs in the upper triangle of a matrix of panels.

    The other half would repeat it: g²_lk(τ) = g²_kl(−τ).

    Parameters
    ----------
    matrix : mapping of (str, str) to Correlation
        From `g2_matrix`, or some of it.
    exact : mapping of (str, str) to Correlation, optional
        Exact correlations, of some pairs or all.
    axes : ndarray of matplotlib.axes.Axes, shape (n_channels, n_channels), optional
        Where to draw; a new figure when not given.
    critical : mapping of (str, str) to float, optional
        Half widths of the bands, as in `correlation`.

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (n_channels, n_channels)

    Raises
    ------
    InvalidInput
        An empty matrix, or axes of another shape.
    """
    names = list(dict.fromkeys(name for pair in matrix for name in pair))
    if not names:
        raise InvalidInput("matrix is empty; give at least one correlation")
    count = len(names)
    if axes is None:
        size = (PANEL[0] * count + 1.0, PANEL[1] * count + 0.6)
        axes = Figure(figsize=size, dpi=150, layout="constrained").subplots(count, count, squeeze=False)
    if np.shape(axes) != (count, count):
        raise InvalidInput(
            f"axes has shape {np.shape(axes)}, but there are {count} channels; give {count} × {count}"
        )
    labels = name_labels(names, LONGEST_IN_PANEL)
    for i, j in np.ndindex(count, count):
        pair = (names[i], names[j])
        ax: Any = axes[i, j]
        if j < i or pair not in matrix:
            ax.set_axis_off()
            continue
        correlation(matrix[pair], (exact or {}).get(pair), ax, critical=(critical or {}).get(pair))
        ax.get_legend().remove()
        ax.set_title(f"{labels[i]}, {labels[j]}", fontsize="medium")
        labelled = i == j or (names[i], names[i]) not in matrix
        ax.set_ylabel(r"$g^{(2)}(\tau)$" if labelled else "")
        ax.set_xlabel(rf"lag  $\tau$  ({time_unit()})" if labelled else "")
        if ax.get_xscale() == "linear":
            ax.locator_params(axis="x", nbins=4)
        ax.locator_params(axis="y", nbins=4)
    # The corner below the diagonal is free, unless there is but one panel.
    handles, labels = max((ax.get_legend_handles_labels() for ax in axes.ravel()), key=lambda found: len(found[1]))
    if count > 1:
        axes[-1, 0].legend(handles, labels, frameon=False, loc="center")
    else:
        axes[0, 0].legend(frameon=False)
    return axes


@in_its_unit
def waiting_times(
    waits: Mapping[str, Histogram],
    exact: Mapping[str, Histogram] | None = None,
    ax: Axes | None = None,
    *,
    first: str = "k",
    critical: Mapping[str, float] | None = None,
) -> Axes:
    """Draw exclusive waiting-time densities W(τ, l | k) on logarithmic axes, one for each next channel l.

    Parameters
    ----------
    waits : mapping of str to Histogram
        By the channel of the next click, from `waiting_times`. The axis begins at the first edge above 0, and is
        linear where no density is.
    exact : mapping of str to Histogram, optional
        Exact densities, of some channels or all.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when not given.
    first : str
        The channel of the clicks that waits begin with, for the labels.
    critical : mapping of str to float, optional
        Half widths of the bands, as in `correlation`.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(ax, (6.0, 4.0))
    positive = np.concatenate([h.value[seen(h) & np.isfinite(h.value)] for h in waits.values()])
    positive = positive[positive > 0.0]
    smallest = float(positive.min(initial=np.inf)) if len(positive) else 1.0
    labels = name_labels(list(waits))
    for number, (name, histogram) in enumerate(waits.items()):
        colour, half = channel_colour(name, number), (critical or {}).get(name)
        label, style = f"then {labels[number]}", LINE_STYLES[number % len(LINE_STYLES)]
        drawn = draw_bins(ax, histogram, colour, critical=half, label=label, lowest=0.2 * smallest, band=None)
        drawn.set(linestyle=style)
    for number, histogram in enumerate((exact or {}).values()):
        draw_exact_bins(ax, histogram)
        ax.patches[-1].set(linestyle=(0, (4, 2)), linewidth=0.9, label="" if number else "exact")
    if len(positive):
        ax.set_ylim(bottom=0.5 * smallest)
        ax.set_yscale("log")
    logarithmic_x(ax, np.concatenate([h.edges for h in waits.values()]))
    ax.set_xlabel(rf"wait  $\tau$  after {name_label(first)}  ({time_unit()})")
    ax.set_ylabel(rf"density  $W(\tau)$  ({rate_unit()})")
    ax.legend(frameon=False)
    return ax


@in_its_unit
def click_density(
    densities: Mapping[str, Histogram],
    exact: Mapping[str, Histogram] | None = None,
    ax: Axes | None = None,
    *,
    critical: Mapping[str, float] | None = None,
) -> Axes:
    """Draw the clicks per pulse and unit of time against the time in the period, a colour for each channel.

    Parameters
    ----------
    densities : mapping of str to Histogram
        By channel, from `click_density`.
    exact : mapping of str to Histogram, optional
        Exact densities, of some channels or all.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when not given.
    critical : mapping of str to float, optional
        Half widths of the bands, as in `correlation`.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(ax, (6.0, 4.0))
    for number, (name, histogram) in enumerate(densities.items()):
        colour, half = channel_colour(name, number), (critical or {}).get(name)
        draw_bins(ax, histogram, colour, critical=half, label=name_label(name), band=None)
    for number, histogram in enumerate((exact or {}).values()):
        draw_exact_bins(ax, histogram)
        ax.patches[-1].set(linestyle=(0, (4, 2)), linewidth=0.9, label="" if number else "exact")
    edges = [h.edges for h in densities.values()]
    ax.set_xlim(min(e[0] for e in edges), max(e[-1] for e in edges))
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel(f"time in the period  ({time_unit()})")
    ax.set_ylabel(f"clicks per pulse  ({rate_unit()})")
    ax.legend(frameon=False)
    return ax


@in_its_unit
def order_asymmetry(
    asymmetry: Histogram,
    exact: Histogram | None = None,
    ax: Axes | None = None,
    *,
    first: str = "k",
    second: str = "l",
    critical: float | None = None,
) -> Axes:
    """Draw the order asymmetry of pair bundles against |lag|: +1 where `first` always clicks first.

    Parameters
    ----------
    asymmetry : Histogram
        From `asymmetry_by_lag`.
    exact : Histogram, optional
        The exact asymmetry, in any bins.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when not given.
    first, second : str
        The channels, for the labels.
    critical : float, optional
        As in `correlation`.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(ax, (6.0, 4.0))
    reference_line(ax, 0.0)
    draw_bins(ax, asymmetry, BLUE, critical=critical)
    if exact is not None:
        draw_exact_bins(ax, exact)
    ax.set_xlim(asymmetry.edges[0], asymmetry.edges[-1])
    seen = np.abs(asymmetry.value) + 2.0 * POINTWISE * np.nan_to_num(asymmetry.standard_error)
    top = min(1.05, max(0.1, 1.1 * float(np.nanmax(seen, initial=0.0))))
    ax.set_ylim(-top, top)
    one, other = name_label(first), name_label(second)
    ax.set_xlabel(rf"|lag|  between {one} and {other}  ({time_unit()})")
    ax.set_ylabel("order asymmetry")
    for y, side, words in ((0.97, "top", f"{one} first ↑"), (0.03, "bottom", f"{other} first ↓")):
        ax.text(0.02, y, words, transform=ax.transAxes, ha="left", va=side, color=BLACK)
    ax.legend(frameon=False, loc="upper right")
    return ax
