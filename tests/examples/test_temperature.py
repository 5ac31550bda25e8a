"""examples/temperature.py: Bose–Einstein, what a warm bath does to pairs, truncations that were accepted."""

from __future__ import annotations

import numpy as np
import pytest
from example_scripts import assert_pictures, load_example, read_table, run_example

import trajectories as tj
from trajectories import lindblad

temperature = load_example("temperature.py")


def test_baths_hold_what_bose_and_einstein_say():
    # hf = kT ln 2 holds one quantum.
    assert temperature.occupation(2.0e9, 2.0e9 * 4.799243073e-11 / np.log(2.0)) == pytest.approx(1.0, rel=1e-9)
    assert temperature.occupation(2.0e9, 1.0) == pytest.approx(9.926, abs=1e-3)


def test_a_bath_alone_gives_the_clicks_that_the_dashed_line_counts():
    n = temperature.occupation(2.0e9, 0.03)
    space = tj.HilbertSpace(phonon=8)
    b = space.lower("phonon")
    channels = [
        tj.Channel("phonon", np.sqrt(temperature.KAPPA * (n + 1.0)) * b),
        tj.Channel("phonon absorption", np.sqrt(temperature.KAPPA * n) * b.T),
    ]
    steady = lindblad.steady_state(tj.OpenSystem(space.number("phonon"), channels, space))
    assert steady.rate("phonon") == pytest.approx(temperature.KAPPA * n * (n + 1.0), rel=1e-6)


def test_warmth_ruins_pairs(tmp_path):
    run_example("temperature.py", tmp_path)
    table = read_table(tmp_path / "temperature.csv")
    assert list(table["millikelvin"]) == [10.0, 30.0, 50.0]
    assert np.isnan(table["g2_moved"]).tolist() == [
        True,
        True,
        False,
    ]  # the last one is not converged, and says so
    assert table["g2_moved"][2] > 0.03 * table["g2"][2]
    for name in ("purity", "g1", "contrast"):
        assert table[name][1] < table[name][0]
    assert table["g2"][1] > 2.0 * table["g2"][0]
    assert table["purity"][0] > 0.5
    assert_pictures(tmp_path, "temperature")
