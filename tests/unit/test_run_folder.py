"""Run: a folder that is there whole or not at all, explains itself, continues itself, and is never overwritten."""

from __future__ import annotations

import errno
import json
import os
import shutil

import numpy as np
import pytest
from click_systems import driven_atom, leaky_cavity, random_system, watch

import trajectories as tj
from trajectories.errors import InvalidInput, RunFolderError
from trajectories.records import Run
from trajectories.records import run as run_module

SIZE, DURATION = 10, 60.0


def start(system: tj.OpenSystem) -> np.ndarray:
    return np.eye(system.dimension)[0]


def simulated(folder, *, seed: int = 3, system: tj.OpenSystem | None = None, **options) -> tj.ClickRecord:
    system = system or driven_atom(1.0, 0.4)
    options = {"initial": start(system)} | options
    return watch(
        system, options.pop("size", SIZE), options.pop("duration", DURATION), seed=seed, out=folder, **options
    )


def snapshot(folder) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def same(first: tj.ClickRecord, second: tj.ClickRecord) -> bool:
    names = ("trajectory", "time", "channel", "start", "stop")
    return all(getattr(first, n).tobytes() == getattr(second, n).tobytes() for n in names)


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
    monkeypatch.setattr("trajectories.simulation.compile_system", lambda *a, **k: pytest.fail("compiled again"))
    monkeypatch.setattr("trajectories.simulation.run_blocks", lambda *a, **k: pytest.fail("ran again"))
    assert same(simulated(tmp_path / "run"), record)
    assert snapshot(tmp_path / "run") == before


@pytest.mark.parametrize("initial", ["ket", "steady"])
def test_an_unfinished_run_is_continued_from_its_own_arrays(tmp_path, monkeypatch, initial):
    system = driven_atom(1.0, 0.4)
    options = {"system": system, "initial": start(system) if initial == "ket" else initial}
    record = simulated(tmp_path / "run", **options)
    whole = snapshot(tmp_path / "run")
    for k in (0, 4, 9):
        (tmp_path / "run" / "blocks" / f"{k:09d}-{k:09d}.npz").unlink()
    part = tj.load(tmp_path / "run")
    assert part.provenance["complete"] is False
    assert part.n_trajectories == SIZE - 3
    assert part.provenance["run_trajectories"].tolist() == [1, 2, 3, 5, 6, 7, 8]
    np.testing.assert_array_equal(part.counts(), np.delete(record.counts(), [0, 4, 9], axis=0))
    for name in ("compile_system", "steady_state"):
        monkeypatch.setattr(f"trajectories.simulation.{name}", lambda *a, **k: pytest.fail("diagonalised again"))
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
        ({"size": 11}, "trajectories"),
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
    (tmp_path / "run" / "blocks" / "000000002-000000002.npz").unlink()
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
    monkeypatch.setattr("trajectories.simulation.steady_state", lambda *a, **k: pytest.fail("solved first"))
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
    write = run_module._write

    def maybe(path, content):
        if path.name == name:
            raise error
        write(path, content)

    monkeypatch.setattr(run_module, "_write", maybe)


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
    (tmp_path / "run" / "blocks" / "000000002-000000002.npz").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(run_module.os, "fsync", full)
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


def spoil(path, how: str) -> None:
    content = path.read_bytes()
    if how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "one bit":
        middle = content.index(b"time.npy") + 200
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    elif how == "text":
        path.write_text("not a zip file")
    elif how == "pickle":
        np.savez(
            path, **dict.fromkeys((*run_module.COLUMNS, "worst_error", "checksum"), np.array([{}], dtype=object))
        )
    elif how == "no checksum":
        with np.load(path) as archive:
            np.savez(path, **{name: archive[name] for name in archive.files if name != "checksum"})
    elif how == "another time":
        with np.load(path) as archive:
            arrays = {name: archive[name].copy() for name in archive.files}
        arrays["time"][0] += 1e-9
        np.savez(path, **arrays)


@pytest.mark.parametrize("how", ["empty", "truncated", "one bit", "text", "pickle", "no checksum", "another time"])
def test_a_damaged_block_is_named_and_can_be_computed_again(tmp_path, how):
    record = simulated(tmp_path / "run")
    path = tmp_path / "run" / "blocks" / "000000004-000000004.npz"
    spoil(path, how)
    before = snapshot(tmp_path / "run")
    for attempt in (lambda: tj.load(tmp_path / "run"), lambda: simulated(tmp_path / "run")):
        with pytest.raises(RunFolderError, match="000000004-000000004") as refusal:
            attempt()
        assert "delete that file" in str(refusal.value)
        assert "\n" not in str(refusal.value)
    assert snapshot(tmp_path / "run") == before
    path.unlink()
    assert same(simulated(tmp_path / "run"), record)


@pytest.mark.parametrize("source", ["another run", "another place"])
def test_a_block_that_belongs_elsewhere_is_named(tmp_path, source):
    simulated(tmp_path / "run")
    blocks = tmp_path / "run" / "blocks"
    if source == "another run":
        simulated(tmp_path / "other", seed=4)
        blocks = tmp_path / "other" / "blocks"
    shutil.copy(blocks / "000000003-000000003.npz", tmp_path / "run" / "blocks" / "000000004-000000004.npz")
    with pytest.raises(RunFolderError, match=r"000000004-000000004\.npz is damaged or belongs to another run"):
        tj.load(tmp_path / "run")


@pytest.mark.parametrize("how", ["missing", "truncated", "another system"])
def test_a_damaged_system_is_named(tmp_path, how):
    """The digest is checked on loading too: clicks of an unknown system say nothing."""
    simulated(tmp_path / "run")
    path = tmp_path / "run" / "system.npz"
    if how == "another system":
        simulated(tmp_path / "other", system=driven_atom(2.0, 0.4))
        shutil.copy(tmp_path / "other" / "system.npz", path)
    elif how == "missing":
        path.unlink()
    else:
        spoil(path, how)
    (tmp_path / "run" / "blocks" / "000000004-000000004.npz").unlink()
    for attempt in (lambda: simulated(tmp_path / "run"), lambda: tj.load(tmp_path / "run")):
        with pytest.raises(RunFolderError, match=r"system\.npz"):
            attempt()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"format": "bundle-trajectories run", "version": 1}',
        '{"format": "bundle-trajectories run", "version": 1, "configuration": 3}',
        '{"format": "bundle-trajectories run", "version": 99}',
        "\xff",
    ],
)
def test_a_damaged_description_is_named(tmp_path, content):
    simulated(tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text(content, encoding="latin-1")
    before = snapshot(tmp_path / "run")
    for attempt in (lambda: tj.load(tmp_path / "run"), lambda: simulated(tmp_path / "run")):
        with pytest.raises(RunFolderError, match=r"run\.json") as refusal:
            attempt()
        assert "\n" not in str(refusal.value)
    assert snapshot(tmp_path / "run") == before


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 4),
        ("duration", 61.0),
        ("trajectories", 1.5),
        ("block_size", 0),
        ("block_size", 3),
        ("duration", -1.0),
    ],
)
def test_an_edited_configuration_no_longer_fits_its_blocks(tmp_path, key, value):
    simulated(tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    described = json.loads(path.read_text(encoding="utf-8"))
    described["configuration"][key] = value
    path.write_text(json.dumps(described), encoding="utf-8")
    with pytest.raises(RunFolderError):
        tj.load(tmp_path / "run")


def test_swapped_channel_names_no_longer_fit_the_system(tmp_path):
    """Everything that gives clicks their meaning is bound to them, not only what they were computed from."""
    simulated(tmp_path / "run", system=random_system(1, 3, 2))
    path = tmp_path / "run" / "run.json"
    described = json.loads(path.read_text(encoding="utf-8"))
    described["channel_names"].reverse()
    path.write_text(json.dumps(described), encoding="utf-8")
    with pytest.raises(RunFolderError):
        tj.load(tmp_path / "run")


def test_a_later_format_is_refused_with_the_remedy(tmp_path):
    simulated(tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    described = json.loads(path.read_text(encoding="utf-8")) | {"version": 2}
    path.write_text(json.dumps(described), encoding="utf-8")
    with pytest.raises(RunFolderError, match="update the package"):
        tj.load(tmp_path / "run")


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


def test_leftover_temporary_files_are_no_blocks(tmp_path):
    record = simulated(tmp_path / "run")
    (tmp_path / "run" / "blocks" / ".000000004-000000004.npz.123.tmp").write_bytes(b"half")
    assert same(tj.load(tmp_path / "run"), record)


def test_averages_on_disk_are_those_in_memory(tmp_path):
    options = {"observables": {"e": np.diag([0.0, 1.0])}, "sample_times": [0.0, 2.5, 60.0]}
    stored, kept = simulated(tmp_path / "run", **options), simulated(None, **options)
    for record in (stored, tj.load(tmp_path / "run")):
        for name in ("times", "value", "standard_error"):
            assert (
                getattr(record.expectations["e"], name).tobytes()
                == getattr(kept.expectations["e"], name).tobytes()
            )
    (tmp_path / "run" / "blocks" / "000000004-000000004.npz").unlink()
    assert tj.load(tmp_path / "run").expectations["e"].n == SIZE - 1


def test_a_run_of_a_system_that_never_clicks_is_a_run(tmp_path):
    record = simulated(tmp_path / "run", system=leaky_cavity())
    assert len(record) == 0
    assert tj.load(tmp_path / "run").total_time == SIZE * DURATION
