"""examples/colours.py at reduced size: the spectra's peaks, and the atom's photon on their detector."""

from __future__ import annotations

import numpy as np
import pytest
from example_scripts import assert_pictures, read_table, rows_of, run_example

# Nine estimates below, each beyond 4σ with probability 6e-5, at a fixed seed.
SIGMAS = 4.0


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("colours")
    return folder, run_example("colours.py", folder)


def test_the_peaks_are_those_of_the_dressed_states(drawn):
    rows = rows_of(drawn[0] / "colours_peaks.csv")
    first = {}
    for row in rows:
        first.setdefault(row["channel"], row)
    assert set(first) == {"photon", "phonon", "magnon", "atom"}
    # Named peaks of all four channels in both directions; from the silent side hardly a pair leaves.
    assert {(row["direction"], row["channel"]) for row in rows} == {
        (d, c) for d in ("left", "right") for c in first
    }
    assert all(row["transition"] for row in rows)
    back = next(row for row in rows if row["direction"] == "right" and row["channel"] == "magnon")
    assert back["rate"] < 0.1 * first["magnon"]["rate"]
    assert first["photon"]["transition"] == "|1,0,1,−⟩ → |0,0,1,−⟩"
    assert first["magnon"]["transition"] == "|1,0,1,−⟩ → |1,0,0,−⟩"
    assert first["atom"]["transition"] == "|0,0,0,−⟩ → |0,0,0,+⟩"
    assert first["photon"]["frequency"] + first["magnon"]["frequency"] == pytest.approx(2.398, abs=2e-3)
    assert first["atom"]["frequency"] == pytest.approx(-2.398, abs=2e-3)
    table = read_table(drawn[0] / "colours_peaks.csv")
    np.testing.assert_allclose(table["sum_rule"], table["rate"], rtol=1e-5)


def test_the_atoms_photon_disrupts_the_bundles_and_a_filter_keeps_it_out(drawn):
    rows = {row["case"]: row for row in rows_of(drawn[0] / "colours_detectors.csv")}
    for row in rows.values():
        for name in ("purity", "light_first", "g2"):
            assert abs(row[name] - row[f"exact_{name}"]) < SIGMAS * row[f"{name}_error"]
    cavity, everything, filtered = (rows[name] for name in ("cavity alone", "all light", "filtered"))
    assert everything["exact_purity"] < 0.25 * cavity["exact_purity"]
    assert filtered["exact_purity"] > cavity["exact_purity"] + 0.15
    assert filtered["herald"] > everything["herald"] + 10.0 * everything["herald_error"]
    assert filtered["exact_g2"] > 2.0 * everything["exact_g2"]
    assert 1e-4 < filtered["atom_passes"] < 0.02
    # Planted fault: another detector's purity is seen to be wrong.
    assert abs(filtered["purity"] - cavity["exact_purity"]) > SIGMAS * filtered["purity_error"]


def test_colours_that_come_together_and_apart(drawn):
    """Photon and magnon of a bundle come together; the atom cannot flip twice, nor beside an elastic photon."""
    rows = rows_of(drawn[0] / "colours_pairs.csv")

    def g2(second, photon, other):
        near = [r for r in rows if r["second"] == second]
        row = min(near, key=lambda r: abs(r["photon"] - photon) + abs(r["other"] - other))
        assert abs(row["photon"] - photon) + abs(row["other"] - other) < 0.12
        return row["g2"]

    assert g2("magnon", 1.35, 1.05) > 5.0
    assert g2("atom", 0.0, -2.4) < 0.1
    assert g2("atom", -2.4, -2.4) < 0.1
    assert g2("atom", 2.4, -2.4) > 1.0


def test_pictures(drawn):
    for name in ("colours", "colours_pairs"):
        assert_pictures(drawn[0], name)
