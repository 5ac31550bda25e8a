"""Random streams are derived in one place, and no two purposes share numbers."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

import trajectories
from trajectories import analysis
from trajectories import random_streams as streams

PACKAGES = [Path(next(iter(package.__path__))) for package in (trajectories, analysis)]


def test_no_two_purposes_share_numbers():
    """Nor do trajectories, stages, channels, seeds, or the branches of different trajectories."""
    drawn = []
    for seed in (0, 1, 2**64 - 1):
        for index in range(4):
            drawn += [streams.trajectory_stream(seed, index, stage).random(2) for stage in range(3)]
            drawn.append(streams.sample_times_stream(seed, index).random(2))
            drawn.append(streams.trajectory_stream(streams.branch_seed(seed, index), 0).random(2))
            drawn += [streams.detector_stream(seed, index, channel).random(2) for channel in range(3)]
        drawn.append(np.array([float(streams.assignment_offset(seed)) * 2.0**-64, 0.5]))
    drawn += [
        streams.system_stream("ab" * 32, purpose, number).random(2) for purpose in (10, 11) for number in (0, 1)
    ]
    assert len({numbers.tobytes() for numbers in drawn}) == len(drawn)


def test_numbers_are_those_of_earlier_versions():
    """A run that was begun with another version goes on to the same bits; values made with 0.1.0."""
    assert streams.trajectory_stream(7, 3).random() == 0.133101331585614
    assert streams.trajectory_stream(7, 3, 2).random() == 0.1281178402949077
    assert streams.sample_times_stream(7, 3).random() == 0.4431454546711979
    assert streams.branch_seed(7, 3) == 176862886872516160987662072117016903544
    assert streams.assignment_offset(7) == 16920295385781661272
    assert streams.system_stream("0123456789abcdef" * 4, 10, 1).random() == 0.5490354634429568
    assert streams.detector_stream(7, 3, 1).random() == 0.20846739571851047


def test_nothing_else_derives_a_stream_from_a_seed():
    """But `trajectories.qutip`, which takes and returns the seed sequences of a script for QuTiP."""
    pattern = re.compile(r"SeedSequence|Philox|spawn_key")
    found = {
        path.name
        for package in PACKAGES
        for path in package.rglob("*.py")
        if path.parent.name != "qutip" and pattern.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"random_streams.py"}
