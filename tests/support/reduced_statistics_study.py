"""A million clicks of the reduced propagator against the master equation, at dimensions where modes give up speed.

OMP_NUM_THREADS=1 python tests/support/reduced_statistics_study.py [--levels 6 8]

Writes the table tests/statistics/reduced_statistics.csv: click rates of all channels, and g² of
photon and magnon. The exact side is independent of the engine. Three minutes a system on a quiet core.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import trajectories as tj
from trajectories import analysis, lindblad

TABLE = Path(__file__).resolve().parents[1] / "statistics" / "reduced_statistics.csv"
CLICKS, TRAJECTORIES, SEED = 1e6, 256, 20261126
EDGES = np.array([-3000.0, -1000.0, -300.0, -100.0, 0.0, 100.0, 300.0, 1000.0, 3000.0])
PAIRS = (("photon", "magnon"), ("photon", "photon"), ("magnon", "magnon"))


def rows(levels: int) -> Iterator[tuple[int, int, str, float, float, float]]:
    """Yield dimension, clicks, quantity, estimate, its standard error, and exact value."""
    system = tj.SpinningResonator(direction="left", detuning=1.3406).system(levels=(levels,) * 3)
    steady = lindblad.steady_state(system)
    total = CLICKS / sum(steady.rate(name) for name in system.channel_names)
    record = tj.simulate(
        system,
        TRAJECTORIES,
        total / TRAJECTORIES,
        seed=SEED,
        initial=steady.rho,
        propagator="reduced",
        workers=1,
        progress=False,
    )
    print(record.provenance["propagator_reason"], flush=True)
    size = system.dimension, len(record.time)
    for k, name in enumerate(system.channel_names):
        counts = np.bincount(record.trajectory[record.channel == k], minlength=TRAJECTORIES)
        error = counts.std(ddof=1) * TRAJECTORIES**0.5
        yield *size, f"rate of {name}", counts.sum() / total, error / total, steady.rate(name)
    for first, second in PAIRS:
        edges = EDGES if first != second else EDGES[EDGES >= 0.0]
        found = analysis.g2(record, first, second, edges)
        exact = lindblad.g2(steady, first, second, edges)
        for b in range(len(edges) - 1):
            name = f"g2 of {first} and {second} in [{edges[b]:g}, {edges[b + 1]:g})"
            yield *size, name, found.value[b], found.standard_error[b], exact.value[b]


def main() -> None:
    """Simulate, compare, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--levels", type=int, nargs="*", default=[6, 8])
    options = parser.parse_args()
    with TABLE.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(("dimension", "clicks", "quantity", "estimate", "standard_error", "exact", "z"))
        for levels in options.levels:
            for *what, value, error, exact in rows(levels):
                z = (value - exact) / error
                table.writerow((*what, f"{value:.6g}", f"{error:.2g}", f"{exact:.6g}", f"{z:.2f}"))
                print(*what, f"{value:.6g} ± {error:.2g}, exact {exact:.6g}, z = {z:.2f}", flush=True)
                stream.flush()


if __name__ == "__main__":
    main()
