"""Files of clicks with something wrong, made from a seed: ours and others', bytes, fields, members and claims."""

from __future__ import annotations

import io
import json
import random
import shutil
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from click_systems import driven_atom
from tagged_files import hydraharp_file, picoharp_file, ptu_file

import trajectories as tj

NESTED = "[" * 100_000 + "]" * 100_000
ODD_ARRAYS: list[Any] = [
    *(np.zeros(0), np.zeros((0, 3)), np.array(3), np.array(-1), np.array(1e300), np.array(np.nan), np.array("x")),
    *(np.array(["a", "b"]), np.arange(3), np.arange(3.0), -np.arange(3), np.array([2, 1, 0]), np.array([True])),
    *(np.array([1 + 2j]), np.array([np.inf, 0.0]), np.full((2, 2), 0.5), np.array(["2020-01-01"], "M8[D]")),
    *(np.array([2**63], np.uint64), np.array([0.0, 1e9]), np.array(NESTED), np.array(json.dumps({"version": 2}))),
    *(np.array([b"\xff"]), np.zeros(3, np.int8), np.array([1, 2], ">i4"), np.zeros(2, [("a", "i4")])),
]
ODD_SHAPES = [
    "(1000000000000000,)",
    "(-1,)",
    "(3, 1000000000000)",
    "()",
    "(2,)",
    "(True,)",
    "(1" + ", 1" * 70 + ")",
]


def originals(folder: Path) -> dict[str, tj.ClickRecord]:
    """Write sound files of ours, of others, and a run; return the records of ours by name."""
    rng = np.random.default_rng(1)
    row = np.sort(rng.integers(0, 3, 60))
    time = rng.random(60) * 50.0
    time = time[np.lexsort((time, row))]
    names = ["photon", "e>g", "$x_$"]
    provenance = {"parameters": tj.SpinningResonator().provenance(), "run_id": "abc"}
    record = tj.ClickRecord.from_arrays(
        row,
        time,
        rng.integers(0, 3, 60),
        channel_names=names,
        start=[0.0] * 3,
        stop=[50.0] * 3,
        provenance=provenance,
    )
    for name in ("ours.npz", "ours.h5", "ours.ptu"):
        tj.export(record, folder / name, **({} if name == "ours.npz" else {"tick": 1e-3, "unit": 1e-9}))
    columns = {
        "trajectory": row,
        "time": time,
        "channel": record.channel,
        "start": record.start,
        "stop": record.stop,
    }
    np.savez(folder / "lab.npz", channel_names=names, **columns)
    words = np.sort(rng.integers(0, 2**20, 40)).astype(np.uint32) | (rng.integers(0, 2, 40) << 25).astype(
        np.uint32
    )
    ptu_file(folder / "lab.ptu", words, 0x01010204)
    hydraharp_file(folder / "lab.ht2", words, False)
    picoharp_file(folder / "lab.pt2", words & np.uint32(0x0FFFFFFF), False)
    text = "time [ns],channel\n" + "".join(
        f"{t:.3f},{k}\n" for t, k in zip(np.sort(time), record.channel, strict=True)
    )
    (folder / "lab.csv").write_text(text)
    run = tj.simulate(
        driven_atom(1.0, 0.4), 4, 60.0, seed=3, initial=[1, 0], out=folder / "run", progress=False, workers=1
    )
    ours = {name: tj.load(folder / name) for name in ("ours.npz", "ours.h5", "ours.ptu")}
    return ours | {"run": run}


KINDS = {
    "bytes of ours.npz": 2, "bytes of ours.h5": 3, "bytes of ours.ptu": 2, "members of ours.npz": 1,
    "fields of ours.h5": 1, "members of lab.npz": 2, "fields of lab.h5": 3, "bytes of lab.ptu": 1,
    "bytes of lab.ht2": 1, "bytes of lab.pt2": 1, "bytes of lab.csv": 1, "bytes of lab.npz": 1,
    "bytes of a block": 1, "members of a block": 1,
}  # fmt: skip


def mutated(sound: Path, target: Path, seed: int) -> tuple[str, Path]:
    """Make the mutant of that seed in an empty folder; return what it is and the path to load."""
    rng = random.Random(seed)
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    how, _, name = kind.partition(" of ")
    if name == "a block":
        shutil.copytree(sound / "run", target / "run")
        path = rng.choice(sorted((target / "run" / "blocks").iterdir()))
        place = target / "run"
    elif name == "lab.h5":
        path = place = target / name
        _foreign_hdf5(path, rng)
        return kind, place
    else:
        path = place = target / name
        shutil.copy(sound / name, path)
    {"bytes": _bytes, "members": _members, "fields": _fields}[how](path, rng)
    return kind, place


def _bytes(path: Path, rng: random.Random) -> None:
    """Flip bits, replace, cut out or double stretches, or cut off."""
    content = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        at = rng.randrange(len(content))
        match rng.choice(["bit", "bit", "bit", "byte", "stretch", "cut", "double"]):
            case "bit":
                content[at] ^= 1 << rng.randrange(8)
            case "byte":
                content[at] = rng.randrange(256)
            case "stretch":
                content[at : at + 8] = struct.pack("<q", rng.choice([0, -1, 2**62, 10**15, 7]))
            case "cut":
                del content[at : at + rng.choice([1, 4, 64, 10**6])]
            case "double":
                content[at:at] = content[at : at + rng.choice([4, 64])]
        if not content:
            break
    path.write_bytes(bytes(content))


def _members(path: Path, rng: random.Random) -> None:
    """Replace, drop, add or misdescribe arrays of an NPZ file, in a sound archive."""
    with zipfile.ZipFile(path) as archive:
        comment = archive.comment
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    for _ in range(rng.choice([1, 1, 2])):
        name = rng.choice(sorted(members))
        match rng.choice(["odd", "odd", "drop", "shape", "add", "garbage", "nested"]):
            case "odd":
                members[name] = _npy(rng.choice(ODD_ARRAYS))
            case "drop":
                members.pop(name)
            case "shape":
                members[name] = claiming(rng.choice(ODD_SHAPES), b"\0" * rng.choice([0, 8, 16]))
            case "add":
                members[rng.choice(["more.npy", "x", "heading.npy", "checksum.npy", "../up.npy"])] = (
                    b"\x93NUMPY" * 3
                )
            case "garbage":
                members[name] = rng.randbytes(40)
            case "nested":
                members[name] = b"\x93NUMPY\x01\x00\x10\x27" + b"(" * 10_000
        if not members:
            break
    method = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.comment = comment


def _npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def claiming(shape: str, content: bytes) -> bytes:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


def _fields(path: Path, rng: random.Random) -> None:
    """Replace, drop or redirect fields of a Photon-HDF5 file."""
    import h5py

    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        for _ in range(rng.choice([1, 1, 2])):
            name = rng.choice(sorted(names))
            if name in file:
                del file[name]
            _put(file, name, rng)


def _put(file: Any, name: str, rng: random.Random) -> None:
    """Put something odd into a place of an HDF5 file."""
    import h5py

    match rng.choice(
        ["odd", "odd", "odd", "nothing", "huge", "external", "soft", "virtual", "raw", "group", "null"]
    ):
        case "odd":
            array = rng.choice(ODD_ARRAYS)
            if array.dtype.kind in "iufcb":
                file[name] = array
            else:
                file[name] = NESTED if array.dtype.kind == "U" else 0
        case "huge":
            file.create_dataset(name, (10**15,), rng.choice(["i8", "f8"]), chunks=(1024,))
        case "external":
            file[name] = h5py.ExternalLink(rng.choice(["fifo", "missing.h5", "/dev/zero", "/etc/passwd"]), "/x")
        case "soft":
            file[name] = h5py.SoftLink(rng.choice(["/photon_data/timestamps", "/nowhere", f"/{name}"]))
        case "virtual":
            layout = h5py.VirtualLayout((10,), "i8")
            layout[:] = h5py.VirtualSource(rng.choice(["fifo", "missing.h5"]), "x", (10,))
            file.create_virtual_dataset(name, layout)
        case "raw":
            file.create_dataset(name, (10,), "i8", external=[(rng.choice(["fifo", "/etc/passwd"]), 0, 80)])
        case "group":
            file.create_group(name)
        case "null":
            file[name] = h5py.Empty("f8")


def _foreign_hdf5(path: Path, rng: random.Random) -> None:
    """Write a Photon-HDF5 file as a laboratory would, with one or two odd fields."""
    import h5py

    fields = {
        "photon_data/timestamps": np.sort(np.array([rng.randrange(10**6) for _ in range(30)])),
        "photon_data/detectors": np.array([rng.randrange(3) for _ in range(30)], np.uint8),
        "photon_data/timestamps_specs/timestamps_unit": 1e-6,
        "acquisition_duration": 1.0,
        "setup/detectors/id": np.arange(3, dtype=np.uint8),
        "setup/detectors/label": np.array([b"a", b"b", b"c"]),
    }
    odd = rng.sample(sorted(fields), rng.choice([1, 1, 2]))
    with h5py.File(path, "w") as file:
        for name, value in fields.items():
            if name in odd:
                _put(file, name, rng)
            else:
                file[name] = value
