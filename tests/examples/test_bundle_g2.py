"""examples/bundle_g2.py at reduced size: Eq. (3) at τ ≠ 0, by trajectories and exactly; clusters of clicks."""

from __future__ import annotations

import numpy as np
import pytest
from example_scripts import assert_pictures, load_example, read_table, run_example


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle_g2")
    return folder, run_example("bundle_g2.py", folder)


def test_bundles_stay_antibunched_until_the_atom_is_pumped_back(drawn):
    table = read_table(drawn[0] / "bundle_g2.csv")
    tau, g2 = table["tau"], table["exact"]
    assert g2[0] == pytest.approx(0.2297, abs=2e-3)  # orange, driven from the left, κ = 0.005, four levels
    lowest = int(np.argmin(g2))
    assert 50.0 < tau[lowest] < 400.0
    assert g2[lowest] < 0.15
    assert (np.diff(g2[lowest:]) > 0.0).all()
    assert g2[-1] > 0.7
    assert np.abs(table["converged"][0] / g2[0] - 1.0) > 0.03  # four levels are not converged, and it shows


def test_wave_functions_follow_the_exact_curve(drawn):
    """Six delays, each beyond 4σ with probability 6e-5: 4e-4 of a false alarm, at a fixed seed."""
    table = read_table(drawn[0] / "bundle_g2.csv")
    deviation = (table["estimate"] - table["exact"]) / table["standard_error"]
    assert len(deviation) == 6
    known = np.isfinite(deviation)  # else the spread rests on too few of the 32 trajectories
    assert known.sum() >= 4
    assert np.abs(deviation[known]).max() < 4.0
    # Planted fault: a curve without memory, g₂ = g₂(0) throughout, is far off.
    assert np.abs((table["estimate"] - table["exact"][0]) / table["standard_error"])[known].max() > 20.0


def test_clusters_of_clicks_are_antibunched_too(drawn):
    """Four bins; jackknife errors of few pairs are rough, so only bins with 20 pairs are held to 4σ."""
    table = read_table(drawn[0] / "bundle_g2_clusters.csv")
    seen = table["pairs"] >= 20
    assert seen.sum() >= 2
    deviation = (table["estimate"] - table["exact"]) / table["standard_error"]
    assert np.abs(deviation[seen]).max() < 4.0
    assert (np.diff(table["exact"]) > 0.0).all()
    assert table["exact"][0] < 0.3
    assert table["exact"][-1] > 0.95
    # Planted fault: independent bundles, g₂ = 1, are rejected.
    assert np.abs((table["estimate"] - 1.0) / table["standard_error"])[seen].max() > 4.0


def test_half_recovery():
    recovery = load_example("bundle_g2.py").recovery
    tau = np.linspace(0.0, 10.0, 1001)
    assert recovery(tau, 1.0 - np.exp(-tau)) == pytest.approx(np.log(2.0), abs=1e-3)
    # A ripple that falls below half again puts it off.
    rippled = 1.0 - np.exp(-tau) - 0.3 * (np.abs(tau - 1.0) < 0.05)
    assert recovery(tau, rippled) == pytest.approx(1.05, abs=0.01)


def test_pictures(drawn):
    assert_pictures(drawn[0], "bundle_g2")
    assert "half recovered from" in drawn[1]
