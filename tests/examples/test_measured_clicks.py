"""examples/measured_clicks.py at reduced size: what it finds is what it put into the file."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from example_scripts import assert_pictures, read_table, run_example

import trajectories as tj

pytest.importorskip("ptufile")


@pytest.fixture(scope="module")
def walked(tmp_path_factory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("measured_clicks")
    return folder, run_example("measured_clicks.py", folder)


def test_the_cable_of_two_pulses_is_found(walked):
    pulses = float(re.search(r"ns, ([0-9.]+) pulses", walked[1])[1])
    assert pulses == pytest.approx(2.0, abs=0.3)


def test_the_central_peak_is_that_of_the_source(walked):
    """Of the pulses that emit 0.2 % emit twice: g²[0] = 2 · 0.002/(p · 1.002²) of the side peaks, p = 4 %."""
    table = read_table(walked[0] / "measured_clicks.csv")
    value, error = (table[name][25] for name in ("g2", "error"))
    assert abs(value - 2 * 0.002 / (0.04 * 1.002**2)) < 4 * error + 0.01
    side = np.delete(table["g2_by_rates"], 25)
    assert side.mean() == pytest.approx(2.0, abs=0.25)  # blinking doubles the peaks by the rates


def test_the_lifetime_is_that_of_the_source(walked):
    value, error = map(float, re.search(r"lifetime ([0-9.]+) ± ([0-9.]+) ns", walked[1]).groups())
    assert abs(value - 1.8) < 4 * error
    assert error < 0.1


def test_the_file_and_the_report_are_there(walked):
    record = tj.load(walked[0] / "measured.ptu")
    assert record.clock is not None
    assert record.clock.fine == 16e-12
    assert (walked[0] / "measured" / "report.html").read_text().count("ns") > 10
    assert_pictures(walked[0], "measured_clicks")
