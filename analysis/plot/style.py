"""What all pictures share: colours for colour-blind readers too, axes without global state, error bands."""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from trajectories.checks import time_unit as checked_unit
from trajectories.errors import InvalidInput
from trajectories.names import display
from trajectories.notebook import in_notebook
from trajectories.results import Correlation, Estimate, Histogram
from trajectories.time_units import NATURAL, TimeUnit

# Colours that colour-blind readers can distinguish (Okabe and Ito, 2008).
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#999999"
CHANNEL_COLOURS = {"photon": BLUE, "phonon": GREEN, "magnon": VERMILION, "atom": GREY}
OTHER_COLOURS = (PURPLE, ORANGE, SKY, BLACK)
SERIES_COLOURS = (BLUE, VERMILION, GREEN, PURPLE)
LINE_STYLES = ("-", "--", "-.", ":")
MARKERS = "osD^v"
# What a series is called where the caller does not say.
CLICKS, EXACT = "clicks", "exact"
# The interval that bands show, and its half width in standard errors where each value is on its own.
LEVEL = 0.95
POINTWISE = float(ndtri(0.5 + 0.5 * LEVEL))


Given = ParamSpec("Given")
Result = TypeVar("Result")

_UNIT: ContextVar[TimeUnit] = ContextVar("unit of time of the labels", default=NATURAL)


# Characters of a name that a picture shows.
LONGEST_NAME = 28


@contextmanager
def labelled_in(unit: TimeUnit) -> Iterator[None]:
    """Draw with labels in this unit of time; 1/ω_b without."""
    token = _UNIT.set(unit)
    try:
        yield
    finally:
        _UNIT.reset(token)


def in_its_unit(picture: Callable[Given, Result]) -> Callable[Given, Result]:
    """Draw with labels in the unit of the first estimate given, unless a page has chosen one; a decorator.

    A keyword `unit`, for pictures of plain numbers, takes its place.
    """

    @functools.wraps(picture)
    def drawn(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        given: Any = args[0] if args else next(iter(kwargs.values()))
        estimate = next(iter(given.values()), None) if isinstance(given, Mapping) else given
        named = kwargs.get("unit")
        unit = getattr(estimate, "unit", NATURAL) if named is None else checked_unit(named)
        with labelled_in(unit) if _UNIT.get() == NATURAL else nullcontext():
            return picture(*args, **kwargs)

    return drawn


def time_unit() -> str:
    """Return the unit of time for a label."""
    unit = _UNIT.get()
    return r"$1/\omega_b$" if unit.name == NATURAL.name else unit.name


def scaled_time_unit(power: str) -> str:
    """Return the unit of time for a label, after a power of ten that may be empty."""
    unit = _UNIT.get()
    return rf"{power.strip() or 1}$/\omega_b$" if unit.name == NATURAL.name else f"{power}{unit.name}"


def rate_unit() -> str:
    """Return the unit of rates for a label."""
    unit = _UNIT.get()
    return r"$\omega_b$" if unit.name == NATURAL.name else unit.rate


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
        with any_script():
            figure.savefig(path, dpi=150, bbox_inches="tight")
    return path


@contextmanager
def any_script() -> Iterator[None]:
    """Draw names in scripts that the font lacks as boxes, without a warning for each character."""
    log = logging.getLogger("matplotlib.mathtext")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from", UserWarning)
            yield
    finally:
        log.setLevel(level)


def name_label(name: str) -> str:
    """Return the name of a channel or of a state as text for a picture, in which $ begins no formula.

    A name that is too long for a picture is cut off.
    """
    whole = display(name)
    shown = (whole if len(whole) <= LONGEST_NAME else f"{whole[: LONGEST_NAME - 1]}…").replace("$", r"\$")
    # What begins with an underscore is left out of legends.
    return f" {shown}" if shown.startswith("_") else shown


def short_label(name: str, longest: int) -> str:
    """Return `name_label` of a name, cut off after `longest` characters."""
    return name_label(name if len(name) <= longest else f"{name[: longest - 1]}…")


def name_labels(names: Sequence[str], longest: int = LONGEST_NAME) -> list[str]:
    """Return labels of names that stand beside each other, no two of which are cut off to the same.

    Where two different names would be cut to one label, they begin where they differ, or bear their number.
    """
    labels = [short_label(name, longest) for name in names]
    for label in {one for one in labels if labels.count(one) > 1}:
        alike = [k for k, one in enumerate(labels) if one == label]
        if len({names[k] for k in alike}) == 1:
            continue
        least, most = min(names[k] for k in alike), max(names[k] for k in alike)  # all between begin as these do
        differ = (n for n, (one, two) in enumerate(zip(least, most, strict=False)) if one != two)
        same = least[: next(differ, len(least))]
        begin = same.rfind(" ") + 1 or len(same)
        for k in alike:
            labels[k] = short_label(f"…{names[k][begin:]}", longest)
        if len({labels[k] for k in alike}) < len({names[k] for k in alike}):
            for k in alike:
                labels[k] = f"{short_label(names[k], longest - 5)} ({k + 1})"
    return labels


def channel_colour(name: str, position: int) -> str:
    """Return the colour of a channel: always the same for the paper's four."""
    return CHANNEL_COLOURS.get(name.partition(" ")[0], OTHER_COLOURS[position % len(OTHER_COLOURS)])


def new_axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """Return the axes given, or those of a new figure."""
    if ax is not None:
        return ax
    if in_notebook():
        from matplotlib import pyplot

        return pyplot.figure(figsize=size, layout="constrained").add_subplot()
    # A Figure of its own, not pyplot's: nothing global, no window, and freed with its last reference.
    return Figure(figsize=size, dpi=150, layout="constrained").add_subplot()


def reference_line(ax: Axes, level: float) -> None:
    """Draw a thin horizontal line behind everything else."""
    ax.axhline(level, color=GREY, linewidth=0.8, zorder=0.5)


def logarithmic_x(ax: Axes, points: ArrayLike, margin: float = 1.0) -> None:
    """Make the horizontal axis logarithmic, as long as the points that have a logarithm; linear if none has."""
    given = np.asarray(points, dtype=np.float64).ravel()
    positive = given[(given > 0.0) & np.isfinite(given)]
    if not len(positive):
        return
    # The limits first: matplotlib finds none itself where no value can be drawn.
    ends = positive.min() / margin, positive.max() * margin
    ax.set_xlim(*(ends if ends[0] < ends[1] else (0.5 * ends[0], 2.0 * ends[1])))
    ax.set_xscale("log")


def power_of_ten(values: ArrayLike) -> tuple[float, str]:
    """Return a power of ten to divide values by, and the words for it, e.g. 1e-4 and "$10^{-4}$ "."""
    largest = float(np.nanmax(np.abs(np.asarray(values, dtype=np.float64)), initial=0.0))
    exponent = int(np.floor(np.log10(largest))) if 0.0 < largest < np.inf else 0
    return (1.0, "") if -2 <= exponent <= 3 else (10.0**exponent, f"$10^{{{exponent}}}$ ")


def band_label(critical: float | None) -> str:
    """Return the name of a band of `critical` standard errors; None means the pointwise one."""
    return f"{100 * LEVEL:g} % band" + ("" if critical is None else ", all at once")


def is_exact(estimate: Histogram | Correlation) -> bool:
    """Whether binned values were computed and not counted."""
    return not estimate.counts.any() and not np.any(estimate.standard_error)


def seen(estimate: Histogram | Correlation) -> NDArray[np.bool_]:
    """Return which bins have a value to be drawn: those with an event, or all of exact values."""
    return (estimate.counts > 0) | is_exact(estimate)


def draw_bins(
    ax: Axes,
    estimate: Histogram | Correlation,
    colour: str,
    *,
    critical: float | None = None,
    label: str = CLICKS,
    lowest: float = -np.inf,
    band: str | None = "",
) -> StepPatch:
    """Draw a binned estimate as steps with its band, cut off at `lowest` (for logarithmic axes).

    Exact values that are drawn alone have no band, and are named as such. `band` is the label of the band; ""
    stands for what it is, None for no label. The steps are returned.
    """
    if is_exact(estimate):
        name = EXACT if label == CLICKS else label
        return ax.stairs(estimate.value, estimate.edges, baseline=None, color=colour, linewidth=1.4, label=name)
    half = (POINTWISE if critical is None else critical) * estimate.standard_error
    # Bins without an event have no error; they are left out rather than drawn as certain.
    value = np.where((estimate.counts > 0) | np.isfinite(half), estimate.value, np.nan)
    steps = ax.stairs(value, estimate.edges, baseline=None, color=colour, linewidth=1.4, label=label)
    ax.stairs(
        value + half,
        estimate.edges,
        baseline=np.maximum(value - half, lowest),
        fill=True,
        color=colour,
        alpha=0.3,
        linewidth=0.0,
        label=band_label(critical) if band == "" else band,
    )
    return steps


def draw_exact_bins(ax: Axes, exact: Histogram | Correlation) -> None:
    """Draw exact values over bins."""
    ax.stairs(exact.value, exact.edges, baseline=None, color=BLACK, linestyle="--", label="exact")


def draw_points(
    ax: Axes,
    x: NDArray[np.float64],
    estimates: Sequence[Estimate],
    number: int = 0,
    *,
    critical: float | None = None,
    label: str = CLICKS,
) -> None:
    """Draw estimates at points as markers on a line with its band; `number` chooses colour and marker."""
    certain = not any(estimate.n or estimate.standard_error for estimate in estimates)
    label = EXACT if certain and label == CLICKS else label
    colour = SERIES_COLOURS[number % len(SERIES_COLOURS)]
    value = np.array([estimate.value for estimate in estimates])
    error = np.array([estimate.standard_error for estimate in estimates])
    half = (POINTWISE if critical is None else critical) * error
    marker = MARKERS[number % len(MARKERS)]
    ax.plot(x, value, color=colour, marker=marker, markersize=4, linewidth=1.2, label=label)
    if certain:
        return
    band = band_label(critical) if number == 0 else None
    ax.fill_between(x, value - half, value + half, color=colour, alpha=0.3, linewidth=0.0, label=band)


def draw_exact_points(ax: Axes, x: NDArray[np.float64], exact: ArrayLike, label: str | None = "exact") -> None:
    """Draw exact values at points; joined by a line only where none is NaN, which is left out."""
    value = np.asarray(exact, dtype=np.float64)
    known = np.isfinite(value)
    look: dict[str, Any] = {"color": BLACK, "linestyle": "--" if known.all() else "none", "linewidth": 1}
    ax.plot(x[known], value[known], marker="x", markersize=6, label=label, **look)


def checked_points(x: ArrayLike, what: str, *series: Sequence[Estimate] | ArrayLike | None) -> NDArray[np.float64]:
    """Return points as an array; refuse series of another length."""
    points = np.asarray(x, dtype=np.float64)
    for values in series:
        if values is not None and len(np.atleast_1d(np.asarray(values, dtype=object))) != len(points):
            raise InvalidInput(f"{what} has {len(points)} values, but a series has another number; give as many")
    return points
