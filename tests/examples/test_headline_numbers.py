"""examples/headline_numbers.py at reduced size: the paper's values at four levels, and not beyond."""

from __future__ import annotations

import numpy as np
import pytest
from example_scripts import assert_pictures, rows_of, run_example

import trajectories as tj
from trajectories import lindblad

KNOWN = {"ab": (0.49, 0.494, 0.526), "am": (0.29, 0.291, 0.332)}  # paper; four levels; 5,4,4 levels


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("headline_numbers")
    return folder, run_example("headline_numbers.py", folder)


@pytest.fixture(scope="module")
def table(drawn):
    rows = rows_of(drawn[0] / "headline_numbers.csv")
    return {(row["pair"], row["levels"], row["detuning_of"]): row for row in rows}


@pytest.mark.parametrize("pair", KNOWN)
def test_four_levels_give_the_paper_s_value_and_five_photon_levels_do_not(table, pair):
    paper, four, five = KNOWN[pair]
    for place in ("fixed", "own resonance"):
        row = table[pair, "4-4-4", place]
        assert row["g2"] == pytest.approx(four, abs=1e-3)
        assert abs(row["difference_from_paper"]) < 0.005
        assert row["detuning"] == pytest.approx(1.3693, abs=5e-5)
    finer = table[pair, "5-4-4", "fixed"]
    assert finer["g2"] == pytest.approx(five, abs=1e-3)
    assert finer["difference_from_paper"] > 0.03  # planted fault: more levels must not pass as the paper's
    assert finer["difference_from_paper"] == pytest.approx(finer["g2"] - paper)


@pytest.mark.parametrize("pair", KNOWN)
def test_only_photon_levels_matter(table, pair):
    four = table[pair, "4-4-4", "fixed"]["g2"]
    for levels in ("4-5-4", "4-4-5"):
        assert table[pair, levels, "fixed"]["g2"] == pytest.approx(four, rel=1e-3)


def test_wave_functions_agree_at_each_truncation(table):
    """Four estimates, each beyond 4σ with probability 6e-5: 3e-4 of a false alarm, at a fixed seed."""
    seen = [row for row in table.values() if np.isfinite(row["estimate"])]
    assert len(seen) == 4
    # One whose spread rests on too few trajectories says "± ?" and is no evidence.
    seen = [row for row in seen if np.isfinite(row["standard_error"])]
    assert len(seen) >= 3
    for row in seen:
        assert abs(row["estimate"] - row["g2"]) < 4.0 * row["standard_error"]
    # Planted fault: no estimate confirms the value at three levels.
    for row in seen:
        assert abs(row["estimate"] - three_levels(row["pair"], row["detuning"])) > 4.0 * row["standard_error"]


def three_levels(pair, detuning):
    direction, partner = {"ab": ("left", "phonon"), "am": ("right", "magnon")}[pair]
    system = tj.SpinningResonator(direction=direction, detuning=detuning, kappa=0.008).system(levels=(3, 3, 3))
    return float(lindblad.bundle_correlation(lindblad.steady_state(system), ("photon", partner)))


def test_pictures_and_plain_words(drawn):
    folder, printed = drawn
    assert_pictures(folder, "headline_numbers")
    assert "the paper's 0.49 is the value of four levels a mode, 0.494" in printed
    assert "the paper's 0.29 is the value of four levels a mode, 0.291" in printed
