"""Clicks of a pulsed system by QuTiP's mcsolve, as a table that trajectories are compared with.

    .venv/bin/python tests/support/pulsed_mcsolve_study.py > tests/physics/pulsed_mcsolve.csv

A cavity with an atom from the ground state, driven by two Gaussian pulses, with a photon decay that changes in
time. Of each trajectory: the numbers of clicks of both channels, and the bin of the first click of each.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

import trajectories as tj

SPACE = tj.HilbertSpace(photon=3, atom=2)
DURATION, TRAJECTORIES, SEED = 16.0, 2400, 1
# Largest count that is resolved, and edges of the bins of first clicks; after the last one comes "none".
MOST, EDGES = 2, np.linspace(0.0, DURATION, 9)


def system(late: float = 0.0, conjugate: bool = True) -> tj.OpenSystem:
    """Return the system; the planted faults are pulses that come late, and a drive without part of its h.c."""
    a, s = SPACE.lower("photon"), SPACE.lower("atom")
    pulses = tj.Gaussian(3.0 + late, 0.8, 0.9) + tj.Gaussian(9.0 + late, 1.0, 0.6)
    drive = s + s.T if conjugate else 0.5 * (s + s.T)
    channels = [tj.Channel("photon", 0.8 * a, tj.Ramp(0.0, DURATION, 1.0, 0.5)), tj.Channel("atom", 0.4 * s)]
    return tj.OpenSystem(0.6 * (a.T @ s + s.T @ a), channels, SPACE, drives=[tj.Drive(drive, pulses)])


def tables(trajectory: NDArray, time: NDArray, channel: NDArray, count: int) -> dict[str, NDArray[np.int64]]:
    """Return how many trajectories have each pair of counts, and their first click of each channel in each bin."""
    counts = np.zeros((count, 2), np.int64)
    np.add.at(counts, (trajectory, channel), 1)
    counts = np.minimum(counts, MOST)
    found = {"counts": np.bincount(counts[:, 0] * (MOST + 1) + counts[:, 1], minlength=(MOST + 1) ** 2)}
    for k, name in enumerate(("photon", "atom")):
        first = np.full(count, 2.0 * DURATION)
        np.minimum.at(first, trajectory[channel == k], time[channel == k])
        place = np.searchsorted(EDGES, first, side="right") - 1
        found[f"first {name}"] = np.bincount(np.minimum(place, len(EDGES) - 1), minlength=len(EDGES))
    return found


def by_mcsolve() -> dict[str, NDArray[np.int64]]:
    """Run QuTiP's mcsolve."""
    import qutip

    hamiltonian, jumps = system().to_qutip()
    ket = qutip.Qobj(SPACE.ket(photon=0, atom="g"), dims=[[3, 2], [1, 1]])
    options = {
        "progress_bar": "",
        "method": "vern7",
        "atol": 1e-10,
        "rtol": 1e-8,
        "max_step": 0.5,
        "map": "serial",
    }
    found = qutip.mcsolve(
        hamiltonian, ket, [0.0, DURATION], jumps, ntraj=TRAJECTORIES, seeds=SEED,
        options={**options, "norm_tol": 1e-7, "norm_t_tol": 1e-7, "keep_runs_results": True},
    )  # fmt: skip
    time, which = found.col_times, found.col_which
    trajectory = np.repeat(np.arange(TRAJECTORIES), [len(t) for t in time])
    return tables(trajectory, np.concatenate(time), np.concatenate(which).astype(np.int64), TRAJECTORIES)


def main() -> None:
    """Print the table."""
    import qutip

    print(f"# mcsolve of QuTiP {qutip.__version__}, {TRAJECTORIES} trajectories, seed {SEED}")
    print("table,place,trajectories")
    for name, numbers in by_mcsolve().items():
        for place, number in enumerate(numbers):
            print(f"{name},{place},{number}")


if __name__ == "__main__":
    sys.exit(main())
