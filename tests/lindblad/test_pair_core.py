"""A core of mode pairs in itself: eigenvectors in real form, and cores that are diagonalised side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
from scipy import linalg
from systems_with_answers import paper_system

from trajectories import lindblad
from trajectories.lindblad.reduced import pair_core
from trajectories.lindblad.reduced import spectrum as spectra
from trajectories.lindblad.reduced.pair_core import PairMotion
from trajectories.lindblad.reduced.spectrum import Spectrum
from trajectories.lindblad.solver import solver_of


def decaying(size: int, seed: int) -> np.ndarray:
    """A real matrix with real and complex eigenvalues, all of which decay."""
    return np.random.default_rng(seed).normal(size=(size, size)) / np.sqrt(size) - 1.5 * np.eye(size)


@pytest.mark.parametrize("size", [1, 2, 3, 12, 41])
@pytest.mark.parametrize("refined", [False, True])
def test_a_spectrum_moves_states_and_functionals(monkeypatch, size, refined):
    monkeypatch.setattr(spectra, "SLOW", 1e9 if refined else 0.0)
    matrix, random = decaying(size, seed=size), np.random.default_rng(7)
    state, functionals, time = random.normal(size=size), random.normal(size=(3, size)), 0.7
    spectrum = Spectrum(matrix)
    moved, phases = linalg.expm(time * matrix), np.exp(time * spectrum.exponents)
    start, ends = spectrum.coefficients(state), spectrum.readers(functionals)
    assert len(spectrum.exponents) == size - spectrum.paired.sum()
    np.testing.assert_allclose(spectrum.state(start * phases), moved @ state, atol=1e-13)
    np.testing.assert_allclose(((ends * start) @ phases).real, functionals @ moved @ state, atol=1e-13)
    np.testing.assert_allclose(spectrum.functional(ends[0] * phases), moved.T @ functionals[0], atol=1e-13)


def test_slow_motion_is_refined_beside_fast_motion(monkeypatch):
    """Rates of 1e-9 beside frequencies of 1e3: their errors are a tenth of what they are without refinement."""
    slow = np.array([2.0**-30, 2.0**-25])
    motion = np.diag(np.concatenate([-slow, -np.arange(1.0, 7.0)]))
    motion[5, 6], motion[6, 5] = 1024.0, -1024.0
    # Whole numbers of determinant 1: neither the change of basis nor its inverse are rounded.
    change = (np.eye(8) + np.diag(np.ones(7), -1)) @ (np.eye(8) + np.diag(np.ones(7), 1))
    turned = change @ motion @ np.round(np.linalg.inv(change))

    def error() -> float:
        rates = np.sort(-Spectrum(turned).values.real)[:2]
        return float(np.max(np.abs(rates / slow - 1.0)))

    refined = error()
    monkeypatch.setattr(spectra, "SLOW", 0.0)
    assert error() > 10.0 * refined


def test_one_spectrum_serves_several_threads():
    """LAPACK's wrapper changes pivots in place for a while: shared by two threads they broke the heap."""
    matrix = decaying(200, seed=3)
    spectrum, states = Spectrum(matrix), np.random.default_rng(4).normal(size=(400, 200))
    alone = [spectrum.coefficients(state) for state in states]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(spectrum.coefficients, states))
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def test_two_cores_are_diagonalised_at_the_same_time(monkeypatch):
    """Each waits until the other has begun, which a lock around both would never let happen."""
    both = Barrier(2, timeout=60.0)
    diagonalise = pair_core.Spectrum

    def waiting(matrix):
        both.wait()
        return diagonalise(matrix)

    monkeypatch.setattr(pair_core, "Spectrum", waiting)
    system = paper_system((2, 2, 2))
    reduced = solver_of(lindblad.steady_state(system)).levels.system(3)
    chosen = np.ones_like(reduced.space.motion, dtype=bool)
    silent = np.zeros(chosen.size)
    with ThreadPoolExecutor(2) as pool:
        made = [
            pool.submit(PairMotion, reduced.space, {"photon": share}, silent, 0.0, chosen) for share in (0.5, 1.0)
        ]
        assert all(motion.result().size == chosen.size for motion in made)
