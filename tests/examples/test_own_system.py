"""examples/own_system.py at reduced size: resonance, purity from clicks and exactly, validation, length."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from example_scripts import EXAMPLES, assert_pictures, read_table, run_example

import trajectories as tj
from trajectories import lindblad

KAPPA, GAMMA, DRIVE, ATOM = 0.1, 0.003, 5.0, -10.0


def emitter(detuning: float, levels: int = 6) -> tj.OpenSystem:
    """The same system from Kronecker products, without the package's Hilbert space."""
    a = np.kron(np.diag(np.sqrt(np.arange(1.0, levels)), 1), np.eye(2))
    sigma = np.kron(np.eye(levels), [[0.0, 1.0], [0.0, 0.0]])
    h = detuning * a.T @ a + ATOM * sigma.T @ sigma + a.T @ sigma + sigma.T @ a + DRIVE * (sigma + sigma.T)
    return tj.OpenSystem(h, [tj.Channel("cavity", np.sqrt(KAPPA) * a), tj.Channel("atom", np.sqrt(GAMMA) * sigma)])


def exact_purity(detuning: float, windows: np.ndarray, levels: int = 6) -> np.ndarray:
    steady = lindblad.steady_state(emitter(detuning, levels))
    return np.array([p.value for p in lindblad.purity(steady, 2, windows, channels=["cavity"])])


@pytest.fixture(scope="module")
def walked(tmp_path_factory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("own_system")
    return folder, run_example("own_system.py", folder)


@pytest.fixture(scope="module")
def resonance(walked) -> float:
    return float(re.search(r"resonance at Δ_a = ([0-9.]+) g", walked[1])[1])


def test_it_is_short():
    assert len((EXAMPLES / "own_system.py").read_text(encoding="utf-8").splitlines()) < 60


def test_the_resonance_is_where_two_photons_bridge_the_dressed_atom(resonance):
    # Half the dressed splitting, shifted by the coupling to second order, about g²/2Δ.
    assert resonance == pytest.approx(0.5 * np.hypot(ATOM, 2 * DRIVE), abs=0.1)
    photons = np.repeat(np.arange(6.0), 2)

    def pairs(detuning: float) -> float:
        diagonal = np.diag(lindblad.steady_state(emitter(detuning)).rho).real
        return float(diagonal @ (photons * (photons - 1.0)))

    def distance_to_the_top(detuning: float) -> float:
        """Of the parabola through three points; true only near the top."""
        below, at, above = (pairs(detuning + d) for d in (-0.01, 0.0, 0.01))
        return abs(0.005 * (below - above) / (below - 2.0 * at + above))

    assert distance_to_the_top(resonance) < 1e-3
    # Planted fault: the formula alone.
    assert distance_to_the_top(0.5 * np.hypot(ATOM, 2 * DRIVE)) > 0.02


def test_purities_are_exact_and_the_clicks_agree(walked, resonance):
    columns = read_table(walked[0] / "own_system.csv")
    rebuilt = exact_purity(resonance, columns["window"])
    np.testing.assert_allclose(columns["exact"], rebuilt, rtol=2e-3)  # the resonance is printed to four digits
    assert columns["exact"].max() > 0.8  # bundles of two dominate
    np.testing.assert_allclose(rebuilt, exact_purity(resonance, columns["window"], 8), rtol=1e-4)  # converged
    z = (columns["clicks"] - columns["exact"]) / columns["error"]
    assert np.abs(z).max() < 4.5  # false alarm below 25 × 7e-6
    # Planted fault: an emitter tuned off its resonance does not fit these clicks.
    wrong = exact_purity(resonance + 0.2, columns["window"])
    assert np.abs((columns["clicks"] - wrong) / columns["error"]).max() > 10.0


def test_the_record_is_validated(walked):
    said = walked[1]
    assert "time rescaling" in said
    # Holm's p of each test; all above 1e-4 but for one record in 10⁴.
    adjusted = [
        float(row[1]) for row in re.finditer(r"^.{20,}?\s+\S+\s+\S+\s+(\S+)\s+\d+(?:  <<)?$", said, re.MULTILINE)
    ]
    assert len(adjusted) > 10
    assert min(adjusted) > 1e-4


def test_the_pictures_are_there(walked):
    assert_pictures(walked[0], "own_system")
