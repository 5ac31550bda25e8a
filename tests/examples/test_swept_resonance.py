"""examples/swept_resonance.py at reduced size: clicks agree with exact values, a sweep tolerates an error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from example_scripts import assert_pictures, read_table, run_example


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("swept_resonance")
    run_example("swept_resonance.py", folder)
    return folder


def test_clicks_agree_with_exact_values(drawn):
    """Six numbers within 4.5σ."""
    table = read_table(drawn / "swept_durations.csv")
    for key in ("one", "more", "purity"):
        z = (table[key] - table[f"{key}_exact"]) / table[f"{key}_error"]
        assert np.abs(z[np.isfinite(z)]).max() < 4.5


def test_pairs_come_if_driven_from_the_left(drawn):
    table = read_table(drawn / "swept_durations.csv")
    left, right = (table["one_exact"][table["direction"] == side] for side in ("left", "right"))
    assert (left > 2.0 * right).all()


def test_a_pulse_needs_the_resonance_more_than_a_sweep(drawn):
    """Off by 0.02 a pulse loses nine tenths of its pairs, a sweep half; 2,000 pulses each."""
    table = read_table(drawn / "swept_errors.csv")
    one = dict(zip(zip(table["kind"], np.round(table["off"], 3), strict=True), table["one"], strict=True))
    assert one["pulse", 0.0] > 2.0 * one["sweep", 0.0]
    assert one["pulse", 0.02] < 0.2 * one["pulse", 0.0]
    assert one["sweep", 0.02] > 0.2 * one["sweep", 0.0]


def test_pictures(drawn):
    assert_pictures(drawn, "swept_resonance")
