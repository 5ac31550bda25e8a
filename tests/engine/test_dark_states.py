"""States that click late or never: undriven decay, dark states, slow chains."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from click_systems import (
    hopping_chain,
    lambda_atom,
    leaky_cavity,
)

import trajectories as tj
from trajectories.engine.blocks import Aborted, Block, BlockTask, Sampling, run_block
from trajectories.engine.compiled import (
    CONSTANT,
    CompiledSystem,
    compile_system,
    stack_operators,
)
from trajectories.random_streams import trajectory_stream


@pytest.fixture(params=sorted(CONSTANT))
def propagator(request) -> str:
    return request.param


def sampling_of(operator, times) -> Sampling:
    channel = tj.Channel("O", operator)
    return Sampling(1, stack_operators([channel.operator], channel.operator.shape[0]), np.array(times, float))


def run_within(seconds: float, compiled: CompiledSystem, task: BlockTask) -> Block:
    """Run a block, but fail instead of hanging; what is asked of it takes milliseconds."""
    abort = threading.Event()
    timer = threading.Timer(seconds, abort.set)
    timer.start()
    try:
        return run_block(compiled, task, lambda *_: None, abort)
    except Aborted:
        pytest.fail(f"the block did not end within {seconds} s")
    finally:
        timer.cancel()


def test_undriven_decay_ends_at_any_horizon(propagator):
    compiled = compile_system(leaky_cavity(), np.eye(5)[4], propagator=propagator)
    block = run_within(5.0, compiled, BlockTask(0, 50, 1, 1e12))
    assert len(block.time) == 200


def test_a_lambda_atom_that_fell_dark_stays_dark(propagator):
    compiled = compile_system(lambda_atom(), np.array([1.0, 0.0, 0.0]), propagator=propagator)
    block = run_within(5.0, compiled, BlockTask(0, 50, 1, 1e12))
    clicks = np.bincount(block.trajectory, minlength=50)
    # Half of |1⟩ is dark, and each click lands in a leg, which is half dark again: geometric with mean 1.
    assert 20 < clicks.sum() < 90
    assert block.time.max() < 1e3
    compiled = compile_system(lambda_atom(), np.array([1.0, -1.0, 0.0]), propagator=propagator)
    assert len(run_within(5.0, compiled, BlockTask(0, 20, 2, 1e12)).time) == 0


def test_a_system_without_any_rate_is_dark(propagator):
    system = tj.OpenSystem(np.diag([0.0, 1.0]), [tj.Channel("none", np.zeros((2, 2)))])
    compiled = compile_system(system, np.ones(2), propagator=propagator)
    assert len(run_within(5.0, compiled, BlockTask(0, 3, 1, 1e12)).time) == 0


@pytest.mark.parametrize("times", [[0.0], [0.0, 50.0], [0.0, 300.0], [0.0, 1e12]], ids=str)
@pytest.mark.parametrize("name", ["decay", "lambda"])
def test_dark_states_can_be_sampled(name, times, propagator):
    """Samples before, while and long after the state falls dark: neither of them may cost the horizon."""
    if name == "decay":
        system, start, operator, value = leaky_cavity(), np.eye(5)[2], np.diag(np.arange(5.0)), 0.0
    else:
        dark = np.array([1.0, -1.0, 0.0]) / np.sqrt(2.0)
        system, start, operator, value = lambda_atom(), np.eye(3)[0], np.outer(dark, dark), 1.0
    task = BlockTask(0, 3, 1, 1e12, sampling_of(operator, times))
    block = run_within(5.0, compile_system(system, start, propagator=propagator), task)
    assert np.isfinite(block.sampled).all()
    if times[-1] >= 300.0:
        np.testing.assert_allclose(block.sampled[:, -1, 0], value, atol=1e-9)


def test_a_state_that_does_not_click_yet_is_not_dark(propagator):
    """|1⟩ of an upstream cavity has no click rate of its own, but the lossy one behind it has."""
    hopping, kappa = 0.2, 1.0
    hamiltonian = np.zeros((3, 3))
    hamiltonian[0, 1] = hamiltonian[1, 0] = hopping
    loss = np.zeros((3, 3))
    loss[2, 1] = np.sqrt(kappa)
    system = tj.OpenSystem(hamiltonian, [tj.Channel("out", loss)])
    compiled = compile_system(system, np.eye(3)[0], propagator=propagator)
    assert len(run_within(5.0, compiled, BlockTask(0, 100, 1, 1e12)).time) == 100


@pytest.mark.parametrize(
    ("propagator", "hopping"),
    [
        *(("modes", hopping) for hopping in (1e-3, 1e-5, 1e-6)),
        ("reduced", 1e-3),
        *(("sparse", hopping) for hopping in (1e-3, 1e-5)),
        # The action of the exponential takes time in proportion to 1/J, and the audit of a reduced basis too.
        *(pytest.param("reduced", hopping, marks=pytest.mark.slow) for hopping in (1e-5, 1e-6)),
        pytest.param("sparse", 1e-6, marks=pytest.mark.slow),
    ],
)
def test_a_weakly_coupled_chain_is_slow_but_not_dark(propagator, hopping):
    """Its one quantum leaves within a few hundred 1/J, whatever other energies widen the spectrum."""
    compiled = compile_system(hopping_chain(hopping), np.eye(6)[0], propagator=propagator)
    block = run_within(30.0, compiled, BlockTask(0, 2, 1, 200.0 / hopping))
    assert len(block.time) == 2


def test_truncation_error_makes_no_dark_state_click(propagator):
    """At a loose tolerance norm² of a dark state drifts; a number drawn in that gap must not give a click."""
    tolerance, horizon = 1e-2, 4e5
    seed = 96_690
    assert _first_uniform(seed) < 1e-5
    dark = np.array([1.0, -1.0, 0.0])
    compiled = compile_system(lambda_atom(), dark, tolerance=tolerance, propagator=propagator)
    task = BlockTask(0, 1, seed, horizon, sampling_of(np.eye(3), [horizon]))
    block = run_within(5.0, compiled, task)
    assert len(block.time) == 0
    np.testing.assert_allclose(block.sampled, 1.0, atol=1e-9)


def _first_uniform(seed: int) -> float:
    stream = trajectory_stream(seed, 0)
    stream.random()
    return stream.random()
