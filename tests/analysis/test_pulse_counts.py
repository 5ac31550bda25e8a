"""Estimates of single pulses: by hand on a small record, and against their exact values on a simulated one."""

from functools import cache

import numpy as np
import pytest

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad
from trajectories.errors import InvalidInput


def by_hand():
    """Two windows of three pulses of length 10, the second from 5 on: whole pulses are 0, 1, 2 and 1, 2."""
    times = [1.0, 2.0, 3.0, 14.0, 29.5, 7.0, 12.0, 13.0, 29.0]
    return tj.ClickRecord.from_arrays(
        [0] * 5 + [1] * 4, times, [0, 1, 0, 1, 0, 0, 1, 1, 0], channel_names=["a", "b"], start=[0.0, 5.0],
        stop=[30.0, 30.0], provenance={"period": 10.0},
    )  # fmt: skip


@cache
def source():
    """A cavity that an atom fills, pulse by pulse."""
    space = tj.HilbertSpace(photon=3, atom=2)
    a, s = space.lower("photon"), space.lower("atom")
    drive = tj.Drive(s + s.T, tj.Square(1.0, 3.0, 0.8))
    channels = [tj.Channel("photon", 0.6 * a), tj.Channel("atom", 0.3 * s)]
    system = tj.OpenSystem(0.5 * (a.T @ s + s.T @ a), channels, space, drives=[drive], period=20.0)
    record = tj.simulate(system, 300, 2000.0, seed=4, progress=False)
    return record, lindblad.periodic_state(system)


def test_counts_by_hand():
    record = by_hand()
    counts = an.pulse_counts(record, ["a", "b"], most=2).probability * 5
    # Pulses: a b a | b | a (window 0), b b | a (window 1; its click at 7.0 belongs to a pulse that it cuts).
    expected = np.zeros((3, 3))
    expected[2, 1], expected[0, 1], expected[0, 2], expected[1, 0] = 1, 1, 1, 2
    np.testing.assert_allclose(counts, expected, atol=1e-12)
    assert an.brightness(record, "a").value == pytest.approx(4 / 5)
    np.testing.assert_allclose(an.click_density(record, "a", [0.0, 5.0, 10.0]).value * 5 * 5, [2.0, 2.0])
    pairs = an.pulse_map(record, "a", "b", [0.0, 5.0, 10.0]).counts
    assert pairs.tolist() == [[2, 0], [0, 0]]
    assert an.pulse_map(record, "a", "a", [0.0, 5.0, 10.0]).counts.tolist() == [[2, 0], [0, 0]]


def test_a_record_in_periods_counts_the_same_and_survives_as_a_file(tmp_path):
    record = by_hand()
    synced = record.in_periods()
    assert synced.stamp.tolist() == [0, 0, 0, 1, 2, 0, 1, 1, 2]
    assert synced.period == record.period == 10.0
    for name in ("a", "b"):
        assert an.brightness(synced, name).value == an.brightness(record, name).value
    np.testing.assert_array_equal(
        an.pulse_counts(synced, ["a", "b"], most=2).probability,
        an.pulse_counts(record, ["a", "b"], most=2).probability,
    )
    train, _ = source()
    one = tj.ClickRecord.concatenate([train]).select("photon", "atom")
    tj.export(one.in_periods(), tmp_path / "clicks.npz")
    again = tj.load(tmp_path / "clicks.npz")
    np.testing.assert_array_equal(again.within, one.in_periods().within)
    found = [an.pulse_counts(r, ["photon"], most=2).probability for r in (train, again)]
    np.testing.assert_allclose(found[0], found[1], atol=1e-12)


def everything(record, state):
    """Return z = (estimate − exact)/σ of every number that has an error."""
    z = []
    for name in ("photon", "atom"):
        z.append(an.brightness(record, name).deviation(lindblad.brightness(state, name)))
        edges = [0.0, 2.0, 4.0, 8.0, 20.0]
        found, exact = an.click_density(record, name, edges), lindblad.click_density(state, name, edges)
        z += list((found.value - exact.value) / found.standard_error)
    counts = an.pulse_counts(record, ["photon", "atom"], most=2)
    exact = lindblad.pulse_counts(state, ["photon", "atom"], most=2)
    z += list(((counts.probability - exact.probability) / counts.standard_error).ravel())
    z += [getattr(counts, of).deviation(getattr(exact, of)) for of in ("no_click", "one_each", "more", "purity")]
    z.append(counts.heralding("atom").deviation(exact.heralding("atom")))
    for pair in (("photon", "atom"), ("photon", "photon")):
        found, exact = an.pulsed_g2(record, *pair, pulses=3), lindblad.pulsed_g2(state, *pair, pulses=3)
        z += list((found.value - exact.value) / found.standard_error)
    edges = [2.0, 4.0, 8.0, 20.0]
    found, exact = (of.pulse_map(x, "photon", "atom", edges) for of, x in ((an, record), (lindblad, state)))
    z += list(((found.value - exact.value) / found.standard_error).ravel())
    return np.array(z)[np.isfinite(z)]


def test_estimates_agree_with_their_exact_values():
    """Of some 50 numbers all lie within 4.3σ but for one time in 1,000; their rms is near 1."""
    z = everything(*source())
    assert len(z) > 40
    assert np.abs(z).max() < 4.3
    assert 0.6 < np.sqrt(np.mean(z**2)) < 1.6


def test_another_system_is_noticed():
    record, state = source()
    space = state.system.space
    s = space.lower("atom")
    drive = tj.Drive(s + s.T, tj.Square(1.0, 3.0, 0.76))
    weaker = tj.OpenSystem(state.system.hamiltonian, state.system.channels, space, drives=[drive], period=20.0)
    assert np.abs(everything(record, lindblad.periodic_state(weaker))).max() > 6.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: an.brightness(r, "a", period=7.0), "period=7 is not that of the record, 10"),
        (lambda r: an.brightness(r, "c"), "no channel named 'c'"),
        (lambda r: an.pulse_counts(r, ["a", "a"]), "several distinct ones"),
        (lambda r: an.pulse_counts(r, ["a"], most=1).one_each, "count with most=2"),
        (lambda r: an.pulse_counts(r, ["a"], most=1).more, "count with most=2"),
        (lambda r: an.pulse_counts(r, ["a"], most=1).purity, "count with most=2"),
        (lambda r: an.brightness(r.in_periods().without_ticks().after(25.0), "a", period=10.0), "whole period"),
        (lambda r: r.in_periods().in_periods(), "already"),
        (lambda r: r.in_periods(fine=11.0), "between 0 and the period"),
    ],
)
def test_what_cannot_be_counted_is_refused(call, message):
    with pytest.raises(InvalidInput, match=message):
        call(by_hand())


def test_a_record_without_a_period_says_so():
    record = tj.ClickRecord.from_arrays([0], [1.0], [0], channel_names=["a"], start=0.0, stop=5.0)
    for call in (lambda: an.brightness(record, "a"), lambda: record.in_periods()):
        with pytest.raises(InvalidInput, match="no period"):
            call()
    assert an.brightness(record, "a", period=2.0).value == 0.5


def test_pulses_of_ticks_without_a_sync_begin_at_multiples_of_the_period():
    """The pulses of the window were counted from the clock's origin, those of the clicks from time 0."""
    times = {"channel_names": ["a"], "start": 5.0, "stop": 45.0}
    ticked = tj.ClickRecord.from_arrays([0] * 4, [0, 3, 25, 34], [0] * 4, **times, tick=1.0, origin=5.0)
    assert ticked.time.tolist() == [5.0, 8.0, 30.0, 39.0]
    for record in (ticked, ticked.without_ticks()):
        counts = an.pulse_counts(record, ["a"], most=2, period=10.0)
        np.testing.assert_allclose(counts.probability * 3, [2.0, 0.0, 1.0])


def test_a_tick_at_the_beginning_of_a_pulse_belongs_to_it():
    """Its time, a product of floats, may lie below the beginning of the pulse, another product."""
    tick, period = 1e-12, 12500 * 1e-12
    stamps = 12500 * np.arange(1, 2000)
    record = tj.ClickRecord.from_arrays(
        np.zeros(1999, int), stamps, np.zeros(1999, int), channel_names=["a"], start=0.0, stop=2000 * period,
        tick=tick, unit="s",
    )  # fmt: skip
    assert an.pulse_counts(record, ["a"], most=2, period=period).probability.tolist() == [1 / 2000, 1999 / 2000, 0]
    assert an.click_density(record, "a", [0.0, 5000 * tick, period], period=period).counts.tolist() == [1999, 0]
