"""Trajectories: kernels against their plain twin, click times, what a record may not depend on.

Whatever is said of a trajectory holds for every propagator; what only one of them has is tested by itself.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from click_systems import (
    driven_atom,
    leaky_cavity,
    random_ket,
    random_system,
    replay,
    unitary_jumps,
    watch,
)
from plain_kernels import interpret
from reference_trajectory import reference_trajectory
from scipy.linalg import expm

import trajectories as tj
from trajectories.engine import blocks
from trajectories.engine.blocks import Block, BlockTask, Sampling, run_block
from trajectories.engine.compiled import (
    CONSTANT,
    compile_system,
    stack_operators,
)
from trajectories.engine.sparse import sparse_action, sparse_kernels
from trajectories.engine.sparse.chebyshev_kernels import BRACKET, RADIUS
from trajectories.errors import ConvergenceError, InvalidInput
from trajectories.model.states import initial_states
from trajectories.random_streams import trajectory_stream

RANDOM = [(1, 2, 1), (2, 3, 4), (3, 4, 2), (4, 6, 3)]


@pytest.fixture(params=sorted(CONSTANT))
def propagator(request) -> str:
    return request.param


def sampling_of(operator, times) -> Sampling:
    channel = tj.Channel("O", operator)
    return Sampling(1, stack_operators([channel.operator], channel.operator.shape[0]), np.array(times, float))


def same(first: Block, second: Block) -> bool:
    return all(
        getattr(first, name).tobytes() == getattr(second, name).tobytes()
        for name in ("trajectory", "time", "channel")
    )


@pytest.mark.parametrize(("seed", "dimension", "channels"), RANDOM)
def test_kernel_and_twin_agree_on_random_systems(seed, dimension, channels, propagator):
    system = random_system(seed, dimension, channels, rate=1.0)
    kets, cumulative = random_ket(np.random.default_rng(seed), dimension)[None, :], np.ones(1)
    record = watch(system, 4, 60.0, seed=seed, initial=kets[0], propagator=propagator)
    assert len(record) > 20
    for row, (low, high) in enumerate(zip(record.offsets[:-1], record.offsets[1:], strict=True)):
        times, chosen = reference_trajectory(system, kets, cumulative, trajectory_stream(seed, row), 60.0)
        np.testing.assert_array_equal(record.channel[low:high], chosen)
        # Each finds the root to 1e-8 or 1e-9, but may jump from the lower end of its bracket. A state that is
        # early by 1e-8 changes ln S of the next gap by up to 2‖H_eff‖·1e-8, and its click by that over the rate:
        # below 1e-6 here, where rates are of order 0.1 and ‖H_eff‖ of order 1.
        gaps, exact = (np.diff(t, prepend=0.0) for t in (record.time[low:high], times))
        np.testing.assert_allclose(gaps, exact, rtol=0, atol=1e-6)


def test_kernel_and_twin_agree_on_the_paper_s_system(propagator):
    """First clicks only: here each click is a thousand oscillations away, and an error grows as much from one to
    the next, so that two exact simulations of the same random numbers part after a dozen clicks.
    """
    system = tj.SpinningResonator(kappa=0.02, gamma=0.02).system(levels=(3, 2, 2))
    rng = np.random.default_rng(5)
    seen = set()
    for seed in range(16):
        ket = random_ket(rng, system.dimension)
        record = watch(system, 1, 300.0, seed=seed, initial=ket, propagator=propagator)
        times, chosen = reference_trajectory(
            system, ket[None, :], np.ones(1), trajectory_stream(seed, 0), 300.0, step=16.0, resolution=1e-11
        )
        first = slice(0, 2)
        np.testing.assert_array_equal(record.channel[first], chosen[first])
        # The first: 1e-8 for the bracket, 1e-10 in S over a rate of 1e-3 or more. The second inherits that, times
        # the speed of the state (about 5) over its own rate.
        np.testing.assert_allclose(record.time[:1], times[:1], rtol=0, atol=1e-7)
        np.testing.assert_allclose(record.time[first], times[first], rtol=0, atol=1e-3)
        seen |= set(record.channel[first].tolist())
    assert len(seen) == 4


@pytest.mark.parametrize("name", ["random", pytest.param("paper", marks=pytest.mark.slow), "paper, warm"])
def test_every_click_of_a_record_is_where_its_random_numbers_put_it(name, propagator):
    """Replayed with dense exponentials, each gap ends where S is the number drawn, in the channel drawn."""
    if name == "random":
        system, duration = random_system(3, 5, 3, rate=0.1), 400.0
    else:
        thermal = (0.2, 0.1, 0.3) if name == "paper, warm" else (0.0, 0.0, 0.0)
        system, duration = tj.SpinningResonator(thermal=thermal).system(levels=(3, 3, 3)), 5e4
    ket = random_ket(np.random.default_rng(1), system.dimension)
    record = watch(system, 2, duration, seed=9, initial=ket, propagator=propagator)
    assert len(record) > 20
    speed = np.linalg.norm(system.hamiltonian.toarray(), 2)
    for row, (low, high) in enumerate(zip(record.offsets[:-1], record.offsets[1:], strict=True)):
        times, channels = record.time[low:high], record.channel[low:high]
        stream = trajectory_stream(9, row)
        stream.random()
        drawn, chosen = stream.random((high - low, 2)).T
        survival, shares = replay(system, ket, times, channels)
        # The tolerance; a bracket of 1e-8 times the click rate, which is below 1; the state's motion in the ulp of
        # a time up to 5e4; and the dense exponential of a gap of up to 1e4, which scaling and squaring gives to
        # that many ulps.
        slack = 1e-10 + 1e-8 * 0.1 + speed * (np.spacing(duration) + 1e-16 * np.diff(times, prepend=0.0).max())
        assert np.abs(survival / (1.0 - drawn) - 1.0).max() < slack
        below = np.where(channels > 0, shares[np.arange(len(channels)), channels - 1], 0.0)
        above = shares[np.arange(len(channels)), channels]
        # Rates of different channels change at the speed of the state.
        assert (below - 1e-7 <= chosen).all()
        assert (chosen <= above + 1e-7).all()


def test_kernel_and_twin_start_from_the_same_ket_of_a_mixed_state(propagator):
    system = random_system(6, 4, 2)
    rho = np.diag([0.4, 0.3, 0.2, 0.1]).astype(complex)
    start = initial_states(rho, 4)
    kets, weights = start.kets, start.weights
    record = watch(system, 12, 10.0, seed=6, initial=rho, stratified=False, propagator=propagator)
    for row, (low, high) in enumerate(zip(record.offsets[:-1], record.offsets[1:], strict=True)):
        times, chosen = reference_trajectory(system, kets, np.cumsum(weights), trajectory_stream(6, row), 10.0)
        np.testing.assert_array_equal(record.channel[low:high], chosen)
        np.testing.assert_allclose(record.time[low:high], times, rtol=0, atol=1e-5)


@pytest.mark.parametrize("tolerance", [1e-4, 1e-10])
@pytest.mark.parametrize(("seed", "dimension", "channels"), RANDOM)
def test_survival_at_the_click_is_the_number_drawn(seed, dimension, channels, tolerance, propagator):
    """S is evaluated afresh, by a dense exponential over the first gap; it agrees to within the tolerance."""
    system = random_system(seed, dimension, channels, rate=0.01)
    ket = random_ket(np.random.default_rng(seed), dimension)
    record = watch(system, 20, 3000.0, seed=seed, initial=ket, tolerance=tolerance, propagator=propagator)
    generator = -1j * system.H_eff.toarray()
    fastest = np.linalg.eigvalsh(system.decay.toarray())[-1]
    seen = 0
    for row in range(record.n_trajectories):
        low, high = record.offsets[row : row + 2]
        if low == high:
            continue
        stream = trajectory_stream(seed, row)
        stream.random()
        drawn = 1.0 - stream.random()
        survival = np.linalg.norm(expm(generator * record.time[low]) @ ket) ** 2
        # The bracket of 1e-8 times the largest rate; rounding of a dense exponential of norm up to 1e3.
        assert abs(survival / drawn - 1.0) <= tolerance + 1e-8 * fastest + 1e-11
        seen += 1
    assert seen > 10


def test_the_bracket_is_no_wider_than_promised():
    for system in (
        leaky_cavity(),
        random_system(1, 3, 1, frequency=100.0),
        random_system(1, 3, 1, frequency=1e-3),
    ):
        scalars = compile_system(
            system, np.eye(system.dimension)[0], propagator="sparse"
        ).propagator.arrays.scalars
        # And short against 1/radius, so that a fast state is still that of the click.
        assert scalars[BRACKET] <= 1e-8
        assert scalars[BRACKET] * scalars[RADIUS] <= 1e-8


@pytest.mark.parametrize(("kappa", "tolerance"), [(1e-2, 1e-10), (1e-4, 1e-10), (1e-2, 1e-13), (1e-4, 1e-13)])
def test_a_tolerance_is_kept_or_its_breach_is_said(kappa, tolerance, propagator):
    """S = e^{−κt} exactly here, so the true |ΔS|/S of each click is known; rounding counts like truncation."""
    system = unitary_jumps(kappa, norm=5.0)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            record = watch(
                system,
                2,
                20.0 / kappa,
                seed=12,
                initial=np.eye(4)[0],
                tolerance=tolerance,
                propagator=propagator,
            )
        except (InvalidInput, ConvergenceError):
            return
    if said:
        return
    worst = 0.0
    for row, (low, high) in enumerate(zip(record.offsets[:-1], record.offsets[1:], strict=True)):
        stream = trajectory_stream(12, row)
        stream.random()
        drawn = 1.0 - stream.random(2 * (high - low))[::2]
        waits = np.diff(record.time[low:high], prepend=0.0)
        worst = max(worst, np.abs(np.expm1(-kappa * waits - np.log(drawn))).max())
    # The time itself is only kept to an ulp of up to 20/κ.
    assert worst <= tolerance + kappa * np.spacing(20.0 / kappa)


def test_the_stated_error_bound_is_within_the_tolerance_or_its_breach_is_said(propagator):
    """The largest bound over the clicks is in the provenance; when it exceeds what was asked, silence misleads.

    A thousand steps a click at the smallest tolerance stand for the 1e5 that it takes at the default.
    """
    system = unitary_jumps(1e-4, norm=5.0)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            record = watch(system, 2, 1e5, seed=1, initial=np.eye(4)[0], tolerance=1e-13, propagator=propagator)
        except (InvalidInput, ConvergenceError):
            return
    assert said or record.provenance["worst_error"] <= 1e-13


@pytest.mark.parametrize(("uniforms", "clicks"), [(1, 1), (2, 3), (7, 512), (512, 2)])
def test_buffers_are_drained_without_a_trace(uniforms, clicks, monkeypatch, propagator):
    system = random_system(3, 4, 2)
    compiled = compile_system(system, np.eye(4)[0], propagator=propagator)
    sampling = sampling_of(np.diag([0.0, 1.0, 2.0, 3.0]), [0.0, 5.0, 77.7])
    task = BlockTask(0, 3, 8, 100.0, sampling)
    reference = run_block(compiled, task)
    assert len(reference.time) > 30
    monkeypatch.setattr(blocks, "UNIFORMS", uniforms)
    monkeypatch.setattr(blocks, "CLICKS", clicks)
    again = run_block(compiled, task)
    assert same(reference, again)
    assert again.sampled.tobytes() == reference.sampled.tobytes()
    assert again.products == reference.products


@pytest.mark.parametrize("pause", [0, pytest.param(1, marks=pytest.mark.slow), 400])
def test_pauses_leave_no_trace(pause, monkeypatch):
    """The kernel is run as plain Python here, because a compiled one has its constants built in."""
    interpret(monkeypatch)
    system = random_system(3, 4, 2)
    compiled = compile_system(system, np.eye(4)[0], propagator="sparse")
    task = BlockTask(0, 2, 8, 60.0, sampling_of(np.diag([0.0, 1.0, 2.0, 3.0]), [0.0, 5.0, 55.5]))
    reference = run_block(compiled, task)
    entries = []
    monkeypatch.setattr(sparse_kernels, "PAUSE_AFTER", pause)
    again = run_block(compiled, task, lambda time, clicks: entries.append((time, clicks)))
    assert len(entries) > 10
    assert sum(clicks for _, clicks in entries) == len(reference.time)
    assert sum(time for time, _ in entries) == pytest.approx(2 * 60.0)
    assert same(reference, again)
    assert again.sampled.tobytes() == reference.sampled.tobytes()


def test_progress_accounts_for_all_time_and_all_clicks(propagator):
    entries = []
    compiled = compile_system(leaky_cavity(), np.eye(5)[4], propagator=propagator)
    block = run_block(compiled, BlockTask(0, 5, 1, 300.0), lambda time, clicks: entries.append((time, clicks)))
    assert sum(clicks for _, clicks in entries) == len(block.time) == 20
    assert sum(time for time, _ in entries) == pytest.approx(5 * 300.0)


@pytest.mark.parametrize(("seed", "dimension", "channels"), RANDOM)
def test_sampling_does_not_touch_the_clicks(seed, dimension, channels, propagator):
    system = random_system(seed, dimension, channels, rate=1.0)
    compiled = compile_system(system, np.eye(dimension)[0], propagator=propagator)
    plain = run_block(compiled, BlockTask(0, 4, seed, 50.0))
    times = np.sort(np.concatenate([np.linspace(0.0, 50.0, 97), plain.time[:5], plain.time[:5] + 1e-12]))
    sampled = run_block(compiled, BlockTask(0, 4, seed, 50.0, sampling_of(np.eye(dimension), times)))
    assert same(plain, sampled)
    # Normalised states: ⟨1⟩ = 1 at all times, those of clicks included.
    np.testing.assert_allclose(sampled.sampled, 1.0, atol=1e-12)


@pytest.mark.parametrize(("seed", "dimension", "channels"), RANDOM)
def test_a_longer_window_continues_the_record(seed, dimension, channels, propagator):
    system = random_system(seed, dimension, channels, rate=1.0)
    compiled = compile_system(system, np.eye(dimension)[0], propagator=propagator)
    long = run_block(compiled, BlockTask(0, 4, seed, 95.0))
    assert len(long.time) > 20
    for duration in np.linspace(0.1, 94.0, 40):
        short = run_block(compiled, BlockTask(0, 4, seed, duration))
        kept = long.time <= duration
        assert long.time[kept].tobytes() == short.time.tobytes()
        assert long.channel[kept].tobytes() == short.channel.tobytes()


def test_a_click_on_the_edge_of_the_window_belongs_to_it(propagator):
    compiled = compile_system(leaky_cavity(), np.eye(5)[1], propagator=propagator)
    click = float(run_block(compiled, BlockTask(0, 1, 3, 1e4)).time[0])
    assert len(run_block(compiled, BlockTask(0, 1, 3, click)).time) == 1
    assert len(run_block(compiled, BlockTask(0, 1, 3, np.nextafter(click, 0.0))).time) == 0


def test_the_state_sampled_at_a_click_is_the_one_after_it(propagator):
    system = driven_atom(1.0, 0.5)
    compiled = compile_system(system, np.array([1.0, 0.0]), propagator=propagator)
    click = float(run_block(compiled, BlockTask(0, 1, 3, 1e3)).time[2])
    times = [np.nextafter(click, 0.0), click]
    excited = run_block(compiled, BlockTask(0, 1, 3, 1e3, sampling_of(np.diag([0.0, 1.0]), times))).sampled[
        0, :, 0
    ]
    assert excited[0] > 1e-3
    assert excited[1] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("tiny", [1e-30, 1e-100, 1e-200, 5e-324])
def test_a_sample_just_after_the_start_is_the_start(tiny, propagator):
    compiled = compile_system(leaky_cavity(), np.eye(5)[3], propagator=propagator)
    block = run_block(compiled, BlockTask(0, 1, 1, 1.0, sampling_of(np.diag(np.arange(5.0)), [tiny])))
    assert block.sampled[0, 0, 0] == pytest.approx(3.0, abs=1e-12)


def test_a_trajectory_without_a_bracket_names_itself(monkeypatch):
    monkeypatch.setattr(sparse_action, "advance", lambda *_: sparse_kernels.NO_BRACKET)
    with pytest.raises(ConvergenceError, match="trajectory 4"):
        run_block(compile_system(leaky_cavity(), np.eye(5)[1], propagator="sparse"), BlockTask(4, 5, 1, 10.0))


def test_streams_are_keyed_by_seed_and_index():
    draws = {
        (seed, row): trajectory_stream(seed, row).random(4).tobytes() for seed in range(5) for row in range(5)
    }
    assert len(set(draws.values())) == 25
    assert trajectory_stream(3, 2).random(4).tobytes() == draws[3, 2]
