"""Trajectories of systems that depend on time: against a plain integrator, closed forms and 30 digits."""

from functools import cache

import mpmath
import numpy as np
import pytest
from timed_trajectory import trajectory

import trajectories as tj
from trajectories import lindblad
from trajectories.engine.blocks import BlockTask, run_block
from trajectories.engine.compiled import CompiledSystem, compile_system
from trajectories.errors import InvalidInput
from trajectories.random_streams import trajectory_stream

SIGMA = tj.HilbertSpace(atom=2).lower("atom")
FLIP = SIGMA + SIGMA.T
GROUND, EXCITED = np.array([1.0, 0.0]), np.array([0.0, 1.0])
TIMED = ("tree", "steps")
TRAIN = tj.OpenSystem(
    0 * SIGMA,
    [tj.Channel("atom", 0.3 * SIGMA)],
    drives=[tj.Drive(FLIP, tj.Gaussian(50.0, 5.0, 0.5))],
    period=100.0,
)


def uniforms(seed, index, count):
    """The numbers that a trajectory draws for its clicks: all but the first, which chooses its initial state."""
    return trajectory_stream(seed, index).random(count + 1)[1:]


def clicks_of(system, ket, duration, propagator, trajectories=8, seed=5):
    compiled = compile_system(system, ket, propagator=propagator, horizon=duration)
    return run_block(compiled, BlockTask(0, trajectories, seed, duration))


def two_modes():
    """A cavity and an atom with a chirped drive, a modulated coupling, a kinked and a stepped amplitude."""
    space = tj.HilbertSpace(photon=4, atom=2)
    a, s = space.lower("photon"), space.lower("atom")
    chirped = tj.Gaussian(12.0, 1.8, 1.2) * tj.Rotation(0.4, chirp=0.05, centre=12.0)
    kinked = tj.Sampled([0.0, 4.0, 5.0, 40.0], [0.0, 0.1, 0.0, 0.0], "lines")
    drives = [
        tj.Drive(s.T, chirped),
        tj.Drive(a.T @ s + s.T @ a, 0.2 * tj.Cosine(2 * np.pi / 8.0)),
        tj.Drive(a + a.T, tj.Square(20.0, 26.0, 0.7) + kinked),
    ]
    channels = [
        tj.Channel("photon", 0.5 * a, tj.Ramp(5.0, 15.0, 1.0, 0.4) * tj.Square(0.0, 33.0) + tj.Square(33.0, 40.0)),
        tj.Channel("atom", 0.3 * s),
    ]
    number = a.T @ a + 0.3 * (s.T @ s)
    return tj.OpenSystem(number, channels, space, drives=drives, period=40.0), space.ket(photon=0, atom="g")


@cache
def by_a_plain_integrator(index):
    return trajectory(*two_modes()[:2], 80.0, uniforms(5, index, 200))


@pytest.mark.parametrize("propagator", TIMED)
def test_clicks_are_those_of_a_plain_integrator_for_the_same_numbers(propagator):
    block = clicks_of(*two_modes(), 80.0, propagator, trajectories=3)
    for index in range(3):
        mine = block.trajectory == index
        times, channels = by_a_plain_integrator(index)
        np.testing.assert_allclose(block.time[mine], times, atol=2e-8)
        assert block.channel[mine].tolist() == channels
    assert len(block.time) > 5
    assert block.worst_error < 1e-10


@pytest.mark.parametrize("propagator", TIMED)
def test_a_constant_envelope_gives_the_clicks_of_the_constant_engine(propagator):
    constant = tj.OpenSystem(0.5 * FLIP, [tj.Channel("atom", 0.3 * SIGMA)])
    there = tj.OpenSystem(
        0 * SIGMA, [tj.Channel("atom", 0.3 * SIGMA)], drives=[tj.Drive(FLIP, tj.Square(0.0, 1e4, 0.5))]
    )
    expected = run_block(compile_system(constant, GROUND), BlockTask(0, 8, 5, 200.0))
    block = clicks_of(there, GROUND, 200.0, propagator)
    np.testing.assert_allclose(block.time, expected.time, atol=1e-9)
    smooth = tj.OpenSystem(
        0 * SIGMA,
        [tj.Channel("atom", 0.3 * SIGMA)],
        drives=[tj.Drive(FLIP, 0.5 + 0 * tj.Cosine(1.0))],
        period=25.0,
    )
    np.testing.assert_allclose(clicks_of(smooth, GROUND, 200.0, propagator).time, expected.time, atol=1e-9)


@pytest.mark.parametrize("propagator", TIMED)
def test_constant_stretches_are_followed_as_by_the_constant_engine(propagator):
    """The paper's system under a drive that is on for a million: the same clicks, and as much work for them."""
    drive = 0.8 + 0.1 * tj.Square(1.5e6, 1.6e6)
    driven = tj.SpinningResonator(detuning=1.3406, drive=drive, period=2e6).system((2, 2, 2))
    ket = np.eye(16)[0]
    constant = compile_system(driven.at(1.0), ket)
    timed = compile_system(driven, ket, propagator=propagator)
    expected, block = (run_block(one, BlockTask(0, 24, 5, 1e4)) for one in (constant, timed))
    assert len(block.time) > 20
    first = np.concatenate([[0], np.cumsum(block.counts)[:-1]])[block.counts > 0]
    np.testing.assert_array_equal(block.counts > 0, expected.counts > 0)
    there = np.concatenate([[0], np.cumsum(expected.counts)[:-1]])[expected.counts > 0]
    np.testing.assert_allclose(block.time[first], expected.time[there], atol=1e-8)
    np.testing.assert_array_equal(block.channel[first], expected.channel[there])
    expected, block = (run_block(one, BlockTask(0, 1, 5, 1e6)) for one in (constant, timed))
    assert block.products / len(block.time) < 1.1 * expected.products / len(expected.time)


def stepped():
    """A system that clicks often and changes in steps, and its initial state."""
    space = tj.HilbertSpace(photon=3, atom=2)
    a, s = space.lower("photon"), space.lower("atom")
    drive = tj.Drive(s + s.T, 0.3 * tj.Square(0.0, 30.0) + 0.8 * tj.Square(30.0, 40.0))
    channels = [tj.Channel("photon", 0.5 * a, 1.0 - 0.5 * tj.Square(10.0, 20.0)), tj.Channel("atom", 0.4 * s)]
    system = tj.OpenSystem(0.4 * (a.T @ s + s.T @ a), channels, space, drives=[drive], period=55.0)
    return system, space.ket(photon=0, atom="g")


def test_clicks_on_both_sides_of_a_step():
    """Of a system that clicks often, across steps of the drive and into further periods: the tree as by steps."""
    system, ket = stepped()
    tree, steps = (clicks_of(system, ket, 400.0, one, trajectories=6) for one in ("tree", "steps"))
    assert len(tree.time) > 100
    np.testing.assert_array_equal(tree.channel, steps.channel)
    np.testing.assert_allclose(tree.time, steps.time, atol=1e-6)
    still = tj.Drive(system.space.number("photon"), 0.0 * tj.Cosine(1.0))
    drives = [*system.drives, still]
    smooth = tj.OpenSystem(system.hamiltonian, system.channels, system.space, drives=drives, period=None)
    # A term that is never constant, though zero: every stretch is followed in Taylor steps.
    in_steps = clicks_of(smooth, ket, 55.0, "steps", trajectories=6)
    in_modes = tree.time[tree.time < 55.0]
    assert len(in_modes) > 15
    np.testing.assert_allclose(in_steps.time, in_modes, atol=1e-7)


@pytest.mark.parametrize("propagator", TIMED)
def test_clicks_in_constant_stretches_do_not_depend_on_being_watched(propagator):
    system, ket = stepped()
    alone = clicks_of(system, ket, 200.0, propagator)
    watched = tj.simulate(
        system, 8, 200.0, seed=5, initial=ket, progress=False, propagator=propagator,
        observables={"n": system.space.number("photon")}, sample_times=np.linspace(0.0, 200.0, 2001),
    )  # fmt: skip
    assert len(alone.time) > 100
    np.testing.assert_array_equal(watched.channel, alone.channel)
    np.testing.assert_array_equal(watched.time, alone.time)


@pytest.mark.parametrize("propagator", TIMED)
def test_a_decay_rate_that_depends_on_time(propagator):
    """An excited atom with rate γ(t) clicks when ∫γ = −ln(1 − u), here γ = (1 + t/10)² up to t = 10, then 4."""
    g = tj.Ramp(0.0, 10.0, 1.0, 2.0)
    system = tj.OpenSystem(0 * SIGMA, [tj.Channel("atom", SIGMA, g)], drives=[tj.Drive(SIGMA.T @ SIGMA, g)])
    block = clicks_of(system, EXCITED, 50.0, propagator, trajectories=40)
    wanted = [-np.log1p(-uniforms(5, r, 1)[0]) for r in range(40)]
    times = [10.0 * ((1.0 + 3.0 * x / 10.0) ** (1.0 / 3.0) - 1.0) for x in wanted]
    np.testing.assert_allclose(block.time, times, atol=1e-9)


@pytest.mark.parametrize("phase", [0.0, 0.7, np.pi])
def test_the_frame_changes_in_an_instant(phase):
    """Half a π pulse, and another half about an axis turned by φ: cos²(φ/2) is excited, and emits."""
    half = tj.Square(0.0, 1.0, np.pi / 4.0)
    turned = tj.Square(1.0, 2.0, np.pi / 4.0) * tj.Rotation(0.0, phase=phase)
    drive = tj.Drive(SIGMA.T, half * tj.Rotation(0.0) + turned)
    system = tj.OpenSystem(0 * SIGMA, [tj.Channel("atom", SIGMA, 1e-3 + tj.Square(2.0, 40.0))], drives=[drive])
    excited = np.cos(0.5 * phase) ** 2
    found = lindblad.evolve(system, GROUND, [2.0], {"n": SIGMA.T @ SIGMA})["n"].value
    np.testing.assert_allclose(found, excited, atol=1e-5)
    states = tj.simulate(system, 2, 2.0, seed=1, initial=GROUND, progress=False, final_states=True).final_states
    np.testing.assert_allclose(np.abs(states.kets[:, 1]) ** 2, excited, atol=1e-5)
    clicks = tj.simulate(system, 400, 40.0, seed=2, initial=GROUND, progress=False)
    # 4.5σ of a binomial number, and what the small rate during the pulse may do.
    assert abs(len(clicks.time) - 400.0 * excited) <= 4.5 * np.sqrt(400.0 * excited * (1.0 - excited)) + 1.0


def test_a_landau_zener_sweep():
    """|ψ⟩ stays in its diabatic state with probability exp(−2πg²/v), in Taylor steps of a linear ramp."""
    v, g, span = 1.0, 0.25, 400.0
    sweep = tj.Drive(np.diag([0.5, -0.5]), v * tj.Ramp(0.0, span, -span / 2, span / 2))
    system = tj.OpenSystem(g * FLIP, [tj.Channel("atom", 1e-9 * SIGMA)], drives=[sweep])
    states = tj.simulate(system, 1, span, seed=1, initial=GROUND, progress=False, final_states=True).final_states
    stayed = float(np.abs(states.kets[0, 0]) ** 2)
    assert abs(stayed - np.exp(-2.0 * np.pi * g**2 / v)) < 4.0 * g / (v * span)
    exact = lindblad.density_matrix(system, [1.0, 0.0], span)[0, 0].real
    assert abs(stayed - exact) < 1e-10


@cache
def amplitudes_in_30_digits():
    """Both amplitudes of an atom under a chirped pulse from |g⟩, by Taylor series of 30 digits."""
    mpmath.mp.dps = 30
    half, chirp, decay = mpmath.mpf("0.5"), mpmath.mpf("0.2"), mpmath.mpf("0.25")

    def motion(x, y):
        f = half * mpmath.exp(-((x - 6) ** 2) / 8) * mpmath.expj(-(chirp * (x - 6) ** 2 / 2))
        return [-1j * mpmath.conj(f) * y[1], -1j * f * y[0] - decay / 2 * y[1]]

    return mpmath.odefun(motion, 0, [mpmath.mpf(1), mpmath.mpf(0)], tol=mpmath.mpf("1e-20"))


def survival_in_30_digits(t):
    mpmath.mp.dps = 30
    y = amplitudes_in_30_digits()(t)
    return abs(y[0]) ** 2 + abs(y[1]) ** 2


def chirped(shift=0.0, conjugate=True):
    """The system of `survival_in_30_digits`, whose Gaussian is cut where it is 1e-2 of its height."""
    envelope = tj.Gaussian(6.0 + shift, 2.0, 0.5) * tj.Rotation(0.0, chirp=0.2, centre=6.0 + shift)
    system = tj.OpenSystem(0 * SIGMA, [tj.Channel("atom", 0.5 * SIGMA)], drives=[tj.Drive(SIGMA.T, envelope)])
    if not conjugate:
        system.__dict__["terms"] = system.terms[:1]
    return system


def largest_error_of_S(system, propagator):
    """Return the largest |ΔS|/S at first clicks within [0, 12]; S should be 1 − u there."""
    block = clicks_of(system, GROUND, 12.0, propagator, trajectories=12)
    worst, seen = 0.0, 0
    for index in range(12):
        times = block.time[block.trajectory == index]
        if len(times):
            u = uniforms(5, index, 1)[0]
            worst = max(worst, abs(float(survival_in_30_digits(times[0]) / (1 - mpmath.mpf(u)) - 1)))
            seen += 1
    assert seen >= 4
    return worst


@pytest.mark.parametrize("propagator", TIMED)
def test_S_keeps_the_tolerance_in_30_digits(propagator):
    assert largest_error_of_S(chirped(), propagator) < 1e-12


def test_planted_faults_are_noticed_in_30_digits():
    """An envelope that comes half a step late, and a drive without its conjugate part."""
    assert largest_error_of_S(chirped(shift=0.05), "steps") > 1e-6
    assert largest_error_of_S(chirped(conjugate=False), "steps") > 1e-6


def test_a_step_across_a_kink_is_noticed_or_refused():
    class Hidden(tj.Square):
        def _knots(self):
            return ()

        def _constant(self, start, stop):
            return False

    system = tj.OpenSystem(0 * SIGMA, [tj.Channel("a", SIGMA)], drives=[tj.Drive(FLIP, Hidden(0.3, 4.7, 0.5))])
    with pytest.raises(InvalidInput, match="polynomials do not approximate"):
        clicks_of(system, GROUND, 12.0, "steps")


def test_records_do_not_depend_on_blocks_duration_samples_or_the_way_through_a_file():
    system, ket = two_modes()
    compiled = compile_system(system, ket, propagator="tree")
    whole = run_block(compiled, BlockTask(0, 6, 5, 100.0))
    again = CompiledSystem.from_arrays(compiled.to_arrays())
    parts = [run_block(again, BlockTask(first, first + 2, 5, 100.0)) for first in (4, 0, 2)]
    np.testing.assert_array_equal(np.concatenate([parts[k].time for k in (1, 2, 0)]), whole.time)
    shorter = run_block(compiled, BlockTask(0, 6, 5, 57.0))
    np.testing.assert_array_equal(shorter.time, whole.time[whole.time <= 57.0])
    times = np.linspace(0.0, 100.0, 31)
    records = [
        tj.simulate(
            system, 6, 100.0, seed=5, initial=ket, progress=False, propagator=p, workers=w,
            observables={"n": system.space.number("photon")}, sample_times=times, final_states=True,
        )
        for p, w in (("tree", 1), ("tree", 2), ("steps", 2))
    ]  # fmt: skip
    np.testing.assert_array_equal(records[0].time, whole.time)
    np.testing.assert_array_equal(records[1].time, whole.time)
    np.testing.assert_allclose(records[2].time, whole.time, atol=1e-8)
    n = [record.expectations["n"].value for record in records]
    np.testing.assert_allclose(n[0], n[2], atol=1e-8)
    overlap = np.abs((records[0].final_states.kets.conj() * records[2].final_states.kets).sum(axis=1))
    np.testing.assert_allclose(overlap, 1.0, atol=1e-8)


def test_a_run_is_resumed_to_the_same_bits(tmp_path):
    whole = tj.simulate(TRAIN, 12, 500.0, seed=2, initial=GROUND, progress=False)
    tj.simulate(TRAIN, 5, 500.0, seed=2, initial=GROUND, progress=False, out=tmp_path / "run")
    again = tj.simulate(TRAIN, 12, 500.0, seed=2, initial=GROUND, progress=False, out=tmp_path / "run")
    np.testing.assert_array_equal(again.time, whole.time)
    assert tj.load(tmp_path / "run").provenance["propagator_reason"].startswith("auto: the propagators of all")


def test_waiting_in_the_dark_costs_products_by_the_logarithm_of_the_periods():
    pulse = tj.Gaussian(50.0, 5.0, 1e-3)
    rare = tj.OpenSystem(0 * SIGMA, [tj.Channel("atom", SIGMA)], drives=[tj.Drive(FLIP, pulse)], period=100.0)
    block = clicks_of(rare, GROUND, 1e8, "tree", trajectories=1)
    assert len(block.time) > 3
    assert block.products / len(block.time) < 400


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tj.simulate(TRAIN, 1, 9.0, seed=1, initial=GROUND, propagator="modes"), "do not depend on time"),
        (
            lambda: tj.simulate(TRAIN.at(0.0), 1, 9.0, seed=1, initial=GROUND, propagator="tree"),
            "that depend on time",
        ),
        (lambda: tj.simulate(chirped(), 1, 9.0, seed=1), "has no period needs initial="),
        (lambda: compile_system(chirped(), GROUND), "needs a horizon"),
    ],
)
def test_what_cannot_be_simulated_is_refused(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()


def test_a_train_starts_from_its_periodic_state_and_counts_what_the_master_equation_says(tmp_path):
    state = tj.lindblad.periodic_state(TRAIN)
    record = tj.simulate(TRAIN, 1000, 400.0, seed=3, progress=False, out=tmp_path / "run")
    again = tj.load(tmp_path / "run")
    np.testing.assert_array_equal(again.time, record.time)
    pulse = (record.time // 100.0).astype(int)
    found = np.bincount(np.bincount(record.trajectory * 4 + pulse, minlength=4000), minlength=8)[:5]
    exact = tj.lindblad.pulse_counts(state, ["atom"], most=5).probability[:5]
    sigma = np.sqrt(exact * (1 - exact) / 4000)
    # Pulses of a trajectory are nearly independent; five numbers stay within 4.2σ but for 1.4e-4.
    assert np.abs(found / 4000 - exact).max() > 0
    assert (np.abs(found / 4000 - exact) < 4.2 * sigma).all()
    wrong = tj.lindblad.pulse_counts(tj.lindblad.periodic_state(weaker()), ["atom"], most=5).probability[:5]
    assert (np.abs(found / 4000 - wrong) > 5 * sigma).any()


def weaker():
    """The train with a drive that is a tenth smaller."""
    pulse = tj.Gaussian(50.0, 5.0, 0.45)
    return tj.OpenSystem(
        0 * SIGMA, [tj.Channel("atom", 0.3 * SIGMA)], drives=[tj.Drive(FLIP, pulse)], period=100.0
    )


def test_operators_by_diagonals_give_the_same_clicks(monkeypatch):
    """Rows and diagonals of the same operators: from N = 40 on the latter are used where they are few."""
    from trajectories.engine.pulses import tables

    system, ket = two_modes_of(6, 4)
    by_diagonals = compile_system(system, ket, propagator="steps", horizon=40.0)
    assert len(by_diagonals.propagator.arrays.offsets) > 0
    monkeypatch.setattr(tables, "LEAST_BY_DIAGONALS", 1000)
    by_rows = compile_system(system, ket, propagator="steps", horizon=40.0)
    assert len(by_rows.propagator.arrays.offsets) == 0
    blocks = [run_block(compiled, BlockTask(0, 6, 1, 40.0)) for compiled in (by_diagonals, by_rows)]
    assert len(blocks[0].time) > 20
    np.testing.assert_array_equal(blocks[0].channel, blocks[1].channel)
    np.testing.assert_allclose(blocks[0].time, blocks[1].time, atol=1e-9)
    # Files of earlier versions have each element of a diagonal twice.
    older = by_diagonals.to_arrays()
    for name in ("propagator.diagonal_real", "propagator.diagonal_imag"):
        older[name] = np.repeat(older[name], 2, axis=1)
    again = run_block(CompiledSystem.from_arrays(older), BlockTask(0, 6, 1, 40.0))
    np.testing.assert_array_equal(again.time, blocks[0].time)


def test_samples_are_the_same_by_diagonals_and_by_rows(monkeypatch):
    """Within steps and at their ends, and the states at the end."""
    from trajectories.engine.pulses import tables

    system, ket = two_modes_of(6, 4)
    times = np.linspace(0.0, 20.0, 81)

    def averages():
        return tj.simulate(
            system, 4, 20.0, seed=3, initial=ket, progress=False, propagator="steps", workers=1,
            observables={"n": system.space.number("photon"), "m": system.space.number("magnon")},
            sample_times=times, final_states=True,
        )  # fmt: skip

    by_diagonals = averages()
    monkeypatch.setattr(tables, "LEAST_BY_DIAGONALS", 1000)
    by_rows = averages()
    for name in ("n", "m"):
        found, right = (each.expectations[name].value for each in (by_diagonals, by_rows))
        np.testing.assert_allclose(found, right, atol=1e-9)
        assert np.ptp(right) > 0.2
    overlap = (by_diagonals.final_states.kets.conj() * by_rows.final_states.kets).sum(axis=1)
    np.testing.assert_allclose(np.abs(overlap), 1.0, atol=1e-9)


def two_modes_of(photons, magnons):
    """A complex drive and a decay that changes, on a space of some levels; N = 48."""
    space = tj.HilbertSpace(photon=photons, magnon=magnons, atom=2)
    a, m, s = (space.lower(name) for name in ("photon", "magnon", "atom"))
    drive = tj.Drive(s.T, tj.Gaussian(6.0, 2.0, 0.9) * tj.Rotation(0.3, chirp=0.05, centre=6.0))
    steady = tj.Drive(a + a.T, 0.4 * tj.Cosine(0.2))
    channels = [tj.Channel("photon", 0.5 * a, tj.Ramp(0.0, 30.0, 0.6, 1.0)), tj.Channel("magnon", 0.5 * m)]
    hamiltonian = 0.4 * (a.T @ m + m.T @ a) + 0.3 * (a.T @ s + s.T @ a) + 0.7 * space.number("photon")
    return tj.OpenSystem(hamiltonian, channels, space, drives=[drive, steady]), space.ket(
        photon=1, magnon=1, atom="e"
    )
