"""examples/bundle_in_time.py at reduced size: what the state does around the two clicks of a bundle."""

from __future__ import annotations

import numpy as np
import pytest
from example_scripts import assert_pictures, read_table, run_example


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle_in_time")
    return folder, run_example("bundle_in_time.py", folder)


def stretch(drawn, population, where):
    """Return mean and error of a population in a stretch."""
    table = read_table(drawn[0] / "bundle_in_time.csv")
    chosen = (table["population"] == population) & (table["stretch"] == where)
    return table["mean"][chosen], table["standard_error"][chosen]


def test_there_is_a_picture_and_many_bundles(drawn):
    assert_pictures(drawn[0], "bundle_in_time")
    assert int(drawn[1].splitlines()[-1].split()[0]) > 500


def test_a_bundle_begins_in_the_dressed_ground_state_and_leaves_the_atom_down(drawn):
    before, _ = stretch(drawn, "vacuum", "before")
    after, _ = stretch(drawn, "vacuum", "after")
    assert (before > 0.85).all()
    assert after[0] < 0.3
    assert (np.diff(after) > -0.01).all()  # pumped back
    pair, _ = stretch(drawn, "pair", "before")
    assert (pair < 0.05).all()


def test_between_the_clicks_one_quantum_waits(drawn):
    photon, error = stretch(drawn, "photon", "between")
    magnon, more = stretch(drawn, "magnon", "between")
    # Which of the two is there is a matter of chance; less where the first click was a stray one.
    assert (photon > 0.4).all()
    assert (magnon > 0.15).all()
    assert (photon + magnon < 1.0 + 4.0 * np.hypot(error, more)).all()
    for name in ("photon", "magnon"):
        outside = np.concatenate([stretch(drawn, name, "before")[0], stretch(drawn, name, "after")[0]])
        assert (outside < 0.1).all()


def test_the_lag_is_distributed_as_the_master_equation_says(drawn):
    """Thirty bins: one beyond 4.2σ once in 1,250 such tests, at a fixed seed."""
    table = read_table(drawn[0] / "bundle_in_time_lags.csv")
    deviation = (table["density"] - table["exact"]) / table["standard_error"]
    known = np.isfinite(deviation)
    assert known.sum() > 20
    assert np.abs(deviation[known]).max() < 4.2
    # Planted fault: lags of half the length.
    at = 0.5 * (table["from"] + table["to"])
    shrunk = 2.0 * np.interp(2.0 * at, at, table["exact"], left=0.0, right=0.0)
    assert np.abs((table["density"] - shrunk) / table["standard_error"])[known].max() > 8.0
