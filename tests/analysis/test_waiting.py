"""Waiting times against the product-limit definition, known laws, and with censoring."""

from __future__ import annotations

import naive_estimators as naive
import numpy as np
import pytest
from click_streams import TICK, click_records, pair_record, poisson_record, renewal_record
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from trajectories import analysis as an
from trajectories.analysis.estimators.waiting import wait_hazards_pooled
from trajectories.errors import InvalidInput
from trajectories.records.clicks import ClickRecord

quick = settings(max_examples=40, deadline=None, derandomize=True)
CHANNELS = ("photon", "magnon", "atom")


@quick
@given(
    click_records(),
    st.sampled_from([None, ("photon", "magnon")]),
    st.sampled_from(["photon", "magnon"]),
    st.lists(st.integers(0, 40), min_size=2, max_size=7, unique=True),
)
def test_densities_equal_the_definition(record, channels, second, ticks):
    edges = np.sort(ticks) * TICK
    found = an.waiting_times(record, "photon", second, edges, channels)
    waits = naive.waits(record, "photon", channels or CHANNELS)
    np.testing.assert_allclose(found.value, naive.product_limit(waits, second, edges), rtol=1e-11, atol=1e-14)


@quick
@given(click_records(), st.integers(1, 12), st.integers(0, 4))
def test_waits_between_bundles_equal_the_definition(record, ticks, first_edge):
    window, channels = ticks * TICK, ("photon", "magnon")
    edges = np.array([first_edge * TICK, 1.0, 2.5, 6.0])
    clusters = naive.clusters(record, window, channels)
    longest = max((naive.length(record, c) for c in clusters), default=0.0)
    waits = []
    for k in clusters:
        r = record.trajectory[k[0]]
        if len(k) == 1 and record.time[k[0]] - record.start[r] >= window:
            stop = record.time[k[-1]]
            later = [
                record.time[q[0]] - stop
                for q in clusters
                if record.trajectory[q[0]] == r and len(q) == 1 and record.time[q[0]] > stop
            ]
            waits.append((min(later, default=np.inf), "next", record.stop[r] - window - longest - stop))
    found = an.bundle_waiting_times(record, 1, 1, edges, window)
    np.testing.assert_allclose(found.value, naive.product_limit(waits, "next", edges), rtol=1e-11, atol=1e-14)


def test_poisson_waits_are_exponential_however_short_the_windows():
    """Windows of two mean waits; 12 bins and 2 probabilities at 4σ: false alarm 9e-4."""
    record = poisson_record(np.random.default_rng(31), {"a": 1.0, "b": 0.5}, 3000, 2.0)
    edges = np.linspace(0.0, 1.8, 7)
    for second, rate in (("a", 1.0), ("b", 0.5)):
        found = an.waiting_times(record, "a", second, edges)
        exact = rate / 1.5 * -np.diff(np.exp(-1.5 * edges)) / np.diff(edges)
        assert (np.abs(found.value - exact) < 4 * found.standard_error).all()
    # What is left after the longest window belongs to no channel.
    probabilities = an.next_click_probabilities(record, "a")
    assert sum(e.value for e in probabilities.values()) < 1
    long = poisson_record(np.random.default_rng(32), {"a": 1.0, "b": 0.5}, 100, 200.0)
    for name, share in (("a", 2 / 3), ("b", 1 / 3)):
        assert abs(an.next_click_probabilities(long, "a")[name].deviation(share)) < 4


def test_dropping_the_censored_interval_is_noticed():
    """The naive histogram of seen waits must contradict the exponential law that the estimator meets."""
    record = poisson_record(np.random.default_rng(31), {"a": 1.0}, 3000, 2.0)
    edges = np.linspace(0.0, 1.8, 7)
    exact = -np.diff(np.exp(-edges)) / np.diff(edges)
    found = an.waiting_times(record, "a", "a", edges)
    seen = np.diff(record.time)[np.diff(record.trajectory) == 0]
    density = np.histogram(seen, edges)[0] / len(seen) / np.diff(edges)
    assert (np.abs(found.value - exact) < 4 * found.standard_error).all()
    assert (np.abs(density - exact) / found.standard_error).max() > 10


def test_waits_of_a_renewal_process_follow_its_law():
    """Gamma waits of shape 4; 12 bins at 4σ: false alarm 8e-4. An exponential law must be refused."""
    record = renewal_record(np.random.default_rng(33), 4, 1.0, 400, 30.0)
    edges = np.linspace(0.1, 2.5, 13)
    found = an.waiting_times(record, "photon", "photon", edges)
    exact = np.diff(stats.gamma(4, scale=0.25).cdf(edges)) / np.diff(edges)
    assert (np.abs(found.value - exact) < 4 * found.standard_error).all()
    exponential = -np.diff(np.exp(-edges)) / np.diff(edges)
    assert (np.abs(found.value - exponential) > 4 * found.standard_error).any()


def test_a_wait_that_starts_before_the_first_edge_still_counts_as_survival():
    record = pair_record(np.random.default_rng(34), 0.2, 4.0, 1.0, 60, 100.0)
    whole = an.waiting_times(record, "photon", "magnon", [0.0, 0.5, 1.0, 2.0])
    tail = an.waiting_times(record, "photon", "magnon", [0.5, 1.0, 2.0])
    np.testing.assert_allclose(tail.value, whole.value[1:], rtol=0.02)


@pytest.mark.parametrize("clicks", [0, 1])
def test_records_with_hardly_a_click(clicks):
    record = ClickRecord.from_arrays(
        [0] * clicks, [1.0] * clicks, [0] * clicks, channel_names=("a", "b"), start=[0.0], stop=[10.0]
    )
    found = an.waiting_times(record, "a", "b", [0.0, 1.0])
    assert found.value[0] == (0.0 if clicks else pytest.approx(np.nan, nan_ok=True))
    assert np.isnan(found.standard_error).all()
    probabilities = an.next_click_probabilities(record, "a")
    assert all(np.isnan(e.standard_error) for e in probabilities.values())


def test_bad_input_is_refused():
    record = ClickRecord.from_arrays([0], [1.0], [0], channel_names=("a", "b"), start=[0.0], stop=[10.0])
    with pytest.raises(InvalidInput, match="below 0"):
        an.waiting_times(record, "a", "b", [-1.0, 1.0])
    with pytest.raises(InvalidInput, match="'b' is not detected; the detected ones are a"):
        an.waiting_times(record, "a", "b", [0.0, 1.0], channels=["a"])
    with pytest.raises(InvalidInput, match="no channel named 'c'"):
        an.next_click_probabilities(record, "a", channels=["a", "c"])


def test_a_certain_next_click_has_no_error():
    """Every click is followed by one in the same channel: 1 ± rounding is 1 ± ?, not 1 ± 1.4e-15."""
    record = poisson_record(np.random.default_rng(33), {"a": 1.0}, 100, 200.0)
    [estimate] = an.next_click_probabilities(record, "a").values()
    assert estimate.value == pytest.approx(1.0, abs=1e-12)
    assert np.isnan(estimate.standard_error)
    assert str(estimate) == "1 ± ?"


@pytest.mark.parametrize(("events", "known"), [(3, False), (30, True)])
def test_a_few_events_have_no_error(events, known):
    """An error that rests on less than five events is not known."""
    trajectory = np.arange(events) * 3
    record = ClickRecord.from_arrays(
        trajectory,
        np.full(events, 0.5),
        np.zeros(events, int),
        channel_names=("a",),
        start=np.zeros(100),
        stop=np.ones(100),
    )
    estimate = an.rates(record)["a"]
    assert estimate.value == pytest.approx(events / 100.0)
    assert np.isfinite(estimate.standard_error) == known


def test_shares_of_lasting_waits_hold_what_the_densities_hold():
    """h = W |B|/S at the bin's beginning, and Poisson's is 1 − e^{−λ|B|} whatever came before."""
    record = poisson_record(np.random.default_rng(34), {"a": 1.0, "b": 0.5}, 100, 100.0)
    edges = np.array([0.0, 0.2, 0.7, 1.5, 3.0])
    for second, part in (("a", 2.0 / 3.0), ("b", 1.0 / 3.0)):
        pooled = wait_hazards_pooled(record, "a", second, edges)
        both = sum(an.waiting_times(record, "a", name, edges).value for name in ("a", "b")) * np.diff(edges)
        lasting = 1.0 - np.append(0.0, np.cumsum(both))[:-1]
        density = an.waiting_times(record, "a", second, edges)
        np.testing.assert_allclose(pooled.value, density.value * np.diff(edges) / lasting, rtol=1e-10)
        np.testing.assert_array_equal(pooled.counts, density.counts)
        exact = part * -np.expm1(-1.5 * np.diff(edges))
        assert (np.abs(pooled.value - exact) < 4.5 * pooled.jackknife().standard_error).all()
