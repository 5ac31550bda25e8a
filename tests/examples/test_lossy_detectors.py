"""examples/lossy_detectors.py at reduced size: lost clicks as frequent as inferred, and what loss costs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from example_scripts import assert_pictures, read_table, run_example


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("lossy_detectors")
    run_example("lossy_detectors.py", folder)
    return folder


def test_lost_partners_are_as_frequent_as_said(drawn):
    """Eight groups within 4 σ of the binomial spread, and half a click."""
    table = read_table(drawn / "lossy_detectors_calibration.csv")
    assert (np.abs(table["found"] - table["said"]) < 4.0 * table["error"] + 0.02).all()
    assert table["said"].max() > 0.4


def test_no_part_of_the_record_tells_more_than_the_whole(drawn):
    table = read_table(drawn / "lossy_detectors_information.csv")
    for name in ("kappa", "detuning"):
        part, error = table[name][1:], table[f"{name}_error"][1:]
        assert (part < 1.0 + 3.0 * error).all()
        assert table[name][-1] < table[name][-2]  # η = 0.2 below 0.5


def test_pictures(drawn):
    assert_pictures(drawn, "lossy_detectors")
