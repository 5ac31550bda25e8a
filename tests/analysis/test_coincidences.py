"""n-fold coincidences and g³: against brute force, against independence, and against the density matrix."""

import itertools

import numpy as np
import pytest
from click_systems import watch

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad
from trajectories.analysis.statistics import resampling_units
from trajectories.errors import InvalidInput


def poisson(seed=1, clicks=3000, span=40000, trajectories=4, ticks=True):
    rng = np.random.default_rng(seed)
    row = np.sort(rng.integers(0, trajectories, clicks))
    stamp = rng.integers(0, span, clicks)
    order = np.lexsort((stamp, row))
    more = {"tick": 1e-3} if ticks else {}
    return tj.ClickRecord.from_arrays(
        row,
        stamp[order] if ticks else stamp[order] * 1e-3,
        rng.integers(0, 3, clicks),
        channel_names=["a", "b", "c"],
        start=np.zeros(trajectories),
        stop=np.full(trajectories, span * 1e-3),
        **more,
    )


def brute_force(record, names, window, delays=(0, 0, 0)):
    """Tuples of one click in each channel, last − first < window, first click seen with the window behind it.

    Times are compared after the delays, where all channels were observed then.
    """
    found, begin, end = 0, max(0, *delays), min(0, *delays)
    for r in range(record.n_trajectories):
        mine = record.trajectory == r
        sets = [record.stamp[mine & (record.channel == record.channel_number(name))] for name in names]
        sets = [times + delay for times, delay in zip(sets, delays, strict=False)]
        sets = [times[(times >= begin) & (times < record.stop_stamp[r] + end)] for times in sets]
        near = [(x, y) for x in sets[0] for y in sets[1] if abs(x - y) < window]
        tuples = [(*pair, z) for pair in near for z in sets[2]] if len(names) == 3 else near
        for times in tuples:
            if max(times) - min(times) < window and record.stop_stamp[r] + end - min(times) >= window:
                found += 1
    return found


@pytest.mark.parametrize("names", [("a", "b"), ("c", "a", "b")])
@pytest.mark.parametrize("ticks", [1, 7, 40])
def test_tuples_are_those_of_brute_force(names, ticks):
    record = poisson(clicks=900, span=9000)
    found = an.coincidences(record, names, ticks * 1e-3)
    assert found.rate.n == brute_force(record, names, ticks)
    assert found.rate.value == pytest.approx(found.rate.n / (4 * (9.0 - ticks * 1e-3)))


@pytest.mark.parametrize("delays", [(30, 0, -7), (-4000, 0, 0), (0, 11, 11)])
@pytest.mark.parametrize("names", [("a", "b"), ("c", "a", "b")])
def test_delayed_tuples_are_those_of_brute_force(names, delays):
    record = poisson(clicks=900, span=9000)
    given = {name: delay * 1e-3 for name, delay in zip(names, delays, strict=False)}
    found = an.coincidences(record, names, 20e-3, given)
    used = delays[: len(names)]
    assert found.rate.n == brute_force(record, names, 20, used)
    assert found.delays == tuple(given.values())
    observed = 9.0 - (max(0, *used) - min(0, *used)) * 1e-3
    assert found.rate.value == pytest.approx(found.rate.n / (4 * (observed - 20e-3)))


@pytest.mark.parametrize("in_ticks", [True, False])
@pytest.mark.parametrize("names", [("a", "b"), ("a", "b", "c")])
def test_independent_channels_coincide_by_chance(in_ticks, names):
    record = poisson(seed=3, clicks=40000, span=400000, trajectories=40, ticks=in_ticks)
    found = an.coincidences(record, names, 100e-3)
    assert abs(found.ratio.value - 1.0) < 4 * found.ratio.standard_error
    assert found.ratio.standard_error < 0.15


def three_outputs(rabi=0.6, gamma=(0.3, 0.2, 0.1)):
    """A driven three-level ladder that emits into three channels."""
    lower, upper = np.zeros((3, 3)), np.zeros((3, 3))
    lower[0, 1] = upper[1, 2] = 1.0
    hamiltonian = rabi * (lower + lower.T) + 0.8 * rabi * (upper + upper.T)
    operators = (np.sqrt(gamma[0]) * lower, np.sqrt(gamma[1]) * upper, np.sqrt(gamma[2]) * (lower + upper))
    channels = [tj.Channel(name, operator) for name, operator in zip("abc", operators, strict=True)]
    return tj.OpenSystem(hamiltonian, channels)


@pytest.fixture(scope="module")
def watched():
    system = three_outputs()
    return watch(system, 60, 3000.0, seed=8), lindblad.steady_state(system)


def test_coincidences_of_a_simulation_are_those_of_the_density_matrix(watched):
    record, steady = watched
    names, window = ("a", "b"), 4.0
    found, exact = an.coincidences(record, names, window), lindblad.coincidences(steady, names, window)
    assert found.rate.n > 1000
    assert abs(found.rate.deviation(exact.rate)) < 4.0
    assert abs(found.ratio.deviation(exact.ratio)) < 4.0
    # Two channels: the average of g² over ±w.
    average = lindblad.g2(steady, *names, [-window, window]).value[0]
    assert exact.ratio.value == pytest.approx(average, rel=1e-6)
    wrong = lindblad.coincidences(steady, names, window, detectors={"a": tj.Detector(efficiency=0.8)})
    assert abs(found.rate.deviation(wrong.rate)) > 5.0


def test_triple_coincidences_and_g3_of_a_simulation(watched):
    record, steady = watched
    exact = lindblad.coincidences(steady, ("a", "b", "c"), 5.0)
    found = an.coincidences(record, ("a", "b", "c"), 5.0)
    assert found.rate.n > 500
    assert abs(found.rate.deviation(exact.rate)) < 4.0
    edges = np.array([0.0, 3.0, 6.0, 9.0])
    clicks, known = (f(x, "a", "c", "b", edges, edges) for f, x in ((an.g3, record), (lindblad.g3, steady)))
    z = (clicks.value - known.value) / clicks.standard_error
    assert clicks.counts.min() > 50
    assert np.abs(z).max() < 4.0  # nine bins: a false alarm in 2000
    other = lindblad.g3(steady, "c", "a", "b", edges, edges)
    assert np.abs((clicks.value - other.value) / clicks.standard_error).max() > 6.0


def test_exact_triples_are_the_integral_of_exact_g3():
    """∬ over τ₁ + τ₂ < w of all orders of g³ is the rate of triples: two routes to one number."""
    steady = lindblad.steady_state(three_outputs())
    rates = np.prod([rate.value for rate in lindblad.rates(steady).values()])
    fine = np.linspace(0.0, 2.0, 161)
    cell = fine[1] ** 2
    below = np.add.outer(fine[:-1], fine[:-1]) + fine[1]  # latest corner of every cell on the diagonal
    share = np.where(below < 2.0 - 1e-9, 1.0, np.where(below < 2.0 + fine[1] - 1e-9, 0.5, 0.0))
    total = sum(
        (lindblad.g3(steady, *order, fine, fine).value * share).sum() * cell * rates
        for order in itertools.permutations("abc")
    )
    assert lindblad.coincidences(steady, ("a", "b", "c"), 2.0).rate.value == pytest.approx(total, rel=2e-3)


DELAYED = [(("a", "b"), 2.0, {"a": 2.5}), (("a", "b", "c"), 3.0, {"a": 4.0, "c": -3.0})]


def test_delayed_coincidences_of_a_simulation_are_those_of_the_density_matrix(watched):
    record, steady = watched
    for names, window, delays in DELAYED:
        found = an.coincidences(record, names, window, delays)
        exact = lindblad.coincidences(steady, names, window, delays)
        assert found.rate.n > 500
        assert abs(found.rate.deviation(exact.rate)) < 4.0
        assert abs(found.ratio.deviation(exact.ratio)) < 4.0
        assert abs(found.accidental.deviation(exact.accidental)) < 4.0
        # The twin: the delay of the other sign is another rate.
        wrong = lindblad.coincidences(steady, names, window, {name: -delay for name, delay in delays.items()})
        assert abs(found.rate.deviation(wrong.rate)) > 5.0


def test_exact_delayed_pairs_are_the_integral_of_exact_g2():
    """Delays d move the lags that count to −w − d_b + d_a … w − d_b + d_a; independent channels have them too."""
    steady = lindblad.steady_state(three_outputs())
    for delay in (0.0, 0.7, -3.0, 50.0):
        found = lindblad.coincidences(steady, ("a", "b"), 2.0, {"a": delay})
        average = lindblad.g2(steady, "a", "b", [delay - 2.0, delay + 2.0]).value[0]
        assert found.ratio.value == pytest.approx(average, rel=1e-7)


@pytest.mark.parametrize("dark", ["c", pytest.param("cd", marks=pytest.mark.slow)])  # four channels: 10 s
def test_exact_delayed_tuples_with_independent_channels_in_closed_form(dark):
    """With c and d dark counts alone, a lag r of a and b leaves them w² + 2w(w − r), and one of them 2w − r."""
    system = three_outputs()
    lower = system.channels[0].operator
    more = [*system.channels[:2], *(tj.Channel(name, lower) for name in dark)]
    steady = lindblad.steady_state(tj.OpenSystem(system.hamiltonian, more))
    detectors = {name: tj.Detector(efficiency=0.0, dark_rate=0.3) for name in dark}
    window, delays = 1.5, {"a": 0.4, "b": -0.3, "c": 0.9}
    edges = np.linspace(-window, window, 601)
    lag = 0.5 * (edges[1:] + edges[:-1])
    rates = lindblad.rates(steady)
    pairs = lindblad.g2(steady, "a", "b", edges + delays["a"] - delays["b"]).value * np.diff(edges)
    pairs = pairs * rates["a"].value * rates["b"].value
    places = 2 * window - np.abs(lag)
    if dark == "cd":
        places = window**2 + 2 * window * (window - np.abs(lag))
    found = lindblad.coincidences(steady, ("a", "b", *dark), window, delays, detectors).rate.value
    assert found == pytest.approx(0.3 ** len(dark) * pairs @ places, rel=1e-4)


def test_delays_of_other_channels_are_refused():
    with pytest.raises(InvalidInput, match="delays: no channel named 'c'; there are a, b"):
        an.coincidences(poisson(), ("a", "b"), 1.0, {"c": 1.0})
    with pytest.raises(InvalidInput, match="delays: no channel named 'c'; there are a, b"):
        lindblad.coincidences(lindblad.steady_state(three_outputs()), ("a", "b"), 1.0, {"c": 1.0})
    with pytest.raises(InvalidInput, match="leave no time"):
        an.coincidences(poisson(), ("a", "b"), 1.0, {"a": 100.0})


def test_g3_in_ticks_is_that_of_brute_force():
    record = poisson(clicks=240, span=1200, trajectories=2)
    edges1, edges2 = np.array([0, 5, 20]) * 1e-3, np.array([0, 10, 30]) * 1e-3
    expected = np.zeros((2, 2), dtype=int)
    for r in range(2):
        sets = [record.stamp[(record.trajectory == r) & (record.channel == k)] for k in range(3)]
        for x, y, z in itertools.product(*sets):
            one, two = np.searchsorted([0, 5, 20], y - x, "right"), np.searchsorted([0, 10, 30], z - y, "right")
            if 1 <= one <= 2 and 1 <= two <= 2:
                expected[one - 1, two - 1] += 1
    assert an.g3(record, "a", "b", "c", edges1, edges2).counts.tolist() == expected.tolist()


def test_g3_of_independent_channels_is_one():
    record = poisson(seed=7, clicks=60000, span=200000, trajectories=30)
    found = an.g3(record, "a", "b", "c", np.arange(0, 5) * 10e-3, np.arange(0, 4) * 10e-3)
    assert np.abs((found.value - 1.0) / found.standard_error).max() < 4.2


@pytest.mark.parametrize("channels", [("a",), ("a", "a"), "ab", ("a", "z"), ()])
def test_channels_that_make_no_tuple_are_refused(channels):
    with pytest.raises(InvalidInput):
        an.coincidences(poisson(), channels, 1.0)
    with pytest.raises(InvalidInput):
        lindblad.coincidences(lindblad.steady_state(three_outputs()), channels, 1.0)


def test_g3_in_bins_far_shorter_than_the_record_is_normalised():
    """Digits of (T − τ)³ cancelled: from a minute in ns, the overlap of bins of 1 ns was rounding."""
    span, width = 6e10, 1.0
    times = np.concatenate([[0.0, 0.2, 1.6], [0.0, 1.3, 1.5], [0.0, 1.7, 3.4]])
    triples = np.sort(np.concatenate([times[3 * k : 3 * k + 3] + 1e10 * (k + 1) for k in range(3)]))
    record = tj.ClickRecord.from_arrays(
        np.zeros(9, int), triples, np.tile([0, 1, 2], 3), channel_names=["a", "b", "c"], start=0.0, stop=span
    )
    edges = width * np.arange(3)
    found = an.g3(record, "a", "b", "c", edges, edges)
    assert found.counts.tolist() == [[0, 1], [1, 1]]
    lags = 0.5 * (edges[1:] + edges[:-1])
    exact = found.counts / ((3.0 / span) ** 3 * width**2 * (span - lags[:, None] - lags))
    np.testing.assert_allclose(found.value, exact, rtol=1e-9)


def test_cells_that_the_window_divides_have_the_overlap_of_a_fine_sum():
    times = tj.ClickRecord.from_arrays([], [], [], channel_names=["a"], start=[0.0, 0.0], stop=[7.3, 4.1])
    one, two = np.array([0.0, 1.0, 2.5, 6.0]), np.array([0.5, 3.0, 4.0])
    found = resampling_units.choose_resampling_units(times).double_overlap(one, two).sum(axis=0)
    fine = (np.arange(1200) + 0.5) / 1200.0
    for i, j in itertools.product(range(3), range(2)):
        wide, high = one[i + 1] - one[i], two[j + 1] - two[j]
        lag = (one[i] + wide * fine)[:, None] + two[j] + high * fine
        exact = sum(np.maximum(stop - lag, 0.0).mean() for stop in (7.3, 4.1)) * wide * high
        assert found[i, j] == pytest.approx(exact, rel=1e-5, abs=1e-5)


def test_windows_whose_powers_underflow_are_refused():
    steady = lindblad.steady_state(three_outputs())
    for side, clicks in ((an, poisson(ticks=False)), (lindblad, steady)):
        for window in (5e-324, 1e-310, 1e-61):
            with pytest.raises(InvalidInput, match="powers underflow; lengthen it"):
                side.coincidences(clicks, ("a", "b"), window)
            with pytest.raises(InvalidInput, match="powers underflow; lengthen it"):
                side.g3(clicks, "a", "b", "c", [0.0, window], [0.0, 1.0])
            with pytest.raises(InvalidInput, match="powers underflow; lengthen it"):
                side.order_fraction(clicks, "a", "b", window)
        assert side.coincidences(clicks, ("a", "b"), 1e-50).accidental.value > 0.0
