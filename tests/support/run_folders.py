"""What the tests of run folders share: a small run, its files, and whether two records are the same bits."""

from __future__ import annotations

import numpy as np
from click_systems import driven_atom, watch

import trajectories as tj

SIZE, DURATION = 10, 60.0


def start(system: tj.OpenSystem) -> np.ndarray:
    return np.eye(system.dimension)[0]


def simulated(folder, *, seed: int = 3, system: tj.OpenSystem | None = None, **options) -> tj.ClickRecord:
    system = system or driven_atom(1.0, 0.4)
    options = {"initial": start(system)} | options
    return watch(
        system, options.pop("size", SIZE), options.pop("duration", DURATION), seed=seed, out=folder, **options
    )


def block(folder, number: int):
    return folder / "blocks" / f"{number:09d}-{number:09d}.npz"


def snapshot(folder) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def same(first: tj.ClickRecord, second: tj.ClickRecord) -> bool:
    names = ("trajectory", "time", "channel", "start", "stop")
    return all(getattr(first, n).tobytes() == getattr(second, n).tobytes() for n in names)
