"""Time g², the 16-pair matrix and the bundles on Poisson clicks, beside the definition and pycorrelate.

Run as `python tests/benchmarks/correlations_vs_naive.py [--clicks 1e7] [--peer-clicks 2e6]`. Compilation is
left out; each time is the best of three. pycorrelate (pip install pycorrelate) is measured where installed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import naive_estimators as naive

from trajectories import analysis as an
from trajectories.records.clicks import ClickRecord

TRAJECTORIES, BINS = 200, 1000


def poisson(clicks: int, channels: int, trajectories: int = TRAJECTORIES) -> ClickRecord:
    """Clicks of total rate 1 in channels of equal rates."""
    rng = np.random.default_rng(clicks + channels)
    times = np.cumsum(rng.exponential(size=clicks))
    duration = float(times[-1]) / trajectories * (1 + 1e-9)
    row = (times / duration).astype(int)
    return ClickRecord.from_arrays(
        row,
        np.clip(times - row * duration, 0.0, duration),
        rng.integers(0, channels, clicks),
        channel_names=[f"c{k}" for k in range(channels)],
        start=np.zeros(trajectories),
        stop=np.full(trajectories, duration),
    )


def best(call: Callable[[], Any], repeats: int = 3) -> tuple[float, Any]:
    """Return the shortest time in seconds, after one call that compiles, and the last result."""
    call()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - begin)
    return min(times), result


def report(name: str, seconds: float, pairs: float) -> None:
    """Print one line of the table."""
    print(f"{name:58s} {seconds:9.4f} s {pairs:12.4g} pairs {pairs / seconds:11.4g} pairs/s")


def full_size(clicks: int) -> None:
    """Whole estimates, errors included, at the size that is promised."""
    two, four = poisson(clicks, 2), poisson(clicks, 4)
    spacings = {
        "linear": np.linspace(0.0, 2.0, BINS + 1),
        "both signs": np.linspace(-1.0, 1.0, BINS + 1),
        "logarithmic": np.geomspace(1e-4, 2.0, BINS + 1),
    }
    for name, edges in spacings.items():
        seconds, found = best(lambda edges=edges: an.g2(two, "c0", "c1", edges))
        report(f"g2, {clicks:.0e} clicks in 2 channels, {name}", seconds, found.counts.sum())
        seconds, matrix = best(lambda edges=edges: an.g2_matrix(four, edges))
        pairs = sum(found.counts.sum() for found in matrix.values())
        report(f"g2_matrix, {clicks:.0e} clicks in 4 channels, {name}", seconds, pairs)
    window = 0.3
    seconds, bundles = best(lambda: an.find_bundles(two, window))
    report(f"find_bundles, {clicks:.0e} clicks (pairs = bundles)", seconds, len(bundles))
    seconds, fraction = best(lambda: an.order_fraction(two, "c0", "c1", window))
    report(f"order_fraction, {clicks:.0e} clicks, bundles included", seconds, fraction.n)


def beside_pycorrelate(clicks: int) -> None:
    """One pair of channels, one pair per start, equal counts; ours with normalisation and errors."""
    record = poisson(clicks, 2, trajectories=1)
    edges = np.linspace(0.0, 2.0, BINS + 1)
    first, second = (record.select(name).time for name in ("c0", "c1"))
    ours, found = best(lambda: an.g2(record, "c0", "c1", edges))
    report(f"g2, {clicks:.0e} clicks, one trajectory", ours, found.counts.sum())
    if find_spec("pycorrelate") is None:
        print("pycorrelate is not installed: pip install pycorrelate")
        return
    from pycorrelate import pcorrelate

    theirs, counted = best(lambda: pcorrelate(first, second, edges), repeats=1)
    counted = np.rint(counted * np.diff(edges))  # it returns pairs per lag
    assert np.array_equal(counted, found.counts)
    report("pycorrelate.pcorrelate, counts only", theirs, counted.sum())
    print(f"ratio pycorrelate/g2: {theirs / ours:.0f} at equal counts")


def beside_the_definition(clicks: int) -> None:
    """The O(n²) twin of the tests."""
    record = poisson(clicks, 2, trajectories=2)
    edges = np.linspace(-1.0, 1.0, 21)
    seconds, found = best(lambda: an.g2(record, "c0", "c1", edges))
    report(f"g2, {clicks} clicks", seconds, found.counts.sum())
    seconds, counts = best(lambda: naive.pair_counts(record, "c0", "c1", edges), repeats=1)
    report("the definition, O(n²) in Python", seconds, counts.sum())
    assert np.array_equal(counts, found.counts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=float, default=1e7, help="clicks of the full-size record")
    parser.add_argument("--peer-clicks", type=float, default=2e6, help="clicks of the record pycorrelate counts")
    options = parser.parse_args()
    full_size(int(options.clicks))
    beside_pycorrelate(int(options.peer_clicks))
    beside_the_definition(600)
