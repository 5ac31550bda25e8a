"""Averages over trajectories against the master equation, solved by the exponential of the dense superoperator."""

from __future__ import annotations

import numpy as np
import pytest
from click_statistics import bernstein_excess
from click_systems import exact_averages, random_ket, random_matrix, random_system, thermal_cavity, watch
from hypothesis import given, settings
from hypothesis import strategies as st

import trajectories as tj
from trajectories.engine.compiled import CONSTANT

TIMES = np.array([0.0, 0.4, 1.5, 6.0])
TRAJECTORIES = 500
# Of one comparison. Each example makes 8 for each propagator, so 8 examples raise a false alarm with probability
# 2e-5 at most; the draws are derandomised, so that they do so never or always.
ALARM = 1e-7


def worst_excess(system: tj.OpenSystem, seed: int, propagator: str) -> float:
    """Return the largest deviation of two random observables at TIMES, over its bound."""
    rng = np.random.default_rng(seed)
    ket = random_ket(rng, system.dimension)
    observables = {}
    for name in ("first", "second"):
        matrix = random_matrix(rng, system.dimension)
        observables[name] = matrix + matrix.conj().T
    record = watch(
        system,
        TRAJECTORIES,
        float(TIMES[-1]),
        seed=seed,
        initial=ket,
        observables=observables,
        sample_times=TIMES,
        propagator=propagator,
    )
    excess = 0.0
    for name, operator in observables.items():
        values = np.linalg.eigvalsh(operator)
        exact = exact_averages(system, ket, operator, TIMES)
        average = record.expectations[name]
        assert average.n == TRAJECTORIES
        np.testing.assert_array_equal(average.times, TIMES)
        # At t = 0 every trajectory has the same value, which is exact.
        assert abs(average.value[0] - exact[0]) < 1e-12
        excess = max(excess, bernstein_excess(average, exact, values[-1] - values[0], ALARM).max())
    return excess


@settings(max_examples=8, deadline=None, derandomize=True, database=None)
@given(
    seed=st.integers(0, 10**6),
    dimension=st.integers(2, 4),
    channels=st.integers(1, 3),
    frequency=st.sampled_from([0.0, 1.0, 5.0]),
    rate=st.sampled_from([0.05, 0.5, 3.0]),
)
def test_averages_follow_the_master_equation(seed, dimension, channels, frequency, rate):
    system = random_system(seed, dimension, channels, frequency=frequency, rate=rate)
    for propagator in CONSTANT:
        assert worst_excess(system, seed, propagator) < 1.0, propagator


def test_the_standard_error_of_an_average_is_that_of_its_trajectories():
    """z² of many averages against the exact values is χ²: errors that are too large or too small are both seen."""
    system = random_system(3, 3, 2, rate=1.0)
    ket = random_ket(np.random.default_rng(3), 3)
    operator = np.diag([1.0, -0.5, 0.2])
    times = np.array([2.0])
    exact = exact_averages(system, ket, operator, times)
    z = []
    for seed in range(60):
        record = watch(system, 60, 2.0, seed=seed, initial=ket, observables={"O": operator}, sample_times=times)
        average = record.expectations["O"]
        z.append(float((average.value[0] - exact[0]) / average.standard_error[0]))
    # χ² with 60 degrees of freedom lies between 21 and 128 but for 2e-6.
    assert 21.0 < float(np.square(z).sum()) < 128.0


def test_a_stationary_start_stays_stationary():
    """From the steady state ⟨n⟩ is n̄ at all times, and the clicks of the first and second half agree."""
    kappa, occupation = 0.5, 0.4
    system = thermal_cavity(occupation, kappa)
    times = np.array([0.0, 0.3, 3.0, 30.0])
    record = watch(
        system, 1500, 30.0, seed=4, observables={"n": system.space.number("cavity")}, sample_times=times
    )
    average = record.expectations["n"]
    assert (np.abs(average.value - occupation) < 5.0 * average.standard_error).all()  # 6e-7 each
    half = [np.count_nonzero(record.time < 15.0), np.count_nonzero(record.time >= 15.0)]
    # Thermal light is bunched: over T the variance of a count is at most λT(1 + 2 λ_total/κ) times that of a
    # Poisson law; 5σ of the difference with that.
    fano = 1.0 + 2.0 * 2.0 * occupation * (occupation + 1.0)
    assert abs(half[0] - half[1]) < 5.0 * np.sqrt(fano * sum(half))


def test_a_mixed_start_is_drawn_with_its_probabilities():
    rho = np.diag([0.2, 0.5, 0.3]).astype(complex)
    system = tj.OpenSystem(np.diag([0.0, 1.0, 2.0]), [tj.Channel("none", np.zeros((3, 3)))])
    kets = {f"|{k}⟩": np.eye(3)[k] for k in range(3)}
    record = watch(system, 4000, 1.0, seed=5, initial=rho, observables=kets, sample_times=[0.0, 1.0])
    for k, probability in enumerate((0.2, 0.5, 0.3)):
        average = record.expectations[f"|{k}⟩"]
        sigma = np.sqrt(probability * (1.0 - probability) / 4000)
        assert (np.abs(average.value - probability) < 5.0 * sigma).all()  # 6e-7 each


@pytest.mark.parametrize("name", ["a", "b"])
def test_an_average_of_one_trajectory_has_no_error(name):
    system = random_system(1, 2, 1)
    record = watch(system, 1, 1.0, seed=1, initial=[1, 0], observables={name: np.eye(2)}, sample_times=[0.0, 1.0])
    average = record.expectations[name]
    np.testing.assert_allclose(average.value, 1.0, atol=1e-12)
    assert np.isnan(average.standard_error).all()
