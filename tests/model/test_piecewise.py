"""Functions of time as polynomials between edges: accuracy as stated, steps in their places, what is refused."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import trajectories as tj
from trajectories.errors import InvalidInput
from trajectories.model.envelopes import envelope_from

GRID = np.linspace(0.0, 10.0, 101)
ASKED = np.random.default_rng(20261126).uniform(0.0, 10.0, 3000)


@pytest.mark.parametrize(
    ("function", "most_pieces"),
    [
        (lambda t: 3.0, 1),
        (lambda t: np.cos(3.0 * t), 32),
        (lambda t: np.exp(-0.5 * ((t - 5.0) / 0.3) ** 2), 64),
        (lambda t: np.exp(-1j * t * (1.0 + 0.2 * t)), 32),
        (lambda t: np.sqrt(0.05 * (1.0 + np.sin(t) ** 2)), 64),
        (lambda t: abs(t - np.e), 64),
        (lambda t: min(1.0, max(0.0, t / 3.0 - 1.0)), 80),
    ],
)
def test_pieces_follow_a_function_to_the_stated_error(function, most_pieces):
    envelope = tj.Piecewise.of(function, 0.0, 10.0, at=GRID)
    values = np.array([function(t) for t in ASKED])
    largest = np.abs(values).max()
    # Rounding of the values and of their sums is not part of the stated error.
    assert np.abs(envelope(ASKED) - values).max() <= (envelope.sampling_error + 1e-14) * largest
    assert envelope.sampling_error <= 1e-10
    assert len(envelope.edges) - 1 <= most_pieces
    assert not envelope.steps


def test_a_step_lies_where_it_is_and_the_value_to_the_right_counts():
    envelope = tj.Piecewise.of(lambda t: 1.0 + np.sin(t) if t < np.pi / 2 else 0.25, 0.0, 8.0)
    (step,) = {round(t, 9) for t in envelope.steps}
    assert step == pytest.approx(np.pi / 2, abs=1e-9)
    assert envelope([np.pi / 2 - 1e-9, np.pi / 2 + 1e-9]) == pytest.approx([2.0, 0.25], abs=1e-9)
    assert envelope.constant_between(4.1, 4.2)
    assert not envelope.constant_between(0.1, 0.2)


@pytest.mark.parametrize(
    "function",
    [np.sqrt, np.cbrt, lambda t: abs(t - np.e), lambda t: abs(np.sin(t)), lambda t: 100.0 * abs(t - np.e) + 0.1],
)
def test_the_stated_error_is_that_of_the_worst_time_where_a_slope_is_not_finite_or_jumps(function):
    envelope = tj.Piecewise.of(function, 0.0, 10.0)
    low, high = envelope.edges[:-1], envelope.edges[1:]
    seen = high - low > 10.0 * 2.0**-40  # in shorter pieces a slope of infinity looks like a step
    share = (np.arange(400) + 0.5) / 400
    times = (low[seen, None] + (high - low)[seen, None] * share).ravel()
    values = np.array([function(t) for t in times])
    assert np.abs(envelope(times) - values).max() <= (envelope.sampling_error + 1e-14) * np.abs(values).max()
    assert envelope.sampling_error < 1e-11


def test_a_narrow_feature_is_seen_where_one_looks():
    def pulse(t):
        return np.exp(-0.5 * ((t - 7.123) / 0.004) ** 2)

    assert tj.Piecewise.of(pulse, 0.0, 10.0)([7.123]) == pytest.approx([0.0], abs=1e-9)  # what is warned of
    seen = tj.Piecewise.of(pulse, 0.0, 10.0, at=np.linspace(7.0, 7.2, 51))
    assert seen([7.123]) == pytest.approx([1.0], abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-3.0, 3.0), min_size=1, max_size=6), st.floats(0.0, 5.0))
@example([5e-324], 0.0)  # the smallest number there is
@example([1e-300, 0.0, 1e-310], 1.0)
def test_ends_go_on_and_a_file_gives_the_same_envelope_back(coefficients, start):
    envelope = tj.Piecewise.of(lambda t: np.polyval(coefficients, t - start), start, start + 2.0)
    assert envelope([start - 1.0]) == pytest.approx(envelope([start]))
    assert envelope([start + 9.0]) == pytest.approx(envelope([start + 2.0]))
    times = np.linspace(start - 1.0, start + 3.0, 41)
    np.testing.assert_array_equal(envelope_from(envelope.to_dict())(times), envelope(times))
    np.testing.assert_allclose(
        envelope(times), np.polyval(coefficients, np.clip(times - start, 0.0, 2.0)), atol=1e-12 * 200.0
    )


def test_a_cosine_as_pieces_moves_no_click():
    sigma = tj.HilbertSpace(atom=2).lower("atom")
    named = tj.Cosine(0.7, height=0.4)
    clicks = [
        tj.simulate(
            tj.OpenSystem(
                0.1 * sigma.T @ sigma, [tj.Channel("atom", 0.6 * sigma)], drives=[tj.Drive(sigma + sigma.T, f)]
            ),
            trajectories=8,
            duration=60.0,
            seed=4,
            initial=np.array([1.0, 0.0]),
            progress=False,
        )
        for f in (named, tj.Piecewise.of(lambda t: 0.4 * np.cos(0.7 * t), 0.0, 60.0))
    ]
    assert len(clicks[0]) == len(clicks[1]) > 20
    np.testing.assert_allclose(clicks[0].time, clicks[1].time, atol=1e-7)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: tj.Piecewise.of(lambda t: np.nan, 0.0, 1.0), "not finite at t=0"),
        (lambda: tj.Piecewise.of(np.cos, 1.0, 1.0), "stop must be later"),
        (
            lambda: tj.Piecewise.of(lambda t: np.sin(1e9 * t), 0.0, 1.0, most=100),
            "100 polynomials do not approximate",
        ),
        (lambda: tj.Piecewise([0.0, 1.0], [[1.0, 2.0], [2.0, 3.0]]), "one row of values a piece"),
        (lambda: tj.Piecewise([0.0, 1.0], [[1.0]]), "two values a piece"),
        (lambda: tj.Piecewise([0.0, 1.0, 1.0], [[1.0, 2.0], [2.0, 3.0]]), "do not ascend at 1"),
        (lambda: tj.Piecewise([0.0, np.inf], [[1.0, 2.0]]), "edges of Piecewise"),
        (lambda: tj.Drive(np.eye(2), np.cos), r"tj.Piecewise.of\(f, start, stop\)"),
    ],
)
def test_what_cannot_be_right_is_refused(make, told):
    with pytest.raises(InvalidInput, match=told):
        make()
