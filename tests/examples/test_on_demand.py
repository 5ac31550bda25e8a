"""examples/on_demand.py at reduced size: clicks agree with exact values, and the direction decides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from example_scripts import assert_pictures, read_table, run_example


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("on_demand")
    run_example("on_demand.py", folder)
    return folder


def test_clicks_agree_with_exact_values(drawn):
    """Twenty numbers within 4.5σ; those with few events carry no error."""
    table = read_table(drawn / "on_demand_lengths.csv")
    for key in ("magnons", "one", "more", "purity", "g2"):
        z = (table[key] - table[f"{key}_exact"]) / table[f"{key}_error"]
        assert np.abs(z[np.isfinite(z)]).max() < 4.5


def test_pairs_come_if_driven_from_the_left_and_more_of_them_from_longer_pulses(drawn):
    table = read_table(drawn / "on_demand_lengths.csv")
    left, right = (table["one_exact"][table["direction"] == side] for side in ("left", "right"))
    assert (left > 8 * right).all()  # 9.2 for the shorter pulse, 16 for the longer
    assert left[-1] > left[0]


def test_a_reversed_spin_reverses_the_direction(drawn):
    table = read_table(drawn / "on_demand_switch.csv")
    exact = dict(zip(zip(table["direction"], table["pulse"], strict=True), table["magnons_exact"], strict=True))
    assert exact["left", 1] > 5 * exact["left", 2]
    assert exact["right", 2] > 5 * exact["right", 1]


def test_pictures(drawn):
    assert_pictures(drawn, "on_demand")
