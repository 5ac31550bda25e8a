"""Super-Rabi oscillations: against direct propagation, the two-level law, and the paper's Fig. 2(a)–(c)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse.linalg import expm_multiply

from trajectories import SpinningResonator, lindblad
from trajectories.errors import InvalidInput

TIMES = np.linspace(0.0, 6000.0, 1501)


def test_populations_agree_with_direct_propagation() -> None:
    resonator = SpinningResonator(direction="right", detuning=1.35)
    levels = (3, 2, 3)
    times = np.array([0.0, 0.7, 13.0, 250.0])
    closed = lindblad.super_rabi(resonator, "photon-magnon", times, levels)
    system = resonator.system(levels)
    start = resonator.dressed_ket(system.space, 0, 0, 0, "+")
    for i, t in enumerate(times):
        psi = expm_multiply(-1j * t * system.hamiltonian, start)
        for label, population in closed.populations.items():
            ket = resonator.dressed_ket(system.space, *map(int, label[:3]), label[3])
            assert population[i] == pytest.approx(abs(np.vdot(ket, psi)) ** 2, abs=1e-11)


@pytest.mark.parametrize(
    ("direction", "pair"),
    [
        ("left", "photon-magnon"),  # blue
        ("right", "photon-phonon"),  # pink
        ("left", "photon-phonon"),  # orange
        ("right", "photon-magnon"),
    ],
)
def test_at_its_crossing_a_pair_oscillates_almost_fully(direction: str, pair: str) -> None:
    resonator = SpinningResonator(direction=direction, detuning=0.0)
    crossing = resonator.avoided_crossing(pair)
    closed = lindblad.super_rabi(replace(resonator, detuning=crossing.detuning), pair, TIMES)
    assert closed.crossing == crossing.detuning
    assert closed.period == pytest.approx(np.pi / closed.effective_coupling, rel=1e-6)
    # P_pair = A sin²(πt/T) up to the fast terms, which make up what the two slow states leave: under 6 %.
    assert 0.93 < closed.maximum < 1.0
    law = closed.maximum * np.sin(np.pi * TIMES / closed.period) ** 2
    assert np.abs(closed.pair_population - law).max() < 0.06


def test_off_the_crossing_the_period_and_the_depth_follow_the_two_level_law() -> None:
    resonator = SpinningResonator(direction="left", detuning=0.0)
    crossing = resonator.avoided_crossing("photon-magnon")
    near = [
        lindblad.super_rabi(replace(resonator, detuning=crossing.detuning + d), "photon-magnon", TIMES)
        for d in (-4e-4, 0.0, 4e-4)
    ]
    below, at, above = (2.0 * np.pi / closed.period for closed in near)
    assert below > at
    assert above > at
    for closed, energy in zip(near, (below, at, above), strict=True):
        depth = (2.0 * closed.effective_coupling / energy) ** 2
        assert closed.maximum == pytest.approx(depth * near[1].maximum, rel=0.02)


def test_the_blue_regime_is_nonreciprocal() -> None:
    left = lindblad.super_rabi(SpinningResonator(direction="left", detuning=1.341), "photon-magnon", TIMES)
    right = lindblad.super_rabi(SpinningResonator(direction="right", detuning=1.341), "photon-magnon", TIMES)
    assert left.maximum == pytest.approx(0.85, abs=0.01)
    assert left.period / 2 == pytest.approx(2500.0, rel=0.03)
    assert right.maximum < 0.002
    assert right.populations["110-"].max() < 0.002


def test_without_rotation_both_directions_are_the_same() -> None:
    left, right = (
        lindblad.super_rabi(SpinningResonator(direction=d, detuning=1.37, fizeau=0.0), "photon-magnon", TIMES)
        for d in ("left", "right")
    )
    np.testing.assert_array_equal(left.pair_population, right.pair_population)


def test_labels_name_every_state_with_at_most_one_quantum_a_mode() -> None:
    closed = lindblad.super_rabi(SpinningResonator(detuning=1.341), "photon-magnon", TIMES)
    assert len(closed.populations) == 16
    assert closed.populations["000+"][0] == pytest.approx(1.0)
    total = sum(closed.populations.values())
    assert total.max() <= 1.0 + 1e-12
    assert total.min() > 0.9
    with pytest.raises(ValueError, match="read-only"):
        closed.pair_population[0] = 1.0


def test_many_times_are_the_same_as_few() -> None:
    times = np.linspace(0.0, 900.0, 9001)  # more than one block
    resonator = SpinningResonator(detuning=1.341)
    many = lindblad.super_rabi(resonator, "photon-magnon", times, (2, 2, 2))
    few = lindblad.super_rabi(resonator, "photon-magnon", times[::900], (2, 2, 2))
    np.testing.assert_allclose(many.pair_population[::900], few.pair_population, atol=1e-14)


@pytest.mark.parametrize("times", [[], [0.0, np.nan], [[0.0, 1.0]], [np.inf]])
def test_bad_times_are_refused(times: list) -> None:
    with pytest.raises(InvalidInput, match="times"):
        lindblad.super_rabi(SpinningResonator(detuning=1.341), "photon-magnon", times)


def test_an_unknown_pair_is_refused() -> None:
    with pytest.raises(InvalidInput, match="pair="):
        lindblad.super_rabi(SpinningResonator(detuning=1.341), "phonon-magnon", TIMES)
