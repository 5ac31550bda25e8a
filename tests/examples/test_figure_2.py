"""examples/figure_2.py at reduced size: periods, directions, and clicks where the populations jump."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from example_scripts import assert_pictures, load_example, read_table, rows_of, run_example

import trajectories as tj

STATES = ("000+", "101-", "100-", "001-", "000-")
ORDERS = {
    "d": ("photon", "magnon"),
    "e": ("photon", "magnon"),
    "f": ("magnon", "photon"),
    "g": ("magnon", "photon"),
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("figure_2")
    run_example("figure_2.py", folder)
    return folder


@pytest.fixture(scope="module")
def clicks(drawn: Path) -> dict[str, list[tuple[float, str]]]:
    rows = rows_of(drawn / "figure_2_clicks.csv")
    return {p: sorted((r["time"], str(r["channel"])) for r in rows if r["panel"] == p) for p in ORDERS}


def test_the_period_is_pi_over_the_effective_coupling(drawn):
    rows = [row for row in rows_of(drawn / "figure_2_super_rabi.csv") if row["emits"]]
    assert len(rows) == 4
    for row in rows:
        # In the orange regime Δ_ad lies halfway between two crossings.
        accuracy = 0.01 if row["regime"] == "orange" else 1e-6
        assert row["period"] == pytest.approx(np.pi / row["effective_coupling"], rel=accuracy)
        assert row["finer_period"] == pytest.approx(row["period"], rel=0.005)
        assert row["maximum"] > 0.9


@pytest.mark.parametrize(
    ("panel", "direction", "state"),
    [("a", "LD", "101-"), ("b", "RD", "110-"), ("c", "LD", "110-"), ("c", "RD", "101-")],
)
def test_the_drawn_curves_oscillate_with_the_stated_period_in_one_direction(drawn, panel, direction, state):
    pair = {"101-": "photon-magnon", "110-": "photon-phonon"}[state]
    side = {"LD": "left", "RD": "right"}[direction]
    regime = {"a": "blue", "b": "pink", "c": "orange"}[panel]
    (row,) = (
        r
        for r in rows_of(drawn / "figure_2_super_rabi.csv")
        if (r["regime"], r["direction"], r["pair"]) == (regime, side, pair)
    )
    columns = read_table(drawn / f"figure_2_{panel}.csv")
    curve = columns[f"{direction} {state}"]

    def misfit(period: float) -> float:
        return float(np.abs(curve - curve.max() * np.sin(np.pi * columns["time"] / period) ** 2).max())

    assert misfit(row["period"]) < 0.06
    # The other direction stays dark for this pair.
    other = {"LD": "RD", "RD": "LD"}[direction]
    assert columns[f"{other} {state}"].max() < 0.01
    # Planted faults: a period a tenth too long, and the reversed direction, do not pass.
    assert misfit(1.1 * row["period"]) > 0.2
    assert curve.max() > 0.9


def jumps(table: dict[str, np.ndarray], times: list[float], reach: float = 2e-5) -> list[float]:
    """Return the largest change of any population across each of the times."""
    found = []
    for time in times:
        before = np.searchsorted(table["time"], time - reach) - 1
        after = np.searchsorted(table["time"], time + reach)
        found.append(max(abs(table[state][after] - table[state][before]) for state in STATES))
    return found


@pytest.mark.parametrize("panel", sorted(ORDERS))
def test_clicks_lie_where_the_populations_jump(drawn, clicks, panel):
    table = read_table(drawn / f"figure_2_{panel}.csv")
    first, second = (
        min(t for t, name in clicks[panel] if name == wanted and t >= 0.0) for wanted in ORDERS[panel]
    )
    assert first == 0.0
    assert second > first
    # The two clicks of the pair, and in the wide panels the atom's after them. (The photon of a superposition
    # leaves some of |000+⟩, so that jumps differ in size.)
    instants = [first, second]
    if panel in "df":
        instants.append(min(t for t, name in clicks[panel] if name == "atom" and t > second))
    assert min(jumps(table, instants)) > 0.3
    # Planted fault: a tenth of the way to the next click there is nothing to see.
    assert max(jumps(table, [first - 3.0, first + 0.1 * (second - first)])) < 0.1


def at(table: dict[str, np.ndarray], time: float, state: str) -> float:
    return float(table[state][np.searchsorted(table["time"], time)])


@pytest.mark.parametrize("panel", ["d", "f"])
def test_a_cycle_goes_from_the_upper_vacuum_to_the_lower_and_back(drawn, clicks, panel):
    table = read_table(drawn / f"figure_2_{panel}.csv")
    second = min(t for t, name in clicks[panel] if name == ORDERS[panel][1] and t > 0.0)
    atom = min(t for t, name in clicks[panel] if name == "atom" and t > second)
    assert at(table, -1.0, "000+") > 0.8  # |000+⟩ before
    assert at(table, second + 1.0, "000-") > 0.9  # |000−⟩ when the pair has left
    assert at(table, atom + 1.0, "000+") > 0.7  # the atom's photon resets |−⟩ to |+⟩
    left_over = {"photon": "001-", "magnon": "100-"}[ORDERS[panel][0]]
    assert at(table, 0.1 * second, left_over) > 0.3
    total = sum(table[state] for state in STATES)
    assert total.max() < 1.0 + 1e-9


def test_a_cycle_is_found_where_there_is_one_and_only_in_its_order():
    script = load_example("figure_2.py")
    names = ("photon", "phonon", "magnon", "atom")
    pattern = [0, 2, 3, 0, 2, 3, 3]  # photon magnon atom, photon magnon atom, atom
    record = tj.ClickRecord.from_arrays(
        np.zeros(7, dtype=int), np.arange(1.0, 8.0), pattern, channel_names=names, start=0.0, stop=10.0
    )
    cycle = script.typical_cycle(record, ("photon", "magnon"))
    np.testing.assert_array_equal(cycle.times, [3.0, 4.0, 5.0, 6.0])
    with pytest.raises(SystemExit, match="raise --clicks"):
        script.typical_cycle(record, ("magnon", "photon"))


def test_the_pictures_are_there(drawn):
    assert_pictures(drawn, "figure_2")
