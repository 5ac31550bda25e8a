"""Pictures of numbers against a window, a counting time or the amount of data, with bands and exact values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from trajectories.results import Estimate
from trajectories.time_units import TimeUnit

from .style import (
    BLACK,
    SERIES_COLOURS,
    checked_points,
    draw_exact_points,
    draw_points,
    in_its_unit,
    logarithmic_x,
    name_label,
    new_axes,
    power_of_ten,
    rate_unit,
    reference_line,
    scaled_time_unit,
    time_unit,
)


@in_its_unit
def purity(
    windows: ArrayLike,
    purities: Mapping[int, Sequence[Estimate]],
    exact: Mapping[int, ArrayLike] | None = None,
    accidental: Mapping[int, ArrayLike] | None = None,
    ax: Axes | None = None,
    *,
    critical: Mapping[int, float] | None = None,
    unit: TimeUnit | str | float | None = None,
) -> Axes:
    """Draw purities π_n(δ) against the bundle window, with the accidental level of independent clicks.

    Parameters
    ----------
    windows : array_like of shape (n_windows,)
        Values of δ in 1/ω_b.
    purities : mapping of int to sequence of Estimate
        By number of clicks n, from `purity`.
    exact : mapping of int to array_like of shape (n_windows,), optional
        Exact values; NaN where there is none.
    accidental : mapping of int to array_like of shape (n_windows,), optional
        From `accidental_purity`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when not given.
    critical : mapping of int to float, optional
        Half widths of the bands, as in `correlation`.
    unit : TimeUnit, str or float, optional
        Unit of time for the labels, as of a record; 1/ω_b when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidInput
        Series whose length is not that of `windows`.
    """
    ax = new_axes(ax, (6.0, 4.0))
    for number, (n, estimates) in enumerate(purities.items()):
        known, level = (exact or {}).get(n), (accidental or {}).get(n)
        x = checked_points(windows, "windows", estimates, known, level)
        label = rf"clicks, $n = {n}$"
        draw_points(ax, x, estimates, number, critical=(critical or {}).get(n), label=label)
        if known is not None:
            draw_exact_points(ax, x, known, label=None if number else "exact")
        if level is not None:
            colour = SERIES_COLOURS[number % len(SERIES_COLOURS)]
            ax.plot(x, level, color=colour, linestyle=":", linewidth=1.4, label=rf"accidental, $n = {n}$")
    logarithmic_x(ax, windows, 1.1)
    ax.set_ylim(0.0, 1.0)
    ax.set_xlabel(rf"bundle window  $\delta$  ({time_unit()})")
    ax.set_ylabel(r"purity  $\pi_n(\delta)$")
    _legend_above(ax, 3)
    return ax


@in_its_unit
def fano(
    windows: ArrayLike,
    estimates: Sequence[Estimate],
    exact: ArrayLike | None = None,
    ax: Axes | None = None,
    *,
    critical: float | None = None,
    unit: TimeUnit | str | float | None = None,
) -> Axes:
    """Draw the Fano factor F(T) = Var N/⟨N⟩ against the counting time; a Poisson stream has 1.

    Parameters
    ----------
    windows : array_like of shape (n_windows,)
        Values of T in 1/ω_b.
    estimates : sequence of Estimate
        From `fano`.
    exact : array_like of shape (n_windows,), optional
        Exact values; NaN where there is none.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when not given.
    critical : float, optional
        Half width of the band, as in `correlation`.
    unit : TimeUnit, str or float, optional
        Unit of time for the labels, as of a record; 1/ω_b when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidInput
        Series whose length is not that of `windows`.
    """
    ax = new_axes(ax, (6.0, 4.0))
    x = checked_points(windows, "windows", estimates, exact)
    reference_line(ax, 1.0)
    draw_points(ax, x, estimates, critical=critical)
    if exact is not None:
        draw_exact_points(ax, x, exact)
    logarithmic_x(ax, x, 1.1)
    ax.set_xlabel(rf"counting time  $T$  ({time_unit()})")
    ax.set_ylabel(r"Fano factor  $F(T)$")
    ax.legend(frameon=False)
    return ax


@in_its_unit
def rate_convergence(
    time: ArrayLike,
    estimates: Sequence[Estimate],
    exact: float | None = None,
    ax: Axes | None = None,
    *,
    name: str = "k",
    unit: TimeUnit | str | float | None = None,
) -> Axes:
    """Draw the estimate of a click rate against the time observed.

    Parameters
    ----------
    time : array_like of shape (n,)
        Time observed so far, over all trajectories, in 1/ω_b.
    estimates : sequence of Estimate
        The rate that it gives, from `rate_history`.
    exact : float, optional
        The exact rate.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when not given.
    name : str
        The channel, for the labels.
    unit : TimeUnit, str or float, optional
        Unit of time for the labels, as of a record; 1/ω_b when not given.

    Returns
    -------
    matplotlib.axes.Axes
        In units of powers of ten that the labels name.

    Raises
    ------
    InvalidInput
        Series of unequal lengths.
    """
    ax = new_axes(ax, (6.0, 2.4))
    x = checked_points(time, "time", estimates)
    rate, power = power_of_ten([estimate.value for estimate in estimates])
    span, spelled = power_of_ten(x)
    scaled = [replace(e, value=e.value / rate, standard_error=e.standard_error / rate) for e in estimates]
    draw_points(ax, x / span, scaled)
    ax.lines[-1].set_marker("")
    if exact is not None:
        ax.axhline(exact / rate, color=BLACK, linestyle="--", linewidth=1, label="exact")
    ax.set_xlim(0.0, x[-1] / span if x[-1] > 0.0 else 1.0)
    ax.set_xlabel(rf"observed time  ({scaled_time_unit(spelled)})")
    ax.set_ylabel(rf"{name_label(name)}  ({power}{rate_unit()})")
    _legend_above(ax, 3)
    return ax


def _legend_above(ax: Axes, columns: int) -> None:
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=columns, fontsize="small")
