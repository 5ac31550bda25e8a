"""Pictures: what is drawn is what the results say; no pyplot state, no overlaps, bad input refused."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from click_streams import pair_record
from matplotlib.figure import Figure

from trajectories import analysis as an
from trajectories.analysis.plot.style import name_labels
from trajectories.errors import InvalidInput
from trajectories.records.clicks import ClickRecord
from trajectories.results import Correlation, Estimate, Histogram


@pytest.fixture(scope="module")
def record():
    return pair_record(np.random.default_rng(101), 0.02, 4.0, 0.7, 30, 500.0)


def drawn(ax):
    """Render to PNG, which finds what a mere call would not, and return the size of the picture."""
    buffer = io.BytesIO()
    ax.figure.savefig(buffer, format="png")
    return len(buffer.getvalue())


def inside(axis, tick):
    """Whether a tick label is drawn: beyond the limits of its axis it is not."""
    low, high = sorted(axis.get_view_interval())
    at = tick.get_position()[0 if axis.axis_name == "x" else 1]
    return low <= at <= high


def texts_overlap(ax):
    """Whether any two visible labels of the axes overlap."""
    ax.figure.canvas.draw()
    ticks = [tick for axis in (ax.xaxis, ax.yaxis) for tick in axis.get_ticklabels() if inside(axis, tick)]
    labels = [*ticks, *ax.texts, ax.xaxis.label, ax.yaxis.label, ax.title]
    legend = ax.get_legend()
    if legend is not None:
        labels += legend.get_texts()
    boxes = [t.get_window_extent() for t in labels if t.get_visible() and t.get_text()]
    return any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_importing_analysis_is_light():
    """Neither Numba nor matplotlib is loaded before it is needed, and pyplot never is."""
    code = (
        "import sys; from trajectories import analysis;"
        "assert not {'numba', 'matplotlib', 'scipy'} & set(sys.modules), 'heavy';"
        "analysis.plot.correlation; assert 'matplotlib.figure' in sys.modules;"
        "assert 'matplotlib.pyplot' not in sys.modules, 'pyplot'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_every_public_name_exists():
    for name in an.__all__:
        assert getattr(an, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        an.nonsense  # noqa: B018


def test_the_click_stream_shows_every_click_and_bundle(record):
    bundles = an.find_bundles(record)
    ax = an.plot.click_stream(record, 1, 0.0, 300.0, bundles)
    assert drawn(ax) > 5000
    assert not texts_overlap(ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["photon", "magnon"]
    for row, collection in enumerate(ax.collections[:2]):
        seen = (record.trajectory == 1) & (record.channel == row) & (record.time <= 300.0)
        assert [s[0, 0] for s in collection.get_segments()] == record.time[seen].tolist()
    inside = (bundles.trajectory == 1) & (bundles.size > 1) & (bundles.start <= 300.0)
    assert len(ax.patches) == inside.sum() > 0
    assert ax.get_xlabel() == r"time  $t$  ($1/\omega_b$)"
    assert "photon + magnon" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_rare_compositions_share_a_colour():
    rng = np.random.default_rng(102)
    dense = pair_record(rng, 1.0, 2.0, 0.5, 2, 100.0)
    ax = an.plot.click_stream(dense, bundles=an.find_bundles(dense, window=0.5))
    assert [t.get_text() for t in ax.get_legend().get_texts()][-1] == "other bundles"
    assert len(ax.get_legend().get_texts()) == 4
    assert drawn(ax) > 5000
    assert not texts_overlap(ax)


def test_correlations_show_value_band_and_exact_curve(record):
    found = an.g2(record, "photon", "magnon", np.linspace(-2.0, 2.0, 21))
    exact = Correlation("photon", "magnon", found.edges, np.ones(20), np.zeros(20), np.zeros(20, int))
    ax = an.plot.correlation(found, exact)
    value, band, curve = ax.patches
    np.testing.assert_array_equal(value.get_data().values, np.where(found.counts > 0, found.value, np.nan))
    seen = np.isfinite(found.standard_error)
    half = (band.get_data().values - band.get_data().baseline)[seen] / 2
    np.testing.assert_allclose(half, 1.96 * found.standard_error[seen], rtol=1e-3)
    np.testing.assert_array_equal(curve.get_data().values, exact.value)
    assert ax.get_xscale() == "linear"
    assert drawn(ax) > 5000
    assert not texts_overlap(ax)
    assert "magnon after photon" in ax.get_xlabel()
    geometric = an.plot.correlation(an.g2(record, "photon", "photon", np.geomspace(0.01, 100.0, 20)))
    assert geometric.get_xscale() == "log"
    assert drawn(geometric) > 5000


def test_the_lag_histogram_says_who_is_first(record):
    found = an.lag_histogram(record, "photon", "magnon", np.linspace(-0.75, 0.75, 16))
    exact = Histogram(found.edges, np.ones(15), np.zeros(15), np.zeros(15, int))
    ax = an.plot.lag_histogram(found, exact, first="photon", second="magnon")
    assert {text.get_text() for text in ax.texts} == {"← magnon first", "photon first →"}
    assert "(magnon) − $t$(photon)" in ax.get_xlabel()
    assert drawn(ax) > 5000
    assert not texts_overlap(ax)


def test_populations_mark_the_clicks_inside():
    t = np.linspace(0.0, 10.0, 101)
    clicks = {"photon": [3.0, 20.0], "magnon": [3.01]}
    ax = an.plot.populations(t, {"|000+⟩": np.cos(t) ** 2, "|101−⟩": np.sin(t) ** 2}, clicks)
    vertical = [line for line in ax.lines if len(set(line.get_xdata())) == 1 and len(line.get_xdata()) == 2]
    assert sorted(line.get_xdata()[0] for line in vertical) == [3.0, 3.01]
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["|000+⟩", "|101−⟩", "photon click", "magnon click"]
    assert drawn(ax) > 5000
    assert not texts_overlap(ax)


def test_given_axes_are_drawn_on_and_returned(record):
    axes = Figure(figsize=(8, 6)).subplots(2, 2).ravel()
    found = an.g2(record, "photon", "magnon", [-1.0, 0.0, 1.0])
    lags = an.lag_histogram(record, "photon", "magnon", [-0.5, 0.0, 0.5])
    calls = (
        lambda ax: an.plot.click_stream(record, ax=ax),
        lambda ax: an.plot.correlation(found, ax=ax),
        lambda ax: an.plot.lag_histogram(lags, ax=ax),
        lambda ax: an.plot.populations([0.0, 1.0], {"P": [0.0, 1.0]}, ax=ax),
    )
    for call, ax in zip(calls, axes, strict=True):
        assert call(ax) is ax


def test_values_without_an_error_are_still_drawn():
    record = pair_record(np.random.default_rng(103), 1.0, 1.0, 0.5, 1, 30.0)
    found = an.g2(record, "photon", "magnon", [-20.0, 0.0, 20.0])
    assert np.isnan(found.standard_error).all()
    ax = an.plot.correlation(found)
    np.testing.assert_array_equal(ax.patches[0].get_data().values, found.value)
    assert drawn(ax) > 5000


def test_bad_input_is_refused(record):
    with pytest.raises(InvalidInput, match="trajectory=30 must be below 30"):
        an.plot.click_stream(record, 30)
    with pytest.raises(InvalidInput, match="is empty"):
        an.plot.click_stream(record, 0, 5.0, 5.0)
    with pytest.raises(InvalidInput, match="another record"):
        an.plot.click_stream(record, bundles=an.find_bundles(record.select("photon"), 1.0))
    with pytest.raises(InvalidInput, match="population 'P' has shape"):
        an.plot.populations([0.0, 1.0], {"P": [1.0]})
    with pytest.raises(InvalidInput, match="at least two times"):
        an.plot.populations([0.0], {"P": [1.0]})
    empty = ClickRecord.from_arrays([], [], [], channel_names=("a",), start=0, stop=1)
    assert drawn(an.plot.click_stream(empty)) > 1000


def exact_like(found, value):
    """An exact curve in the bins of an estimate."""
    nothing = np.zeros(len(found.counts))
    values = np.broadcast_to(np.asarray(value, dtype=float), nothing.shape)
    if isinstance(found, Correlation):
        return Correlation(found.first, found.second, found.edges, values, nothing, nothing)
    return Histogram(found.edges, values, nothing, nothing)


def figure_overlaps(axes):
    """Whether labels of one panel overlap, or those of any two panels."""
    shown = [ax for ax in np.ravel(axes) if ax.axison]
    shown[0].figure.canvas.draw()
    boxes = [ax.get_tightbbox() for ax in shown]
    return any(map(texts_overlap, shown)) or any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_the_matrix_shows_every_pair_once(record):
    matrix = an.g2_matrix(record, np.linspace(-2.0, 2.0, 21))
    exact = {("photon", "magnon"): exact_like(matrix["photon", "magnon"], 1.0)}
    axes = an.plot.g2_matrix(matrix, exact, critical={("photon", "magnon"): 3.0})
    assert axes.shape == (2, 2)
    assert [[ax.axison for ax in row] for row in axes] == [[True, True], [False, True]]
    assert [ax.get_title() for ax in axes.ravel() if ax.axison] == [
        "photon, photon",
        "photon, magnon",
        "magnon, magnon",
    ]
    value, band, curve = axes[0, 1].patches
    found = matrix["photon", "magnon"]
    np.testing.assert_array_equal(value.get_data().values, np.where(found.counts > 0, found.value, np.nan))
    half = (band.get_data().values - band.get_data().baseline) / 2
    np.testing.assert_allclose(half, 3.0 * found.standard_error, rtol=1e-9)
    np.testing.assert_array_equal(curve.get_data().values, np.ones(20))
    assert len(axes[0, 0].patches) == 2
    assert drawn(axes[0, 0]) > 10_000
    assert not figure_overlaps(axes)
    given = Figure(figsize=(8, 6)).subplots(2, 2)
    assert an.plot.g2_matrix(matrix, axes=given) is given
    with pytest.raises(InvalidInput, match="give 2 × 2"):
        an.plot.g2_matrix(matrix, axes=given[:1])
    with pytest.raises(InvalidInput, match="empty"):
        an.plot.g2_matrix({})


def test_purity_is_shown_with_its_accidental_level(record):
    windows = np.geomspace(0.1, 10.0, 7)
    purities = {n: an.purity(record, n, windows) for n in (1, 2)}
    accidental = {n: [e.value for e in an.accidental_purity(0.04, n, windows)] for n in (1, 2)}
    sparse = np.where(np.arange(7) % 2 == 0, 0.5, np.nan)
    ax = an.plot.purity(windows, purities, {2: sparse}, accidental, critical={2: 2.5})
    lines = {line.get_label(): line for line in ax.lines}
    np.testing.assert_allclose(lines["clicks, $n = 2$"].get_ydata(), [e.value for e in purities[2]])
    np.testing.assert_allclose(lines["accidental, $n = 1$"].get_ydata(), accidental[1])
    # Exact values that are few are not joined: a straight line between them would not be exact.
    (marks,) = [line for line in ax.lines if line.get_marker() == "x"]
    assert marks.get_linestyle() == "None"
    assert len(marks.get_xdata()) == 4
    assert ax.get_xscale() == "log"
    assert drawn(ax) > 5000
    assert not texts_overlap(ax)
    with pytest.raises(InvalidInput, match="windows has 7 values"):
        an.plot.purity(windows, {2: purities[2][:3]})


def test_waiting_times_are_drawn_on_logarithmic_axes(record):
    edges = np.geomspace(0.01, 100.0, 21)
    waits = {second: an.waiting_times(record, "photon", second, edges) for second in ("photon", "magnon")}
    exact = {name: exact_like(found, 0.01) for name, found in waits.items()}
    ax = an.plot.waiting_times(waits, exact, first="photon", critical={"magnon": 3.0})
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["then photon", "then magnon", "exact"]
    baselines = [patch.get_data().baseline for patch in ax.patches if patch.get_fill()]
    assert all(np.nanmin(baseline) > 0 for baseline in baselines)
    assert drawn(ax) > 5000
    assert not texts_overlap(ax)


def test_counting_statistics_show_the_poisson_level(record):
    windows = np.geomspace(1.0, 50.0, 5)
    found = an.fano(record, windows)
    ax = an.plot.fano(windows, found, np.full(5, 1.5), critical=2.7)
    reference, clicks, exact = ax.lines
    assert set(reference.get_ydata()) == {1.0}
    np.testing.assert_allclose(clicks.get_ydata(), [e.value for e in found])
    assert exact.get_linestyle() == "--"
    assert drawn(ax) > 5000
    assert not texts_overlap(ax)


def test_rates_settle_on_the_exact_one(record):
    time, history = an.rate_history(record)
    ax = an.plot.rate_convergence(time, history["photon"], 0.02, name="photon")
    clicks, exact = ax.lines
    assert clicks.get_ydata()[-1] == pytest.approx(an.rates(record)["photon"].value)
    assert exact.get_ydata()[0] == 0.02
    assert ax.get_ylabel() == r"photon  ($\omega_b$)"
    assert ax.get_xlabel() == r"observed time  ($10^{4}$$/\omega_b$)"
    assert drawn(ax) > 5000
    assert not texts_overlap(ax)
    rare = [replace(e, value=1e-4 * e.value, standard_error=1e-4 * e.standard_error) for e in history["photon"]]
    ax = an.plot.rate_convergence(time, rare, 2e-6, name="photon")
    assert ax.lines[1].get_ydata()[0] == pytest.approx(2.0)
    assert ax.get_ylabel() == r"photon  ($10^{-6}$ $\omega_b$)"


def test_order_asymmetry_says_who_is_first(record):
    found = an.asymmetry_by_lag(record, "photon", "magnon", np.linspace(0.0, 0.75, 6))
    ax = an.plot.order_asymmetry(found, exact_like(found, 0.4), first="photon", second="magnon", critical=2.6)
    assert {text.get_text() for text in ax.texts} == {"photon first ↑", "magnon first ↓"}
    low, high = ax.get_ylim()
    assert low == -high
    assert high >= np.nanmax(np.abs(found.value))
    assert drawn(ax) > 5000
    assert not texts_overlap(ax)


def test_new_pictures_draw_on_given_axes(record):
    axes = iter(Figure(figsize=(9, 9)).subplots(3, 2).ravel())
    windows = [1.0, 2.0]
    time, history = an.rate_history(record)
    calls = (
        lambda ax: an.plot.purity(windows, {2: an.purity(record, 2, windows)}, ax=ax),
        lambda ax: an.plot.fano(windows, an.fano(record, windows), ax=ax),
        lambda ax: an.plot.waiting_times(
            {"photon": an.waiting_times(record, "photon", "photon", [0.1, 1])}, ax=ax
        ),
        lambda ax: an.plot.order_asymmetry(an.asymmetry_by_lag(record, "photon", "magnon", [0, 0.5]), ax=ax),
        lambda ax: an.plot.rate_convergence(time, history["photon"], ax=ax),
    )
    for call in calls:
        ax = next(axes)
        assert call(ax) is ax


def test_pictures_of_hardly_a_click_are_drawn():
    one = ClickRecord.from_arrays([0], [0.5], [0], channel_names=("photon", "magnon"), start=0, stop=1)
    time, history = an.rate_history(one)
    assert drawn(an.plot.rate_convergence(time, history["magnon"])) > 1000
    assert drawn(an.plot.fano([0.1, 0.2], an.fano(one, [0.1, 0.2]))) > 1000
    assert drawn(an.plot.waiting_times({"photon": an.waiting_times(one, "photon", "photon", [0.1, 0.2])})) > 1000
    assert drawn(an.plot.purity([0.1], {2: an.purity(one, 2, [0.1], ("photon",))})) > 1000
    assert drawn(an.plot.g2_matrix(an.g2_matrix(one, [-1.0, 0.0, 1.0]))[0, 0]) > 1000
    lags = an.asymmetry_by_lag(one, "photon", "magnon", [0.0, 0.2], 0.2)
    assert drawn(an.plot.order_asymmetry(lags)) > 1000


NOTHING = {"value": [0.0, 0.0], "standard_error": [np.nan, np.nan], "counts": [0, 0]}
UNKNOWN = {"value": [np.nan, np.nan], "standard_error": [np.nan, np.nan], "counts": [0, 0]}
SOME = {"value": [2.0, 1.0], "standard_error": [0.1, 0.1], "counts": [9, 9]}


def binned(kind, edges, numbers, **more):
    return kind(edges=np.array(edges), **{name: np.array(of) for name, of in numbers.items()}, **more)


ALL_EDGES = ([0.0, 1.0, 30.0], [1.0, 2.0, 60.0], [-1.0, 0.0, 1.0])


@pytest.mark.parametrize(
    ("numbers", "edges"),
    [
        # Every kind of numbers and of edges once; the other pairs repeat them.
        pytest.param(numbers, edges, marks=[pytest.mark.slow] if i != k else [])
        for i, numbers in enumerate([NOTHING, UNKNOWN, SOME])
        for k, edges in enumerate(ALL_EDGES)
    ],
)
def test_axes_are_logarithmic_only_where_something_has_a_logarithm(edges, numbers):
    """Matplotlib warns of the others, which the command line would print, or fails."""
    histogram = binned(Histogram, edges, numbers)
    waits = an.plot.waiting_times({"a": histogram}, {"a": histogram})
    assert waits.get_yscale() == ("log" if numbers is SOME else "linear")
    assert waits.get_xscale() == "log"
    assert waits.get_xlim()[0] > 0.0
    assert waits.get_xlim()[1] >= edges[-1]
    assert drawn(waits) > 1000
    correlation = binned(Correlation, edges, numbers, first="a", second="b")
    panel = an.plot.g2_matrix({("a", "b"): correlation})[0, 1]
    assert panel.get_xscale() == ("log" if edges[0] == 1.0 else "linear")
    assert drawn(panel) > 1000


@pytest.mark.parametrize("windows", [pytest.param([1.0, 2.0], marks=pytest.mark.slow), [0.0, 1.0], [0.0, 0.0]])
def test_scans_without_a_value_are_drawn(windows):
    unknown = [Estimate(np.nan, np.nan, 0)] * 2
    for ax in (an.plot.purity(windows, {2: unknown}), an.plot.fano(windows, unknown)):
        assert ax.get_xscale() == ("log" if any(windows) else "linear")
        assert drawn(ax) > 1000
    assert drawn(an.plot.rate_convergence(windows, unknown)) > 1000


def test_long_names_that_begin_alike_have_labels_of_their_own():
    """Eight rows of a click stream had one and the same label."""
    long = [f"a very long channel name number {k} of the experiment" for k in (1, 2, 10)]
    labels = name_labels(long)
    assert labels == ["…1 of the experiment", "…2 of the experiment", "…10 of the experiment"]
    apart = [f"{'x' * 40}{k}{'y' * 40}" for k in range(3)]
    assert [label[:2] for label in name_labels(apart)] == ["…0", "…1", "…2"]
    same_ends = [f"{'x' * 40} {'y' * 40}{k}" for k in range(2)]
    assert len(set(name_labels(same_ends))) == 2
    assert len(set(name_labels(["x" * 40, f"{'x' * 40}1"]))) == 2
    assert name_labels(["photon", "photon", "$x$"]) == ["photon", "photon", r"\$x\$"]
    record = ClickRecord.from_arrays([0], [1.0], [0], channel_names=long, start=0.0, stop=2.0)
    shown = [text.get_text() for text in an.plot.click_stream(record).get_yticklabels()]
    assert shown == labels
