"""Bursts of clicks at rates up to 1e10 below those inside them, in each way: a Fock state that decays, a Λ atom.

With the driven atom, the thermal and the driven cavity and the pair source of test_reduced.py these are the six
systems with known answers.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from false_alarm_systems import fock_bursts
from systems_with_answers import DecayingFock, lambda_atom

from trajectories import Channel, OpenSystem, lindblad
from trajectories.lindblad.solver import solver_of
from trajectories.lindblad.superoperators import motions
from trajectories.lindblad.superoperators.doubling import DoublingMotion

RATES = [1e-4, 1e-7, 1e-10]


def off(steady: lindblad.SteadyState, found, expected, apart: float = 0.0) -> None:
    """Compare with a closed form, which is exact up to a relative `apart`, within the error stated."""
    answer, expected = solver_of(steady).answers[-1], np.asarray(expected)
    error = float(np.max(answer.error, initial=0.0) / np.abs(answer.value).max())
    np.testing.assert_allclose(found, expected, rtol=0.0, atol=(error + 1e-9 + apart) * np.abs(expected).max())
    # A double knows a rate 1e10 below the fastest one to some 1e-5; 32 digits know it to rounding.
    slowest = min(steady.rate(name) for name in steady.system.channel_names)
    assert error <= (1e-12 if "doubling" in answer.method else 2e-9 + 1e-14 / slowest), answer.method


@pytest.mark.parametrize("pump", RATES)
def test_a_fock_state_that_decays_and_is_filled_again(every_way, pump):
    """n photons at κ = 1 in every cycle of the mean length μ = 1/p + Σ 1/k, whose variance is 1/p² + Σ 1/k²."""
    n, steps = 4, np.arange(1, 5)
    steady = lindblad.steady_state(fock_bursts(n, pump))
    mean, variance = 1.0 / pump + (1.0 / steps).sum(), pump**-2 + (1.0 / steps**2).sum()
    assert steady.rate("pump") == pytest.approx(1.0 / mean, rel=1e-9)
    assert steady.rate("photon") == pytest.approx(n / mean, rel=1e-9)
    # After a photon m = n − 1, …, 0 are left, each as often: the next comes at rate m, or the pump clicks.
    found = lindblad.next_click_probabilities(steady, "photon")
    off(steady, [found["photon"].value, found["pump"].value], [1.0 - 1.0 / n, 1.0 / n])
    edges, left = np.array([0.0, 0.4, 1.5, 6.0]), steps[:-1]
    wait = [(np.exp(-left * a) - np.exp(-left * b)).sum() / n / (b - a) for a, b in pairwise(edges)]
    off(steady, lindblad.waiting_times(steady, "photon", "photon", edges).value, wait)
    tau = np.array([0.0, 0.5, 2.0])
    together = lindblad.g2_at(steady, "photon", "photon", tau)
    off(steady, together * steady.rate("photon"), 0.5 * (n - 1) * np.exp(-tau), apart=20.0 * pump)
    fano = lindblad.cumulants(steady, ("photon",), 2)[1] / steady.rate("photon")
    assert fano == pytest.approx(n * variance / mean**2, rel=1e-9)
    # A burst is one cluster of pump and photons; planted fault: with one photon less it is not.
    sizes = [e.value for e in lindblad.cluster_rates(steady, 30.0, ("photon",), n)]
    off(steady, sizes, [0.0] * (n - 1) + [1.0 / mean], apart=60.0 * pump)
    with pytest.raises(AssertionError):
        off(steady, sizes, [0.0] * (n - 2) + [1.0 / mean, 0.0], apart=60.0 * pump)


@pytest.mark.parametrize("leak", RATES)
def test_a_lambda_atom_whose_dark_state_leaks(every_way, leak):
    """Each leak leaves |0⟩; a ground state is dark for good with the share d of the dark state in it."""
    bare, dark = lambda_atom()
    step = Channel("leak", np.sqrt(leak) * np.outer([1.0, 0.0, 0.0], dark))
    steady = lindblad.steady_state(OpenSystem(bare.hamiltonian, (*bare.channels, step)))
    bright, shares = 1.0 - dark[:2] ** 2, np.array([0.8, 0.2])  # to |0⟩ at rate 1 and to |1⟩ at 1/4
    again = float(shares @ bright)  # a click is followed by another one of the burst
    clicks = float(bright[0]) / (1.0 - again)
    expected = leak * np.array([clicks * shares[0], clicks * shares[1], 1.0])
    found = [steady.rate(name) for name in ("first", "second", "leak")]
    np.testing.assert_allclose(found, expected, rtol=1e-9 + 20.0 * leak)
    for before, state in (("first", 0), ("second", 1), ("leak", 0)):
        following = lindblad.next_click_probabilities(steady, before)
        numbers = [following[name].value for name in ("first", "second", "leak")]
        off(steady, numbers, [*(bright[state] * shares), dark[state] ** 2], apart=20.0 * leak)
    # Bursts of a geometric number of clicks come at random: F = ⟨N²⟩/⟨N⟩.
    mean, variance = lindblad.cumulants(steady, ("first", "second"), 2)
    off(steady, variance / mean, (1.0 + again) / (1.0 - again), apart=20.0 * leak)


def test_a_fock_state_decays_the_same_at_any_frequency(every_motion):
    """A series follows 1e5 periods; doubling of the time any number of them."""
    fock, times = DecayingFock(), np.array([0.3, 2.0, 11.0])
    for apart in (1.0, 3e4 if every_motion == "series" else 1e10):
        turn = apart * fock.system().space.number("photon")
        system = OpenSystem(turn, fock.system().channels, fock.system().space)
        assert isinstance(motions.motion_of(system, 11.0), DoublingMotion) == (every_motion == "doubling")
        for t, state in zip(times, lindblad.density_matrix(system, fock.ket(), times), strict=True):
            np.testing.assert_allclose(np.diag(state).real, fock.populations(t), atol=1e-9)
        later = lindblad.transient_g2(system, fock.ket(), "photon", "photon", 0.1, times)
        np.testing.assert_allclose(later, fock.transient_g2(), rtol=1e-9)
