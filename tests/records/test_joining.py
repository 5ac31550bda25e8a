"""Joining records: no trajectory twice, one physics, and the joined record lists whose trajectories it holds."""

from __future__ import annotations

import numpy as np
import pytest
from click_systems import driven_atom, watch

import trajectories as tj
from trajectories import analysis
from trajectories.errors import InvalidInput
from trajectories.records import Run

join = tj.ClickRecord.concatenate


@pytest.fixture(scope="module")
def records() -> dict[str, tj.ClickRecord]:
    atom, other = driven_atom(1.0, 0.4), driven_atom(1.0, 0.5)
    return {
        "one": watch(atom, 4, 50.0, seed=1),
        "another seed": watch(atom, 4, 50.0, seed=2),
        "longer": watch(atom, 6, 70.0, seed=1),
        "another system": watch(other, 4, 50.0, seed=3),
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["one"] * 9, "records 0 and 1 both hold trajectory 0 of seed 1"),
        (["another seed", "one", "one"], "records 1 and 2 both hold trajectory 0 of seed 1"),
        (["one", "longer"], "trajectory 0 of seed 1"),
        (["one", "another system"], "digest"),
    ],
)
def test_a_trajectory_twice_or_another_system_is_refused(records, given, message):
    parts = [records[name] for name in given]
    for call in (join, analysis.rates, lambda p: analysis.g2(p, "atom", "atom", [0.0, 1.0])):
        with pytest.raises(InvalidInput, match=message) as refusal:
            call(parts)
        assert "\n" not in str(refusal.value)


def test_a_joined_record_remembers_who_is_in_it(records):
    both = join([records["one"], records["another seed"]])
    assert both.provenance["random_streams"] == [[1, 0, 4], [2, 0, 4]]
    for part in ("one", "another seed", "longer"):
        with pytest.raises(InvalidInput, match="both hold trajectory 0"):
            join([both, records[part]])
    with pytest.raises(InvalidInput, match="digest"):
        join([both, records["another system"]])


def test_what_was_cut_or_selected_is_still_the_same_trajectory(records):
    one = records["one"]
    for part in (one.after(10.0), one.select("atom"), one.after(1.0).select("atom")):
        with pytest.raises(InvalidInput, match="seed 1"):
            join([one, part])


def test_errors_shrink_with_new_trajectories_alone(records):
    """The twin: different seeds are joined, and the error is that of twice as many."""
    parts = [records["one"], records["another seed"]]
    assert join(parts).n_trajectories == 8
    one, both = (analysis.rates(given)["atom"] for given in (parts[0], parts))
    assert both.n == sum(len(part) for part in parts)
    assert 0.4 < both.standard_error / one.standard_error < 1.2


def test_blocks_of_a_run_are_joined_and_not_twice(tmp_path):
    watch(driven_atom(1.0, 0.4), 5, 50.0, seed=1, out=tmp_path / "run")
    blocks = list(Run.open(tmp_path / "run").blocks())
    assert join(blocks[::2]).provenance["random_streams"] == [[1, 0, 1], [1, 2, 3], [1, 4, 5]]
    with pytest.raises(InvalidInput, match="records 1 and 5 both hold trajectory 1"):
        join([*blocks, blocks[1]])


def test_files_of_one_run_are_the_same_trajectories(tmp_path):
    record = watch(driven_atom(1.0, 0.4), 5, 50.0, seed=1)
    tj.export(record, tmp_path / "a.npz")
    with pytest.raises(InvalidInput, match="both hold trajectory 0 of seed 1"):
        join([tj.load(tmp_path / "a.npz"), record])


def lab(clicks, **provenance):
    return tj.ClickRecord.from_arrays(
        np.zeros(len(clicks), int), clicks, np.zeros(len(clicks), int), channel_names=["x"], start=0.0, stop=9.0,
        provenance=provenance,
    )  # fmt: skip


def seen(clicks, efficiency, seed):
    """A record of a laboratory, seen through a detector."""
    return analysis.apply_detectors(
        lab(clicks, source=f"{clicks}"), {"x": tj.Detector(efficiency=efficiency)}, seed
    )


def test_what_else_cannot_be_joined():
    with pytest.raises(InvalidInput, match="the same clicks"):
        join([lab([1.0, 2.0], source="a"), lab([1.0, 2.0], source="b")])
    with pytest.raises(InvalidInput, match="different detectors"):
        join([seen([1.0], 0.5, 1), seen([2.0], 0.6, 1)])


def test_only_what_is_known_is_refused():
    """Two measurements with the same detectors; and records that say nothing of themselves."""
    assert join([seen([1.0, 2.0], 0.5, 1), seen([3.0, 4.0], 0.5, 2)]).n_trajectories == 2
    assert len(join([lab([1.0]), lab([1.0])])) == 2
