"""Validation accepts what is right at the nominal rate and rejects what is wrong."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from false_alarm_study import Judge
from false_alarm_systems import Case
from scipy import stats
from systems_with_answers import PairSource, ResonanceFluorescence

import trajectories as tj
from trajectories import analysis as an
from trajectories.analysis.inference.exact_setting import setting_of
from trajectories.analysis.inference.exact_tests import compare_curves, compare_rates
from trajectories.analysis.inference.replay import replay
from trajectories.analysis.inference.validation import filter_tests
from trajectories.analysis.inference.validation_results import SIGNIFICANCE
from trajectories.analysis.statistics.goodness_of_fit import holm, rescaled_time
from trajectories.engine.compiled import compile_system
from trajectories.errors import AccuracyWarning
from trajectories.lindblad import steady_state
from trajectories.results import read_only

RECORDS = 200
# False-alarm rate of a whole study of p-values, shared by its tests (Bonferroni).
ALARM = 1e-3


def split(record: tj.ClickRecord, size: int) -> list[tj.ClickRecord]:
    """Cut a record into records of `size` trajectories."""
    parts = []
    for first in range(0, record.n_trajectories, size):
        low, high = record.offsets[first], record.offsets[first + size]
        columns = (record.trajectory[low:high] - first, record.time[low:high], record.channel[low:high])
        windows = {"start": record.start[first : first + size], "stop": record.stop[first : first + size]}
        parts.append(tj.ClickRecord.from_arrays(*columns, channel_names=record.channel_names, **windows))
    return parts


def p_values(system, duration, window, size=50, seed=1, records=RECORDS):
    """Return the p-values of every test for each record, and those of gaps whose censored ends were dropped."""
    steady = steady_state(system)
    with warnings.catch_warnings():
        # A few clicks in a million are so improbable that rounding alone may exceed the tolerance: see
        # test_accuracy.py. No statistic feels it.
        warnings.simplefilter("ignore", AccuracyWarning)
        whole = tj.simulate(
            system, records * size, duration, seed=seed, initial=steady.rho, workers=1, progress=False
        )
    assert whole.provenance["worst_error"] < 2e-10
    compiled = compile_system(system, steady.rho)
    records = split(whole, size)
    setting = setting_of(records[0], steady, {}, window, None)
    tests = compare_rates(setting).tests | compare_curves(setting).tests
    found, faulty = [], []
    for record in records:
        replayed = replay(record, system, steady.rho, compiled=compiled)
        results = {name: test(record) for name, test in tests.items()} | filter_tests(replayed)
        found.append({name: result.p_value for name, result in results.items()})
        faulty.append(rescaled_time(replayed.hazard[replayed.ended]).p_value)
    return found, faulty


def check_uniform(found):
    """Every test's p-values are uniform; the joint verdict is wrong no more often than it says."""
    names = list(found[0])
    for name in names:
        p = [values[name] for values in found]
        assert stats.kstest(p, "uniform").pvalue > ALARM / len(names), name
    rejected = sum(holm(list(values.values())).min() < SIGNIFICANCE for values in found)
    assert stats.binom.sf(rejected - 1, len(found), SIGNIFICANCE) > ALARM


@pytest.mark.parametrize("records", [50, pytest.param(RECORDS, marks=pytest.mark.slow)])
def test_p_values_of_a_pair_source_are_uniform(records):
    """Bundles, both orders, two channels: 24 tests of 50 or 200 records with 1700 clicks in 80 trajectories."""
    found, faulty = p_values(PairSource(coupling=0.2, levels=3).system(), 120.0, 3.0, size=80, records=records)
    assert len(found[0]) == 24
    check_uniform(found)
    # Planted fault: without the censored last gaps correct records are rejected.
    assert stats.kstest(faulty, "uniform").pvalue < ALARM / len(found[0])


@pytest.mark.slow
def test_p_values_of_resonance_fluorescence_are_uniform():
    found, faulty = p_values(ResonanceFluorescence().system(), 200.0, None, size=100, seed=2)
    check_uniform(found)
    assert stats.kstest(faulty, "uniform").pvalue < ALARM / len(found[0])


@pytest.mark.slow
def test_p_values_with_an_atom_that_is_no_part_of_a_bundle_are_uniform():
    """The paper's four channels with fast decays, at the smallest truncation; the record is mixed for long."""
    parameters = {"kappa": 0.05, "gamma": 0.05, "magnon_coupling": 0.1, "phonon_coupling": 0.08}
    system = tj.SpinningResonator(direction="left", detuning=1.36, **parameters).system(levels=(2, 2, 2))
    found, _ = p_values(system, 5000.0, 60.0, size=60, seed=3)
    check_uniform(found)


class Blue:
    """The paper's blue regime at a truncation, with 1e5 clicks a record."""

    def __init__(self, levels: tuple[int, int, int]) -> None:
        self.levels = levels
        self.resonator = tj.SpinningResonator.regime("blue", levels=levels)
        self.model = self.resonator.system(levels=levels)
        steady = steady_state(self.model)
        self.duration = 1e5 / 256 / sum(steady.rate(name) for name in self.model.channel_names)
        self.record = self.simulated()

    def simulated(self, **changes: float) -> tj.ClickRecord:
        system = replace(self.resonator, **changes).system(levels=self.levels)
        start = steady_state(system).rho
        record = tj.simulate(system, 256, self.duration, seed=1, initial=start, workers=1, progress=False)
        return replace(record, provenance={})

    def swapped(self) -> tj.ClickRecord:
        numbers = np.array([2, 1, 0, 3], dtype=np.int16)
        return replace(self.record, channel=read_only(numbers[self.record.channel]))

    def thinned(self, share: float) -> tj.ClickRecord:
        kept = np.random.default_rng(5).random(len(self.record)) >= share
        columns = {
            name: read_only(getattr(self.record, name)[kept]) for name in ("trajectory", "stamp", "channel")
        }
        return replace(self.record, **columns)

    def faulty(self, fault: str) -> tj.ClickRecord:
        if fault == "kappa 5 % too large":
            return self.simulated(kappa=1.05 * self.resonator.kappa)
        if fault == "detuning 0.005 too large":
            return self.simulated(detuning=self.resonator.detuning + 0.005)
        return self.swapped() if fault == "photon and magnon swapped" else self.thinned(0.02)


FAULTS = (
    "kappa 5 % too large",
    "detuning 0.005 too large",
    "photon and magnon swapped",
    "2 % of the clicks dropped",
)


@pytest.fixture(scope="module")
def small() -> Blue:
    return Blue((3, 2, 2))


@pytest.fixture(scope="module")
def judge(small) -> Judge:
    """`validate` with the exact values of the small model computed once."""
    return Judge(Case(small.model, window=3.0 / 0.005, trajectories=256))


def test_a_correct_record_is_accepted(small, judge):
    found = an.validate(small.record, small.model)
    assert found.accepted, found
    assert len(found.tests) > 40
    same = judge.verdict(small.record)
    assert same.tests == len(found.tests)
    assert same.adjusted == pytest.approx(min(test.adjusted for test in found.tests), rel=1e-9)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_record_is_rejected(small, judge, fault):
    """By a margin that no chance explains."""
    assert judge.verdict(small.faulty(fault)).adjusted < 1e-6


@pytest.fixture(scope="module")
def full() -> Blue:
    return Blue((4, 4, 4))


@pytest.mark.slow
@pytest.mark.parametrize("fault", [None, *FAULTS])
def test_the_same_at_four_levels_a_mode(full, fault):
    """N = 128."""
    found = an.validate(full.record if fault is None else full.faulty(fault), full.model)
    assert found.accepted == (fault is None), found


def test_a_pure_start_where_the_state_is_mixed_is_rejected():
    """Short trajectories of a thermal cavity: the start matters, and only the mixture is right."""
    system = tj.OpenSystem(*_thermal())
    rho = steady_state(system).rho
    record = tj.simulate(system, 4000, 3.0, seed=4, initial=rho, workers=1, progress=False)
    assert an.validate(record, system, initial=rho).accepted
    ket = np.eye(len(rho))[0]  # the likeliest of its pure states
    assert not an.validate(record, system, initial=ket).accepted


def _thermal():
    lower = np.diag(np.sqrt(np.arange(1.0, 6.0)), 1)
    channels = [tj.Channel("emission", np.sqrt(0.7) * lower), tj.Channel("absorption", np.sqrt(0.2) * lower.T)]
    return np.diag(np.arange(6.0)), channels
