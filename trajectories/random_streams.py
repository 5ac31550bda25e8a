"""Random streams of simulations and detectors, each derived from a seed and its purpose.

Every random stream has a key of its own, so that a record does not depend on workers, blocks, resumption or the
order of the computation. Trajectory r of a run has the spawn key (r,) of its seed. Other streams of that
trajectory have longer keys that begin with r; their second elements, below, distinguish the purposes.
"""

from __future__ import annotations

import numpy as np

# Second elements of the spawn keys.
SAMPLE_TIMES, BRANCHES, STAGES, WARM_UPS = 0, 1, 2, 3


def trajectory_stream(seed: int, index: int, stage: int = 0) -> np.random.Generator:
    """Return the stream of trajectory `index`, from which its initial state and its clicks are drawn.

    Parameters
    ----------
    seed : int
        Seed of the run.
    index : int
        Number of the trajectory in the run.
    stage : int
        Number of runs before this one: a run that continues from the end of another one has its own numbers, also
        with the same seed.
    """
    return _philox(seed, (index, STAGES, stage) if stage else (index,))


def warm_up_stream(seed: int, index: int) -> np.random.Generator:
    """Return the stream of trajectory `index` before t = 0, where it is not recorded yet."""
    return _philox(seed, (index, WARM_UPS))


def sample_times_stream(seed: int, index: int) -> np.random.Generator:
    """Return the stream of the sample times of trajectory `index` for two-time averages."""
    return _philox(seed, (index, SAMPLE_TIMES))


def branch_seed(seed: int, index: int) -> int:
    """Return the seed of the trajectories that branch off trajectory `index` for two-time averages."""
    words = np.random.SeedSequence(seed, spawn_key=(index, BRANCHES)).generate_state(4)
    return int.from_bytes(words.tobytes(), "little")


def assignment_offset(seed: int) -> np.uint64:
    """Return u₀·2⁶⁴ of the sequence that assigns the states of a mixture (see `ensembles`)."""
    return np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]


def system_stream(digest: str, purpose: int, number: int = 0) -> np.random.Generator:
    """Return a stream that depends only on a system and a purpose, for choices that are equal in every run.

    Parameters
    ----------
    digest : str
        Digest of the system.
    purpose, number : int
        Purpose of the numbers, 10 or more, and a number that distinguishes streams of one purpose.
    """
    return _philox(int(digest[:32], 16), (0, purpose, number))


def detector_stream(seed: int, trajectory: int, channel: int) -> np.random.Generator:
    """Return the stream of the detector of a channel over one trajectory.

    Parameters
    ----------
    seed : int
        Seed of the detectors' random numbers, below 2⁶⁴.
    trajectory, channel : int
        Numbers of the trajectory in its run and of the channel in the record.
    """
    key = np.array([seed, trajectory], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, 0, 0, channel], dtype=np.uint64)))


def _philox(seed: int, spawn_key: tuple[int, ...]) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=spawn_key)))
