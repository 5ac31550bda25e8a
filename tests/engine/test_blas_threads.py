"""Compiled systems, steady starts and resonances are the same bits for any number of BLAS threads.

Without one thread being asked for, those of N = 54 differed between one thread and two.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Barrier, Thread

import numpy as np
import pytest

import trajectories as tj
from trajectories.blas import one_blas_thread, openblas_libraries
from trajectories.engine.compiled import compile_system
from trajectories.model.spinning_resonator import _crossing_near
from trajectories.simulation.preparation import prepare
from trajectories.simulation.request import checked_request

pytestmark = pytest.mark.skipif(not openblas_libraries(), reason="needs OpenBLAS, whose threads can be set")


def on_threads(number: int, made: Callable[[], bytes]) -> bytes:
    """Return what a function makes, called while OpenBLAS has so many threads, and again after it."""
    libraries = openblas_libraries()
    before = [library.get() for library in libraries]
    try:
        for library in libraries:
            library.set(number)
        set_to = [library.get() for library in libraries]
        found = made()
        assert [library.get() for library in libraries] == set_to
        return found
    finally:
        for library, threads in zip(libraries, before, strict=True):
            library.set(threads)


def paper() -> tj.OpenSystem:
    return tj.SpinningResonator(direction="left", detuning=1.3406).system(levels=(3, 3, 3))


def compiled() -> bytes:
    return bytes_of(compile_system(paper(), np.eye(54)[0], propagator="modes").to_arrays())


def prepared() -> bytes:
    """Return a run from the steady state, which is found for it."""
    made, description = prepare(checked_request(paper(), 4, 1e4, seed=1))
    return bytes_of(made.to_arrays()) + str(description["steady_state"]).encode()


def state() -> bytes:
    """Return the steady state itself."""
    return tj.lindblad.steady_state(tj.SpinningResonator("left", detuning=1.3406).system((4, 4, 3))).rho.tobytes()


def resonance() -> bytes:
    _crossing_near.cache_clear()
    return np.array(tj.SpinningResonator("left").avoided_crossing("photon-magnon", (3, 3, 3))).tobytes()


def bytes_of(arrays: dict[str, np.ndarray]) -> bytes:
    return b"".join(np.ascontiguousarray(arrays[name]).tobytes() for name in sorted(arrays))


@pytest.mark.filterwarnings("ignore:top-level")
@pytest.mark.parametrize("made", [compiled, prepared, state, resonance])
def test_the_bits_do_not_depend_on_threads_of_blas(made):
    assert on_threads(1, made) == on_threads(2, made)


def test_of_blocks_in_several_threads_the_last_restores_the_number():
    """Planted fault: the one that begins first and ends first must not give the threads back to the other."""
    libraries, meeting, seen = openblas_libraries(), Barrier(2, timeout=20.0), []

    def early() -> None:
        with one_blas_thread():
            meeting.wait()  # both are inside
            meeting.wait()
        meeting.wait()

    def made() -> bytes:
        other = Thread(target=early)
        other.start()
        meeting.wait()
        with one_blas_thread():
            meeting.wait()
            meeting.wait()  # the other one has ended
            seen.append([library.get() for library in libraries])
        other.join()
        return b""

    on_threads(2, made)
    assert seen == [[1] * len(libraries)]
