"""Click records for tests: random small ones with ties, and cheap point processes with known statistics."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from trajectories.records.clicks import ClickRecord

# Times of random records are multiples of this, so that sums are exact and ties are frequent.
TICK = 0.125


@st.composite
def click_records(draw, channels=("photon", "magnon", "atom"), trajectories=(1, 2, 3, 22)):
    """Small records on a coarse time grid: ties, empty trajectories, clicks at both ends of the window."""
    count = draw(st.sampled_from(trajectories))
    start = [draw(st.integers(-8, 8)) * TICK for _ in range(count)]
    stop = [a + draw(st.integers(1, 48)) * TICK for a in start]
    clicks = []
    for _ in range(draw(st.integers(0, 24))):
        r = draw(st.integers(0, count - 1))
        ticks = draw(st.integers(0, round((stop[r] - start[r]) / TICK)))
        clicks.append((r, start[r] + ticks * TICK, draw(st.integers(0, len(channels) - 1))))
    clicks.sort(key=lambda click: click[:2])
    r, t, c = zip(*clicks, strict=True) if clicks else ((), (), ())
    return ClickRecord.from_arrays(r, t, c, channel_names=channels, start=start, stop=stop)


def record_of(trajectory, time, channel, names, trajectories, duration, **more):
    """Sort clicks and drop those outside the windows [0, duration]."""
    inside = (time >= 0) & (time <= duration)
    trajectory, time, channel = trajectory[inside], time[inside], channel[inside]
    order = np.lexsort((time, trajectory))
    windows = {"start": np.zeros(trajectories), "stop": np.full(trajectories, float(duration))}
    columns = (trajectory[order], time[order], channel[order])
    return ClickRecord.from_arrays(*columns, channel_names=names, **windows, **more)


def poisson_record(rng, rates, trajectories, duration):
    """Independent Poisson streams, one a channel."""
    counts = rng.poisson(np.multiply.outer(np.full(trajectories, duration), list(rates.values())))
    trajectory = np.repeat(np.arange(trajectories), counts.sum(axis=1))
    channel = np.concatenate([np.repeat(np.arange(len(rates)), row) for row in counts])
    time = rng.uniform(0, duration, len(trajectory))
    return record_of(trajectory, time, channel, tuple(rates), trajectories, duration)


def pair_record(rng, rate, decay, forward, trajectories, duration):
    """Poisson emission of photon–magnon pairs with exponential lags, photon first with probability `forward`.

    The cross-correlation is 1 + f(τ)/rate with f the density of the signed lag; each channel alone is Poisson.
    """
    margin = 40.0 / decay
    counts = rng.poisson(rate * (duration + 2 * margin), trajectories)
    trajectory = np.repeat(np.arange(trajectories), counts)
    photon = rng.uniform(-margin, duration + margin, len(trajectory))
    sign = np.where(rng.random(len(trajectory)) < forward, 1.0, -1.0)
    magnon = photon + sign * rng.exponential(1.0 / decay, len(trajectory))
    both = np.concatenate([trajectory, trajectory])
    channel = np.repeat([0, 1], len(trajectory))
    provenance = {"parameters": {"kappa": decay}}
    times = np.concatenate([photon, magnon])
    return record_of(both, times, channel, ("photon", "magnon"), trajectories, duration, provenance=provenance)


def renewal_record(rng, shape, rate, trajectories, duration):
    """Stationary renewal process with gamma waits of mean 1/rate (shape 1 is Poisson, more antibunched)."""
    burn_in = 50.0 / rate
    steps = int(2.0 * rate * (duration + burn_in)) + 200
    waits = rng.gamma(shape, 1.0 / (shape * rate), (trajectories, steps))
    # A start long before the window, by a random fraction of the mean wait, makes it stationary.
    times = np.cumsum(waits, axis=1) - burn_in - rng.uniform(0, 1.0 / rate, (trajectories, 1))
    assert (times[:, -1] > duration).all()
    trajectory = np.repeat(np.arange(trajectories), steps)
    return record_of(
        trajectory, times.ravel(), np.zeros(times.size, dtype=int), ("photon",), trajectories, duration
    )
