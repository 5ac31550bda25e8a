"""Compiles the engine's kernel in a second process, while the first finds the resonance and the steady state.

This is done only where the kernel is not on disk yet: once after an installation. Numba compiles one function at a
time in a process, and compiling takes most of the time until the first click.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The folder that holds the package, so that the other process finds the same one.
PACKAGE_FOLDER = Path(__file__).resolve().parents[2]
SCRIPT = "from trajectories.cli.compile_ahead import compile_engine; compile_engine()"


@contextmanager
def compiled_ahead() -> Iterator[None]:
    """Compile the eigenmodes' kernel in another process if it is not on disk; its first call waits for it."""
    from ..engine.modes.modes_kernels import advance
    from ..kernel_cache import Kernel

    if not isinstance(advance, Kernel) or advance.on_disk() or (os.cpu_count() or 1) < 2:
        yield
        return
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT],
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(PACKAGE_FOLDER), *filter(None, sys.path)])},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:  # no room for another process: then compiled here
        yield
        return
    advance.wait_for(lambda: process.wait())
    try:
        yield
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def compile_engine() -> None:
    """Compile the kernel of the eigenmodes, and store it, by following an atom for a short time."""
    import numpy as np

    from ..engine.blocks import BlockTask, run_block
    from ..engine.compiled import compile_system
    from ..model import Channel, HilbertSpace, OpenSystem

    sigma = HilbertSpace(atom=2).lower("atom")
    system = OpenSystem(sigma + sigma.T, (Channel("atom", sigma),))
    run_block(compile_system(system, np.array([1.0, 0.0]), propagator="modes"), BlockTask(0, 1, 0, 1.0))
