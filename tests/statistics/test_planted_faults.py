"""Wrong physics must be rejected by the same statistics that the right physics passes.

Each law is computed for a sound record and for the same record with a fault planted in the engine; the fault must
fall below the false-alarm rate by a wide margin.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from click_statistics import (
    ALARM,
    bernstein_excess,
    channel_share_p,
    correlation_p,
    fluorescence_p,
    fock_decay_p,
    poisson_counts_p,
    poisson_waits_p,
    rate_z,
)
from click_systems import driven_atom, driven_cavity, exact_averages, leaky_cavity, random_ket, thermal_cavity
from plain_kernels import interpret
from reference_trajectory import reference_trajectory

import trajectories as tj
from trajectories.engine import jump_kernels
from trajectories.engine.blocks import BlockTask, Sampling, run_block
from trajectories.engine.compiled import CompiledSystem, compile_system, stack_operators
from trajectories.engine.sparse import sparse_kernels
from trajectories.lindblad import steady_state
from trajectories.random_streams import trajectory_stream
from trajectories.results import Expectation

Fault = Callable[[tj.OpenSystem], tj.OpenSystem]


def sound(system: tj.OpenSystem) -> tj.OpenSystem:
    return system


def missing_half(system: tj.OpenSystem) -> tj.OpenSystem:
    """H − iΣc†c between clicks instead of H − (i/2)Σc†c.

    The jumps are doubled along, as in a code that believes in this H_eff: only their ratios enter the choice of a
    channel, and the state after a click is normalised.
    """
    return _scaled_jumps(system, 2.0)


def wrong_kappa(system: tj.OpenSystem) -> tj.OpenSystem:
    """Every rate 15 % too large."""
    return _scaled_jumps(system, 1.15)


def swapped_channels(system: tj.OpenSystem) -> tj.OpenSystem:
    """Clicks of each channel recorded as those of the one before."""
    return tj.OpenSystem(system.hamiltonian, [*system.channels[1:], system.channels[0]])


def _scaled_jumps(system: tj.OpenSystem, factor: float) -> tj.OpenSystem:
    scaled = [tj.Channel(c.name, np.sqrt(factor) * c.operator) for c in system.channels]
    return tj.OpenSystem(system.hamiltonian, scaled)


def record_of(
    system: tj.OpenSystem,
    trajectories: int,
    duration: float,
    *,
    seed: int,
    fault: Fault = sound,
    initial=None,
    propagator: str = "auto",
) -> tj.ClickRecord:
    """Simulate with a fault, from the right initial state, and label the clicks as those of the right system."""
    start = steady_state(system).rho if initial is None else np.asarray(initial, complex)
    compiled = compile_system(fault(system), start, propagator=propagator)
    return as_record(system, compiled, BlockTask(0, trajectories, seed, duration))


def as_record(system: tj.OpenSystem, compiled: CompiledSystem, task: BlockTask) -> tj.ClickRecord:
    block = run_block(compiled, task)
    return tj.ClickRecord.from_arrays(
        block.trajectory,
        block.time,
        block.channel,
        channel_names=system.channel_names,
        start=np.zeros(task.last),
        stop=np.full(task.last, task.duration),
    )


FOCK = leaky_cavity(kappa=0.1)
PORTS = leaky_cavity(kappa=0.07, second=0.03)
ATOM = driven_atom(1.5, 0.4)
POISSON = driven_cavity(0.05, 0.2)
THERMAL = thermal_cavity(0.4, 0.5)
THERMAL_RATE = 0.5 * 0.4 * 1.4


def fock(fault: Fault) -> float:
    record = record_of(FOCK, 1500, 1e4, seed=1, fault=fault, initial=FOCK.space.ket(cavity=4))
    return fock_decay_p(record, 4, 0.1)


def ports(fault: Fault) -> float:
    record = record_of(PORTS, 400, 1e4, seed=2, fault=fault, initial=PORTS.space.ket(cavity=4))
    return channel_share_p(record, 0.7)


def fluorescence(fault: Fault) -> float:
    record = record_of(ATOM, 100, 500.0, seed=3, fault=fault, initial=ATOM.space.ket())
    return fluorescence_p(record, 1.5, 0.4, count=50)


def antibunching(fault: Fault) -> float:
    ringing = np.sqrt(1.5**2 - 0.01)

    def g2(tau: float) -> float:
        return 1.0 - np.exp(-0.3 * tau) * (np.cos(ringing * tau) + 0.3 / ringing * np.sin(ringing * tau))

    record = record_of(ATOM, 300, 200.0, seed=4, fault=fault)
    rate = 0.4 * 1.5**2 / (0.4**2 + 2.0 * 1.5**2)
    return correlation_p(record, (0, 0), np.linspace(0.0, 12.0, 13), (rate, rate), g2)


def waits(fault: Fault) -> float:
    return poisson_waits_p(record_of(POISSON, 200, 1500.0, seed=5, fault=fault), 0.05, count=30)


def counts(fault: Fault) -> float:
    return poisson_counts_p(record_of(POISSON, 200, 1500.0, seed=5, fault=fault), 0.05)


def bunching(fault: Fault) -> float:
    def g2(tau: float) -> float:
        return 1.0 + np.exp(-0.5 * tau) * 0.4 / 1.4

    record = record_of(THERMAL, 300, 150.0, seed=6, fault=fault)
    return correlation_p(record, (0, 1), np.linspace(0.0, 8.0, 9), (THERMAL_RATE, THERMAL_RATE), g2)


LAWS = {law.__name__: law for law in (fock, ports, fluorescence, antibunching, waits, counts, bunching)}
CAUGHT = [
    ("fock", missing_half),
    ("fock", wrong_kappa),
    ("ports", swapped_channels),
    ("fluorescence", missing_half),
    ("fluorescence", wrong_kappa),
    ("antibunching", missing_half),
    ("antibunching", wrong_kappa),
    ("waits", missing_half),
    ("waits", wrong_kappa),
    ("counts", missing_half),
    ("counts", wrong_kappa),
    ("bunching", swapped_channels),
    ("bunching", missing_half),
]


@pytest.mark.parametrize("law", list(LAWS))
def test_the_sound_engine_passes(law):
    assert LAWS[law](sound) > ALARM


@pytest.mark.parametrize(("law", "fault"), CAUGHT, ids=lambda value: getattr(value, "__name__", value))
def test_a_planted_fault_is_rejected(law, fault):
    assert LAWS[law](fault) < 1e-3 * ALARM


plain_apply_jump = jump_kernels.apply_jump.py_func


def unnormalised_jump(jumps, channel, psi, out):
    """c_kψ without the division by its norm."""
    plain_apply_jump(jumps, channel, psi, out)
    rates = np.zeros(len(jumps.indptr) // len(psi))
    jump_kernels.click_rates(jumps, psi, rates)
    out *= np.sqrt(rates[channel])


@pytest.mark.parametrize("planted", [False, True], ids=["sound", "unnormalised"])
@pytest.mark.parametrize("law", ["fock", pytest.param("fluorescence", marks=pytest.mark.slow)])
def test_an_unnormalised_state_after_a_click_is_rejected(law, planted, monkeypatch):
    """The trajectory kernel is run as plain Python, where its jump can be replaced."""
    interpret(monkeypatch)
    if planted:
        monkeypatch.setattr(sparse_kernels, "apply_jump", unnormalised_jump)
    # In these units ‖cψ‖² is far above 1, so that the wrong state starts above every threshold.
    unit = 1e-4
    if law == "fock":
        system = leaky_cavity(kappa=2.0 / unit)
        ket = system.space.ket(cavity=3)
        record = record_of(system, 150, 1e3 * unit, seed=7, initial=ket, propagator="sparse")
        p = fock_decay_p(record, 3, 2.0 / unit)
    else:
        system = driven_atom(6.0 / unit, 3.0 / unit)
        ket = system.space.ket()
        record = record_of(system, 15, 40.0 * unit, seed=8, initial=ket, propagator="sparse")
        p = fluorescence_p(record, 6.0 / unit, 3.0 / unit, count=20)
    assert (p < 1e-3 * ALARM) if planted else (p > ALARM)


class MissingHalf(tj.OpenSystem):
    """A system whose H_eff lacks the ½."""

    @property
    def H_eff(self):
        return self.hamiltonian - 1j * self.decay


def test_the_twin_catches_a_missing_half():
    """The plain-NumPy twin reads H_eff itself, so a fault in OpenSystem.H_eff is seen through it."""
    kets, cumulative = FOCK.space.ket(cavity=3)[None, :], np.ones(1)
    for kind, passes in ((tj.OpenSystem, True), (MissingHalf, False)):
        system = kind(FOCK.hamiltonian, FOCK.channels, FOCK.space)
        runs = [
            reference_trajectory(
                system, kets, cumulative, trajectory_stream(9, row), 1e3, step=4.0, resolution=1e-6
            )
            for row in range(60)
        ]
        record = tj.ClickRecord.from_arrays(
            np.repeat(np.arange(60), [len(times) for times, _ in runs]),
            np.concatenate([times for times, _ in runs]),
            np.concatenate([channels for _, channels in runs]),
            channel_names=["left"],
            start=np.zeros(60),
            stop=np.full(60, 1e3),
        )
        p = fock_decay_p(record, 3, 0.1)
        assert (p > ALARM) if passes else (p < 1e-3 * ALARM)


@pytest.mark.parametrize(("fault", "passes"), [(sound, True), (missing_half, False)])
def test_averages_reject_faults(fault, passes):
    system = tj.OpenSystem(
        np.array([[0.0, 0.8, 0.0], [0.8, 0.3, 0.5], [0.0, 0.5, 1.0]]),
        [
            tj.Channel("down", np.array([[0.0, 0.7, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])),
            tj.Channel("across", np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.9], [0.0, 0.0, 0.0]])),
        ],
    )
    ket, size = random_ket(np.random.default_rng(0), 3), 4000
    times, operator = np.array([0.5, 1.5, 3.0]), np.diag([0.0, 0.5, 1.0])
    compiled = compile_system(fault(system), ket)
    sampling = Sampling(1, stack_operators([tj.Channel("O", operator).operator], 3), times)
    sampled = run_block(compiled, BlockTask(0, size, 10, 3.0, sampling)).sampled[..., 0]
    average = Expectation(times, sampled.mean(axis=0), sampled.std(axis=0, ddof=1) / np.sqrt(size), size)
    excess = bernstein_excess(average, exact_averages(system, ket, operator, times), 1.0, ALARM).max()
    assert bool(excess < 1.0) is passes


def test_rates_reject_a_wrong_kappa():
    for fault, passes in ((sound, True), (wrong_kappa, False)):
        record = record_of(THERMAL, 200, 300.0, seed=11, fault=fault)
        assert bool(abs(rate_z(record, 0, THERMAL_RATE)) < 5.0) is passes
