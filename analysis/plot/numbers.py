"""Pictures of single results: a number, an average against time, a density, a map of three clicks."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from trajectories.results import Estimate, Expectation, Histogram, TripleCorrelation

from .style import (
    BLACK,
    BLUE,
    EXACT,
    GREY,
    POINTWISE,
    band_label,
    draw_bins,
    draw_exact_bins,
    in_its_unit,
    name_label,
    new_axes,
    reference_line,
    time_unit,
)


def estimate(estimate: Estimate, exact: Estimate | float | None = None, ax: Axes | None = None) -> Axes:
    """Draw a number with its 95 % interval, and the exact value as a line under it.

    Parameters
    ----------
    estimate : Estimate
        The number.
    exact : Estimate or float, optional
        The exact value.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when not given.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(ax, (5.0, 1.4))
    if exact is not None:
        value = exact.value if isinstance(exact, Estimate) else float(exact)
        ax.axvline(value, color=BLACK, linestyle="--", linewidth=1.0, label="exact", zorder=1)
    half = POINTWISE * estimate.standard_error
    known = np.isfinite(half)
    label = "clicks, 95 %" if known else "clicks, error unknown"
    if not estimate.n and estimate.standard_error == 0.0:
        label = EXACT
    ax.errorbar(
        [estimate.value],
        [0.0],
        xerr=[half] if known else None,
        fmt="o",
        color=BLUE,
        capsize=4,
        label=label,
        zorder=2,
    )
    ax.set_ylim(-1.0, 1.0)
    ax.set_yticks([])
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.margins(x=0.3)
    ax.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize="small")
    return ax


@in_its_unit
def expectation(expectation: Expectation, exact: Expectation | None = None, ax: Axes | None = None) -> Axes:
    """Draw an average against time with its 95 % band, and the exact one over it.

    Parameters
    ----------
    expectation : Expectation
        Of the ``expectations`` of a record.
    exact : Expectation, optional
        From `trajectories.lindblad`, at any times.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when not given.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(ax, (6.0, 3.5))
    t, value, half = expectation.times, expectation.value, POINTWISE * expectation.standard_error
    ax.plot(t, value, color=BLUE, linewidth=1.4, label="trajectories" if expectation.n else "exact")
    if expectation.n:
        ax.fill_between(
            t, value - half, value + half, color=BLUE, alpha=0.3, linewidth=0.0, label=band_label(None)
        )
    if exact is not None:
        ax.plot(exact.times, exact.value, color=BLACK, linestyle="--", linewidth=1.0, label="exact")
    ax.set_xlabel(rf"time  $t$  ({time_unit()})")
    ax.set_ylabel(r"$\langle O \rangle$")
    ax.set_xlim(float(t[0]), float(t[-1]))
    ax.legend(frameon=False)
    return ax


@in_its_unit
def histogram(histogram: Histogram, exact: Histogram | None = None, ax: Axes | None = None) -> Axes:
    """Draw a density over bins with its 95 % band, and the exact one over it.

    Parameters
    ----------
    histogram : Histogram
        Any.
    exact : Histogram, optional
        The exact density, in any bins.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when not given.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(ax, (6.0, 4.0))
    edges = histogram.edges
    draw_bins(ax, histogram, BLUE)
    if exact is not None:
        draw_exact_bins(ax, exact)
    reference_line(ax, 0.0)
    if edges[0] > 0.0 and edges[-1] > 20.0 * edges[0] and np.diff(edges)[-1] > 2.0 * np.diff(edges)[0]:
        ax.set_xscale("log")
    ax.set_xlim(edges[0], edges[-1])
    timed = histogram.quantity == "time"
    ax.set_xlabel(f"time  ({time_unit()})" if timed else histogram.quantity)
    ax.set_ylabel("density" if timed else "probability")
    ax.legend(frameon=False)
    return ax


@in_its_unit
def triple_correlation(triple: TripleCorrelation, ax: Axes | None = None) -> Axes:
    """Draw g³(τ₁, τ₂) as a map.

    Parameters
    ----------
    triple : TripleCorrelation
        From `g3`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when not given.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(ax, (5.0, 4.2))
    mesh = ax.pcolormesh(triple.edges1, triple.edges2, triple.value.T, cmap="viridis")
    figure = ax.get_figure()
    if figure is not None:
        figure.colorbar(mesh, ax=ax, label=r"$g^{(3)}$")
    one, two, three = (name_label(name) for name in triple.channels)
    ax.set_xlabel(rf"$\tau_1$  from {one} to {two}  ({time_unit()})")
    ax.set_ylabel(rf"$\tau_2$  from {two} to {three}  ({time_unit()})")
    ax.set_facecolor(GREY)
    return ax
