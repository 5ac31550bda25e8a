"""Damaged archives, foreign files and odd targets: each refused or handled in one line."""

import io
import zipfile

import h5py
import numpy as np
import pytest

import trajectories as tj
from trajectories.cli.entry import main
from trajectories.cli.targets import read_target
from trajectories.errors import InvalidInput
from trajectories.model.system import OpenSystem
from trajectories.records import Run, repair
from trajectories.records.formats import export, load

LOWER = np.array([[0, 1], [0, 0]], dtype=complex)


def system():
    names = ("channel 0", "never (yet)")
    return OpenSystem(LOWER + LOWER.T, [tj.Channel(n, s * LOWER) for n, s in zip(names, (1.0, 1e-9), strict=True)])


def run_at(path):
    tj.simulate(system(), 6, 20.0, seed=1, progress=False, out=path)
    return Run.open(path)


def not_an_archive():
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    return stream.getvalue()


def archive_of(content):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in ("counts", "time", "channel", "sampled", "worst_error", "checksum"):
            archive.writestr(name + (".npy" if content.startswith(b"\x93") else ""), content)
    return stream.getvalue()


def encrypted(block):
    at = block.index(b"PK\x01\x02")
    return block[: at + 8] + b"\x01" + block[at + 9 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda block: not_an_archive(),
        lambda block: archive_of(b"hello"),
        lambda block: archive_of(b"\x93NUMPY\x01\x00\x06\x00{'a':("),
        encrypted,
    ],
)
def test_any_damaged_block_is_named_and_repaired(tmp_path, damage):
    run = run_at(tmp_path / "run")
    whole = run.record()
    path = run._path(run.block_bounds()[0])
    path.write_bytes(damage(path.read_bytes()))
    assert list(run.damaged()) == [path]
    assert len(repair(run.folder)) == 1
    assert np.array_equal(tj.simulate(system(), 6, 20.0, seed=1, progress=False, out=run.folder).time, whole.time)


@pytest.mark.parametrize("text", ["rate(never (yet)) error < 5%", "clicks( channel 0 ) >= 1"])
def test_targets_of_rare_channels_and_spaced_names(tmp_path, text):
    run = run_at(tmp_path / "run")
    growth = read_target(text, system(), None)(run)
    assert growth == np.inf if "rate" in text else growth <= 1.0


@pytest.mark.parametrize(
    ("stamps", "detectors"),
    [([0.25, 1.75], [0, 2]), ([1, 2], [0.5, 1.0]), (np.array([1, 2**63], np.uint64), [0, 2])],
)
def test_a_foreign_file_is_not_rounded_or_relabelled(tmp_path, stamps, detectors):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["photon_data/timestamps"], file["photon_data/detectors"] = stamps, detectors
        file["photon_data/timestamps_specs/timestamps_unit"] = 1.0
        file["acquisition_duration"] = 10.0
        file["setup/detectors/id"], file["setup/detectors/label"] = [0, 2], [b"left", b"right"]
    with pytest.raises(InvalidInput):
        load(tmp_path / "a.h5")


def test_an_unfinished_record_stays_unfinished_in_files(tmp_path):
    run = run_at(tmp_path / "run")
    run._path(run.block_bounds()[-1]).unlink()
    export(run.record(), tmp_path / "a.npz")
    assert load(tmp_path / "a.npz").provenance["complete"] is False


@pytest.mark.parametrize("command", ["info", "analyse", "validate"])
def test_a_path_too_long_is_one_line(capsys, command):
    assert main([command, "a" * 300]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_qutip_operators_of_other_subsystems_are_refused():
    qutip = pytest.importorskip("qutip")
    h = qutip.tensor(qutip.num(2), qutip.qeye(3))
    with pytest.raises(InvalidInput, match="dims"):
        OpenSystem.from_qutip(h, [qutip.tensor(qutip.qeye(3), qutip.destroy(2))])


@pytest.mark.parametrize(
    "command", [["analyse", "--no-exact"], ["validate", "--window", "1"], ["export", "--format", "npz"]]
)
def test_it_is_said_that_a_run_is_unfinished(tmp_path, capsys, command, undrawn):
    tj.simulate(system(), 40, 20.0, seed=1, progress=False, out=tmp_path / "run")
    run = Run.open(tmp_path / "run")
    run._path(run.block_bounds()[30]).unlink()
    assert main([command[0], str(run.folder), *command[1:]]) == 0
    assert "first 30 of 40 trajectories" in capsys.readouterr().err
