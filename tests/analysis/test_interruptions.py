"""Stationarity sees an interrupted record, and accepts bunched or blinking light."""

import numpy as np
import pytest

import trajectories as tj
from trajectories import analysis as an


def record(time):
    time = np.sort(time)
    return tj.ClickRecord.from_arrays(
        np.zeros(len(time), dtype=int),
        time,
        np.zeros(len(time), dtype=int),
        channel_names=["a"],
        start=0.0,
        stop=1.0,
    )


def uniform(rng, count, low, high):
    return low + rng.random(count) * (high - low)


INTERRUPTED = {
    "in the first 0.45 %": lambda rng: uniform(rng, 20000, 0.0, 0.0045),  # p = 0.41 before
    "in the first half": lambda rng: uniform(rng, 20000, 0.0, 0.5),  # NaN before
    "in the last third": lambda rng: uniform(rng, 5000, 0.67, 1.0),
    "a gap of 1 %": lambda rng: np.concatenate([uniform(rng, 9000, 0, 0.4), uniform(rng, 9000, 0.41, 1)]),
    "two gaps": lambda rng: np.concatenate([uniform(rng, 3000, k / 3, k / 3 + 0.31) for k in range(3)]),
    "half the rate later": lambda rng: np.concatenate([uniform(rng, 6000, 0, 0.5), uniform(rng, 3000, 0.5, 1)]),
    "a slow decay": lambda rng: np.minimum(rng.exponential(0.5, 9000), 0.999999),
}


@pytest.mark.parametrize("name", INTERRUPTED)
def test_an_interrupted_record_is_seen(name):
    time = INTERRUPTED[name](np.random.default_rng(3))
    assert an.stationarity(record(time[time < 0.99999]), "a").p_value < 1e-6


def poisson(rng):
    return rng.random(rng.poisson(4000))


def bunched(rng):
    size = rng.poisson(3.0, 1500)
    time = np.repeat(rng.random(1500), size) + rng.exponential(1e-5, size.sum())
    return time[time < 1.0]


def blinking(rng):
    switched = np.cumsum(rng.exponential(1e-3, 3000))
    time = np.sort(rng.random(16000))
    return time[np.searchsorted(switched, time) % 2 == 0]


@pytest.mark.parametrize("light", [poisson, bunched, blinking])
def test_a_stationary_record_is_rejected_at_the_nominal_rate(light):
    """Of 150 at 1 % more than seven are rejected once in 4000 times."""
    found = [an.stationarity(record(light(np.random.default_rng(seed))), "a").p_value for seed in range(150)]
    assert np.isfinite(found).all()
    assert (np.array(found) < 0.01).sum() <= 7


def test_many_trajectories_are_judged_by_their_spread_alone():
    rng = np.random.default_rng(2)
    rows = np.repeat(np.arange(30), 100)
    time = np.sort(rng.random((30, 100)), axis=1).ravel()
    many = tj.ClickRecord.from_arrays(
        rows, time, np.zeros(3000, dtype=int), channel_names=["a"], start=np.zeros(30), stop=np.ones(30)
    )
    assert "worst of" not in an.stationarity(many, "a").method
