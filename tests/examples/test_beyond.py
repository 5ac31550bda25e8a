"""examples/beyond.py at reduced size: order, purity, imperfect detectors and nonreciprocity of the blue regime."""

from __future__ import annotations

import numpy as np
import pytest
from example_scripts import assert_pictures, read_table, rows_of, run_example

# Some twenty estimates below, each beyond 4σ with probability 6e-5: 1e-3 of a false alarm, at fixed seeds.
SIGMAS = 4.0


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("beyond")
    return folder, run_example("beyond.py", folder)


def agrees(value, error, exact) -> bool:
    return bool((np.abs(np.asarray(value) - exact) < SIGMAS * np.asarray(error)).all())


def test_either_quantum_comes_first(drawn):
    (row,) = rows_of(drawn[0] / "beyond_order.csv")
    assert row["exact"] == pytest.approx(0.5, abs=2e-3)
    assert agrees(row["photon_first"], row["standard_error"], row["exact"])
    assert row["standard_error"] < 0.01
    assert row["time_reversal_p"] > 1e-3
    assert not agrees(0.55, row["standard_error"], row["exact"])  # planted fault: a preferred order is seen


def test_lags_decay_on_both_sides(drawn):
    table = read_table(drawn[0] / "beyond_lags.csv")
    assert agrees(table["density"], table["standard_error"], table["exact"])
    # The density is normalised over all pair bundles, and the edges are those of the window.
    assert (table["exact"] * (table["lag_high"] - table["lag_low"])).sum() == pytest.approx(1.0, abs=1e-6)
    assert table["exact"] == pytest.approx(table["exact"][::-1], rel=0.02)
    assert table["exact"].max() > 8.0 * table["exact"].min()
    uniform = 1.0 / (table["lag_high"][-1] - table["lag_low"][0])
    assert not agrees(table["density"], table["standard_error"], uniform)  # planted fault


def test_purity_falls_with_kappa_and_is_no_accident(drawn):
    table = read_table(drawn[0] / "beyond_purity.csv")
    assert agrees(table["purity"], table["standard_error"], table["exact"])
    assert table["exact"][0] == pytest.approx(0.662, abs=2e-3)
    assert table["exact"][1] < 0.7 * table["exact"][0]
    assert (table["exact"] > 5.0 * table["accidental"]).all()
    assert not agrees(table["purity"], table["standard_error"], table["accidental"])


def test_dark_counts_wash_antibunching_out_and_loss_does_not(drawn):
    rows = rows_of(drawn[0] / "beyond_detectors.csv")
    exact = {(row["efficiency"], row["dark_rate"]): row["exact"] for row in rows}
    assert exact[1.0, 0.0] < 0.4
    assert exact[0.5, 0.0] == pytest.approx(exact[1.0, 0.0], rel=0.05)
    for efficiency in (1.0, 0.5):
        rising = [exact[efficiency, dark] for dark in (0.0, 1e-4, 1e-3)]
        assert rising == sorted(rising)
        assert rising[-1] == pytest.approx(1.0, abs=0.02)
    assert exact[0.5, 1e-4] > exact[1.0, 1e-4] + 0.1
    # Errors of few pairs are rough.
    seen = [row for row in rows if row["pairs"] >= 20]
    assert len(seen) >= 4
    assert all(agrees(row["g2"], row["standard_error"], row["exact"]) for row in seen)
    (ideal,) = (row for row in seen if row["efficiency"] == 1.0 and row["dark_rate"] == 0.0)
    assert not agrees(ideal["g2"], ideal["standard_error"], exact[1.0, 1e-3])  # planted fault


def test_bundles_are_emitted_in_one_direction(drawn):
    (row,) = rows_of(drawn[0] / "beyond_contrast.csv")
    for name in ("rate", "other"):
        value = row["rate" if name == "rate" else "other_rate"]
        assert agrees(value, row[f"{name}_error"], row[f"exact_{name}"])
    assert row["exact_contrast"] > 0.9
    assert agrees(row["contrast"], row["contrast_error"], row["exact_contrast"])
    assert row["contrast_error"] < 0.02
    assert row["exact_rate"] > 20.0 * row["exact_other"]


def test_pictures(drawn):
    assert_pictures(drawn[0], "beyond")
    assert "photon first" in drawn[1]
