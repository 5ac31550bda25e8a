"""Validation of pulsed records: what is right is accepted, and each planted fault is rejected."""

from functools import cache

import numpy as np
import pytest
from timed_trajectory import h_eff, knots_between

import trajectories as tj
from trajectories import analysis as an
from trajectories.errors import InvalidInput

SPACE = tj.HilbertSpace(photon=3, atom=2)
A, S = SPACE.lower("photon"), SPACE.lower("atom")
PULSE = tj.Gaussian(8.0, 1.2, 0.5)


def source(pulse=PULSE, kappa=0.36, amplitude=None):
    channels = [tj.Channel("photon", np.sqrt(kappa) * A, amplitude), tj.Channel("atom", 0.3 * S)]
    drive = tj.Drive(S + S.T, pulse)
    return tj.OpenSystem(0.5 * (A.T @ S + S.T @ A), channels, SPACE, drives=[drive], period=20.0)


@cache
def record():
    return tj.simulate(source(), 200, 400.0, seed=8, progress=False)


def test_a_right_record_is_accepted():
    """Eight tests at 1 % altogether (Holm), one seed."""
    found = an.validate(record(), source())
    names = {test.name for test in found.tests}
    assert {"time rescaling", "channels", "clicks of a pulse: photon, atom", "times in a pulse: photon"} <= names
    assert found.accepted


@pytest.mark.parametrize(
    "fault",
    [
        source(pulse=tj.Gaussian(8.3, 1.2, 0.5)),
        source(pulse=tj.Gaussian(8.0, 1.2, 0.45)),
        source(kappa=0.45),
        source(amplitude=tj.Ramp(8.0, 14.0, 0.6, 1.0) * tj.Square(0.0, 20.0)),
    ],
    ids=["late", "weak", "lossy", "amplitude"],
)
def test_planted_faults_are_rejected(fault):
    assert not an.validate(record(), fault).accepted


def test_swapped_channels_are_rejected():
    seen = record()
    swapped = tj.ClickRecord.from_arrays(
        seen.trajectory, seen.time, 1 - seen.channel, channel_names=seen.channel_names, start=seen.start,
        stop=seen.stop, provenance=seen.provenance,
    )  # fmt: skip
    assert not an.validate(swapped, source()).accepted


def test_thinned_records_know_their_detectors():
    """The filter is among the tests, and a wrong model or wrong detectors are rejected by it."""
    detectors = {"photon": tj.Detector(efficiency=0.5, dark_rate=0.002)}
    thinned = an.apply_detectors(record(), detectors, seed=3)
    found = an.validate(thinned, source())
    assert found.accepted
    assert {"time rescaling", "number of clicks", "channels"} <= {test.name for test in found.tests}
    assert not found.untested
    assert not an.validate(thinned, source(), detectors={"photon": tj.Detector(efficiency=0.6)}).accepted
    late = an.validate(thinned, source(pulse=tj.Gaussian(8.7, 1.2, 0.5)))
    assert min(test.p_value for test in late.tests if test.name == "time rescaling") < 1e-3


def test_dead_times_of_pulsed_records_are_tested_by_the_filter():
    """Of two channels: accepted if right, rejected where forgotten; pulses have no exact value then."""
    detectors = {"photon": tj.Detector(0.8, dead_time=6.0), "atom": tj.Detector(0.7, dead_time=4.0)}
    seen = an.apply_detectors(record(), detectors, seed=3)
    found = an.validate(seen, source())
    assert found.accepted
    assert {test.name for test in found.tests} == {
        "time rescaling", "number of clicks", "channels", "independence of gaps"
    }  # fmt: skip
    assert any("dead" in line for line in found.untested)
    alive = {name: tj.Detector(detector.efficiency) for name, detector in detectors.items()}
    assert not an.validate(seen, source(), detectors=alive).accepted


def lossy_period():
    """One period of each trajectory, as lossy detectors see it."""
    detectors = {"photon": tj.Detector(efficiency=0.5, dark_rate=0.002)}
    return an.apply_detectors(record(), detectors, seed=3)[:20]


def test_information_of_a_lossy_pulsed_record():
    """The score at the true κ is normal, and that at another pulse is not."""
    told = an.information(lossy_period(), lambda kappa: source(kappa=kappa), {"kappa": 0.36})
    assert abs(told.score[0]) < 4.0
    assert told.standard_error[0, 0] < 0.3 * told.rate[0, 0]
    weak = an.information(lossy_period(), lambda area: source(pulse=tj.Gaussian(8.0, 1.2, area)), {"area": 0.3})
    assert weak.score[0] > 4.0


@pytest.mark.slow
def test_fit_of_a_lossy_pulsed_record():
    """κ within 4 σ of the truth, with the error that the information predicts."""
    found = an.fit(lossy_period(), lambda kappa: source(kappa=kappa), {"kappa": 0.3}, profile=False)
    assert abs(found["kappa"].value - 0.36) < 4.0 * found["kappa"].standard_error
    told = an.information(lossy_period(), lambda kappa: source(kappa=kappa), {"kappa": 0.36})
    assert found["kappa"].standard_error == pytest.approx(told.bounds()["kappa"], rel=0.3)


def test_a_run_keeps_what_validation_needs(tmp_path):
    tj.simulate(source(), 100, 400.0, seed=2, progress=False, out=tmp_path / "run")
    assert an.validate(tmp_path / "run").accepted


def test_hazards_are_those_of_a_plain_integrator():
    from scipy.integrate import solve_ivp

    system = source(amplitude=tj.Ramp(0.0, 10.0, 0.8, 1.0) * tj.Square(0.0, 20.0))
    ket = SPACE.ket(photon=0, atom="g")
    clicks = tj.simulate(system, 3, 45.0, seed=1, initial=ket, progress=False)
    found = tj.replay(clicks, system, initial=ket)
    generator, place = h_eff(system), 0
    for r in range(3):
        psi, now = ket.astype(complex), 0.0
        mine = clicks.time[clicks.trajectory == r]
        kinds = clicks.channel[clicks.trajectory == r]
        for n, click in enumerate([*mine, 45.0]):
            for low, high in np.lib.stride_tricks.sliding_window_view(
                [now, *knots_between(system, now, click), click], 2
            ):
                inside = (low + 1e-12, high - 1e-12)
                psi = solve_ivp(
                    lambda t, y, inside=inside: -1j * generator(min(max(t, inside[0]), inside[1])) @ y,
                    (low, high), psi, method="DOP853", rtol=1e-10, atol=1e-12,
                ).y[:, -1]  # fmt: skip
            assert found.hazard[place] == pytest.approx(-np.log(np.vdot(psi, psi).real), abs=1e-7)
            place, now = place + 1, click
            if n < len(mine):
                psi = system.channels[kinds[n]].operator @ psi
                psi = psi / np.linalg.norm(psi)


def test_what_cannot_be_validated_is_refused():
    aperiodic = tj.OpenSystem(0 * A, source().channels, SPACE, drives=[tj.Drive(S + S.T, PULSE)])
    ket = SPACE.ket(photon=0, atom="g")
    clicks = tj.simulate(aperiodic, 100, 30.0, seed=1, initial=ket, progress=False)
    with pytest.raises(InvalidInput, match="did not start from the periodic state"):
        an.validate(clicks, aperiodic)
    with pytest.raises(InvalidInput, match="pair and window are for bundles of constant systems"):
        an.validate(clicks, aperiodic, initial=ket, window=3.0)
    assert an.validate(clicks, aperiodic, initial=ket).accepted


def test_exact_values_of_all_channels_take_one_passage_through_the_period(monkeypatch):
    """Brightness and times of every channel share one, and joint counts take another.

    The length is looked at once, and where a pulse is smooth a passage counts twice. Channels or bins of their own
    would make it more.
    """
    from trajectories.lindblad.pulses.motion import TimedMotion

    passed, pieces = [], TimedMotion.pieces

    def counted(self, start, stop, edges=()):
        passed.append((stop - start) / 20.0)
        return pieces(self, start, stop, edges)

    seen, state = record(), tj.lindblad.periodic_state(source())
    monkeypatch.setattr("trajectories.analysis.inference.validation.affordable_periodic_state", lambda _: state)
    monkeypatch.setattr(TimedMotion, "pieces", counted)
    assert an.validate(seen, source()).accepted
    assert sum(passed) <= 5.0
