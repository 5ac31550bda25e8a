"""Damaged, foreign and edited files of a run folder: named in one line, never used, never deleted."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from click_systems import driven_atom, random_system
from run_folders import block, same, simulated, snapshot

import trajectories as tj
from trajectories.errors import RunFolderError
from trajectories.records import repair
from trajectories.records.block_files import COLUMNS


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
        np.savez(path, **dict.fromkeys((*COLUMNS, "checksum"), np.array([{}], dtype=object)))
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
    path = block(tmp_path / "run", 4)
    spoil(path, how)
    before = snapshot(tmp_path / "run")
    for attempt in (lambda: tj.load(tmp_path / "run"), lambda: simulated(tmp_path / "run")):
        with pytest.raises(RunFolderError, match="000000004-000000004") as refusal:
            attempt()
        assert "--repair" in str(refusal.value)
        assert "\n" not in str(refusal.value)
    assert snapshot(tmp_path / "run") == before
    spoiled = path.read_bytes()
    aside = repair(tmp_path / "run")
    assert [place.read_bytes() for place in aside] == [spoiled]
    assert same(simulated(tmp_path / "run"), record)
    assert repair(tmp_path / "run") == []


def test_what_is_set_aside_overwrites_nothing(tmp_path):
    simulated(tmp_path / "run")
    for content in (b"first", b"second", b"third"):
        block(tmp_path / "run", 4).write_bytes(content)
        repair(tmp_path / "run")
    kept = sorted((tmp_path / "run" / "damaged").iterdir())
    assert sorted(path.read_bytes() for path in kept) == [b"first", b"second", b"third"]


@pytest.mark.parametrize("name", ["000000003-000000007.npz", "000000010-000000010.npz", "notes.txt"])
def test_a_file_that_is_no_block_of_the_run_is_named(tmp_path, name):
    """A block of another division of the run, say: its clicks would be missing or there twice."""
    record = simulated(tmp_path / "run")
    stray = tmp_path / "run" / "blocks" / name
    stray.write_bytes(block(tmp_path / "run", 4).read_bytes())
    block(tmp_path / "run", 4).unlink()
    for attempt in (lambda: tj.load(tmp_path / "run"), lambda: simulated(tmp_path / "run")):
        with pytest.raises(RunFolderError, match=name):
            attempt()
    assert [path.name for path in repair(tmp_path / "run")] == [name]
    assert same(simulated(tmp_path / "run"), record)


@pytest.mark.parametrize("source", ["another run", "another place"])
def test_a_block_that_belongs_elsewhere_is_named(tmp_path, source):
    simulated(tmp_path / "run")
    blocks = tmp_path / "run" / "blocks"
    if source == "another run":
        simulated(tmp_path / "other", seed=4)
        blocks = tmp_path / "other" / "blocks"
    shutil.copy(blocks / "000000003-000000003.npz", block(tmp_path / "run", 4))
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
    block(tmp_path / "run", 4).unlink()
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
        '{"format": "bundle-trajectories run", "version": 2}',
        '{"format": "bundle-trajectories run", "version": 2, "configuration": 3}',
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


def test_another_format_is_refused_with_the_remedy(tmp_path):
    simulated(tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    for version, remedy in ((1, "simulate it again"), (3, "update the package")):
        described = json.loads(path.read_text(encoding="utf-8")) | {"version": version}
        path.write_text(json.dumps(described), encoding="utf-8")
        with pytest.raises(RunFolderError, match=remedy) as refusal:
            tj.load(tmp_path / "run")
        assert "\n" not in str(refusal.value)
