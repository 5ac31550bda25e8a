"""Files that would do harm: links out of them, pipes, claims of size, locks; and what a killed export leaves."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
from command_line import environment
from mutated_files import claiming
from outcomes import of_call, of_command
from run_folders import block, same, simulated

import trajectories as tj
from trajectories.cli.json_file import json_text
from trajectories.errors import InvalidInput, RunFolderError
from trajectories.names import printable
from trajectories.records.formats.deferred_errors import DeferredErrorFile
from trajectories.records.lock import LOCK

h5py = pytest.importorskip("h5py")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="uses pipes and links")
NESTED = "[" * 100_000 + "]" * 100_000


def record(clicks=500, trajectories=6):
    rng = np.random.default_rng(2)
    row = np.sort(rng.integers(0, trajectories, clicks))
    time = rng.random(clicks) * 1e6
    time = time[np.lexsort((time, row))]
    return tj.ClickRecord.from_arrays(
        row, time, rng.integers(0, 3, clicks), channel_names=["photon", "phonon", "magnon"],
        start=[0.0] * trajectories, stop=[1e6] * trajectories,
        provenance={"parameters": tj.SpinningResonator().provenance(), "run_id": "abc"},
    )  # fmt: skip


def lab(path, **changes):
    """A sound Photon-HDF5 file of another program, with some of its places filled by functions of (file, name)."""
    fields = {
        "photon_data/timestamps": np.arange(10) * 100,
        "photon_data/detectors": np.zeros(10, np.uint8),
        "photon_data/timestamps_specs/timestamps_unit": 1e-3,
        "acquisition_duration": 2.0,
    }
    with h5py.File(path, "w") as file:
        for name, value in fields.items():
            short = name.rpartition("/")[2]
            if short in changes:
                changes[short](file, name)
            else:
                file[name] = value
    return path


def link(target):
    return lambda file, name: file.__setitem__(name, target)


def virtual(file, name):
    layout = h5py.VirtualLayout((10,), "i8")
    layout[:] = h5py.VirtualSource("fifo", "x", (10,))
    file.create_virtual_dataset(name, layout)


HARMFUL = {
    "link to a pipe": link(h5py.ExternalLink("fifo", "/x")),
    "link to another file": link(h5py.ExternalLink("secret.h5", "/x")),
    "soft link": link(h5py.SoftLink("/elsewhere")),
    "virtual dataset": virtual,
    "external storage": lambda f, n: f.create_dataset(n, (10,), "i8", external=[("fifo", 0, 80)]),
    "huge shape": lambda f, n: f.create_dataset(n, (10**15,), "i8", chunks=(1024,)),
    "matrix": lambda f, n: f.__setitem__(n, np.zeros((3, 3), int)),
    "nothing": lambda f, n: f.__setitem__(n, h5py.Empty("i8")),
}


@pytest.mark.parametrize("how", HARMFUL)
def test_what_lies_outside_a_file_is_not_followed(here, how):
    os.mkfifo("fifo")
    with h5py.File("secret.h5", "w") as file:
        file["x"] = np.arange(10)
    lab("lab.h5", timestamps=HARMFUL[how])
    found = of_call(lambda: tj.load("lab.h5"))
    assert found.kind == "one line", found
    assert len(tj.load(lab("sound.h5"))) == 10


@pytest.mark.parametrize("unit", [0, -1e-9, 1j, np.nan, np.inf, [1e-9, 1e-9], "ns"])
def test_a_unit_that_is_no_length_of_time_is_one_line(here, unit):
    lab("lab.h5", timestamps_unit=lambda f, n: f.__setitem__(n, unit))
    assert of_call(lambda: tj.load("lab.h5")).kind == "one line"


@pytest.mark.parametrize("name", ["a.h5", "a.npz", "a.ptu", "a.csv", "a", "run/run.json", "run/system.npz"])
def test_a_pipe_is_refused_at_once(here, name):
    if "/" in name:
        simulated(here / "run")
        (here / name).unlink()
    os.mkfifo(here / name)
    for command in ("info", "analyse", "validate", "export"):
        options = ("--out", "x.npz") if command == "export" else ()
        found = of_command(command, name.partition("/")[0], *options)
        assert found.kind == "one line", found


@pytest.mark.parametrize("command", [("simulate", "pipe", "--out", "out"), ("exact", "pipe"), ("info", "pipe")])
def test_a_configuration_that_is_a_pipe_is_refused_at_once(here, command):
    os.mkfifo("pipe")
    assert of_command(*command).kind == "one line"


def test_the_pipe_of_a_shell_is_a_configuration(here):
    text = "[simulation]\\ntrajectories = 1\\nduration = 5.0\\nseed = 1\\n[truncation]\\nlevels = [2, 2, 2]\\n"
    shell = f"{sys.executable} -m trajectories.cli simulate <(printf '{text}') --dry-run"
    done = subprocess.run(["bash", "-c", shell], env=environment(), capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.count("blocks")) == (0, 2), done.stderr


def rewritten(path, **members):
    """Replace members of an NPZ file of another program; names without content are dropped."""
    with zipfile.ZipFile(path) as archive:
        content = {info.filename: archive.read(info) for info in archive.infolist()}
    for name, given in members.items():
        content[f"{name}.npy"] = given
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, given in content.items():
            archive.writestr(name, given)


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.fixture
def lab_npz(here):
    np.savez(
        here / "lab.npz", trajectory=[0, 0], time=[1.0, 2.0], channel=[0, 1], channel_names=["x", "y"],
        start=[0.0], stop=[3.0],
    )  # fmt: skip
    return here / "lab.npz"


@pytest.mark.parametrize("shape", ["(1000000000000000,)", "(100000000000,)", "(3, 1000000000000)", "(-1,)"])
def test_a_shape_that_an_archive_cannot_hold_is_one_line(lab_npz, shape):
    rewritten(lab_npz, time=claiming(shape, b"\0" * 16))
    assert of_call(lambda: tj.load(lab_npz)).kind == "one line"


@pytest.mark.parametrize("heading", [NESTED, "{", "NaN", json.dumps({"format": "another"}), "[]"])
def test_a_foreign_heading_is_not_taken_for_ours(lab_npz, heading):
    rewritten(lab_npz, heading=npy(np.array(heading)))
    assert len(tj.load(lab_npz)) == 2


@pytest.mark.parametrize("heading", [NESTED, '{"version": 2, "provenance": NaN}'])
def test_a_nested_heading_in_a_file_of_ours_is_one_line(here, heading):
    tj.export(record(), here / "a.h5")
    with h5py.File(here / "a.h5", "r+") as file:
        del file["user/bundle_trajectories/heading"]
        file["user/bundle_trajectories/heading"] = np.bytes_(heading)
    assert of_call(lambda: tj.load(here / "a.h5")).kind == "one line"


def test_only_what_is_asked_for_is_decompressed(lab_npz, monkeypatch):
    """A hundred megabytes of nothing beside the columns cost nothing."""
    rewritten(lab_npz, more=claiming("(12500000,)", b"\0" * 10**8))
    assert lab_npz.stat().st_size < 2 * 10**5
    opened = []
    read = zipfile.ZipFile.open

    def opening(self, member, *more, **options):
        opened.append(member.filename)
        return read(self, member, *more, **options)

    monkeypatch.setattr(zipfile.ZipFile, "open", opening)
    assert len(tj.load(lab_npz)) == 2
    assert "more.npy" not in opened


@pytest.mark.parametrize("bit", [0, 5, *(pytest.param(bit, marks=pytest.mark.slow) for bit in (1, 2, 3, 4, 6, 7))])
def test_a_file_of_ours_with_a_flipped_bit_is_not_taken_for_a_foreign_one(here, bit):
    """In the name of the group, of the attribute and of the program that say whose it is, and everywhere else."""
    original = record()
    tj.export(original, here / "a.h5")
    content = (here / "a.h5").read_bytes()
    places = [
        content.index(word) + bit % 3 for word in (b"bundle_trajectories", b"bundle-trajectories", b"heading")
    ]
    rng = np.random.default_rng(bit)
    for place in [*places, *rng.integers(0, len(content), 20).tolist()]:
        damaged = bytearray(content)
        damaged[place] ^= 1 << bit
        (here / "b.h5").write_bytes(bytes(damaged))
        found = of_call(lambda: tj.load(here / "b.h5"))
        assert found.kind == "one line" or (found.kind == "answer" and len(found.value) == len(original)), place
        assert found.kind == "one line" or found.value.n_trajectories == 6


def test_a_file_of_the_version_before_is_read(here):
    """Files without a checksum, which nothing can be compared with."""
    original = record()
    tj.export(original, here / "a.npz")
    with np.load(here / "a.npz") as archive:
        arrays = {name: archive[name] for name in archive.files if name != "checksum"}
    arrays["heading"] = np.array(json.dumps(json.loads(str(arrays["heading"])) | {"version": 1}))
    np.savez(here / "old.npz", **arrays)
    assert np.array_equal(tj.load(here / "old.npz").time, original.time)


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "folder", "hard link"])
def test_a_lock_that_is_something_else_is_neither_followed_nor_written_over(here, kind):
    simulated(here / "run")
    block(here / "run", 4).unlink()
    (here / "precious").write_text("precious")
    place = here / "run" / LOCK
    match kind:
        case "link":
            place.symlink_to(here / "precious")
        case "dangling link":
            place.symlink_to(here / "nothing")
        case "pipe":
            os.mkfifo(place)
        case "folder":
            place.mkdir()
        case "hard link":
            os.link(here / "precious", place)
    with pytest.raises(RunFolderError, match="cannot lock") as refusal:
        simulated(here / "run")
    assert "\n" not in str(refusal.value)
    assert (here / "precious").read_text() == "precious"
    assert not (here / "nothing").exists()
    place.rmdir() if kind == "folder" else place.unlink()
    assert same(simulated(here / "run"), simulated(None))


def test_temporary_names_follow_no_link(here):
    simulated(here / "run")
    block(here / "run", 4).unlink()
    (here / "precious").write_text("precious")
    name = f".{block(here / 'run', 4).name}.{os.getpid()}.tmp"
    (here / "run" / "blocks" / name).symlink_to(here / "precious")
    simulated(here / "run")
    assert (here / "precious").read_text() == "precious"


EXPORT = """import sys, numpy as np, trajectories as tj
rng = np.random.default_rng(0)
n = 400_000
times = np.sort(rng.random(n)) * 1e6
record = tj.ClickRecord.from_arrays(np.zeros(n, int), times, rng.integers(0, 3, n), channel_names=list("abc"),
    start=0.0, stop=1e6)
print("ready", flush=True)
options = {} if sys.argv[1].endswith(("npz", "csv")) else {"tick": 1e-4, "unit": 1e-9}
tj.export(record, sys.argv[1], **options)
"""


SLOWLY = [pytest.param(name, marks=pytest.mark.slow) for name in ("a.npz", "a.ptu", "a.csv")]


@pytest.mark.parametrize("name", ["a.h5", *SLOWLY])
def test_a_killed_export_leaves_nothing(here, name):
    for delay in (0.01, 0.1):
        arguments = [sys.executable, "-c", EXPORT, name]
        with subprocess.Popen(arguments, cwd=here, env=environment(), stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"ready\n"
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
        assert set(os.listdir(here)) <= {name}
        if os.path.exists(name):  # it was faster
            os.unlink(name)


FULL = (
    """import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
"""
    + EXPORT.replace("tj.export(record", "try: tj.export(record")
    + "except tj.InvalidInput as error: print(error)\n"
)


@pytest.mark.parametrize("name", ["a.h5", *SLOWLY])
def test_a_full_disk_is_one_line(here, name):
    """HDF5 ended the process by a segmentation fault."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, name],
        cwd=here,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1:] == [
        f"cannot write {name}: File too large; free space, or give another file"
    ]
    assert os.listdir(here) == []


def test_what_a_full_disk_refuses_is_read_back_until_the_file_is_closed(here, monkeypatch):
    (here / "a").touch()
    stream = DeferredErrorFile(here / "a")
    stream.write(b"0123456789")
    pwrite = os.pwrite

    def full(descriptor, content, place):
        return pwrite(descriptor, content[:2], place) if place == 8 else _raise(OSError(28, "No space left"))

    monkeypatch.setattr(os, "pwrite", full)
    stream.seek(8)
    assert stream.write(b"abcdef") == 6
    stream.seek(4)
    held = bytearray(12)
    assert stream.readinto(held) == 10
    assert bytes(held[:10]) == b"4567abcdef"
    with pytest.raises(OSError, match="No space left"):
        stream.check()
    stream.close()
    assert (here / "a").read_bytes() == b"01234567ab"


def _raise(error):
    raise error


def test_an_unfinished_json_file_is_no_obstacle(here, monkeypatch):
    """It is there whole or not at all, also when the disk is full."""
    (here / "atom.py").write_text(
        "import numpy as np\nimport trajectories as tj\ns = np.array([[0.0, 1.0], [0.0, 0.0]])\n"
        "system = tj.OpenSystem(s + s.T, [tj.Channel('p', s)])\n"
    )
    monkeypatch.setattr(os, "fsync", lambda *_: _raise(OSError(28, "No space left on device")))
    assert of_command("exact", "atom.py:system", "--json", "x.json").said.endswith(
        "free space, or give another file"
    )
    monkeypatch.undo()
    os.chdir(here)
    assert os.listdir(here) == ["atom.py"]
    assert of_command("exact", "atom.py:system", "--json", "x.json").kind == "answer"
    assert json.loads((here / "x.json").read_text())
    assert of_command("exact", "atom.py:system", "--json", "x.json").said.startswith("error: x.json exists")
    refused = of_command("exact", "atom.py:system", "--json", "no/such/x.json")
    assert "is not a folder that can be written to" in refused.said


def test_folders_whose_names_are_no_text(here, undrawn):
    """Names of bytes that are no UTF-8, as an old disk has them."""
    folder = os.fsdecode(os.fsencode(str(here)) + b"/caf\xe9")
    os.mkdir(folder)
    run = os.path.join(folder, "run")
    simulated(run, initial="steady")
    for command in (
        ("info", run),
        ("analyse", run, "--window", "3", "--no-exact"),
        ("export", run, "--format", "photon-hdf5", "--tick", "1e-6", "--unit", "1e-9"),
        ("export", run, "--format", "npz"),
    ):
        found = of_command(*command)
        assert found.kind == "answer", (command, found)
    assert "caf\\xe9" in of_command("info", folder).said or "\\udce9" in of_command("info", folder).said
    with pytest.raises(InvalidInput):
        tj.load(os.path.join(folder, "nothing.npz"))
    assert json.loads(json_text({"source": printable(run)}).encode())["source"].endswith("/caf\\udce9/run")
