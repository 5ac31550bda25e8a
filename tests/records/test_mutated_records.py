"""Records with something wrong: refused in one line, or the true record; of others' files, a record that holds."""

from __future__ import annotations

import os
from collections import Counter

import numpy as np
import pytest
from mutated_files import KINDS, mutated, originals
from outcomes import of_call

import trajectories as tj
from trajectories import analysis

pytest.importorskip("h5py")
pytest.importorskip("ptufile")
MUTANTS = 1300


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    return folder, originals(folder)


def same(one: tj.ClickRecord, other: tj.ClickRecord) -> bool:
    columns = all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("trajectory", "time", "channel", "start", "stop")
    )
    return columns and one.channel_names == other.channel_names and told(one) == told(other)


def told(record: tj.ClickRecord):
    return {key: value for key, value in record.provenance.items() if key in ("parameters", "run_id", "digest")}


def check(sound, tmp_path, seeds) -> Counter:
    folder, true = sound
    counted: Counter = Counter()
    (tmp_path / "here").mkdir()
    os.mkfifo(tmp_path / "here" / "fifo")
    for seed in seeds:
        kind, place = mutated(folder, tmp_path / "mutant", seed)
        found = of_call(lambda place=place: tj.load(place))
        name = "run" if kind.endswith("a block") else kind.partition(" of ")[2]
        what = found.kind
        if what == "answer" and name in true:
            what = "true record" if same(found.value, true[name]) else "false record"
        elif what == "answer":
            what = "a record"
            rates = of_call(lambda found=found: analysis.rates(found.value))
            assert rates.kind in ("answer", "one line"), (seed, kind, rates)
        counted[name.split(".")[0], what] += 1
        assert what in ("one line", "true record", "a record"), (seed, kind, found)
    return counted


def test_some_mutants_are_one_line_or_right(sound, tmp_path):
    counted = check(sound, tmp_path, range(0, MUTANTS, 10))
    assert counted.total() == MUTANTS // 10


@pytest.mark.slow
def test_all_mutants_are_one_line_or_right(sound, tmp_path):
    counted = check(sound, tmp_path, range(MUTANTS))
    print(sorted(counted.items()))
    assert counted.total() == MUTANTS
    assert counted["ours", "one line"] > 2 * counted["ours", "true record"]


def test_every_kind_of_mutant_is_among_a_tenth_of_them(sound, tmp_path):
    kinds = {mutated(sound[0], tmp_path / "mutant", seed)[0] for seed in range(0, MUTANTS, 10)}
    assert kinds == set(KINDS)


@pytest.mark.filterwarnings("ignore::trajectories.errors.RecordWarning")
def test_the_sound_files_are_read(sound):
    """Else every mutant would be refused for no reason; and a false record would be noticed."""
    folder, true = sound
    for name, record in true.items():
        assert same(tj.load(folder / name), record)
        assert not same(record.after(1.0), record)
    assert all(len(tj.load(path)) for path in sorted(folder.glob("lab.*")))
