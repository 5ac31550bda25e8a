"""Click times against 30-digit arithmetic, and against the sparse propagator at its tightest.

Every gap starts from the state that the record's own clicks leave, because two simulations drift apart after a
dozen clicks; then the probability of no click, at the recorded time, must be the number that was drawn.
"""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from click_systems import driven_atom

import trajectories as tj
from trajectories.engine.blocks import NO_SAMPLING
from trajectories.engine.compiled import CompiledSystem, compile_system
from trajectories.engine.sparse.chebyshev_kernels import STEP, propagate
from trajectories.engine.sparse.sparse_action import SparsePropagator
from trajectories.engine.trajectory_state import HORIZON
from trajectories.random_streams import trajectory_stream

TOLERANCE = 1e-10
DIGITS = 30
SEED = 5


def jaynes_cummings(kappa: float = 0.1, coupling: float = 0.3) -> tj.OpenSystem:
    """Return a weakly driven atom in a lossy cavity of four levels, N = 8."""
    space = tj.HilbertSpace(cavity=4, atom=2)
    a, sigma = space.lower("cavity"), space.lower("atom")
    hamiltonian = 0.4 * space.number("cavity") + 0.2 * (a + a.T) + coupling * (a.T @ sigma + sigma.T @ a)
    return tj.OpenSystem(
        hamiltonian, [tj.Channel("cavity", np.sqrt(kappa) * a), tj.Channel("atom", 0.2 * sigma)], space
    )


def watched(compiled: CompiledSystem, trajectory: int, clicks: int):
    """Return waits, channels and drawn numbers of the first clicks of one trajectory.

    The clock is put back to zero at every click, so that waits are known to their own last digit. A double near
    2e5 is only known to 3e-11, in which the phases of the paper's system turn by several 1e-10.
    """
    stream = trajectory_stream(SEED, trajectory)
    stream.random()  # the start
    drawn = stream.random(2 * clicks + 2)
    state = compiled.propagator.start(compiled.kets[0], len(compiled.jumps.indptr) // compiled.dimension)
    waits, channels = np.zeros(clicks), np.zeros(clicks, np.int16)
    sampling = (NO_SAMPLING.operators, NO_SAMPLING.times, np.zeros((0, 0)), np.zeros((0, 0), complex))
    for n in range(clicks):
        while state.fields.n_clicks == 0:
            one = (waits[n : n + 1], channels[n : n + 1])
            assert compiled.propagator.advance(compiled.jumps, 1e9, state, drawn, sampling, one) != HORIZON
        state.fields.n_clicks = 0
        state.fields.gap_start = 0.0
    return waits, channels, 1.0 - drawn[: 2 * clicks : 2]


def exact_errors(system: tj.OpenSystem, ket: np.ndarray, waits, channels, drawn) -> np.ndarray:
    """Return |ΔS|/S at every click in DIGITS digits: |S(t) − drawn number|/S(t)."""
    with mpmath.workdps(DIGITS + 10):
        h_eff = mpmath.matrix(system.hamiltonian.toarray().tolist())
        jumps = [mpmath.matrix(channel.operator.toarray().tolist()) for channel in system.channels]
        for jump in jumps:
            h_eff -= mpmath.mpc(0, 0.5) * (jump.H * jump)
        values, vectors = mpmath.eig(h_eff)
        inverse = vectors**-1
        rebuilt = vectors * mpmath.diag(values) * inverse
        assert mpmath.mnorm(rebuilt - h_eff, 1) < mpmath.mpf(10) ** -DIGITS
        psi, errors = mpmath.matrix(ket.tolist()), []
        for wait, channel, number in zip(waits.tolist(), channels, drawn.tolist(), strict=True):
            amplitudes = inverse * psi
            for j, value in enumerate(values):
                amplitudes[j] *= mpmath.exp(-1j * value * wait)
            psi = vectors * amplitudes
            survival = mpmath.norm(psi) ** 2
            errors.append(float(abs(survival - number) / survival))
            psi = jumps[channel] * psi
            psi /= mpmath.norm(psi)
    return np.array(errors)


SMALL = {
    "driven atom": (lambda: driven_atom(1.0, 0.4), lambda: driven_atom(1.0, 0.4 * (1.0 + 1e-8))),
    "Jaynes–Cummings": (jaynes_cummings, lambda: jaynes_cummings(kappa=0.1 * (1.0 + 1e-8))),
}


@pytest.mark.parametrize("propagator", ["modes", "sparse"])
@pytest.mark.parametrize("name", SMALL)
def test_click_times_in_thirty_digits(name, propagator):
    make, make_wrong = SMALL[name]
    system = make()
    ket = np.eye(system.dimension)[0].astype(complex)
    clicks = watched(compile_system(system, ket, propagator=propagator, tolerance=TOLERANCE), 0, 250)
    assert exact_errors(system, ket, *clicks).max() < TOLERANCE
    # The planted fault: a rate that is wrong by a part in 1e8.
    assert exact_errors(make_wrong(), ket, *clicks).max() > 10.0 * TOLERANCE


def paper_system() -> tuple[tj.SpinningResonator, tj.OpenSystem]:
    """Return the blue regime, driven from the left, N = 128."""
    resonator = tj.SpinningResonator(direction="left", detuning=1.3406, kappa=0.005)
    return resonator, resonator.system(levels=(4, 4, 4))


class Tight:
    """The sparse propagator at tolerance 1e-12, driven by hand."""

    def __init__(self, system: tj.OpenSystem) -> None:
        self.propagator = SparsePropagator.compile(system, 1e-12)
        self.channels = [channel.operator for channel in system.channels]
        self.step = float(self.propagator.arrays.scalars[STEP])

    def evolve(self, psi: np.ndarray, wait: float) -> np.ndarray:
        work = self.propagator.start(psi, len(self.channels)).work
        psi, out = psi.copy(), np.empty_like(psi)
        whole = int(wait / self.step)
        for time in [self.step] * whole + [wait - whole * self.step]:
            propagate(self.propagator.arrays, psi, time, out, work)
            psi, out = out, psi
        return psi

    def errors(self, ket: np.ndarray, recorded, channels, drawn) -> tuple[np.ndarray, np.ndarray]:
        """Return |ΔS|/S at every click, and the error of every wait in 1/ω_b."""
        psi, relative, waits = ket, [], []
        for wait, channel, number in zip(recorded, channels, drawn, strict=True):
            psi = self.evolve(psi, wait)
            survival = np.vdot(psi, psi).real
            slope = sum(np.linalg.norm(operator @ psi) ** 2 for operator in self.channels)
            relative.append(abs(survival - number) / survival)
            waits.append(abs(survival - number) / slope)
            psi = self.channels[channel] @ psi
            psi /= np.linalg.norm(psi)
        return np.array(relative), np.array(waits)


def errors_of_the_paper_system(clicks: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return the errors over so many clicks, in trajectories of fifty."""
    resonator, system = paper_system()
    ket = resonator.dressed_ket(system.space, 0, 0, 0, "+")
    tight, compiled = Tight(system), compile_system(system, ket, tolerance=TOLERANCE)
    assert compiled.propagator.name == "modes"
    found = []
    for trajectory in range(clicks // 50):
        recorded, channels, drawn = watched(compiled, trajectory, 50)
        found.append(tight.errors(ket, recorded + shift, channels, drawn))
    relative, waits = (np.concatenate(column) for column in zip(*found, strict=True))
    print(f"{len(waits)} clicks, error of a wait: median {np.median(waits):.1e}, largest {waits.max():.1e}/ω_b;")
    print(f"|ΔS|/S: median {np.median(relative):.1e}, largest {relative.max():.1e}")
    return relative, waits


def accurate(relative: np.ndarray, waits: np.ndarray) -> bool:
    """Within the tolerance; and waits within 1e-8/ω_b in the median, and 1e-5/ω_b where hardly anything clicks."""
    return bool(relative.max() < TOLERANCE and np.median(waits) < 1e-8 and waits.max() < 1e-5)


def test_waits_of_the_paper_system_against_the_sparse_propagator():
    assert accurate(*errors_of_the_paper_system(100))


def test_waits_that_are_off_by_a_millionth_are_caught():
    assert not accurate(*errors_of_the_paper_system(50, shift=1e-6))


@pytest.mark.slow
def test_ten_thousand_waits_against_the_sparse_propagator():
    assert accurate(*errors_of_the_paper_system(10_000))
