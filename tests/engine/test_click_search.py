"""The search for a click ends on every correct system, whatever number was drawn, and ends where it should."""

from __future__ import annotations

import warnings
from collections import Counter

import mpmath
import numpy as np
import pytest
from click_fuzz import FAMILIES, exact_errors, extreme_numbers, followed, random_case, random_start
from click_systems import driven_atom, leaky_cavity, random_system, watch
from plain_kernels import interpret

import trajectories as tj
from trajectories.engine.compiled import compile_system
from trajectories.engine.modes import modes_kernels
from trajectories.engine.modes.forms_kernels import FASTEST
from trajectories.engine.modes.modes_kernels import between
from trajectories.engine.phase_kernels import exact_exponentials, product_error
from trajectories.engine.trajectory_state import CLICKS_FULL, HORIZON
from trajectories.errors import InvalidInput

S = np.array([[0.0, 1.0], [0.0, 0.0]])
SPANS = (1.0, 4.0, 8.0)


def atom(drive: float, rate: float, detuning: float = 0.0) -> tj.OpenSystem:
    return tj.OpenSystem(detuning * S.T @ S + drive * (S + S.T), [tj.Channel("p", np.sqrt(rate) * S)])


def fuzz(systems: int, clicks: int, propagator: str = "modes", spans=SPANS, horizon: float = 1e12) -> Counter:
    """Count the outcomes of so many systems of every family and span, several trajectories each."""
    outcomes: Counter = Counter()
    for family in FAMILIES:
        for span in spans:
            for seed in range(systems):
                system, rng = random_case(family, seed, span)
                fastest = max(float(abs(system.H_eff).sum(axis=1).max()), 1e-300)
                left = clicks
                for _ in range(clicks):
                    drawn = np.stack([extreme_numbers(rng, left + 2), extreme_numbers(rng, left + 2)], axis=1)
                    ket = random_start(rng, system.dimension)
                    try:
                        found = followed(
                            system, ket, drawn.ravel(), propagator=propagator, horizon=horizon / fastest
                        )
                    except InvalidInput:  # at an exceptional point there are no eigenmodes
                        outcomes["refused"] += 1
                        break
                    # A trajectory that fell dark has been searched once more, to its horizon.
                    ended = found.status == HORIZON
                    searched = len(found.waits) + ended
                    outcomes["searches"] += searched
                    if found.status not in (HORIZON, CLICKS_FULL) or not found.finite:
                        outcomes["failed"] += 1
                        print(family, span, seed, found)
                        break
                    left -= searched
                    if left <= 0:
                        break
    return outcomes


def test_every_search_ends_with_a_click_or_at_the_horizon():
    """A fortieth of the study below; at d57f6a5 a third of these systems ended without a bracket."""
    outcomes = fuzz(systems=3, clicks=40)
    assert outcomes["failed"] == 0
    assert outcomes["searches"] > 2_000
    assert outcomes["refused"] < 9


@pytest.mark.slow
def test_a_hundred_thousand_searches_end_with_a_click_or_at_the_horizon():
    """`.venv/bin/pytest -m slow tests/engine/test_click_search.py`: 1.7e5 searches, a minute."""
    outcomes = fuzz(systems=100, clicks=80)
    print(outcomes)
    assert outcomes["failed"] == 0
    assert outcomes["searches"] > 100_000
    assert outcomes["refused"] < 100


def test_the_sparse_search_ends_too():
    outcomes = fuzz(systems=2, clicks=10, propagator="sparse", spans=(1.0,), horizon=1e3)
    assert outcomes["failed"] == 0
    assert outcomes["searches"] > 120


def accuracy(systems: int, spans=SPANS) -> tuple[int, list[str]]:
    """Compare two gaps of every system, from a known ket, with 60 digits; return their number and the breaches.

    Two, because the bound is of a gap and of the jump before it.
    """
    count, breaches = 0, []
    for family in FAMILIES:
        for span in spans:
            for seed in range(systems):
                system, rng = random_case(family, seed, span)
                fastest = max(float(abs(system.H_eff).sum(axis=1).max()), 1e-300)
                drawn = np.stack([extreme_numbers(rng, 4), rng.random(4)], axis=1).ravel()
                ket = random_start(rng, system.dimension)
                try:
                    found = followed(system, ket, drawn, horizon=1e12 / fastest)
                except InvalidInput:
                    continue
                if not len(found.waits):
                    continue
                errors, shares = exact_errors(system, ket, found)
                count += len(errors)
                if errors.max() > found.worst_error or shares.min() < 1e-12:
                    breaches.append(f"{family} {span} {seed}: {errors}, {shares}, {found}")
    return count, breaches


def test_clicks_lie_where_sixty_digits_put_them():
    """Whatever the threshold: within the bound that is reported, in a channel that can click."""
    count, breaches = accuracy(3)
    assert count > 70
    assert not breaches, breaches


@pytest.mark.slow
def test_many_clicks_lie_where_sixty_digits_put_them():
    count, breaches = accuracy(40)
    assert count > 1000
    assert not breaches, breaches


@pytest.mark.parametrize("seed", [1, 2])
def test_a_detuned_atom_clicks_on(seed):
    """It ended with "no click time could be bracketed": the rate is 0 after every click, and Newton flew off."""
    record = watch(atom(0.105, 1.0, 3.1), 200, 5e4, seed=seed, propagator="modes")
    # Rate γp with p = Ω²/(Δ² + Ω²/2 + γ²/4)/4 of the optical Bloch equations, Ω = 2·0.105.
    rate = 0.21**2 / 4.0 / (3.1**2 + 0.21**2 / 2.0 + 0.25)
    # Clicks of an atom that scatters so weakly are independent, so their number is Poisson; 6e-5 by chance.
    assert abs(len(record) - rate * 1e7) < 4.0 * np.sqrt(rate * 1e7)


def test_an_overdamped_atom_clicks_on():
    """14 of these 20 runs ended without a bracket: rates of 1e8 beside waits of 2.5e7."""
    counts = [len(watch(atom(1.0, 1e8), 1, 2.5e10, seed=k, initial=[1.0, 0.0])) for k in range(20)]
    # Rate 4Ω²/γ = 4e-8 a unit of time, each click independent: 1000 of each run; 6e-5 by chance.
    assert abs(sum(counts) - 20_000) < 4.0 * np.sqrt(20_000)


@pytest.mark.parametrize("rate", [1.0, 1e4, 1e8, 1e12])
def test_a_fast_decay_is_found_to_the_tolerance_and_not_to_an_absolute_time(rate):
    """1e-8 of a unit of time, the width of a bracket, is longer than the whole decay here."""
    numbers = np.random.default_rng(3).random(44)
    system = leaky_cavity(levels=9, kappa=rate)
    found = followed(system, np.ones(9), numbers[:12], horizon=1e3)
    errors, _ = exact_errors(system, np.ones(9), found)
    assert errors.max() < 1e-10


def test_a_channel_that_cannot_click_is_never_chosen():
    """From |0⟩ of a ladder only the first channel can click soon; S′ knows the others only to rounding."""
    lower = np.diag(np.sqrt(np.arange(1.0, 6.0)), 1)
    top = np.zeros((6, 6))
    top[0, 5] = 1.0
    system = tj.OpenSystem(lower + lower.T, [tj.Channel("loss", lower), tj.Channel("top", top)])
    for wait in (1e-16, 1e-12, 1e-9):
        drawn = np.array([wait, 1.0 - 2.0**-53, 0.5, 0.5, 0.5, 0.5])
        found = followed(system, np.eye(6)[0], drawn)
        assert found.channels.tolist() == [0]
        assert found.finite


def test_a_window_beyond_all_numbers_is_no_failure():
    """Angles that overflow have no cosine; a dark state survives for ever, and a lossy one is gone."""
    system = leaky_cavity()
    assert followed(system, np.eye(5)[0], np.full(6, 0.5), horizon=1e308).status == HORIZON
    assert len(followed(system, np.eye(5)[4], np.full(12, 0.5), horizon=1e308).waits) == 4


@pytest.mark.parametrize(("low", "high"), [(0.0, 1e300), (0.0, 1e-30), (3.0, 4.0), (2.0, 1e20), (1.0, 2.0)])
def test_halving_keeps_inside_and_takes_few_steps(low, high):
    steps, root = 0, low + 0.3 * min(high - low, 1.0)
    while high - low > 1e-9 * max(root, 1e-30) and steps < 200:
        middle = between(low, high, 1e-3)
        assert low < middle < high
        assert middle == between.py_func(low, high, 1e-3)
        low, high = (middle, high) if middle < root else (low, middle)
        steps += 1
    assert steps < 60


def test_without_the_bracket_of_an_underflow_the_atom_fails(monkeypatch):
    """The planted fault: the kernel in plain Python, whose search may not come back from where S is 0."""
    system = atom(0.105, 1.0, 3.1)
    drawn = np.array([1e-13, 0.5, 0.5, 0.5, 0.5, 0.5])
    interpret(monkeypatch)
    plain = modes_kernels.find_click
    compiled = compile_system(system, np.eye(2)[0], propagator="modes")
    assert compiled.propagator.arrays.scalars[FASTEST] > 1.0

    def status(guess: float | None = None) -> float:
        state = compiled.propagator.start(np.eye(2)[0].astype(complex), 1)
        state.fields.threshold = 1.0 - drawn[0]
        arrays, work = compiled.propagator.arrays, state.work
        first = modes_kernels.begin_search(arrays, state.fields.threshold, work)
        if guess is None:
            guess = modes_kernels.approach(arrays, first, state.fields, work)
        return plain(arrays, guess, 1e30, state.fields, work)[0]

    assert status() > 0.0
    assert status(1e15) > 0.0
    monkeypatch.setattr(modes_kernels, "between", lambda low, high, shortest: high)
    assert status(1e15) == -2.0


@pytest.mark.parametrize("time", [0.0, 0.3, 1e3, 7e9, 1e13])
def test_phases_are_exact_at_any_angle(time):
    rng = np.random.default_rng(3)
    energy, rest, decay = (
        rng.uniform(-9.0, 9.0, 40),
        rng.uniform(-1e-16, 1e-16, 40),
        rng.uniform(0.0, 1.0 / (1.0 + time), 40),
    )
    real, imag = np.empty(40), np.empty(40)
    exact_exponentials(energy, rest, decay, 40, time, real, imag)
    with mpmath.workdps(50):
        for n in range(40):
            angle = (mpmath.mpf(energy[n]) + mpmath.mpf(rest[n])) * mpmath.mpf(time)
            exact = mpmath.exp(-mpmath.mpf(decay[n]) * mpmath.mpf(time)) * mpmath.expj(-angle)
            assert abs(mpmath.mpc(real[n], imag[n]) - exact) < 1e-15
    # A phase of the product rounded to double is off by up to half an ulp of it: the test can fail.
    if time > 1e9:
        naive = np.exp(-decay * time) * np.exp(-1j * energy * time)
        assert np.abs(naive - (real + 1j * imag)).max() > 1e-8


def test_the_error_of_a_product_is_exact():
    rng = np.random.default_rng(5)
    for x, y in rng.normal(size=(200, 2)) * 10.0 ** rng.uniform(-9, 9, (200, 2)):
        with mpmath.workdps(60):
            exact = mpmath.mpf(x) * mpmath.mpf(y) - mpmath.mpf(x * y)
            assert mpmath.mpf(product_error(x, y, x * y)) == exact
        assert product_error.py_func(x, y, x * y) == product_error(x, y, x * y)


def test_no_warning_where_the_tolerance_is_kept():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for system in (driven_atom(1.0, 0.4), random_system(3, 7, 2, frequency=1e4)):
            assert len(watch(system, 5, 200.0, seed=1, initial=np.eye(system.dimension)[0])) > 0
