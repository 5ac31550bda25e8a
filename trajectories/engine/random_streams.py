"""Random numbers: one stream per trajectory, keyed by (seed, trajectory index, stage)."""

from __future__ import annotations

import numpy as np

# Second element of the spawn keys of trajectories that go on; `two_time` has others.
STAGES = 2


def trajectory_stream(seed: int, index: int, stage: int = 0) -> np.random.Generator:
    """Return the stream of trajectory `index`: Philox, keyed by the seed with the index as spawn key.

    Requests in any order give the same numbers, so a record does not depend on workers,
    blocks or resumption. A trajectory that goes on from the end of another run has `stage` runs behind it, and
    numbers of its own even where the seed is the same.
    """
    key = (index, STAGES, stage) if stage else (index,)
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=key)))
