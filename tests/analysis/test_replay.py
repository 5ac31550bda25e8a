"""The filter against brute force: dense exponentials, click by click."""

from __future__ import annotations

import dataclasses

import mpmath
import numpy as np
import pytest
from click_systems import leaky_cavity, random_ket, random_system, superoperator, thermal_cavity, watch
from click_systems import replay as dense_kets
from scipy.linalg import expm

import trajectories as tj
from trajectories import analysis as an
from trajectories.detectors import Detector
from trajectories.engine.compiled import CompiledSystem, compile_system
from trajectories.errors import InvalidInput
from trajectories.lindblad import steady_state
from trajectories.records.clicks import ClickRecord
from trajectories.records.detection_log import recorded_detectors


def mixed(seed: int, dimension: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    kets = np.array([random_ket(rng, dimension) for _ in range(3)])
    return kets.T @ np.diag([0.5, 0.3, 0.2]) @ kets.conj()


def dense_density(system, rho, record, row, detectors):
    """Follow one trajectory with e^{L0 t}: −ln S of every gap, click rates, and the trace of the unnormalised end.

    `detectors` maps every detected channel to (efficiency, dark rate).
    """
    size = system.dimension**2
    jumps = []
    for name in record.channel_names:
        c = system.channel(name).operator.toarray()
        efficiency, dark = detectors.get(name, (1.0, 0.0))
        jumps.append(efficiency * np.kron(c, c.conj()) + dark * np.eye(size))
    motion = superoperator(system) - sum(jumps)
    low, high = record.offsets[row : row + 2]
    times, channels = record.time[low:high], record.channel[low:high]
    gaps = np.diff(times, prepend=record.start[row], append=record.stop[row])
    trace = np.eye(system.dimension).ravel()
    state, likelihood = rho.ravel().astype(complex), 0.0
    hazard, rates = [], []
    for n, gap in enumerate(gaps):
        state = expm(gap * motion) @ state
        survival = (trace @ state).real
        hazard.append(-np.log(survival))
        likelihood += np.log(survival)
        if n == len(channels):
            break
        rates.append([(trace @ jump @ state).real / survival for jump in jumps])
        state = jumps[channels[n]] @ state
        likelihood += np.log((trace @ state).real / survival)
        state = state / (trace @ state).real
    return np.array(hazard), np.array(rates).reshape(len(channels), len(jumps)), likelihood


def compare(system, rho, record, replayed, detectors=None, rtol=1e-8):
    for row in range(record.n_trajectories):
        hazard, rates, likelihood = dense_density(system, rho, record, row, detectors or {})
        np.testing.assert_allclose(replayed.hazard[replayed.trajectory == row], hazard, rtol=rtol, atol=1e-9)
        low, high = record.offsets[row : row + 2]
        np.testing.assert_allclose(replayed.intensity[low:high], rates, rtol=rtol, atol=1e-9)
        assert replayed.log_likelihoods[row] == pytest.approx(likelihood, rel=1e-8, abs=1e-8)
    assert replayed.log_likelihood == pytest.approx(replayed.log_likelihoods.sum())


@pytest.mark.parametrize("propagator", ["modes", "sparse"])
def test_known_ket_agrees_with_dense_exponentials(propagator):
    system = random_system(1, 6, 3)
    ket = random_ket(np.random.default_rng(2), 6)
    record = watch(system, 3, 40.0, seed=4, initial=ket)
    compiled = compile_system(system, ket, propagator=propagator)
    replayed = tj.replay(record, system, ket, compiled=compiled)
    assert replayed.method == f"pure state, {propagator}"
    assert len(record) > 30
    for row in range(3):
        low, high = record.offsets[row : row + 2]
        survival, shares = dense_kets(system, ket, record.time[low:high], record.channel[low:high])
        mine = replayed.hazard[(replayed.trajectory == row)][:-1]
        np.testing.assert_allclose(np.exp(-mine), survival, rtol=1e-9)
        np.testing.assert_allclose(np.cumsum(replayed.probability[low:high], axis=1), shares, atol=1e-9)
    compare(system, np.outer(ket, ket.conj()), record, replayed)


@pytest.mark.parametrize("timed", [False, True])
def test_a_propagator_without_a_filter_is_replaced(timed):
    """Records of a propagator that the replay does not know are followed by one that takes every system."""

    class Other:
        name = "another"

    system, ket = random_system(1, 4, 2), random_ket(np.random.default_rng(2), 4)
    if timed:
        drive = tj.Drive(np.diag(np.arange(4.0)), tj.Gaussian(centre=5.0, sigma=1.0, height=0.3))
        system = tj.OpenSystem(system.hamiltonian, system.channels, drives=[drive])
    compiled = compile_system(system, ket, horizon=20.0)
    record = watch(system, 2, 20.0, seed=4, initial=ket)
    expected = tj.replay(record, system, ket, compiled=compiled)
    found = tj.replay(record, system, ket, compiled=dataclasses.replace(compiled, propagator=Other()))
    assert found.method == f"pure state, {'steps' if timed else 'sparse'}"
    np.testing.assert_allclose(found.hazard, expected.hazard, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("propagator", ["modes", "sparse"])
def test_mixture_agrees_with_the_density_matrix(propagator):
    system, rho = random_system(3, 5, 2), mixed(5, 5)
    record = watch(system, 4, 30.0, seed=6, initial=rho)
    compiled = compile_system(system, rho, propagator=propagator)
    replayed = tj.replay(record, system, rho, compiled=compiled)
    assert replayed.method.startswith("mixture of kets")
    assert replayed.discarded < 1e-9
    compare(system, rho, record, replayed)


@pytest.mark.parametrize("propagator", ["modes", "sparse", "steps"])
def test_threads_share_the_trajectories_to_the_same_bits(propagator, monkeypatch):
    """Each has buffers of its own, and none takes part of a trajectory."""
    from trajectories.engine.replay import replay as module

    system, rho = random_system(3, 5, 2), mixed(5, 5)
    if propagator == "steps":
        drive = tj.Drive(np.diag(np.arange(5.0)), tj.Gaussian(centre=10.0, sigma=2.0, height=0.3))
        system = tj.OpenSystem(system.hamiltonian, system.channels, drives=[drive])
    record = watch(system, 40, 30.0, seed=6, initial=rho)
    compiled = compile_system(system, rho, propagator=propagator, horizon=30.0)
    used = []
    monkeypatch.setattr(module, "LEAST_SHARED", 0)
    share = module.side_by_side
    monkeypatch.setattr(module, "side_by_side", lambda *given: (used.append(given[-1]), share(*given)))
    found = []
    for processors in (1, 3):
        monkeypatch.setattr(module, "usable_processors", lambda processors=processors: processors)
        found.append(tj.replay(record, system, rho, compiled=compiled))
    assert used == [1, 3]
    for name in ("hazard", "intensity", "forbidden"):
        np.testing.assert_array_equal(getattr(found[0], name), getattr(found[1], name))
    assert found[0].discarded == found[1].discarded
    assert found[0].log_likelihood == found[1].log_likelihood


def test_thermal_cavity_from_its_steady_state():
    system = thermal_cavity(0.4, 0.5, levels=6)
    rho = steady_state(system).rho
    record = watch(system, 5, 40.0, seed=7, initial=rho)
    compare(system, rho, record, tj.replay(record, system, rho))


def test_probabilities_multiply_to_the_likelihood():
    """ln p = Σ ln S + Σ ln(total rate) + Σ ln P(channel), and it is the largest for what made the record."""
    system = random_system(8, 4, 2)
    rho = steady_state(system).rho
    record = watch(system, 40, 200.0, seed=9)
    replayed = tj.replay(record, system, rho)
    chosen = replayed.probability[np.arange(len(record)), record.channel]
    parts = -replayed.hazard.sum() + np.log(replayed.intensity.sum(axis=1)).sum() + np.log(chosen).sum()
    assert replayed.log_likelihood == pytest.approx(parts, rel=1e-12)
    for factor in (0.8, 1.25):
        channels = [tj.Channel(c.name, np.sqrt(factor) * c.operator) for c in system.channels]
        other = tj.OpenSystem(system.hamiltonian, channels)
        likelihood = tj.replay(record, other, steady_state(other).rho).log_likelihood
        assert likelihood < replayed.log_likelihood - 10.0


@pytest.mark.parametrize(
    "detectors", [{"c0": (0.6, 0.0)}, {"c0": (0.7, 0.05), "c1": (1.0, 0.1)}, {"c1": (0.0, 0.2)}]
)
def test_imperfect_detectors_agree_with_the_density_matrix(detectors):
    system = random_system(10, 4, 2)
    rho = steady_state(system).rho
    given = {name: Detector(efficiency=a, dark_rate=b) for name, (a, b) in detectors.items()}
    record = an.apply_detectors(watch(system, 4, 40.0, seed=11), given, seed=1)
    replayed = tj.replay(record, system, rho)
    assert replayed.method == "density matrix"
    compare(system, rho, record, replayed, detectors)
    same = tj.replay(record, system, rho, detectors=given)
    np.testing.assert_array_equal(same.hazard, replayed.hazard)


def test_a_channel_that_is_not_detected():
    system = random_system(12, 4, 3)
    rho = steady_state(system).rho
    record = watch(system, 4, 40.0, seed=13).select("c2", "c0")
    replayed = tj.replay(record, system, rho)
    assert replayed.method == "density matrix"
    assert replayed.channel_names == ("c2", "c0")
    compare(system, rho, record, replayed)


def test_channels_in_another_order():
    system = random_system(14, 4, 3)
    rho = steady_state(system).rho
    record = watch(system, 4, 40.0, seed=15)
    straight = tj.replay(record, system, rho)
    turned = tj.replay(record.select("c2", "c0", "c1"), system, rho)
    np.testing.assert_array_equal(turned.hazard, straight.hazard)
    np.testing.assert_array_equal(turned.intensity, straight.intensity[:, [2, 0, 1]])
    assert turned.log_likelihood == straight.log_likelihood


def test_detectors_one_after_the_other_add_up():
    record = watch(random_system(16, 3, 2), 2, 20.0, seed=1)
    first = an.apply_detectors(record, {"c0": Detector(efficiency=0.8, dark_rate=0.1)}, seed=1)
    both = an.apply_detectors(first, {"c0": Detector(efficiency=0.5, dark_rate=0.2)}, seed=2)
    found = recorded_detectors(both)
    assert found == {"c0": Detector(efficiency=0.4, dark_rate=0.25)}


def test_windows_that_start_late_and_trajectories_without_clicks():
    system = random_system(17, 4, 2)
    rho = steady_state(system).rho
    windows = {"start": [5.0, 0.0, -1.0], "stop": [9.0, 3.0, 1.0]}
    record = ClickRecord.from_arrays([0, 0, 2], [5.5, 7.0, -1.0], [0, 1, 1], channel_names=("c0", "c1"), **windows)
    replayed = tj.replay(record, system, rho)
    assert replayed.ended.tolist() == [True, True, False, False, True, False]
    compare(system, rho, record, replayed)
    # What trajectories 0 and 1 gathered after their last clicks is part of the gap before the only click of 2.
    hazard = replayed.hazard
    assert replayed.rescaled_gaps.tolist() == pytest.approx([hazard[0], hazard[1], hazard[2:5].sum()])


def test_no_click_at_all():
    system = random_system(18, 3, 1)
    record = ClickRecord.from_arrays([], [], [], channel_names=("c0",), start=[0.0], stop=[2.0])
    replayed = tj.replay(record, system, steady_state(system).rho)
    assert len(replayed.rescaled_gaps) == 0
    assert replayed.log_likelihood == pytest.approx(-replayed.hazard[0])


def test_a_click_that_cannot_be_is_forbidden_and_the_rest_still_counts():
    """One quantum clicks once; after the second click of trajectory 0 the replay starts anew."""
    system = leaky_cavity(levels=3, kappa=0.2)
    ket = system.space.ket(cavity=1)
    clicks = ([0, 0, 0, 1], [1.0, 2.0, 3.0, 4.0], [0, 0, 0, 0])
    record = ClickRecord.from_arrays(*clicks, channel_names=("left",), start=[0.0, 0.0], stop=[5.0, 5.0])
    replayed = tj.replay(record, system, ket)
    assert replayed.forbidden.tolist() == [True, False]
    assert replayed.log_likelihoods[0] == -np.inf
    assert replayed.log_likelihoods[1] == pytest.approx(np.log(0.2) - 0.8)
    assert replayed.hazard[:4].tolist() == pytest.approx([0.2, 0.0, 0.2, 0.0], abs=1e-12)


def test_arrays_of_a_run_serve_as_well(tmp_path):
    system = random_system(19, 4, 2)
    record = watch(system, 3, 30.0, seed=20, out=tmp_path / "run")
    compiled = CompiledSystem.from_arrays(tj.records.Run.open(tmp_path / "run").arrays())
    rho = steady_state(system).rho
    stored = tj.replay(record, system, rho, compiled=compiled)
    np.testing.assert_allclose(stored.hazard, tj.replay(record, system, rho).hazard, rtol=1e-12)


def test_refusals():
    system = random_system(21, 4, 2)
    rho = steady_state(system).rho
    record = watch(system, 2, 10.0, seed=1)
    with pytest.raises(InvalidInput, match="no channel named 'c1'"):
        tj.replay(record, tj.OpenSystem(system.hamiltonian, system.channels[:1]), rho)
    with pytest.raises(InvalidInput, match="shape"):
        tj.replay(record, system, np.ones(3))
    with pytest.raises(InvalidInput, match="jitter=1 is too long to be neglected"):
        tj.replay(record, system, rho, detectors={"c0": Detector(jitter=1.0)})
    with pytest.raises(InvalidInput, match="initial='stedy' must be 'steady'"):
        tj.replay(record, system, "stedy")
    with pytest.raises(InvalidInput, match=r"there is a detector of 'c9', and the record has .*; leave it out"):
        tj.replay(record, system, rho, detectors={"c9": Detector()})
    cascade = leaky_cavity(levels=4, second=0.1)
    seen = watch(cascade, 2, 1.0, seed=1, initial=cascade.space.ket(cavity=3)).select("left")
    replayed = tj.replay(seen, cascade, cascade.space.ket(cavity=3))
    assert replayed.method == "density matrix"


@pytest.mark.parametrize("coupling", [1e-2, 1e-5, 1e-8])
def test_rates_of_channels_rarer_than_any_record_shows_are_those_of_forty_digits(coupling):
    """Replay leaves amplitudes below 1e-11 out; the third level clicks once in 1e4 to 1e16 clicks."""
    hamiltonian = np.zeros((3, 3))
    hamiltonian[0, 1] = hamiltonian[1, 0] = 0.5
    hamiltonian[0, 2] = hamiltonian[2, 0] = coupling
    often, rare = np.zeros((3, 3)), np.zeros((3, 3))
    often[0, 1], rare[0, 2], rare[1, 2] = 1.0, 1.0, 0.5
    system = tj.OpenSystem(hamiltonian, [tj.Channel("often", often), tj.Channel("rare", rare)])
    times, channels = [1.3, 2.9, 4.0, 7.7], [0, 1, 0, 1]
    names = {"channel_names": ("often", "rare"), "start": [0.0], "stop": [9.0]}
    record = tj.ClickRecord.from_arrays([0] * 4, times, channels, **names)
    found = tj.replay(record, system, initial=[1, 0, 0])
    operators = [mpmath.matrix(c.tolist()) for c in (often, rare)]
    with mpmath.workdps(40):
        effective = mpmath.matrix(system.H_eff.toarray().tolist())
        ket, before = mpmath.matrix([1, 0, 0]), 0.0
        for n, (time, channel) in enumerate(zip(times, channels, strict=True)):
            ket = mpmath.expm(-1j * effective * (mpmath.mpf(time) - mpmath.mpf(before))) * ket
            after = [c * ket for c in operators]
            rates = [float((mpmath.norm(image) / mpmath.norm(ket)) ** 2) for image in after]
            share = rates[1] / sum(rates)
            np.testing.assert_allclose(found.intensity[n], rates, rtol=1e-12 + 2e-11 / np.sqrt(share))
            ket, before = after[channel] / mpmath.norm(after[channel]), time
    assert not found.forbidden.any()
