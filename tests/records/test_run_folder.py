"""Run: a folder that is complete or absent, self-contained, can be continued, and is never overwritten."""

from __future__ import annotations

import errno
import json
import os

import numpy as np
import pytest
from click_systems import driven_atom, leaky_cavity
from run_folders import DURATION, SIZE, block, same, simulated, snapshot, start

import trajectories as tj
from trajectories.errors import InvalidInput, RunFolderError
from trajectories.records import Run, files
from trajectories.records import run as run_module


def test_a_run_is_a_folder_of_named_blocks(tmp_path):
    record = simulated(tmp_path / "run")
    run = Run.open(tmp_path / "run")
    assert run.complete
    assert not run.missing()
    assert run.finished() == run.block_bounds()
    # At most 128 blocks, and no more than trajectories.
    assert len(run.block_bounds()) == SIZE
    assert sorted(snapshot(tmp_path / "run")) == sorted(
        ["run.json", "system.npz", *(f"blocks/{k:09d}-{k:09d}.npz" for k in range(SIZE))]
    )
    assert same(run.record(), record)
    assert same(tj.load(tmp_path / "run"), record)
    assert same(tj.load(str(tmp_path / "run")), record)


def test_many_trajectories_share_blocks(tmp_path):
    simulated(tmp_path / "run", size=300, duration=1.0)
    bounds = Run.open(tmp_path / "run").block_bounds()
    assert len(bounds) <= 128
    assert [b for pair in bounds for b in pair][1:-1:2] == [b[0] for b in bounds[1:]]
    assert (bounds[0][0], bounds[-1][1]) == (0, 300)


def test_nothing_in_a_run_is_a_pickle(tmp_path):
    simulated(tmp_path / "run", observables={"e": np.diag([0.0, 1.0])}, sample_times=[0.0, 1.0])
    archives = list((tmp_path / "run").rglob("*.npz"))
    assert len(archives) == SIZE + 1
    for path in archives:
        with np.load(path, allow_pickle=False) as archive:
            assert all(archive[name].dtype != object for name in archive.files)


def test_a_run_explains_itself(tmp_path):
    system = tj.SpinningResonator().system(levels=(3, 2, 2))
    simulated(tmp_path / "run", system=system, size=2, duration=10.0)
    described = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    configuration = described["configuration"]
    assert configuration["digest"] == system.digest
    assert [configuration[key] for key in ("seed", "trajectories", "duration")] == [3, 2, 10.0]
    assert configuration["tolerance"] == 1e-10
    assert described["parameters"]["kappa"] == 0.005
    assert described["space"]["levels"] == {"photon": 3, "phonon": 2, "magnon": 2, "atom": 2}
    assert described["channel_names"] == ["photon", "phonon", "magnon", "atom"]
    assert {"bundle-trajectories", "python", "numpy", "scipy", "numba", "cpu"} <= set(described["software"])
    # The system can be rebuilt from the folder alone.
    assert tj.OpenSystem.from_arrays(Run.open(tmp_path / "run").arrays()).digest == system.digest


def test_a_steady_start_is_described_with_its_exact_rates(tmp_path):
    record = simulated(tmp_path / "run", initial="steady", size=2)
    exact = record.provenance["steady_state"]
    assert exact["rates"]["atom"] == pytest.approx(0.4 / (0.16 + 2.0), rel=1e-10)
    assert exact["residual"] < 1e-12


def test_a_finished_run_is_loaded_without_computing(tmp_path, monkeypatch):
    record = simulated(tmp_path / "run")
    before = snapshot(tmp_path / "run")
    monkeypatch.setattr("trajectories.simulation.simulate.prepare", lambda *a, **k: pytest.fail("compiled again"))
    monkeypatch.setattr("trajectories.simulation.workers.run_blocks", lambda *a, **k: pytest.fail("ran again"))
    assert same(simulated(tmp_path / "run"), record)
    assert snapshot(tmp_path / "run") == before


@pytest.mark.parametrize("initial", ["ket", "steady"])
def test_an_unfinished_run_is_continued_from_its_own_arrays(tmp_path, monkeypatch, initial):
    system = driven_atom(1.0, 0.4)
    options = {"system": system, "initial": start(system) if initial == "ket" else initial}
    record = simulated(tmp_path / "run", **options)
    whole = snapshot(tmp_path / "run")
    for k in (4, 6, 9):
        block(tmp_path / "run", k).unlink()
    part = tj.load(tmp_path / "run")
    assert part.provenance["complete"] is False
    # Blocks 5, 7 and 8 are there, but perhaps only because they were short: what they contain must not decide.
    assert part.provenance["run_trajectories"].tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(part.counts(), record.counts()[:4])
    monkeypatch.setattr(
        "trajectories.simulation.simulate.prepare", lambda *a, **k: pytest.fail("diagonalised again")
    )
    assert same(simulated(tmp_path / "run", **options), record)
    assert snapshot(tmp_path / "run") == whole


def test_blocks_stream_in_bounded_memory(tmp_path):
    record = simulated(tmp_path / "run")
    parts = list(Run.open(tmp_path / "run").blocks())
    assert len(parts) == SIZE
    joined = tj.ClickRecord.concatenate(parts)
    assert same(joined, record)
    assert [int(part.provenance["run_trajectories"][0]) for part in parts] == list(range(SIZE))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 4}, "seed"),
        ({"duration": 61.0}, "duration"),
        ({"size": 9}, "trajectories"),
        ({"tolerance": 1e-9}, "tolerance"),
        ({"propagator": "sparse"}, "propagator"),
        ({"initial": np.array([0.0, 1.0])}, "initial"),
        ({"initial": "steady"}, "initial"),
        ({"system": driven_atom(1.0, 0.41)}, "digest"),
        ({"observables": {"e": np.diag([0.0, 1.0])}, "sample_times": [1.0]}, "sampling"),
    ],
    ids=str,
)
def test_another_configuration_is_refused_by_name_and_changes_nothing(tmp_path, changes, named):
    simulated(tmp_path / "run")
    block(tmp_path / "run", 2).unlink()
    before = snapshot(tmp_path / "run")
    with pytest.raises(RunFolderError, match=named) as refusal:
        simulated(tmp_path / "run", **changes)
    assert "--out" in str(refusal.value)
    assert snapshot(tmp_path / "run") == before


def test_other_observables_in_the_same_folder_are_refused_or_computed(tmp_path):
    """Also when only their names differ: averages must never come back under a name that was not asked for."""
    sample = {"sample_times": [0.0, 1.0]}
    simulated(tmp_path / "run", observables={"excited": np.diag([0.0, 1.0])}, **sample)
    with pytest.raises(RunFolderError, match=r"sampling|observables"):
        simulated(tmp_path / "run", observables={"ground": np.diag([0.0, 1.0])}, **sample)


@pytest.mark.parametrize("content", ["a file", "a folder of files", "a run of something else", "a dead link"])
def test_what_is_no_run_is_left_alone(tmp_path, content):
    target = tmp_path / "out"
    if content == "a file":
        target.write_text("precious")
    elif content == "a dead link":
        target.symlink_to(tmp_path / "nowhere" / "else")
    else:
        target.mkdir()
        name = "run.json" if content == "a run of something else" else "notes.txt"
        (target / name).write_text('{"format": "another program"}')
    before = snapshot(tmp_path)
    with pytest.raises(RunFolderError) as refusal:
        simulated(target)
    assert str(target) in str(refusal.value)
    assert snapshot(tmp_path) == before


def test_a_foreign_folder_is_refused_before_any_work(tmp_path, monkeypatch):
    (tmp_path / "notes.txt").write_text("precious")
    monkeypatch.setattr("trajectories.simulation.simulate.prepare", lambda *a, **k: pytest.fail("solved first"))
    with pytest.raises(RunFolderError, match="no run folder"):
        simulated(tmp_path, initial="steady")


def test_an_empty_folder_will_do(tmp_path):
    assert len(simulated(tmp_path)) > 0
    assert Run.open(tmp_path).complete


@pytest.mark.parametrize("where", ["below a file", "where nothing can be made"])
def test_an_unwritable_place_is_said(tmp_path, where):
    (tmp_path / "file").write_text("x")
    target = tmp_path / "file" / "run" if where == "below a file" else "/proc/no/such/place"
    with pytest.raises(RunFolderError, match="choose another"):
        simulated(target)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read and write everything")
@pytest.mark.parametrize("mode", [0o555, 0o000])
def test_a_folder_without_permission_is_said(tmp_path, mode):
    target = tmp_path / "locked"
    target.mkdir(mode=mode)
    try:
        with pytest.raises(RunFolderError):
            simulated(target)
    finally:
        target.chmod(0o755)


def failing_write(monkeypatch, name: str, error: BaseException) -> None:
    """Let the write of one file fail, as a full disk or Ctrl-C would."""
    write = run_module.write_whole

    def maybe(path, content):
        if path.name == name:
            raise error
        write(path, content)

    monkeypatch.setattr(run_module, "write_whole", maybe)


@pytest.mark.parametrize("name", ["system.npz", "run.json"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), RunFolderError("disk full")], ids=["Ctrl-C", "full disk"])
def test_a_creation_cut_short_can_be_repeated(tmp_path, monkeypatch, name, error):
    """The message says to run the same command again, so that must work."""
    with monkeypatch.context() as patch:
        failing_write(patch, name, error)
        with pytest.raises(type(error)):
            simulated(tmp_path / "run")
    assert len(simulated(tmp_path / "run")) > 0


def test_a_full_disk_says_so_and_leaves_no_half_block(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    record = simulated(tmp_path / "reference")
    simulated(tmp_path / "run")
    block(tmp_path / "run", 2).unlink()
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        with pytest.raises(RunFolderError, match=r"No space left.*run the same command again"):
            simulated(tmp_path / "run")
    names = snapshot(tmp_path / "run")
    assert "blocks/000000002-000000002.npz" not in names
    assert not [name for name in names if name.endswith(".tmp")]
    assert same(simulated(tmp_path / "run"), record)


def test_parameters_that_json_cannot_hold_are_refused_before_anything_is_written(tmp_path):
    system = tj.OpenSystem(np.eye(2), driven_atom(1.0, 0.4).channels, parameters={"grid": np.arange(3)})
    try:
        simulated(tmp_path / "run", system=system)
    except InvalidInput:
        assert not (tmp_path / "run").exists()
    else:  # or they are made plain
        assert tj.load(tmp_path / "run").provenance["parameters"]["grid"] == [0, 1, 2]


@pytest.mark.parametrize("kind", ["nothing", "file", "folder"])
def test_what_is_no_run_cannot_be_loaded(tmp_path, kind):
    path = tmp_path / "run"
    if kind == "file":
        path.write_text("x")
    elif kind == "folder":
        path.mkdir()
    with pytest.raises((InvalidInput, RunFolderError), match="run"):
        tj.load(path)


def test_a_run_without_a_finished_block_says_so(tmp_path):
    simulated(tmp_path / "run")
    for path in (tmp_path / "run" / "blocks").iterdir():
        path.unlink()
    with pytest.raises(RunFolderError, match="no finished block"):
        tj.load(tmp_path / "run")


def test_what_a_killed_process_left_is_no_block_and_is_removed(tmp_path):
    record = simulated(tmp_path / "run")
    left = [
        tmp_path / "run" / "blocks" / ".000000004-000000004.npz.123.tmp",
        tmp_path / "run" / ".run.json.123.tmp",
        tmp_path / "run" / ".unfinished",
    ]
    for path in left:
        path.write_bytes(b"half")
    assert same(tj.load(tmp_path / "run"), record)
    block(tmp_path / "run", 4).unlink()
    assert same(simulated(tmp_path / "run"), record)
    assert not any(path.exists() for path in left)


def test_averages_on_disk_are_those_in_memory(tmp_path):
    options = {"observables": {"e": np.diag([0.0, 1.0])}, "sample_times": [0.0, 2.5, 60.0]}
    stored, kept = simulated(tmp_path / "run", **options), simulated(None, **options)
    for record in (stored, tj.load(tmp_path / "run")):
        for name in ("times", "value", "standard_error"):
            assert (
                getattr(record.expectations["e"], name).tobytes()
                == getattr(kept.expectations["e"], name).tobytes()
            )
    block(tmp_path / "run", 4).unlink()
    assert tj.load(tmp_path / "run").expectations["e"].n == 4


def test_a_run_of_a_system_that_never_clicks_is_a_run(tmp_path):
    record = simulated(tmp_path / "run", system=leaky_cavity())
    assert len(record) == 0
    assert tj.load(tmp_path / "run").total_time == SIZE * DURATION
