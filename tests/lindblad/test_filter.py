"""The state given a record of imperfect detectors, against dense exponentials, QuTiP and its own limits."""

from __future__ import annotations

import numpy as np
import pytest
import qutip
from click_systems import driven_atom, random_system, watch
from dense_filter import dense_filter

import trajectories as tj
from trajectories import analysis as an
from trajectories.errors import ConvergenceError, InvalidInput
from trajectories.lindblad import steady_state
from trajectories.lindblad.filter import conditional, motions
from trajectories.lindblad.filter.conditional import ConditionalFilter
from trajectories.lindblad.reduced.spectrum import Spectrum

pytestmark = pytest.mark.filterwarnings("ignore::trajectories.errors.TruncationWarning")
LOSSY = {"c0": tj.Detector(0.6, 0.02), "c1": tj.Detector(0.3)}
DEAD = {"c0": tj.Detector(0.6, 0.05, 2.0), "c1": tj.Detector(0.9, 0.0, 3.5), "c2": tj.Detector(dead_time=0.7)}


def compare(system, rho, record, detectors, rtol=1e-8):
    """Hold every gap and rate of a replay to dense exponentials."""
    replayed = tj.replay(record, system, rho, detectors=detectors)
    for row in range(record.n_trajectories):
        hazard, rates, likelihood = dense_filter(system, rho, record, row, detectors)
        low, high = record.offsets[row : row + 2]
        np.testing.assert_allclose(replayed.hazard[replayed.trajectory == row], hazard, rtol=rtol, atol=1e-9)
        np.testing.assert_allclose(replayed.intensity[low:high], rates, rtol=rtol, atol=1e-10)
        assert replayed.log_likelihoods[row] == pytest.approx(likelihood, rel=1e-8, abs=1e-8)
    return replayed


@pytest.mark.parametrize(
    ("seed", "dimension", "detectors"), [(1, 6, LOSSY), (2, 5, DEAD), (3, 4, {"c1": DEAD["c1"]})]
)
def test_every_gap_agrees_with_dense_exponentials(seed, dimension, detectors):
    """Loss, dark counts, dead times that overlap; the third channel is watched ideally, or not at all."""
    system = random_system(seed, dimension, 3)
    rho = steady_state(system).rho
    record = an.apply_detectors(watch(system, 3, 60.0, seed=seed), detectors, seed=1)
    assert len(record) > 15
    compare(system, rho, record, detectors)
    compare(system, rho, record.select("c1", "c0"), {k: v for k, v in detectors.items() if k != "c2"})


def test_two_level_atom_without_modes_is_followed_by_a_ladder():
    """At Ω = γ/4 two modes of the undetected atom coincide; η = 0 leaves the whole of L in L0."""
    system = driven_atom(0.25, 1.0)
    detectors = {"atom": tj.Detector(0.0, 0.3, 0.5)}
    record = an.apply_detectors(watch(system, 3, 60.0, seed=4), detectors, seed=1)
    start = np.diag([1.0, 0.0]).astype(complex)
    replayed = compare(system, start, record, detectors)
    # Nothing is seen of the atom: the clicks are Poissonian but for the dead time.
    np.testing.assert_allclose(replayed.intensity, 0.3, rtol=1e-12)
    watching = ConditionalFilter(system, detectors, start)
    watching.follow(record.start, record.stop, record.offsets, record.time, record.channel)
    assert not watching.compiled(0).arrays(np.array([0]), np.array([1]), 1.0, 0.0)[0].by_modes


def test_agrees_with_qutip():
    """One trajectory stepped with QuTiP's Liouvillian minus the detected jumps."""
    system = random_system(7, 5, 2)
    detectors = {"c0": tj.Detector(0.5, 0.01)}
    rho = steady_state(system).rho
    record = an.apply_detectors(watch(system, 1, 40.0, seed=2), detectors, seed=3).select("c0")
    replayed = tj.replay(record, system, rho, detectors=detectors)
    hamiltonian = qutip.Qobj(system.hamiltonian.toarray())
    c = [qutip.Qobj(channel.operator.toarray()) for channel in system.channels]
    jump = 0.5 * qutip.sprepost(c[0], c[0].dag()) + 0.01
    silent = qutip.liouvillian(hamiltonian, c) - jump
    state, found = qutip.operator_to_vector(qutip.Qobj(rho)), []
    gaps = np.diff(record.time, prepend=record.start[0], append=record.stop[0])
    for gap in gaps:
        state = (silent * gap).expm() * state
        found.append(-np.log(qutip.vector_to_operator(state).tr().real))
        state = jump * state
        state = state / qutip.vector_to_operator(state).tr().real
    np.testing.assert_allclose(replayed.hazard, found, rtol=1e-8)


def test_limits_of_the_efficiency():
    """η → 1 gives the replay of ideal detectors, and η → 0 dark counts alone."""
    system = random_system(9, 5, 2)
    steady = steady_state(system)
    record = watch(system, 4, 80.0, seed=5)
    ideal = tj.replay(record, system, steady)
    assert ideal.method.startswith("mixture")
    nearly = tj.replay(record, system, steady, detectors={"c0": tj.Detector(1.0 - 1e-13), "c1": tj.Detector()})
    assert nearly.method == "density matrix"
    np.testing.assert_allclose(nearly.hazard, ideal.hazard, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(nearly.intensity, ideal.intensity, rtol=1e-8, atol=1e-9)
    blind = {name: tj.Detector(0.0, 0.1) for name in system.channel_names}
    dark = tj.replay(an.apply_detectors(record, blind, seed=1), system, steady, detectors=blind)
    np.testing.assert_allclose(dark.intensity, 0.1, rtol=1e-10)


def test_the_filter_averages_to_the_master_equation():
    """E[Tr 𝒥_kρ given the record] = η⟨c†c⟩ + d at any time: 400 records, three times, within 4.5 σ (1 in 5e4)."""
    system = random_system(11, 4, 2, rate=2.0)
    ket = np.eye(4)[0]
    detectors = {"c0": tj.Detector(0.4, 0.05)}
    marks, moment = np.array([1.0, 2.0, 4.0]), 1e-5
    seen = an.apply_detectors(watch(system, 400, 4.0, seed=6, initial=ket), detectors, seed=2).select("c0")
    channel = system.channel("c0").operator.toarray()
    exact = tj.lindblad.evolve(system, ket, marks, {"number": channel.conj().T @ channel})
    for mark, number in zip(marks, exact["number"].value, strict=True):
        inside = seen.time <= mark
        last = []
        for stop in (mark, mark + moment):  # −d ln S/dt of the gap that no click ended
            clicks = (seen.trajectory[inside], seen.time[inside], seen.channel[inside])
            cut = tj.ClickRecord.from_arrays(
                *clicks, channel_names=["c0"], start=np.zeros(400), stop=np.full(400, stop)
            )
            replayed = tj.replay(cut, system, ket, detectors=detectors)
            last.append(replayed.hazard[~replayed.ended])
        rate = (last[1] - last[0]) / moment
        assert abs(rate.mean() - (0.4 * number + 0.05)) < 4.5 * rate.std() / 20.0
        assert rate.std() > 1e-3  # clicks do change it


def lossy_resonator(levels):
    return tj.SpinningResonator(direction="left", detuning=1.341, kappa=0.02, gamma=0.01).system(levels)


@pytest.fixture(scope="module")
def resonator():
    return lossy_resonator((2, 2, 2))


@pytest.fixture(scope="module")
def emitted(resonator):
    return watch(resonator, 12, 4e4, seed=8)


LOSSY_RESONATOR = {
    "photon": tj.Detector(0.5),
    "phonon": tj.Detector(0.5),
    "magnon": tj.Detector(0.7, 1e-5),
    "atom": tj.Detector(0.3),
}
DEAD_RESONATOR = {"photon": tj.Detector(0.5, dead_time=60.0), "magnon": tj.Detector(0.7, 1e-5, 150.0)}


@pytest.mark.parametrize(
    ("detectors", "start"),
    [
        (LOSSY_RESONATOR, "steady"),
        (DEAD_RESONATOR, "given"),
        pytest.param(LOSSY_RESONATOR, "given", marks=pytest.mark.slow),
        pytest.param(DEAD_RESONATOR, "steady", marks=pytest.mark.slow),
    ],
)
def test_a_core_is_as_good_as_it_says(monkeypatch, resonator, emitted, detectors, start):
    """On 16 dimensions the reduced model, made to serve, against all numbers of ρ."""
    steady = steady_state(resonator)
    initial = steady if start == "steady" else np.diag(np.arange(1, 17) < 3).astype(complex) / 2.0
    seen = an.apply_detectors(emitted, detectors, seed=1).select(*detectors)
    exact = tj.replay(seen, resonator, initial, detectors=detectors)
    assert exact.method == "density matrix"
    assert not exact.hazard_error.any()
    monkeypatch.setattr(conditional, "FULL", 12)
    reduced = tj.replay(seen, resonator, initial, detectors=detectors)
    assert "core of" in reduced.method
    gaps = np.abs(reduced.hazard - exact.hazard)
    chosen = np.arange(len(seen)), seen.channel
    rates = np.abs(np.log(reduced.intensity[chosen] / exact.intensity[chosen]))
    assert np.sqrt(np.mean(gaps**2)) <= np.sqrt(np.mean(reduced.hazard_error**2)) < 1e-2
    assert np.sqrt(np.mean(rates**2)) <= np.sqrt(np.mean(reduced.intensity_error**2)) < 1e-2
    assert abs(reduced.log_likelihood - exact.log_likelihood) <= reduced.log_likelihood_error + 1e-3


def apart(found, exact):
    """Return the largest error of each gap: of its hazard and of ln of the rate of the click that ends it."""
    clicked = np.arange(len(exact.channel)), exact.channel
    gaps = np.abs(found.hazard - exact.hazard)
    rates = np.abs(np.log(found.intensity[clicked] / exact.intensity[clicked]))
    return np.concatenate([gaps, rates]), np.concatenate([found.hazard_error, found.intensity_error])


def test_rare_sequences_are_followed_by_larger_cores(monkeypatch):
    """At N = 24 every gap and rate is right to 1e-6 where that is asked for; and cores that are too small tell."""
    detectors = {"photon": tj.Detector(0.5, dead_time=60.0), "magnon": tj.Detector(0.7, 1e-5)}
    resonator = lossy_resonator((3, 2, 2))
    seen = an.apply_detectors(watch(resonator, 12, 4e4, seed=8), detectors, seed=1)
    exact = tj.replay(seen, resonator, detectors=detectors)
    monkeypatch.setattr(conditional, "FULL", 20)
    found = tj.replay(seen, resonator, detectors=detectors, tolerance=1e-6)
    assert "gaps again with up to" in found.method
    error, stated = apart(found, exact)
    assert error.max() < 1e-6
    assert np.mean(error <= stated + 1e-10) > 0.995  # an estimate: below the tolerance a few are off by more
    # Planted: cores of few pairs, and none larger. What is off by more than a tolerance says so.
    monkeypatch.setattr(conditional, "CUTS", (3e-3, 3e-4))
    small = tj.replay(seen, resonator, detectors=detectors)
    error, stated = apart(small, exact)
    assert error.max() > 3 * conditional.TOLERANCE
    assert (stated[error > conditional.TOLERANCE] > conditional.TOLERANCE).all()
    # With the larger ones back, the same beginning is mended.
    monkeypatch.setattr(conditional, "CUTS", (3e-3, 3e-4, 1e-5, 1e-7))
    mended = tj.replay(seen, resonator, detectors=detectors)
    error, stated = apart(mended, exact)
    assert (error <= stated + 1e-10).all()
    assert error.max() < 0.1 * conditional.TOLERANCE


def test_blocks_give_what_the_whole_gives(resonator, emitted):
    detectors = {"photon": tj.Detector(0.5, dead_time=60.0)}
    seen = an.apply_detectors(emitted, detectors, seed=1)
    low = seen.offsets[6]
    halves = [
        tj.ClickRecord.from_arrays(
            seen.trajectory[part] - first, seen.time[part], seen.channel[part], channel_names=seen.channel_names,
            start=seen.start[:6], stop=seen.stop[:6],
        )
        for part, first in ((slice(0, low), 0), (slice(low, None), 6))
    ]  # fmt: skip
    whole = tj.replay(seen, resonator, detectors=detectors)
    parts = list(tj.replays(halves, resonator, detectors=detectors))
    np.testing.assert_allclose(np.concatenate([p.hazard for p in parts]), whole.hazard, rtol=1e-10)


def test_modes_are_found_once_and_those_of_long_ago_are_let_go(monkeypatch, resonator, emitted):
    """Diagonalising is most of the work: a record that is followed again needs none; memory stays bounded."""
    diagonalised = []
    monkeypatch.setattr(motions, "_recent", motions._Recent())
    monkeypatch.setattr(motions, "Spectrum", lambda matrix: diagonalised.append(matrix) or Spectrum(matrix))
    seen = an.apply_detectors(emitted, {"photon": tj.Detector(0.5)}, seed=1)
    first = tj.replay(seen, resonator, detectors={"photon": tj.Detector(0.5)})
    assert len(diagonalised) == 1
    again = tj.replay(seen, resonator, detectors={"photon": tj.Detector(0.5)})
    assert len(diagonalised) == 1
    np.testing.assert_array_equal(again.hazard, first.hazard)
    tj.replay(seen, resonator, detectors={"photon": tj.Detector(0.4)})
    assert len(diagonalised) == 2
    monkeypatch.setattr(motions, "MOST_KEPT", 16.0 * 256**2 * 1.5)  # one of the two finds room
    tj.replay(seen, resonator, detectors={"photon": tj.Detector(0.3)})
    tj.replay(seen, resonator, detectors={"photon": tj.Detector(0.3)})
    assert len(diagonalised) == 3
    tj.replay(seen, resonator, detectors={"photon": tj.Detector(0.4)})
    assert len(diagonalised) == 4


def test_planted_faults_are_far_from_the_truth():
    """What is forgotten shows: loss between clicks, dark counts, the order of the efficiencies, dead time."""
    system = random_system(13, 5, 2)
    detectors = {"c0": tj.Detector(0.8, 0.02, 1.0), "c1": tj.Detector(0.3)}
    record = an.apply_detectors(watch(system, 4, 200.0, seed=9), detectors, seed=1)
    rho = steady_state(system).rho
    right = compare(system, rho, record, detectors)
    faults = {
        "loss forgotten between clicks": {"c0": tj.Detector(1.0, 0.02, 1.0), "c1": tj.Detector()},
        "dark counts forgotten": {"c0": tj.Detector(0.8, 0.0, 1.0), "c1": tj.Detector(0.3)},
        "efficiencies swapped": {"c0": tj.Detector(0.3, 0.02, 1.0), "c1": tj.Detector(0.8)},
        "dead time forgotten": {"c0": tj.Detector(0.8, 0.02), "c1": tj.Detector(0.3)},
    }
    for name, wrong in faults.items():
        found = tj.replay(record, system, rho, detectors=wrong)
        assert np.abs(found.hazard / right.hazard - 1.0).max() > 1e-3, name


def test_a_click_within_the_dead_time_is_forbidden():
    system = random_system(15, 3, 1)
    clicks = ([0, 0, 1, 1], [1.0, 1.5, 1.0, 2.0], [0, 0, 0, 0])
    record = tj.ClickRecord.from_arrays(*clicks, channel_names=["c0"], start=[0.0, 0.0], stop=[5.0, 5.0])
    replayed = tj.replay(record, system, detectors={"c0": tj.Detector(dead_time=1.0)})
    assert replayed.forbidden.tolist() == [True, False]


def test_refusals(monkeypatch):
    system = driven_atom(1.0, 1.0)
    record = watch(system, 1, 10.0, seed=1)
    with pytest.raises(InvalidInput, match=r"jitter=0\.5 is too long to be neglected"):
        tj.replay(record, system, detectors={"atom": tj.Detector(jitter=0.5)})
    tj.replay(record, system, detectors={"atom": tj.Detector(jitter=0.01)})
    monkeypatch.setattr(conditional, "FULL", 1)
    monkeypatch.setattr(conditional, "MAX_MODES_CONDITION", 0.5)
    with pytest.raises(ConvergenceError, match="lower the levels to at most"):
        tj.replay(record, system, detectors={"atom": tj.Detector(0.5)})
