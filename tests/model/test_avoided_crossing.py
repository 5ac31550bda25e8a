"""The gap of an avoided crossing from a few eigenvalues is the one from all, or they say they do not suffice."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

import trajectories as tj
from trajectories.errors import ConvergenceError, InvalidInput
from trajectories.model import avoided_crossing as module
from trajectories.model import spinning_resonator
from trajectories.model.avoided_crossing import ALL_EIGENVALUES, gap_among_all, gap_among_nearest, gap_between

SIZE = ALL_EIGENVALUES + 10


@pytest.mark.parametrize(
    ("pair", "direction"),
    [
        ("photon-magnon", "left"),
        *(pytest.param("photon-phonon", direction, marks=pytest.mark.slow) for direction in ("right", "left")),
    ],
)
def test_few_eigenvalues_locate_the_resonance_that_all_do(pair, direction, monkeypatch):
    """At N = 250; and none of the sixty detunings needs all of them."""
    resonator, levels = tj.SpinningResonator(direction), (5, 5, 5)
    spinning_resonator._crossing_near.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(module, "gap_among_all", None)
        few = resonator.avoided_crossing(pair, levels)
    spinning_resonator._crossing_near.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(module, "gap_among_nearest", lambda *_: None)
        every = resonator.avoided_crossing(pair, levels)
    assert few.detuning == pytest.approx(every.detuning, abs=1e-11)
    assert few.gap == pytest.approx(every.gap, abs=1e-12)


def test_it_is_located_once_for_all_detunings(monkeypatch):
    found = tj.SpinningResonator("left", drive=0.7531).avoided_crossing("photon-magnon", (3, 3, 3))
    monkeypatch.setattr(spinning_resonator, "locate", None)
    for detuning in (1.3, 1.4):
        moved = tj.SpinningResonator("left", detuning, drive=0.7531)
        assert moved.avoided_crossing("photon-magnon", [3, 3, 3]) == found
    with pytest.raises(TypeError):
        tj.SpinningResonator("left", drive=0.7532).avoided_crossing("photon-magnon", (3, 3, 3))


def test_kets_that_are_spread_over_many_eigenvectors_take_all():
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(SIZE, SIZE))
    hamiltonian = sparse.csc_array(matrix + matrix.T)
    kets = np.eye(SIZE)[:2].astype(complex)
    assert gap_among_nearest(hamiltonian, kets, 6) is None
    assert gap_between(hamiltonian, kets) == gap_among_all(hamiltonian, kets)


@pytest.mark.parametrize(("first", "second"), [(3, 150), (20, 30)])
def test_states_far_from_their_mean_energy_are_not_mistaken(first, second):
    """Others lie between: without the check of weights two of those would be taken."""
    hamiltonian = sparse.csc_array(sparse.diags_array(np.arange(SIZE) + 0.3 * np.sin(np.arange(SIZE))))
    kets = np.eye(SIZE)[[first, second]].astype(complex)
    assert gap_among_nearest(hamiltonian, kets, 6) is None
    energies = hamiltonian.diagonal()
    assert gap_between(hamiltonian, kets) == pytest.approx(energies[second] - energies[first], rel=1e-12)


def test_a_mean_energy_that_is_an_eigenvalue_is_no_failure():
    hamiltonian = sparse.csc_array(sparse.diags_array(np.arange(float(SIZE))))
    kets = np.eye(SIZE)[[99, 101]].astype(complex)
    assert gap_between(hamiltonian, kets) == pytest.approx(2.0, rel=1e-12)


def test_beyond_the_dimension_of_all_eigenvalues_few_suffice_or_it_is_said(monkeypatch):
    """As at N = 6750, in small: few eigenvalues find the same crossing, and nothing is ever made dense."""
    resonator, levels = tj.SpinningResonator("left"), (5, 5, 5)
    spinning_resonator._crossing_near.cache_clear()
    right = resonator.avoided_crossing("photon-magnon", levels)
    spinning_resonator._crossing_near.cache_clear()
    monkeypatch.setattr(module, "MAX_DENSE", 100)
    monkeypatch.setattr(module, "gap_among_all", None)
    assert resonator.avoided_crossing("photon-magnon", levels) == right
    spinning_resonator._crossing_near.cache_clear()
    monkeypatch.setattr(module, "gap_among_nearest", lambda *_: None)
    with pytest.raises(ConvergenceError, match=r"dimension 250 needs all eigenvalues.*; locate it with fewer"):
        resonator.avoided_crossing("photon-magnon", levels)
    with pytest.raises(InvalidInput, match="give dimension 8192, above the 7000"):
        resonator.avoided_crossing("photon-magnon", (16, 16, 16))
