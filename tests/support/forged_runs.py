"""Forged runs: one value of a true run changed, and its checksums renewed, so that only the value shows it."""

from __future__ import annotations

import copy
import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np

import trajectories as tj
from trajectories.records import Run
from trajectories.records.block_files import block_checksum
from trajectories.records.files import checksum_of_json, pack, unpack
from trajectories.records.run_metadata import identity_of

ODD = [
    *(None, True, False, 0, -1, 1, 3, 7.5, -2.5, 1e300, 10**30, "", "x", "photon", "12", [], {}, [[]], [0]),
    *({"a": 1}, ["photon"], [[6, 1], [6, 1]], [[3, 1], [6, 1]], [[6, 6]], "\x1b[2J", "0" * 64),
]
# Which checksums are renewed: that of run.json alone; the run id too; the blocks too.
DEPTHS = ("checksum", "run_id", "blocks")
# Values that must still agree with the stored system when all checksums are renewed.
CHECKED = ("channel_names", "dimension", "digest", "rates", "duration", "layout", "trajectories")


def true_run(folder: Path) -> Run:
    """Simulate a three-level cascade of a photon and a magnon from its steady state."""

    def jump(rate, to, out):
        operator = np.zeros((3, 3))
        operator[to, out] = np.sqrt(rate)
        return operator

    jumps = {
        "photon": jump(1.0, 1, 2) + jump(0.3, 0, 1),
        "magnon": jump(0.4, 1, 2) + jump(0.8, 0, 1),
        "atom": jump(0.05, 2, 0),
    }
    channels = [tj.Channel(name, operator) for name, operator in jumps.items()]
    system = tj.OpenSystem(np.diag([0.0, 0.3, 0.7]), channels, parameters={"kappa": 1.0})
    tj.simulate(system, 6, 200.0, seed=1, out=folder, progress=False, workers=1)
    return Run.open(folder)


def forge(truth: Path, forged: Path, seed: int) -> str:
    """Copy a run, change a value by that seed, renew the checksums, and return what was done."""
    rng = random.Random(seed)
    depth = DEPTHS[seed % len(DEPTHS)]
    described = json.loads((truth / "run.json").read_text(encoding="utf-8"))
    places = [place for place in _places(described) if place and place[0] != "checksum"]
    if depth == "blocks":
        places = [place for place in places if any(part in CHECKED for part in place)]
    place = rng.choice(places)
    how = rng.choice(["odd", "odd", "drop", "scale", "swap", "add"])
    while (changed := _changed(described, place, how, rng)) == described:
        how = rng.choice(["odd", "drop", "add"])
    shutil.rmtree(forged, ignore_errors=True)
    shutil.copytree(truth, forged)
    seal(forged, changed, depth)
    return f"{depth}: {how} at {'.'.join(map(str, place))}"


def seal(folder: Path, described: dict[str, Any], depth: str) -> None:
    """Write a run.json and make its checksums again, as deep as is said and can be."""
    content = {key: value for key, value in described.items() if key != "checksum"}
    if depth != "checksum":
        try:
            content["run_id"] = identity_of(content)
        except (AttributeError, KeyError, TypeError, ValueError):  # no run that could have one
            depth = "checksum"
    if depth == "blocks":
        run = Run(folder, content)
        for path in sorted((folder / "blocks").iterdir()):
            first, last = (int(part) for part in path.stem.split("-"))
            arrays = unpack(path)
            arrays["checksum"] = np.array(block_checksum(run.run_id, (first, last + 1), arrays))
            path.write_bytes(pack(arrays))
    text = json.dumps(content | {"checksum": checksum_of_json(content)})
    (folder / "run.json").write_text(text, encoding="utf-8")


def _places(value: Any, place: tuple = ()) -> list[tuple]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(found for key, item in inner for found in _places(item, (*place, key)))]


def _changed(described: Any, place: tuple, how: str, rng: random.Random) -> Any:
    changed = copy.deepcopy(described)
    holder = changed
    for key in place[:-1]:
        holder = holder[key]
    key, odd = place[-1], copy.deepcopy(rng.choice(ODD))
    old = holder[key]
    if how == "drop":
        del holder[key]
    elif how == "scale" and isinstance(old, int | float) and not isinstance(old, bool):
        holder[key] = type(old)(old * rng.choice([2, 10, 0.5]))
    elif how == "swap" and isinstance(old, list):
        old.reverse()
    elif how == "add" and isinstance(old, dict):
        old["more"] = odd
    elif how == "add" and isinstance(old, list):
        old.append(odd)
    else:
        holder[key] = odd
    return changed
