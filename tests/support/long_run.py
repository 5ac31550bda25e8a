"""A run in many blocks, to be killed: ``python long_run.py RUN [BLOCKS]``; prints a line once it begins."""

from __future__ import annotations

import sys
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from click_systems import random_system

import trajectories as tj

SYSTEM = random_system(1, 6, 3)
KET = np.eye(6)[0]


class Inline(ThreadPoolExecutor):
    """Runs each task where it is submitted: no thread is ever started."""

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def simulated(
    trajectories: int, duration: float = 40.0, *, out: str | None = None, workers: int = 1, inline: bool = False
) -> tj.ClickRecord:
    return tj.simulate(
        SYSTEM,
        trajectories,
        duration,
        seed=5,
        initial=KET,
        out=out,
        workers=workers,
        executor=Inline(1) if inline else None,
        progress=False,
    )


if __name__ == "__main__":
    simulated(1)  # loads the kernels
    print("begun", flush=True)
    simulated(128, float(sys.argv[2]), out=sys.argv[1], workers=2)
    print("done", flush=True)
