"""examples/figure_3.py at reduced size: curves, estimates on them, antibunched bundles on the right side only."""

from __future__ import annotations

import numpy as np
import pytest
from example_scripts import assert_pictures, load_example, read_table, rows_of, run_example

import trajectories as tj
from trajectories import lindblad

EMITTED = {"a": "am", "c": "ab", "e": "ab", "f": "am"}  # panel: the pair it emits
# 18 estimates, each beyond 4σ with probability 6e-5: 1e-3 of a false alarm, at a fixed seed.
SIGMAS = 4.0


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figure_3")
    return folder, run_example("figure_3.py", folder)


def test_pairs_are_antibunched_bundles_in_the_emitting_direction_only(drawn):
    table = read_table(drawn[0] / "figure_3.csv")
    for panel in "abcdef":
        mine = {name: column[table["panel"] == panel] for name, column in table.items()}
        for pair in ("ab", "am"):
            g1, g2 = mine[f"g1_{pair}"], mine[f"g2_{pair}"]
            assert (g1 > 1.0).all()
            if EMITTED.get(panel) == pair:
                # At κ = 0.001 antibunched, at 0.02 bunched.
                assert g2[0] < 0.1
                assert g2[-1] > 1.0
                assert list(mine[f"antibunched_{pair}"]) == [1, 1, 0]
            else:
                assert (g2 > 2.0).all()
                assert not mine[f"antibunched_{pair}"].any()


def test_curves_are_those_of_the_paper_s_system_at_four_levels(drawn):
    rows = [row for row in rows_of(drawn[0] / "figure_3.csv") if row["panel"] in "af"]
    for row in rows:
        resonator = tj.SpinningResonator(row["direction"], row["detuning"], row["kappa"])
        space = resonator.space((4, 4, 4))
        steady = lindblad.steady_state(resonator.system((4, 4, 4)))
        pair = space.lower("photon") @ space.lower("magnon")
        twice = pair @ pair
        expected = steady.expect(twice.conj().T @ twice) / steady.expect(pair.conj().T @ pair) ** 2
        assert row["g2_am"] == pytest.approx(expected, rel=1e-6)
        number = steady.expect(space.number("photon")) * steady.expect(space.number("magnon"))
        assert row["g1_am"] == pytest.approx(steady.expect(pair.conj().T @ pair) / number, rel=1e-6)
        # Four levels are not converged where few quanta leave: the script must show it.
        if row["kappa"] == pytest.approx(0.001):
            assert row["g2_am_converged"] > 1.15 * row["g2_am"]


def test_estimates_lie_on_the_exact_curves_and_would_not_lie_on_others(drawn):
    rows = rows_of(drawn[0] / "figure_3_points.csv")
    seen = [row for row in rows if row["events"] >= 10 and np.isfinite(row["standard_error"])]
    assert sum(row["method"] == "clicks" for row in seen) >= 4
    # Of sixteen averages over wave functions one or two may rest on too few trajectories to state an error.
    assert sum(row["method"] == "wave functions" for row in rows) == 16
    assert sum(row["method"] == "wave functions" for row in seen) >= 14
    for row in seen:
        assert abs(row["value"] - row["exact"]) < SIGMAS * row["standard_error"], row
    # Planted fault: the values of the other quantity, or of the other drive direction, are far off.
    table = {(row["panel"], row["pair"], row["quantity"]): row for row in seen if row["method"] != "clicks"}
    exact = {(row["panel"], row["pair"], row["quantity"]): row["exact"] for row in rows}
    told = 0
    for panel, pair in EMITTED.items():
        opposite = {"a": "d", "c": "f", "e": "b", "f": "c"}[panel]
        if (g1 := table.get((panel, pair, "g1"))) is not None:
            assert abs(g1["value"] - exact[panel, pair, "g2"]) > SIGMAS * g1["standard_error"]
            told += 1
        if (g2 := table.get((panel, pair, "g2"))) is not None:
            assert abs(g2["value"] - exact[opposite, pair, "g2"]) > 100.0 * g2["standard_error"]
            told += 1
    assert told >= 6


def test_the_range_ends_where_g2_is_one(drawn):
    ranges = {(row["panel"], row["pair"]): row for row in rows_of(drawn[0] / "figure_3_ranges.csv")}
    assert {key for key, row in ranges.items() if np.isfinite(row["antibunched_below"])} == set(EMITTED.items())
    regimes = load_example("regimes.py")
    kappa = np.geomspace(0.001, 0.02, 40)
    curve = {"g1_ab": np.full(40, 5.0), "g2_ab": (kappa / 0.01) ** 1.5}
    assert regimes.onset_of_bunching(kappa, curve, "phonon") == pytest.approx(0.01, rel=1e-9)
    # Planted fault: without g₁ > 1 the same g₂ is no bundle.
    assert np.isnan(regimes.onset_of_bunching(kappa, curve | {"g1_ab": np.full(40, 0.5)}, "phonon"))


def test_pictures_and_plain_words(drawn):
    folder, printed = drawn
    assert_pictures(folder, "figure_3")
    assert "(a) blue   LD  am: antibunched bundles below" in printed
    assert "(b) pink   LD  ab: never antibunched" in printed
