"""The pictures of an analysis, drawn from its results."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

from matplotlib import rc_context, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trajectories.names import display
from trajectories.results import Correlation, Histogram

from .. import plot
from ..clicks.streams import Clicks, stream
from .analysis_results import AnalysisResults, Curve
from .run_summary import click_picture

DOTS_PER_INCH = 150
MOST_PANELS = 12
BANDS = (
    "Shaded: 95 % bands from resampling, for all bins at once where the legend says so. "
    "Dashed: exact values of the master equation."
)


@dataclass(frozen=True)
class Picture:
    """One picture with its words.

    Attributes
    ----------
    name : str
        Short name, for links and files.
    title, caption : str
        What it shows.
    png, pdf : bytes
        The picture.
    wide : bool
        Whether it needs the whole width of a page.
    """

    name: str
    title: str
    caption: str
    png: bytes
    pdf: bytes
    wide: bool = False


def pictures(findings: AnalysisResults, record: Clicks) -> Iterator[Picture]:
    """Yield the pictures for which there are results.

    Parameters
    ----------
    findings : AnalysisResults
        From `analyse`.
    record : ClickRecord or Run
        The clicks that it analysed, for the stretch that is shown.
    """
    record = stream(record)
    if len(record):
        words = "A stretch of the trajectory with most clicks; bundles of two clicks and more are shaded."
        yield _picture("clicks", "Clicks", words, click_picture(record, findings.window), wide=True)
    if findings.curves.get("g2"):
        yield _matrix(findings)
    if findings.curves.get("pulse"):
        yield _pulse(findings)
    if "purity" in findings.scans:
        yield _purity(findings)
    if findings.pair is not None:
        yield from _order(findings, *findings.pair)
    if findings.curves.get("waits"):
        yield _waits(findings)
    if "fano" in findings.scans:
        scan = findings.scans["fano"][("fano",)]
        ax = plot.fano(scan.points, scan.estimates, scan.exact, critical=scan.critical)
        words = "Variance over mean of the number of clicks in a counting time; 1 for a Poisson stream."
        yield _picture("fano", "Counting statistics", words, ax)
    if findings.scans.get("rates"):
        yield _convergence(findings)


def _matrix(findings: AnalysisResults) -> Picture:
    curves = {(first, second): curve for (first, second), curve in findings.curves["g2"].items()}
    estimates = {pair: _correlation(curve.estimate) for pair, curve in curves.items()}
    exact = {pair: _correlation(curve.exact) for pair, curve in curves.items() if curve.exact is not None}
    critical = {pair: curve.critical for pair, curve in curves.items() if curve.critical is not None}
    axes = plot.g2_matrix(estimates, exact, critical=critical)
    words = f"Of pairs of channels; at positive lags the second clicked later. {BANDS}"
    return _picture("g2", "Second-order correlations", words, axes[0, 0], wide=True)


def _pulse(findings: AnalysisResults) -> Picture:
    curves = findings.curves["pulse"]
    both = {name: _histograms(curve) for (name,), curve in curves.items()}
    ax = plot.click_density(
        {name: estimate for name, (estimate, _) in both.items()},
        {name: exact for name, (_, exact) in both.items() if exact is not None},
        critical={name: curve.critical for (name,), curve in curves.items() if curve.critical is not None},
    )
    words = f"When clicks come in the period of the pulses. {BANDS}"
    return _picture("pulse", "Clicks of a pulse", words, ax)


def _purity(findings: AnalysisResults) -> Picture:
    scans = {int(n): scan for (n,), scan in findings.scans["purity"].items()}
    points = next(iter(scans.values())).points
    ax = plot.purity(
        points,
        {n: scan.estimates for n, scan in scans.items()},
        {n: scan.exact for n, scan in scans.items() if scan.exact is not None},
        {n: scan.accidental for n, scan in scans.items() if scan.accidental is not None},
        critical={n: scan.critical for n, scan in scans.items() if scan.critical is not None},
    )
    words = (
        "Share of quanta in bundles of exactly n clicks; dotted: the accidental level, which independent clicks "
        "of the same rates would give."
    )
    return _picture("purity", "Purity against the bundle window", words, ax)


def _order(findings: AnalysisResults, first: str, second: str) -> Iterator[Picture]:
    named, one, other = {"first": first, "second": second}, display(first), display(second)
    for curve in findings.curves.get("lags", {}).values():
        estimate, exact = _histograms(curve)
        ax = plot.lag_histogram(estimate, exact, critical=curve.critical, **named)  # type: ignore[arg-type]
        words = f"Lag between the two clicks of {one}–{other} bundles: which clicks first, and by how much."
        yield _picture("lags", "Emission order", words, ax)
    for curve in findings.curves.get("asymmetry", {}).values():
        estimate, exact = _histograms(curve)
        ax = plot.order_asymmetry(estimate, exact, critical=curve.critical, **named)  # type: ignore[arg-type]
        words = f"(N₊ − N₋)/(N₊ + N₋) of {one}–{other} bundles, with N₊ those in which {one} clicks first."
        yield _picture("asymmetry", "Order against the lag", words, ax)


def _waits(findings: AnalysisResults) -> Picture:
    curves = findings.curves["waits"]
    first = findings.pair[0] if findings.pair is not None else next(iter(curves))[0]
    both = {name: _histograms(curve) for (name,), curve in curves.items()}
    ax = plot.waiting_times(
        {name: estimate for name, (estimate, _) in both.items()},
        {name: exact for name, (_, exact) in both.items() if exact is not None},
        first=first,
        critical={name: curve.critical for (name,), curve in curves.items() if curve.critical is not None},
    )
    words = f"Time from a click of {display(first)} to the next detected one, by the channel of that one."
    return _picture("waits", "Waiting times", words, ax)


def _convergence(findings: AnalysisResults) -> Picture:
    most = sorted(findings.scans["rates"].items(), key=lambda item: -item[1].estimates[-1].n)[:MOST_PANELS]
    scans = {name: scan for name, scan in findings.scans["rates"].items() if (name, scan) in most}
    figure = Figure(figsize=(6.0, 0.4 + 1.7 * len(scans)), dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots(len(scans), 1, sharex=True, squeeze=False)[:, 0]
    for ax, ((name,), scan) in zip(axes, scans.items(), strict=True):
        exact = None if scan.exact is None else scan.exact[-1]
        plot.rate_convergence(scan.points, scan.estimates, exact, ax, name=name)
        if ax is not axes[0]:
            ax.get_legend().remove()
        if ax is not axes[-1]:
            ax.set_xlabel("")
    words = "Click rates against the time observed, over all trajectories."
    if len(scans) < len(findings.scans["rates"]):
        words += f" The {MOST_PANELS} most frequent channels."
    return _picture("convergence", "Convergence of the rates", words, axes[0])


def _picture(name: str, title: str, caption: str, ax: Axes, *, wide: bool = False) -> Picture:
    figure = ax.get_figure(root=True)
    assert figure is not None  # the axes were made here
    drawn = {}
    # Layout and size of what is drawn are found once for both files: each takes as long as drawing.
    with plot.any_script(), rc_context({"figure.autolayout": False, "figure.constrained_layout.use": False}):
        figure.draw_without_rendering()
        figure.set_layout_engine(None)  # with "none" Matplotlib would draw twice
        shown = figure.get_tightbbox().padded(rcParams["savefig.pad_inches"])
        for kind in ("png", "pdf"):
            buffer = io.BytesIO()
            metadata = {"CreationDate": None} if kind == "pdf" else None  # the same analysis gives the same file
            figure.savefig(buffer, format=kind, dpi=DOTS_PER_INCH, bbox_inches=shown, metadata=metadata)
            drawn[kind] = buffer.getvalue()
    return Picture(name, title, caption, drawn["png"], drawn["pdf"], wide)


def _correlation(curve: Correlation | Histogram | None) -> Correlation:
    assert isinstance(curve, Correlation)
    return curve


def _histograms(curve: Curve) -> tuple[Histogram, Histogram | None]:
    estimate, exact = curve.estimate, curve.exact
    assert isinstance(estimate, Histogram)
    assert exact is None or isinstance(exact, Histogram)
    return estimate, exact
