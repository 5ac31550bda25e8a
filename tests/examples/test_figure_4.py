"""examples/figure_4.py at reduced size: D₁ of both directions, and what the printed convention would give."""

from __future__ import annotations

import numpy as np
import pytest
from example_scripts import assert_pictures, load_example, rows_of, run_example

import trajectories as tj
from trajectories import lindblad


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figure_4")
    return folder, run_example("figure_4.py", folder)


@pytest.fixture(scope="module")
def rows(drawn):
    return rows_of(drawn[0] / "figure_4.csv")


@pytest.mark.parametrize(("direction", "pair"), [("left", "ab"), ("right", "am")])
def test_the_emitted_pair_is_entangled_where_kappa_is_not_too_small(rows, direction, pair):
    mine = [row for row in rows if row["direction"] == direction]
    assert [row["antibunched"] for row in mine] == [1, 1, 1, 0]
    assert mine[0][f"D_{pair}"] == mine[0][f"D_{pair}σ"] == 0.0  # κ = 0.001: the witness is silent
    at = mine[2]  # κ = 0.0074, antibunched
    assert 0.01 < at[f"D_{pair}"] < 0.05 < at[f"D_{pair}σ"] < 0.1
    other = {"ab": "am", "am": "ab"}[pair]
    assert at[f"D_{other}"] > 0.01  # the pair that is not emitted is entangled too


def test_the_known_values_of_the_feasible_kappa():
    quantities = load_example("figure_4.py").quantities
    known = {"left": {"D_ab": 0.0356, "D_abσ": 0.0943}, "right": {"D_am": 0.0181, "D_amσ": 0.0820}}
    for direction, expected in known.items():
        resonator = tj.SpinningResonator(direction, 1.3693, 0.008)
        found = quantities(lindblad.steady_state(resonator.system((6, 4, 4))))
        for name, value in expected.items():
            assert found[name] == pytest.approx(value, abs=5e-4)


def test_the_printed_convention_is_told_apart(rows, drawn):
    for row in rows:
        for name in ("D_ab", "D_am"):
            assert row[f"{name}_printed"] > 12.0 > row[name]
    assert "Q − Γ of the vacuum, which is separable: 12.000" in drawn[1]


def test_where_entanglement_sets_in():
    onset = load_example("figure_4.py").onset
    kappa = np.array([1.0, 2.0, 3.0, 4.0])
    assert onset(kappa, np.array([0.0, 0.1, 0.0, 0.2])) == 4.0
    assert onset(kappa, np.array([0.3, 0.1, 0.1, 0.2])) == 1.0
    assert np.isnan(onset(kappa, np.array([0.3, 0.1, 0.1, 0.0])))


def test_pictures(drawn):
    assert_pictures(drawn[0], "figure_4")
