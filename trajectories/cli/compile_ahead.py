"""Compile the engine's kernels in other processes, while this one computes the resonance and the steady state.

This happens only if a kernel is not on disk yet: once after an installation. Numba compiles one function at a time
in a process, and compilation takes most of the time until the first click. One process compiles the kernel of the
eigenmodes that Python calls; another compiles half of the kernels that it calls, and stores them as drafts before
the first process needs them. If a run may take a reduced basis, a third process then compiles the further kernels,
while the steady state is computed and the pilot runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..stages import Stage

if TYPE_CHECKING:
    from ..engine.compiled import CompiledSystem
    from ..model import OpenSystem

# The folder with the package, so that the other processes import the same one.
PACKAGE_FOLDER = Path(__file__).resolve().parents[2]
# Exits at once, because Python would take half a second to free the memory of the compiler.
SCRIPT = "import os; from trajectories.cli.compile_ahead import {0}; {0}(); os._exit(0)"
# Seconds between checks for a kernel that another process compiles.
POLL = 0.05


class Ahead:
    """The processes that compile kernels ahead of their first call."""

    def __init__(self, processes: ExitStack) -> None:
        self._processes = processes
        self._helper: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Compile the kernel of the eigenmodes in other processes if it is not on disk; its first call waits."""
        from ..engine.modes.modes_kernels import advance

        if not _missing(advance):
            return
        with ExitStack() as begun:
            try:
                whole = begun.enter_context(_process(compile_engine.__name__))
                self._helper = begun.enter_context(_process(compile_parts.__name__))
            except OSError:  # no further process possible: compiled in this one
                return
            self._processes.push(begun.pop_all())
            advance.wait_for(lambda: whole.wait())

    def prepare_for_long_work(self, reduced: bool = False) -> None:
        """Prepare for long work in this process, which needs a processor.

        With two processors it waits until a compiling process has ended. `reduced` says whether the run may take a
        reduced basis, whose kernels are then compiled in a further process.
        """
        from ..kernel_cache import COMPILING

        if self._helper is not None and processors() == 2:
            with Stage(COMPILING):
                self._helper.wait()
        missing = [kernel for kernel in _reduced_kernels() if _missing(kernel)] if reduced else []
        if not missing:
            return
        try:
            third = self._processes.enter_context(_process(compile_reduced.__name__))
        except OSError:
            return
        for kernel in missing:
            kernel.wait_for(partial(_stored, kernel, third))


@contextmanager
def compiled_ahead() -> Iterator[Ahead]:
    """Compile kernels that are not on disk in other processes, which end with the ``with`` block."""
    with ExitStack() as processes:
        ahead = Ahead(processes)
        ahead.begin()
        yield ahead


def processors() -> int:
    """Return the number of processors."""
    return os.cpu_count() or 1


def _missing(kernel: Any) -> bool:
    """Whether a kernel is not compiled yet and another process can compile it."""
    from ..kernel_cache import Kernel

    return isinstance(kernel, Kernel) and not kernel.on_disk() and processors() >= 2


def _stored(kernel: Any, process: subprocess.Popen[bytes]) -> None:
    """Wait until a kernel is on disk, or the process that compiles it has ended."""
    while process.poll() is None and not kernel.on_disk():
        time.sleep(POLL)


def _reduced_kernels() -> tuple[Any, ...]:
    """Return the kernels of the reduced propagator, and of the audit of its basis, that Python calls."""
    from ..engine.reduced import levels_kernels, placement_kernels
    from ..engine.sparse import chebyshev_kernels

    return chebyshev_kernels.propagate, placement_kernels.place, levels_kernels.advance_between


@contextmanager
def _process(function: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a function of this module in another process, which ends with the ``with`` block."""
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
    """Compile and store the kernel of the eigenmodes, by a short run of an atom."""
    from ..engine.blocks import BlockTask, run_block

    run_block(_compiled_atom(), BlockTask(0, 1, 0, 1.0))


def compile_reduced() -> None:
    """Compile and store the further kernels of a reduced basis, by a run of an atom in two complete bases."""
    import numpy as np

    from ..engine.blocks import BlockTask, run_block
    from ..engine.reduced.audit import AuditedGap, survival_in_all
    from ..engine.reduced.level import reduced_arrays
    from ..engine.reduced.moves import moves
    from ..engine.reduced.reduced_basis import ReducedArrays, ReducedPropagator
    from ..engine.sparse.sparse_action import SparsePropagator

    system, compiled = _atom(), _compiled_atom()
    action = SparsePropagator.compile(system, 1e-10)
    survival_in_all(action, [AuditedGap(compiled.kets[0], 1.0)])
    levels = (reduced_arrays(system, np.arange(2), None, 1e-10),) * 2
    arrays = ReducedArrays(levels, moves(system, levels), action.arrays, np.zeros(5))
    run_block(replace(compiled, propagator=ReducedPropagator(arrays)), BlockTask(0, 1, 0, 1.0))


def compile_parts() -> None:
    """Compile and store the kernels that `compile_engine` needs last, in the order in which it needs them."""
    from ..kernel_cache import DRAFTED
    from ..kernel_drafts import compiler_eased

    if DRAFTED:
        with compiler_eased():
            for kernel, signature in parts():
                kernel.draft.compile(signature)


def parts() -> list[tuple[Any, tuple[Any, ...]]]:
    """Return kernels that the kernel of the eigenmodes calls, and the types of their arguments."""
    import numba
    import numpy as np

    from ..engine.modes import forms_kernels, modal_jump_kernels, modes_kernels

    compiled = _compiled_atom()
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
        (modal_jump_kernels.leak, (a, i, i, x, w)),
        (modal_jump_kernels.sum_rounding, (a, i, i, w)),
        (modal_jump_kernels.begin_jump, (w,)),
    ]


def _atom() -> OpenSystem:
    """Return a small system: a driven atom."""
    from ..model import Channel, HilbertSpace, OpenSystem

    sigma = HilbertSpace(atom=2).lower("atom")
    return OpenSystem(sigma + sigma.T, (Channel("atom", sigma),))


def _compiled_atom() -> CompiledSystem:
    """Return the driven atom compiled for the eigenmodes."""
    import numpy as np

    from ..engine.compiled import compile_system

    return compile_system(_atom(), np.array([1.0, 0.0]), propagator="modes")
