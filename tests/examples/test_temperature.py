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


def test_silence_of_a_thermal_mode_is_that_of_the_density_matrix():
    n = temperature.occupation(2.0e9, 0.05)
    space = tj.HilbertSpace(phonon=12)
    b = space.lower("phonon")
    channels = [
        tj.Channel("phonon", np.sqrt(temperature.KAPPA * (n + 1.0)) * b),
        tj.Channel("phonon absorption", np.sqrt(temperature.KAPPA * n) * b.T),
    ]
    steady = lindblad.steady_state(tj.OpenSystem(space.number("phonon"), channels, space))
    times = np.array([50.0, 600.0, 1200.0])
    exact = lindblad.no_click_probability(steady, "phonon", times)
    assert [temperature.silence(n, t) for t in times] == pytest.approx(exact, rel=1e-6)


def test_warmth_ruins_pairs(tmp_path):
    run_example("temperature.py", tmp_path)
    table = read_table(tmp_path / "temperature.csv")
    assert list(table["millikelvin"]) == [10.0, 30.0, 1000.0]
    assert (np.array(table["moved"]) < 0.01).all()
    for name in ("g1", "contrast"):
        assert (np.diff(table[name]) < 0.0).all()
    assert (np.diff(table["g2"]) > 0.0).all()
    assert table["g2"][0] == pytest.approx(0.204, abs=0.01)
    assert table["g2"][2] == pytest.approx(4.97, abs=0.05)  # order 12
    assert table["purity"][0] > 0.5
    assert table["purity"][1] < 0.2
    assert np.isnan(table["purity"][2])
    assert (np.array(table["purity"])[:2] < np.array(table["purity_at_most"])[:2]).all()
    assert table["purity_at_most"][2] < 1e-20
    assert_pictures(tmp_path, "temperature")
