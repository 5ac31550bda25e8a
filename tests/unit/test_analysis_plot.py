"""Pictures: what is drawn is what the results say; no pyplot state, no overlaps, bad input refused."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from click_streams import pair_record
from matplotlib.figure import Figure

import analysis as an
from trajectories.errors import InvalidInput
from trajectories.records.clicks import ClickRecord
from trajectories.results import Correlation, Histogram


@pytest.fixture(scope="module")
def record():
    return pair_record(np.random.default_rng(101), 0.02, 4.0, 0.7, 30, 500.0)


def drawn(ax):
    """Render to PNG, which finds what a mere call would not, and return the size of the picture."""
    buffer = io.BytesIO()
    ax.figure.savefig(buffer, format="png")
    return len(buffer.getvalue())


def texts_overlap(ax):
    """Whether any two visible labels of the axes overlap."""
    ax.figure.canvas.draw()
    labels = [*ax.get_xticklabels(), *ax.get_yticklabels(), *ax.texts, ax.xaxis.label, ax.yaxis.label, ax.title]
    legend = ax.get_legend()
    if legend is not None:
        labels += legend.get_texts()
    boxes = [t.get_window_extent() for t in labels if t.get_visible() and t.get_text()]
    return any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_importing_analysis_is_light():
    """Neither Numba nor matplotlib is loaded before it is needed, and pyplot never is."""
    code = (
        "import sys, analysis; assert not {'numba', 'matplotlib', 'scipy'} & set(sys.modules), 'heavy';"
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
