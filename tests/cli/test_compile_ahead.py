"""The engine's kernel, compiled by another process, is the one that this process would compile."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from command_line import ROOT

from trajectories.engine.modes import modes_kernels
from trajectories.kernel_cache import Kernel

# A run into a folder, whose compiled system went through a file, as the command line makes it.
USE = """
import numpy as np, tempfile, trajectories as tj
from trajectories.cli.compile_ahead import compiled_ahead
from trajectories.engine.modes.modes_kernels import advance
before = advance.on_disk()
a = tj.HilbertSpace(photon=4).lower("photon")
system = tj.OpenSystem(0.3 * (a + a.T), [tj.Channel("photon", a)])
with compiled_ahead(), tempfile.TemporaryDirectory() as folder:
    awaited = advance._awaited is not None
    tj.simulate(system, 2, 20.0, seed=1, propagator="modes", workers=2, progress=False, out=folder + "/run")
stats = advance.entry.stats
print(before, awaited, sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


def used(environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", USE],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one processor: nothing is gained, so nothing is started")
def test_it_is_waited_for_and_used_and_made_only_once(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    assert used(environment) == "False True 1 0"
    assert used(environment) == "True False 1 0"


def test_if_the_other_process_fails_it_is_compiled_here():
    failing = Kernel(modes_kernels.between.py_func, {}, False)
    waited = []
    failing.wait_for(lambda: waited.append(1))
    assert failing(1.0, 3.0, 0.1) == failing(1.0, 3.0, 0.1) == pytest.approx(2.0)
    assert waited == [1]
