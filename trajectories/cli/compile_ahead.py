"""Compiles the engine's kernel in two more processes, while the first finds the resonance and the steady state.

This is done only where the kernel is not on disk yet: once after an installation. Numba compiles one function at a
time in a process, and compiling takes most of the time until the first click. One process compiles the kernel that
Python calls; the other compiles half of the kernels that this one calls, and stores them as drafts before the
first process needs them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ..stages import Stage

# The folder that holds the package, so that the other process finds the same one.
PACKAGE_FOLDER = Path(__file__).resolve().parents[2]
# Ends at once: to give back what a compiler holds, piece by piece, takes half a second.
SCRIPT = "import os; from trajectories.cli.compile_ahead import {0}; {0}(); os._exit(0)"


@contextmanager
def compiled_ahead() -> Iterator[Callable[[], None]]:
    """Compile the eigenmodes' kernel in other processes if it is not on disk; its first call waits for it.

    Yields
    ------
    callable
        To be called before long work: with two processors both are left to the compilers until one is free.
    """
    from ..engine.modes.modes_kernels import advance
    from ..kernel_cache import COMPILING, Kernel

    processors = os.cpu_count() or 1
    if not isinstance(advance, Kernel) or advance.on_disk() or processors < 2:
        yield lambda: None
        return
    with ExitStack() as processes:
        try:
            whole = processes.enter_context(_process(compile_engine.__name__))
            helper = processes.enter_context(_process(compile_parts.__name__))
        except OSError:  # no room for other processes: then compiled here
            processes.close()
            yield lambda: None
            return
        advance.wait_for(lambda: whole.wait())

        def make_room() -> None:
            if processors == 2:
                with Stage(COMPILING):
                    helper.wait()

        yield make_room


@contextmanager
def _process(function: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a function of this module in another process, and end that with the context."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(function)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(PACKAGE_FOLDER), *filter(None, sys.path)])},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def compile_engine() -> None:
    """Compile the kernel of the eigenmodes, and store it, by following an atom for a short time."""
    from ..engine.blocks import BlockTask, run_block

    run_block(_atom(), BlockTask(0, 1, 0, 1.0))


def compile_parts() -> None:
    """Compile and store kernels that `compile_engine` needs late, in the order in which it needs them."""
    from ..kernel_cache import DRAFTED
    from ..kernel_drafts import collection_put_off

    if DRAFTED:
        with collection_put_off():
            for kernel, signature in parts():
                kernel.draft.compile(signature)


def parts() -> list[tuple[Any, tuple[Any, ...]]]:
    """Return kernels that the kernel of the eigenmodes calls, and the types of their arguments."""
    import numba
    import numpy as np

    from ..engine.modes import forms_kernels, modal_jump_kernels, modes_kernels

    compiled = _atom()
    state = compiled.propagator.start(np.array([1.0 + 0.0j, 0.0]), 1)
    a, w = numba.typeof(compiled.propagator.arrays), numba.typeof(state.work)
    fields = numba.typeof(state.fields)
    jumps, i, x = numba.typeof(compiled.jumps), numba.int64, numba.float64
    return [
        (forms_kernels.survival, (a, x, i, w)),
        (forms_kernels.form_value, (a, i, x, i, w)),
        (modes_kernels.survives, (a, x, fields, w)),
        (modal_jump_kernels.checked_total, (a, x, i, x, w)),
        (modal_jump_kernels.resolved, (a, i, x, w)),
        (modal_jump_kernels.choose_channel, (a, x, i, x, x, w)),
        (
            modes_kernels._sample,
            (a, jumps, x[::1], x, fields, w, x[:, ::1], numba.complex128[:, ::1]),
        ),
        (modal_jump_kernels.channel_rate, (a, i, i, x, w)),
        (modal_jump_kernels.phase_error, (a, i, x, i, x, w)),
        (modal_jump_kernels.leak, (a, i, i, x, x, w)),
        (modal_jump_kernels.sum_rounding, (a, i, i, w)),
        (modal_jump_kernels.begin_jump, (w,)),
    ]


def _atom() -> Any:
    """Return the smallest system there is, compiled: a driven atom."""
    import numpy as np

    from ..engine.compiled import compile_system
    from ..model import Channel, HilbertSpace, OpenSystem

    sigma = HilbertSpace(atom=2).lower("atom")
    system = OpenSystem(sigma + sigma.T, (Channel("atom", sigma),))
    return compile_system(system, np.array([1.0, 0.0]), propagator="modes")
