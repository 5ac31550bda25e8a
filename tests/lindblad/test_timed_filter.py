"""The filter of imperfect detectors on systems that depend on time: a plain integrator, and its own limits."""

from __future__ import annotations

import numpy as np
import pytest
from click_systems import superoperator
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from timed_trajectory import h_eff, knots_between

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad
from trajectories.errors import InvalidInput
from trajectories.lindblad.filter import timed

SPACE = tj.HilbertSpace(photon=2, atom=2)
A, S = SPACE.lower("photon"), SPACE.lower("atom")
DEAD = {"photon": tj.Detector(0.6, 0.02, dead_time=6.0), "atom": tj.Detector(0.4, 0.01, dead_time=2.5)}


def source(pulse, amplitude=None, period=20.0):
    """An atom that a pulse excites, and a cavity whose mirror may open and close."""
    channels = [tj.Channel("photon", 0.6 * A, amplitude), tj.Channel("atom", 0.3 * S)]
    drive = tj.Drive(S + S.T, pulse)
    return tj.OpenSystem(0.5 * (A.T @ S + S.T @ A), channels, SPACE, drives=[drive], period=period)


SMOOTH = source(tj.Gaussian(8.0, 1.2, 0.5), tj.Ramp(0.0, 10.0, 0.8, 1.0) * tj.Square(0.0, 20.0))
SQUARE = source(tj.Square(1.0, 3.0, 0.8))
ONCE = source(tj.Gaussian(8.0, 1.2, 0.9), period=None)


def lossy(system, detectors, trajectories, duration, seed=1, initial=None):
    clicks = tj.simulate(
        system,
        trajectories,
        duration,
        seed=seed,
        progress=False,
        **({} if initial is None else {"initial": initial}),
    )
    return an.apply_detectors(clicks, detectors, seed=2)


def word_for_word(system, rho, record, row, detectors):
    """−ln S of every gap and the rates at every click: a general integrator that restarts at every knot."""
    watched = [detectors.get(name, tj.Detector()) for name in record.channel_names]
    generator, one = h_eff(system), np.eye(system.dimension)

    def jumps(t):
        phase = t if system.period is None else t - system.period * np.floor(t / system.period)
        found = []
        for name, detector in zip(record.channel_names, watched, strict=True):
            channel = system.channel(name)
            g = 1.0 if channel.amplitude is None else float(channel.amplitude(phase))
            c = g * channel.operator.toarray()
            found.append((np.kron(c, c.conj()), detector))
        return found

    def silent(t, dead):
        half = -1j * generator(t)
        whole = np.kron(half, one) + np.kron(one, half.conj())
        for (jump, detector), asleep in zip(jumps(t), dead, strict=True):
            whole = whole + (
                jump if asleep else (1.0 - detector.efficiency) * jump - detector.dark_rate * np.eye(len(jump))
            )
        return whole

    low, high = record.offsets[row : row + 2]
    state, now = rho.ravel().astype(complex), record.start[row]
    alive_at = np.full(len(watched), -np.inf)
    hazards, rates = [], []
    for n in range(low, high + 1):
        target = record.time[n] if n < high else record.stop[row]
        events = sorted({*(t for t in alive_at if now < t < target), *knots_between(system, now, target), target})
        for until in events:
            dead = alive_at > 0.5 * (now + until)
            ends = (now + 1e-12, until - 1e-12)
            motion = lambda t, y, ends=ends, dead=dead: silent(min(max(t, ends[0]), ends[1]), dead) @ y  # noqa: E731
            state = solve_ivp(motion, (now, until), state, method="DOP853", rtol=1e-11, atol=1e-14).y[:, -1]
            now = until
        survival = np.trace(state.reshape(one.shape)).real
        hazards.append(-np.log(survival))
        if n == high:
            break
        clicked = [d.efficiency * (j @ state) + d.dark_rate * state for j, d in jumps(now)]
        seen = [np.trace(x.reshape(one.shape)).real / survival for x in clicked]
        rates.append(np.where(alive_at > now, 0.0, seen))
        k = record.channel[n]
        state = clicked[k] / np.trace(clicked[k].reshape(one.shape)).real
        alive_at[k] = now + watched[k].dead_time
    return np.array(hazards), np.array(rates)


@pytest.mark.parametrize("system", [SMOOTH, SQUARE, ONCE], ids=["smooth", "square", "once"])
def test_every_gap_agrees_with_a_plain_integrator(monkeypatch, system):
    """Loss, dark counts, dead times that overlap, an amplitude on a channel; with tables and without."""
    ket = SPACE.ket(photon=0, atom="g")
    record = lossy(system, DEAD, 2, 70.0, seed=4, initial=ket)
    assert len(record) > 5
    found = tj.replay(record, system, ket)
    for row in range(2):
        hazard, rates = word_for_word(system, np.outer(ket, ket), record, row, DEAD)
        low, high = record.offsets[row : row + 2]
        np.testing.assert_allclose(found.hazard[found.trajectory == row], hazard, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(found.intensity[low:high], rates, rtol=1e-7, atol=1e-10)
    monkeypatch.setattr(timed, "TABULATED", 0.0)
    tabulated = tj.replay(record, system, ket)
    np.testing.assert_allclose(tabulated.hazard, found.hazard, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(tabulated.intensity, found.intensity, rtol=1e-10, atol=1e-12)


def test_limits():
    """η → 1 is the ideal replay, η = 0 leaves dark counts, a constant envelope the filter of constant systems."""
    state = lindblad.periodic_state(SMOOTH)
    record = tj.simulate(SMOOTH, 3, 80.0, seed=5, progress=False)
    ideal = tj.replay(record, SMOOTH)
    nearly = tj.replay(record, SMOOTH, detectors={"photon": tj.Detector(1.0 - 1e-13)})
    assert nearly.method == "density matrix, step by step"
    np.testing.assert_allclose(nearly.hazard, ideal.hazard, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(nearly.intensity, ideal.intensity, rtol=1e-6, atol=1e-9)
    blind = dict.fromkeys(record.channel_names, tj.Detector(0.0, 0.1))
    dark = tj.replay(an.apply_detectors(record, blind, seed=1), SMOOTH, state.rho)
    np.testing.assert_allclose(dark.intensity, 0.1, rtol=1e-10)
    constant = tj.OpenSystem(SMOOTH.hamiltonian + 0.3 * (S + S.T), SQUARE.channels, SPACE)
    driven = tj.OpenSystem(
        SMOOTH.hamiltonian,
        SQUARE.channels,
        SPACE,
        drives=[tj.Drive(S + S.T, tj.Square(0.0, 7.0, 0.3))],
        period=7.0,
    )
    ket = SPACE.ket(photon=0, atom="g")
    seen = lossy(constant, DEAD, 3, 60.0, initial=ket)
    same, other = (tj.replay(seen, system, ket) for system in (constant, driven))
    np.testing.assert_allclose(other.hazard, same.hazard, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(other.intensity, same.intensity, rtol=1e-9, atol=1e-11)


def test_long_silences_are_crossed_in_powers_of_a_period(monkeypatch):
    """A thousand periods without a click: their hazard is a thousand times that of one, but for the beginning."""
    weak = source(tj.Square(1.0, 3.0, 0.02))

    def silence(stop):
        return tj.ClickRecord.from_arrays([], [], [], channel_names=["photon"], start=[0.0], stop=[stop])

    detectors = {"photon": tj.Detector(0.5, 1e-4)}
    monkeypatch.setattr(timed, "TABULATED", 0.0)
    whole, slow, more = (tj.replay(silence(t), weak, detectors=detectors).hazard[0] for t in (2e4, 400.0, 420.0))
    assert whole == pytest.approx(slow + 980 * (more - slow), rel=1e-9)


def test_planted_faults_are_far_from_the_truth():
    record = lossy(SMOOTH, DEAD, 4, 200.0, seed=6)
    right = tj.replay(record, SMOOTH)
    deaf = {name: tj.Detector(d.efficiency, d.dark_rate) for name, d in DEAD.items()}
    swapped = {"photon": DEAD["atom"], "atom": tj.Detector(0.6, 0.02, dead_time=2.5)}
    for wrong in (deaf, swapped):
        found = tj.replay(record, SMOOTH, detectors=wrong)
        assert np.abs(found.hazard / right.hazard - 1.0).max() > 1e-2
    open_mirror = source(tj.Gaussian(8.0, 1.2, 0.5))
    found = tj.replay(record, open_mirror)
    assert np.abs(found.hazard / right.hazard - 1.0).max() > 1e-3


def test_clicks_in_a_dead_time_are_impossible_and_stamps_at_its_end_are_not():
    times = [1.0, 1.0 + 6.0, 30.0, 35.0]
    record = tj.ClickRecord.from_arrays(
        [0, 0, 1, 1], times, [0, 0, 0, 0], channel_names=["photon", "atom"], start=[0.0, 0.0], stop=[40.0, 40.0]
    )
    assert tj.replay(record, SQUARE, detectors=DEAD).forbidden.tolist() == [False, True]


def test_refusals():
    record = lossy(SQUARE, DEAD, 1, 40.0)
    with pytest.raises(
        InvalidInput, match=r"jitter=2 is too long to be neglected: it must be below 0\.\d+, a small"
    ):
        tj.replay(record, SQUARE, detectors={"photon": tj.Detector(jitter=2.0)})
    tj.replay(record, SQUARE, detectors={"photon": tj.Detector(jitter=1e-3)})
    with pytest.raises(InvalidInput, match="no filter follows them"):
        tj.replay(record, SQUARE, detectors={"photon": tj.Detector(afterpulsing=0.1, afterpulse_delay=1.0)})
    with pytest.raises(InvalidInput, match="followed forwards only"):
        an.lost_clicks(record, SQUARE)
    large = tj.HilbertSpace(photon=16, atom=2)
    a, s = large.lower("photon"), large.lower("atom")
    pulse, channels = tj.Drive(s + s.T, tj.Square(1.0, 2.0)), [tj.Channel("photon", a), tj.Channel("atom", s)]
    system = tj.OpenSystem(0 * a, channels, large, drives=[pulse], period=9.0)
    with pytest.raises(
        InvalidInput, match="up to 30 dimensions, not 32; lower the levels, or record every channel"
    ):
        tj.replay(record, system, large.ket(photon=0, atom="g"), detectors=DEAD)


def test_superoperators_of_a_constant_stretch_are_those_of_the_constant_system():
    """The cells' generators against the Liouvillian written out, dead and alive."""
    system, detectors = SQUARE.at(2.0), {"photon": tj.Detector(0.3, 0.05)}
    part = timed.ClickFreePeriod(timed.TimedMotion(SQUARE, 20.0), detectors, tabulated=False)
    c = SQUARE.channel("photon").operator.toarray()
    rho = lindblad.periodic_state(SQUARE).rho
    moved, gathered = part.carry(timed.pack(rho), 1.5, 2.75)
    silent = superoperator(system) - 0.3 * np.kron(c, c.conj()) - 0.05 * np.eye(16)
    expected = (expm(1.25 * silent) @ rho.ravel()).reshape(4, 4)
    assert gathered == pytest.approx(-np.log(np.trace(expected).real), rel=1e-9)
    np.testing.assert_allclose(moved, timed.pack(expected / np.trace(expected)), atol=1e-11)
