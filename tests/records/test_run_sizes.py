"""Sizes of runs: bounded before anything is written, cut back to what is finished, never believed from a file."""

from __future__ import annotations

import io
import json
import shutil
import time
import zipfile

import numpy as np
import pytest
from click_systems import driven_atom, watch
from forged_runs import seal
from mutated_files import claiming
from outcomes import of_call, of_command
from run_folders import block, same, simulated, snapshot

import trajectories as tj
from trajectories.errors import InvalidInput, RunFolderError
from trajectories.records import Run, repair
from trajectories.records.files import pack, unpack
from trajectories.records.layout import MOST_BLOCKS, Layout


@pytest.mark.parametrize(
    ("size", "duration", "initial"),
    [
        *((size, 1000.0, "steady") for size in (100_000_000_000, 10**9, 10**30)),
        (100_000_000_000, 60.0, [1, 0]),
        (10, 1e300, "steady"),
        (1, 1e12, "steady"),
    ],
)
def test_what_can_never_be_finished_is_refused_before_anything_is_written(tmp_path, size, duration, initial):
    begun = time.perf_counter()
    with pytest.raises(InvalidInput, match=r"trajectories=|duration=") as refusal:
        simulated(tmp_path / "run", size=size, duration=duration, initial=initial)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "run").exists()
    assert time.perf_counter() - begun < 20.0


def test_a_finished_run_stays_as_it_is_when_too_many_are_asked_for(tmp_path):
    options = {"initial": "steady", "duration": 1000.0}
    record = simulated(tmp_path / "run", **options)
    before = snapshot(tmp_path / "run")
    for size in (100_000_000_000, 10**9):
        with pytest.raises(InvalidInput, match="trajectories="):
            simulated(tmp_path / "run", size=size, **options)
    assert snapshot(tmp_path / "run") == before
    assert same(simulated(tmp_path / "run", **options), record)


def extended(folder, trajectories: int, size: int = 1) -> Run:
    """Ask a run for more than it will ever have, as an earlier version did."""
    described = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    described["configuration"]["trajectories"] = trajectories
    described["layout"].append([trajectories, size])
    seal(folder, described, "run_id")
    return Run.open(folder)


def test_an_extension_is_cut_back_to_its_finished_blocks(tmp_path):
    record = simulated(tmp_path / "run")
    run = extended(tmp_path / "run", 100_000_000_000)
    begun = time.perf_counter()
    assert of_command("info", str(run.folder)).kind == "answer"
    assert not run.complete
    assert run.leading() == [(k, k + 1) for k in range(10)]
    assert time.perf_counter() - begun < 5.0
    assert same(run.record(), record)
    assert same(simulated(tmp_path / "run"), record)
    assert Run.open(tmp_path / "run").complete
    assert Run.open(tmp_path / "run").trajectories == 10


def test_it_can_be_cut_back_to_more_than_is_finished_but_not_to_less(tmp_path):
    simulated(tmp_path / "run")
    extended(tmp_path / "run", 10**6, 400)
    before = snapshot(tmp_path / "run")
    with pytest.raises(RunFolderError, match="has 10 finished trajectories, more than trajectories=9; give 10"):
        simulated(tmp_path / "run", size=9)
    assert snapshot(tmp_path / "run") == before
    assert same(simulated(tmp_path / "run", size=14), simulated(None, size=14))
    assert Run.open(tmp_path / "run").block_bounds()[-1] == (10, 14)


def test_a_layout_counts_its_blocks_without_listing_them():
    layout = Layout(((10, 3), (25, 4)))
    blocks = list(layout)
    assert blocks == [(0, 3), (3, 6), (6, 9), (9, 10), (10, 14), (14, 18), (18, 22), (22, 25)]
    assert layout.n_blocks == len(blocks)
    every = [(a, b) for a in range(27) for b in range(27)]
    assert [bounds for bounds in every if bounds in layout] == blocks
    for size in range(1, 26):
        assert (
            list(layout.cut(size))[:-1] == [b for b in blocks if b[1] <= size][: len(list(layout.cut(size))) - 1]
        )
        assert layout.cut(size).trajectories == size
    with pytest.raises(InvalidInput, match="different seeds"):
        layout.extended(25 + MOST_BLOCKS, 1)


@pytest.mark.parametrize("shape", ["(1000000000000000,)", "(100000000000,)", "(-5,)"])
def test_a_block_that_declares_a_huge_shape_is_damage(tmp_path, shape):
    record = simulated(tmp_path / "run")
    path = block(tmp_path / "run", 4)
    arrays = unpack(path)
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(pack(arrays))) as sound, zipfile.ZipFile(stream, "w") as archive:
        for name in sound.namelist():
            archive.writestr(name, claiming(shape, b"\0" * 8) if name == "time.npy" else sound.read(name))
    path.write_bytes(stream.getvalue())
    found = of_call(lambda: tj.load(tmp_path / "run"))
    assert found.kind == "one line"
    assert "000000004-000000004.npz" in found.said
    assert of_call(lambda: simulated(tmp_path / "run")).kind == "one line"
    assert len(repair(tmp_path / "run")) == 1
    assert same(simulated(tmp_path / "run"), record)


@pytest.mark.parametrize("error", [MemoryError("no room"), RecursionError("too deep")])
def test_whatever_reading_a_block_raises_is_damage_with_its_name(tmp_path, monkeypatch, error):
    simulated(tmp_path / "run")
    read = np.lib.format.read_magic

    def failing(stream):
        raise error

    monkeypatch.setattr(np.lib.format, "read_magic", failing)
    found = of_call(lambda: Run(tmp_path / "run", described(tmp_path)).read_block((0, 1)))
    monkeypatch.setattr(np.lib.format, "read_magic", read)
    assert found.kind == "one line"
    assert "000000000-000000000.npz" in found.said


def described(tmp_path):
    return json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))


def test_a_block_removed_meanwhile_is_no_time_that_is_up(tmp_path, monkeypatch):
    write = Run.write_block

    def removing(self, bounds, columns):
        write(self, bounds, columns)
        # Threads finish blocks in any order; whichever is the last, one of those before it is gone.
        block(tmp_path / "run", 2 if bounds[0] != 2 else 0).unlink(missing_ok=True)

    monkeypatch.setattr(Run, "write_block", removing)
    with pytest.raises(RunFolderError, match="were removed while it was computed; run the same command again"):
        simulated(tmp_path / "run")
    monkeypatch.setattr(Run, "write_block", write)
    assert same(simulated(tmp_path / "run"), simulated(None))


def test_a_run_folder_removed_meanwhile_is_no_full_disk(tmp_path, monkeypatch):
    write = Run.write_block

    def removing(self, bounds, columns):
        if bounds[0] == 5:
            shutil.rmtree(tmp_path / "run")
        write(self, bounds, columns)

    monkeypatch.setattr(Run, "write_block", removing)
    with pytest.raises(RunFolderError, match="put its folder back") as refusal:
        simulated(tmp_path / "run")
    assert "free space" not in str(refusal.value)


def test_a_start_of_which_nothing_is_known_is_stopped_when_it_shows(tmp_path):
    """Without a steady start, the rate is seen only in the trajectory itself."""
    with pytest.raises(InvalidInput, match=r"duration=1e\+300"):
        watch(driven_atom(1.0, 0.4), 2, 1e300, seed=1, initial=[1, 0])
