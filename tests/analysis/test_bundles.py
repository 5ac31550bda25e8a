"""Bundles, their rates, purities, heralds and correlations against O(n²) definitions."""

from __future__ import annotations

import naive_estimators as naive
import numpy as np
import pytest
from click_streams import TICK, click_records, pair_record, poisson_record
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trajectories import analysis as an
from trajectories.errors import InvalidInput
from trajectories.records.clicks import ClickRecord

quick = settings(max_examples=40, deadline=None, derandomize=True)
windows = st.integers(1, 24).map(lambda ticks: ticks * TICK)
detected = st.sampled_from([("photon", "magnon"), ("magnon", "photon", "atom"), ("atom",)])


def one_trajectory(time, channel, *, start=0.0, stop=10.0):
    return ClickRecord.from_arrays(
        [0] * len(time), time, channel, channel_names=("photon", "magnon", "atom"), start=start, stop=stop
    )


@quick
@given(click_records(), windows, detected)
def test_the_table_equals_the_definition(record, window, channels):
    bundles = an.find_bundles(record, window, channels)
    clusters = naive.clusters(record, window, channels)
    assert len(bundles) == len(clusters)
    for k, cluster in enumerate(clusters):
        names = naive.names_of(record, cluster)
        assert (bundles.first_click[k], bundles.last_click[k]) == (cluster[0], cluster[-1])
        assert bundles.trajectory[k] == record.trajectory[cluster[0]]
        assert (bundles.start[k], bundles.stop[k]) == (record.time[cluster[0]], record.time[cluster[-1]])
        assert bundles.size[k] == len(cluster)
        assert bundles.composition[k].tolist() == [names.count(name) for name in channels]
        assert bundles.composition_name(k) == "+".join(sorted(names, key=channels.index))
        assert bundles.order_name(k) == ">".join(names)
        digits = [channels.index(name) for name in names]
        assert bundles.order[k] == sum(d * len(channels) ** p for p, d in enumerate(digits[::-1]))
        assert bundles.complete[k] == naive.is_complete(record, cluster, window)


@quick
@given(click_records(), windows, detected)
def test_rates_equal_the_definition(record, window, channels):
    for found, expected in (
        (an.composition_rates(record, window, channels), naive.composition_rates(record, window, channels)),
        (an.order_rates(record, window, channels, max_size=3), naive.order_rates(record, window, channels)),
    ):
        for name, estimate in found.items():
            if np.isfinite(estimate.value):
                assert estimate.value == pytest.approx(expected.get(name, 0.0), rel=1e-12)
            else:
                assert name not in expected  # no window is long enough to see any bundle whole


@quick
@given(click_records(), windows)
def test_a_table_up_to_a_size_holds_every_composition(record, window):
    seen = an.composition_rates(record, window)
    table = an.composition_rates(record, window, max_size=2)
    assert list(table.by_spelling()) == ["photon", "magnon", "photon+photon", "photon+magnon", "magnon+magnon"]
    for name in table:
        if name in seen:
            assert table[name].n == seen[name].n
            assert table[name].value == pytest.approx(seen[name].value, nan_ok=True)
        else:
            assert table[name].n == 0
            assert np.isnan(table[name].standard_error)


@quick
@given(click_records(), st.integers(1, 3), st.lists(windows, min_size=1, max_size=3))
def test_purities_equal_the_definition(record, n, scan):
    channels = ("photon", "magnon")
    for window, found in zip(scan, an.purity(record, n, scan), strict=True):
        if np.isfinite(found.value):
            assert found.value == pytest.approx(naive.purity(record, n, window, channels), rel=1e-12)
    pair = an.pair_purity(record, "photon", "magnon", scan[0])
    if np.isfinite(pair.value):
        rate = naive.composition_rates(record, scan[0], channels).get(("photon", "magnon"), 0.0)
        total = naive.rate(record, "photon") + naive.rate(record, "magnon")
        assert pair.value == pytest.approx(2 * rate / total, rel=1e-12)


@quick
@given(click_records(), windows, st.integers(1, 2), st.integers(1, 2))
def test_bundle_correlation_equals_the_definition(record, window, n, m):
    edges = np.array([0.0, 0.5, 1.25, 2.0, 4.0])
    found = an.cluster_g2(record, n, m, edges, window)
    expected = naive.cluster_g2(record, n, m, edges, window, ("photon", "magnon"))
    np.testing.assert_allclose(found.value, expected, rtol=1e-11)


@quick
@given(click_records(), windows, st.sampled_from([("photon", "magnon"), ("atom", "atom")]))
def test_heralding_equals_the_definition(record, window, pair):
    found = an.heralding_efficiency(record, *pair, window)
    heralds, hits = naive.heralded(record, *pair, window)
    assert found.n == heralds
    assert found.value == pytest.approx(hits / heralds if heralds else np.nan, nan_ok=True)


@quick
@given(click_records(), windows, st.integers(-1000, 1000))
def test_shifting_all_times_changes_nothing(record, window, ticks):
    shift = ticks * TICK
    shifted = ClickRecord.from_arrays(
        record.trajectory,
        record.time + shift,
        record.channel,
        channel_names=record.channel_names,
        start=record.start + shift,
        stop=record.stop + shift,
    )
    before, after = (an.composition_rates(r, window) for r in (record, shifted))
    assert before.keys() == after.keys()
    for name in before:
        assert before[name].value == pytest.approx(after[name].value, rel=1e-12, nan_ok=True)


@quick
@given(click_records(), click_records(), windows)
def test_bundles_of_merged_records_are_those_of_the_parts(one, other, window):
    assume(one.stamp.tobytes() != other.stamp.tobytes())  # the same clicks twice are refused
    whole = an.find_bundles(ClickRecord.concatenate([one, other]), window)
    parts = [an.find_bundles(record, window) for record in (one, other)]
    for name in ("start", "stop", "size", "composition", "order", "complete"):
        merged = np.concatenate([getattr(part, name) for part in parts])
        np.testing.assert_array_equal(getattr(whole, name), merged)


@quick
@given(click_records(), windows)
def test_undetected_clicks_are_as_if_they_had_not_been(record, window):
    alone = an.find_bundles(record.select("photon", "magnon"), window)
    within = an.find_bundles(record, window)
    assert within.channels == ("photon", "magnon")  # the atom is left out unless asked for
    np.testing.assert_array_equal(alone.size, within.size)
    np.testing.assert_array_equal(alone.start, within.start)


def test_a_gap_of_exactly_the_window_separates_and_ties_join():
    bundles = an.find_bundles(one_trajectory([2.0, 2.0, 3.0, 3.5], [0, 1, 0, 1]), window=1.0)
    assert bundles.size.tolist() == [2, 2]
    assert bundles.complete.tolist() == [True, True]


def test_bundles_near_the_ends_of_observation_are_not_complete():
    record = one_trajectory([0.5, 5.0, 9.5], [0, 0, 0])
    assert an.find_bundles(record, window=1.0).complete.tolist() == [False, True, False]
    # one complete bundle, seen during 10 − 2δ
    assert an.composition_rates(record, 1.0)["photon"].value == pytest.approx(1 / 8)


def test_a_hundred_thousand_clicks_are_one_bundle_without_a_stored_order():
    time = np.linspace(4.0, 5.0, 100_000)
    record = one_trajectory(time, np.zeros(100_000, dtype=int))
    bundles = an.find_bundles(record, window=1.0)
    assert bundles.size.tolist() == [100_000]
    assert bundles.order.tolist() == [-1]
    assert an.composition_rates(record, 1.0)["+".join(["photon"] * 100_000)].value == pytest.approx(1 / 7)
    assert sum(e.n for e in an.order_rates(record, 1.0).values()) == 0


def test_the_default_window_is_three_lifetimes_of_the_slowest_mode():
    time, channel = [2.0, 4.5], [0, 1]
    for kappa, sizes in ((1.0, [2]), (2.0, [1, 1]), ([2.0, 1.0, 4.0], [2])):
        record = ClickRecord.from_arrays(
            [0, 0],
            time,
            channel,
            channel_names=("photon", "magnon"),
            start=0,
            stop=10,
            provenance={"parameters": {"kappa": kappa}},
        )
        assert an.find_bundles(record).size.tolist() == sizes


def test_quanta_in_bundles_of_all_sizes_add_up_to_all_quanta():
    """Σ_n n R_n = Σ λ, within the error of the difference (one test, 4σ: false alarm 6e-5)."""
    record = pair_record(np.random.default_rng(11), 1.0, 4.0, 0.7, 200, 40.0)
    bundles = an.composition_rates(record, window=0.3)
    in_bundles = sum(len(names) * e.value for names, e in bundles.items())
    rates = an.rates(record)
    total = sum(e.value for e in rates.values())
    error = np.hypot(*(e.standard_error for e in rates.values()))
    assert abs(in_bundles - total) < 4 * error


@pytest.mark.parametrize("clicks", [0, 1])
def test_records_with_hardly_a_click(clicks):
    record = one_trajectory([5.0] * clicks, [0] * clicks)
    assert len(an.find_bundles(record, 1.0)) == clicks
    assert an.pair_purity(record, "photon", "magnon", 1.0).n == 0
    assert np.isnan(an.purity(record, 2, [1.0])[0].standard_error)
    assert np.isnan(an.cluster_g2(record, 1, 1, [0.0, 1.0], 1.0).standard_error).all()
    assert np.isnan(an.bundle_waiting_times(record, 1, 1, [0.0, 1.0], 1.0).standard_error).all()


def test_purity_is_not_cut_off_at_one():
    """Trajectories of 3δ: single records exceed 1, and all together give the value of a Poisson stream, 4.5σ."""
    window, rng = 1.0, np.random.default_rng(61)
    record = poisson_record(rng, {"a": 0.4}, 4000, 3.0 * window)
    [exact] = an.accidental_purity(0.4, 1, [window])
    [found] = an.purity(record, 1, [window])
    assert abs(found.value - exact.value) < 4.5 * found.standard_error
    [alone] = an.purity(
        ClickRecord.from_arrays([0], [1.5], [0], channel_names=["a"], start=0.0, stop=3.0), 1, [1.0]
    )
    assert alone.value == pytest.approx(3.0)


def test_coincidences_over_accidentals_in_either_convention():
    record = pair_record(np.random.default_rng(12), 0.5, 4.0, 0.5, 100, 50.0)
    ratio = an.coincidence_to_accidental(record, "photon", "magnon", 0.5)
    excess = an.coincidence_to_accidental(record, "photon", "magnon", 0.5, convention="(C-A)/A")
    assert ratio.value == an.g2(record, "photon", "magnon", [-0.5, 0.5]).value[0]
    assert excess.value == pytest.approx(ratio.value - 1)
    assert excess.standard_error == ratio.standard_error
    assert ratio.method.startswith("C/A;")
    assert excess.method.startswith("(C-A)/A;")


def test_the_definition_notices_planted_faults():
    """Rates without the exposure of the ends, or with gaps of twice the window, must differ from the twin's."""
    record = poisson_record(np.random.default_rng(13), {"photon": 1.0, "magnon": 1.0}, 30, 6.0)
    channels = ("photon", "magnon")
    exact = naive.composition_rates(record, 0.5, channels)["photon",]
    bundles = an.find_bundles(record, 0.5)
    complete = int((bundles.complete & bundles.of_kind("photon")).sum())
    assert complete / record.total_time != pytest.approx(exact, rel=0.05)
    assert an.composition_rates(record, 1.0)["photon"].value != pytest.approx(exact, rel=0.05)


RECORD = one_trajectory([1.0, 2.0], [0, 1])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: an.find_bundles(RECORD), "give window="),
        (lambda: an.find_bundles(RECORD, -1.0), "window=-1.0 must be a positive finite"),
        (lambda: an.find_bundles(RECORD, np.nan), "window=nan"),
        (lambda: an.find_bundles(RECORD, 1.0, ["phonon"]), "no channel named 'phonon'"),
        (lambda: an.find_bundles(RECORD, 1.0, ()), "a channel name, or several distinct ones"),
        (lambda: an.find_bundles(RECORD, 1.0, ["photon", "photon"]), "distinct"),
        (lambda: an.find_bundles(RECORD.select("atom"), 1.0), "give channels="),
        (lambda: an.composition_rates(RECORD, 1.0, max_size=0), "max_size=0"),
        (lambda: an.order_rates(RECORD, 1.0, max_size=80), "lower it"),
        (lambda: an.composition_rates(RECORD, 1.0, max_size=10**9), "lower it"),
        (lambda: an.purity(RECORD, 0, [1.0]), "n=0"),
        (lambda: an.purity(RECORD, 2, []), "windows is empty"),
        (lambda: an.purity(RECORD, 2, 1.0), "sequence of durations"),
        (lambda: an.purity(RECORD, 2, [1.0, 0.0]), r"windows\[1\]"),
        (lambda: an.accidental_purity(-1.0, 2, [1.0]), "rate=-1.0"),
        (lambda: an.pair_purity(RECORD, "photon", "atom", 1.0), "not detected"),
        (lambda: an.pair_purity(RECORD, "photon", "photon", 1.0), "different"),
        (lambda: an.cluster_g2(RECORD, 0, 1, [0.0, 1.0], 1.0), "bundle size=0"),
        (lambda: an.cluster_g2(RECORD, "photon+atom", 1, [0.0, 1.0], 1.0), "'atom'"),
        (lambda: an.cluster_g2(RECORD, 1, 1, [-1.0, 1.0], 1.0), "must not start below 0"),
        (lambda: an.heralding_efficiency(RECORD, "photon", "phonon", 1.0), "no channel named"),
        (lambda: an.coincidence_to_accidental(RECORD, "photon", "magnon", 1.0, "A/C"), "convention='A/C'"),
    ],
)
def test_bad_input_is_refused(call, words):
    with pytest.raises(InvalidInput, match=words):
        call()
