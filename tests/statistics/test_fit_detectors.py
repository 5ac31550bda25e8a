"""Detectors fitted beside the model, what the clicks cannot tell, and the Cramér–Rao bound beside each error."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from click_systems import driven_atom, driven_cavity, watch
from scipy import stats

import trajectories as tj
from trajectories import analysis as an
from trajectories.analysis.inference.replay import Replayer
from trajectories.errors import ConvergenceError, InvalidInput
from trajectories.lindblad.filter import conditional

STUDY = Path(__file__).with_name("fit_coverage_study.csv")
LOSSY = {"atom": tj.Detector(0.6, 0.02)}


@pytest.fixture(scope="module")
def seen():
    return an.apply_detectors(watch(driven_atom(1.5, 1.0), 200, 100.0, seed=31), LOSSY, seed=1)


def family(rabi):
    return driven_atom(rabi, 1.0)


def test_efficiency_and_dark_rate_beside_the_model(seen):
    """Each within 4.5 standard errors, which are the bound but for the record's luck; 9,000 clicks."""
    start = {"rabi": 1.4, "atom.efficiency": 0.5, "atom.dark_rate": 0.03}
    found = an.fit(seen, family, start, profile=False)
    for name, true in (("rabi", 1.5), ("atom.efficiency", 0.6), ("atom.dark_rate", 0.02)):
        assert abs(found[name].value - true) < 4.5 * found[name].standard_error
    np.testing.assert_allclose(found.standard_errors / found.bounds, 1.0, atol=0.15)
    assert found.standard_errors[1] < 0.05
    assert "bound" in str(found).splitlines()[0]


def test_coverage_with_a_lossy_detector():
    """η = 0.3, 200 records: 95 % intervals of rabi, η and the dark rate cover the truth (binomial 99.9 %)."""
    with STUDY.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert [row["parameter"] for row in rows] == ["rabi", "atom.efficiency", "atom.dark_rate"]
    for row in rows:
        assert int(row["records"]) >= 195
        low, high = stats.binom.ppf([5e-4, 1 - 5e-4], int(row["records"]), 0.95)
        assert low <= int(row["covered"]) <= high


def test_what_the_clicks_cannot_tell_is_said():
    """A coherent state clicks like a Poisson process: η and the dark rate are one number, and so is the drive."""
    cavity = driven_cavity(0.3, 1.0, levels=10)
    lossy = {"cavity": tj.Detector(0.5, 0.05)}
    record = an.apply_detectors(watch(cavity, 40, 200.0, seed=32), lossy, seed=2)
    start = {"cavity.efficiency": 0.5, "cavity.dark_rate": 0.05}
    with pytest.raises(
        ConvergenceError, match=r"if cavity.efficiency .* %, cavity.dark_rate .* % change together"
    ) as caught:
        an.fit(record, lambda: cavity, start, profile=False)
    # η|α|²κ + d stays: 0.36·0.5 of the one is 3.6 times the other.
    share = {
        word.split()[0]: float(word.split()[1])
        for word in str(caught.value).split(" if ")[1].split(" change together")[0].split(", ")
    }
    assert share["cavity.dark_rate"] / share["cavity.efficiency"] == pytest.approx(-3.6, rel=0.05)
    alone = an.fit(record, lambda: cavity, {"cavity.efficiency": 0.45}, profile=False)["cavity.efficiency"]
    assert abs(alone.value - 0.5) < 4.5 * alone.standard_error


def test_likelihoods_of_reduced_models_are_smooth(monkeypatch):
    """On 24 dimensions, same modes and pairs at all parameters: ln L moves as with all numbers of ρ.

    κ over some standard errors.
    """

    def resonator(kappa):
        return tj.SpinningResonator(direction="left", detuning=1.341, kappa=kappa, gamma=0.01).system(
            levels=(3, 2, 2)
        )

    lossy = dict.fromkeys(("photon", "magnon", "atom"), tj.Detector(0.5))
    with pytest.warns(tj.errors.TruncationWarning):
        record = an.apply_detectors(watch(resonator(0.02), 4, 4e4, seed=8), lossy, seed=1)
    kappas = np.array([0.014, 0.02, 0.032])
    exact = [tj.replay(record, resonator(kappa)).log_likelihood for kappa in kappas]
    monkeypatch.setattr(conditional, "FULL", 20)
    first = Replayer(record, resonator(kappas[0]), "steady", None)
    first.replay(record)
    reduced = [
        Replayer(record, resonator(k), "steady", None, like=first).replay(record).log_likelihood for k in kappas
    ]
    np.testing.assert_allclose(np.diff(reduced), np.diff(exact), atol=0.02)
    assert np.abs(np.diff(exact)).min() > 0.1


def test_a_maximum_at_the_end_of_a_range_is_said():
    """A record of an ideal detector: the likelihood grows up to η = 1."""
    record = watch(driven_atom(1.5, 1.0), 20, 100.0, seed=33)
    with pytest.raises(ConvergenceError, match=r"end of the range of atom\.efficiency"):
        an.fit(record, family, {"rabi": 1.5, "atom.efficiency": 0.97}, profile=False)


def test_refusals(seen):
    for name in ("atom.jitter", "other.efficiency"):
        with pytest.raises(
            InvalidInput, match=r"is no parameter of a recorded channel's detector, such as atom.eff"
        ):
            an.fit(seen, family, {"rabi": 1.4, name: 0.5})
