"""Clicks of a pulsed system against QuTiP's mcsolve with the same coefficients, and faults that are caught.

The table of mcsolve's trajectories was made by `tests/support/pulsed_mcsolve_study.py`.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from pulsed_mcsolve_study import DURATION, MOST, SPACE, TRAJECTORIES, system, tables
from scipy.stats import chi2_contingency, norm

import trajectories as tj
from trajectories import lindblad

TABLE = Path(__file__).with_name("pulsed_mcsolve.csv")
# Three tables at 4σ, two-sided: a right engine fails once in 5,000 seeds. The seeds are fixed.
MOST_SIGMA, MINE = 4.0, 8_000


def by_mcsolve() -> dict[str, np.ndarray]:
    found: dict[str, list[int]] = {}
    with TABLE.open(encoding="utf-8") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            found.setdefault(row["table"], []).append(int(row["trajectories"]))
    return {name: np.array(numbers) for name, numbers in found.items()}


def of_ours(made: tj.OpenSystem) -> dict[str, np.ndarray]:
    clicks = tj.simulate(
        made, MINE, DURATION, seed=2, initial=SPACE.ket(photon=0, atom="g"), workers=1, progress=False
    )
    return tables(clicks.trajectory, clicks.time, clicks.channel.astype(np.int64), MINE)


def sigmas(made: tj.OpenSystem) -> dict[str, float]:
    """Return by how many σ each table of ours differs from mcsolve's, from χ² of homogeneity."""
    theirs, found = by_mcsolve(), {}
    for name, ours in of_ours(made).items():
        both = np.array([ours, theirs[name]])
        kept = both.sum(axis=0) >= 40  # five expected of mcsolve's
        merged = np.column_stack([both[:, kept], both[:, ~kept].sum(axis=1)])
        found[name] = float(norm.isf(0.5 * chi2_contingency(merged[:, merged.sum(axis=0) > 0]).pvalue))
    return found


def test_clicks_are_distributed_as_those_of_mcsolve():
    theirs = by_mcsolve()
    assert all(numbers.sum() == TRAJECTORIES for numbers in theirs.values())
    assert max(sigmas(system()).values()) < MOST_SIGMA


@pytest.mark.parametrize("fault", [{"late": 0.25}, {"conjugate": False}], ids=["half a step late", "half of h.c."])
def test_planted_faults_are_caught(fault):
    """The pulses come late by half of mcsolve's largest step; or half of the drive is missing."""
    assert max(sigmas(system(**fault)).values()) > MOST_SIGMA


def test_mean_counts_are_those_of_mesolve():
    """∫⟨g²c†c⟩dt by QuTiP's mesolve: our exact side to its tolerance, our clicks within 4σ."""
    import qutip

    made = system()
    hamiltonian, jumps = made.to_qutip()
    ket = SPACE.ket(photon=0, atom="g")
    times = np.linspace(0.0, DURATION, 321)
    numbers = [
        qutip.Qobj((c.operator.conj().T @ c.operator).toarray(), dims=hamiltonian.dims) for c in made.channels
    ]
    options = {"method": "vern9", "atol": 1e-11, "rtol": 1e-9, "max_step": 0.5}
    psi = qutip.Qobj(ket, dims=[[3, 2], [1, 1]])
    expected = qutip.mesolve(hamiltonian, psi, times, jumps, e_ops=numbers, options=options).expect
    amplitude = np.real(made.channels[0].amplitude(times)) ** 2
    rates = [amplitude * np.array(expected[0]), np.array(expected[1])]
    ours = lindblad.evolve(made, ket, times, {str(k): n.full() for k, n in enumerate(numbers)})
    clicks = tj.simulate(made, 4000, DURATION, seed=4, initial=ket, workers=1, progress=False)
    for k, name in enumerate(made.channel_names):
        mine = np.asarray(ours[str(k)].value) * (amplitude if k == 0 else 1.0)
        np.testing.assert_allclose(mine, rates[k], atol=2e-8)
        mean = float(np.trapezoid(rates[k], times))
        counts = np.bincount(clicks.trajectory[clicks.channel == k], minlength=4000)
        assert abs(counts.mean() - mean) < 4.0 * counts.std(ddof=1) / np.sqrt(4000), name


def test_the_tables_count_by_hand():
    found = tables(np.array([0, 0, 2]), np.array([1.0, 3.0, 5.0]), np.array([0, 0, 1]), 3)
    assert found["counts"][MOST * (MOST + 1)] == found["counts"][1] == found["counts"][0] == 1
    assert found["first photon"].tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 2]
    assert found["first atom"].tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 2]
