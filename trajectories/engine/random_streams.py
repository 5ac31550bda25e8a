"""Random numbers: one stream per trajectory, keyed by (seed, trajectory index)."""

from __future__ import annotations

import numpy as np


def trajectory_stream(seed: int, index: int) -> np.random.Generator:
    """Return the stream of trajectory `index`: Philox, keyed by the seed with the index as spawn key.

    Whoever asks for it, in whatever order, gets the same numbers, so a record does not depend on workers,
    blocks or resumption.
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(index,))))
