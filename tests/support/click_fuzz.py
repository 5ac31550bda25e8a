"""Random small systems and extreme thresholds for the search of a click, and what the clicks ought to be.

Families: two-level, Λ, V, Ξ, Jaynes–Cummings, dense random, and sparse random ones with dark states; frequencies
and rates are drawn log-uniformly over ten to the power of ±`span`. Thresholds come uniformly, near 0 and near 1 on
a logarithmic scale, and within a few 2⁻⁵³ of both ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import mpmath
import numpy as np
from numpy.typing import NDArray

import trajectories as tj
from trajectories.engine.blocks import NO_SAMPLING
from trajectories.engine.compiled import compile_system
from trajectories.engine.trajectory_state import PAUSED

Matrices = tuple[NDArray[np.complex128], list[NDArray[np.complex128]]]
# Returns to the caller without a click after which a search counts as hanging.
PATIENCE = 400


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(10.0 ** rng.uniform(low, high))


def jump(size: int, to: int, start: int, rate: float) -> NDArray[np.float64]:
    matrix = np.zeros((size, size))
    matrix[to, start] = np.sqrt(rate)
    return matrix


def coupled(matrix: NDArray[np.complex128], i: int, j: int, strength: float) -> None:
    matrix[i, j] += strength
    matrix[j, i] += strength


def two_level(rng: np.random.Generator, span: float) -> Matrices:
    h = np.diag([0.0, rng.normal() * log_uniform(rng, -span, span)]).astype(complex)
    coupled(h, 0, 1, log_uniform(rng, -span, span))
    jumps = [jump(2, 0, 1, 1.0)]
    if rng.random() < 0.3:
        jumps.append(jump(2, 1, 0, log_uniform(rng, -span, span)))
    if rng.random() < 0.2:
        jumps.append(np.diag([1.0, -1.0]) * np.sqrt(log_uniform(rng, -span, 0.0)))
    return h, jumps


def three_level(links: tuple[tuple[int, int], ...], rng: np.random.Generator, span: float) -> Matrices:
    detunings = rng.normal(size=2) * log_uniform(rng, -span, span) * (rng.random() < 0.7)
    h = np.diag([0.0, *detunings]).astype(complex)
    jumps = []
    for low, high in links:
        coupled(h, low, high, log_uniform(rng, -span, span))
        jumps.append(jump(3, low, high, log_uniform(rng, -span, span)))
    return h, jumps


def jaynes_cummings(rng: np.random.Generator, span: float) -> Matrices:
    levels = int(rng.integers(2, 6))
    a = np.kron(np.diag(np.sqrt(np.arange(1.0, levels)), 1), np.eye(2))
    sigma = np.kron(np.eye(levels), np.array([[0.0, 1.0], [0.0, 0.0]]))
    h = rng.normal() * log_uniform(rng, -span, span) * a.T @ a
    h = h + log_uniform(rng, -span, span) * (a.T @ sigma + sigma.T @ a) + log_uniform(rng, -span, 0.0) * (a + a.T)
    jumps = [a * np.sqrt(log_uniform(rng, -span, span))]
    if rng.random() < 0.7:
        jumps.append(sigma * np.sqrt(log_uniform(rng, -span, span)))
    return h.astype(complex), jumps


def dense(rng: np.random.Generator, span: float) -> Matrices:
    size = int(rng.integers(2, 10))

    def gaussian() -> NDArray[np.complex128]:
        return (rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))) / np.sqrt(4.0 * size)

    matrix = gaussian()
    h = (matrix + matrix.conj().T) * log_uniform(rng, -span, span)
    return h, [gaussian() * np.sqrt(log_uniform(rng, -span, span)) for _ in range(int(rng.integers(1, 4)))]


def with_dark_states(rng: np.random.Generator, span: float) -> Matrices:
    size = int(rng.integers(3, 7))
    h = np.diag(rng.normal(size=size) * (rng.random() < 0.5)).astype(complex)
    for _ in range(int(rng.integers(1, size))):
        i, j = rng.choice(size, 2, replace=False)
        if rng.random() < 0.6:
            coupled(h, i, j, log_uniform(rng, -span, span))
    jumps = []
    for _ in range(int(rng.integers(1, 4))):
        i, j = rng.choice(size, 2, replace=False)
        jumps.append(jump(size, i, j, log_uniform(rng, -span, span)))
    return h, jumps


FAMILIES = {
    "two-level": two_level,
    "lambda": lambda rng, span: three_level(((0, 2), (1, 2)), rng, span),
    "vee": lambda rng, span: three_level(((0, 1), (0, 2)), rng, span),
    "xi": lambda rng, span: three_level(((0, 1), (1, 2)), rng, span),
    "Jaynes–Cummings": jaynes_cummings,
    "dense": dense,
    "dark": with_dark_states,
}


def random_case(family: str, seed: int, span: float) -> tuple[tj.OpenSystem, np.random.Generator]:
    """Return a system, and the generator that goes on with states and thresholds for it."""
    rng = np.random.default_rng([seed, *family.encode()])
    hamiltonian, jumps = FAMILIES[family](rng, span)
    channels = [tj.Channel(f"c{k}", matrix) for k, matrix in enumerate(jumps)]
    return tj.OpenSystem(0.5 * (hamiltonian + hamiltonian.conj().T), channels), rng


def random_start(rng: np.random.Generator, dimension: int) -> NDArray[np.complex128]:
    if rng.random() < 0.5:
        return np.eye(dimension)[rng.integers(dimension)].astype(complex)
    return rng.normal(size=dimension) + 1j * rng.normal(size=dimension)


def extreme_numbers(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Return numbers in [0, 1), multiples of 2⁻⁵³ near both ends among them."""
    kind, x, few = rng.integers(0, 5, count), rng.random(count), 2.0**-53 * rng.integers(0, 9, count)
    numbers = np.select(
        [kind == 0, kind == 1, kind == 2, kind == 3],
        [x, 10.0 ** (-16.0 * x), 1.0 - 10.0 ** (-16.0 * x), 1.0 - few],
        few,
    )
    return np.minimum(numbers, 1.0 - 2.0**-53)


@dataclass(frozen=True)
class Followed:
    """Clicks of one trajectory, the clock put back to 0 at each, so that waits are known to their last digit."""

    status: int
    waits: NDArray[np.float64]
    channels: NDArray[np.int16]
    thresholds: NDArray[np.float64]
    worst_error: float
    finite: bool


def followed(
    system: tj.OpenSystem,
    ket: NDArray[np.complex128],
    drawn: NDArray[np.float64],
    *,
    propagator: str = "modes",
    horizon: float = np.inf,
    tolerance: float = 1e-10,
) -> Followed:
    """Follow a trajectory with the given random numbers: for each click a threshold 1 − u and a channel."""
    compiled = compile_system(system, ket, propagator=propagator, tolerance=tolerance)
    clicks = len(drawn) // 2 - 2
    state = compiled.propagator.start(compiled.kets[0], len(system.channels))
    waits, channels = np.zeros(clicks), np.zeros(clicks, np.int16)
    sampling = (
        NO_SAMPLING.operators,
        NO_SAMPLING.times,
        np.zeros((0, 0)),
        np.zeros((0, system.dimension), complex),
    )
    done, status = 0, PAUSED
    while done < clicks:
        one = (waits[done : done + 1], channels[done : done + 1])
        for _ in range(PATIENCE):
            status = compiled.propagator.advance(compiled.jumps, horizon, state, drawn, sampling, one)
            if status != PAUSED or state.fields.n_clicks:
                break
        if not state.fields.n_clicks:
            break
        done += 1
        state.fields.n_clicks = 0
        state.fields.gap_start = 0.0
    return Followed(
        int(status),
        waits[:done],
        channels[:done],
        1.0 - drawn[0 : 2 * done : 2],
        float(state.fields.worst_error),
        bool(np.isfinite(list(state.fields)).all() and np.isfinite(waits).all() and (waits >= 0.0).all()),
    )


def exact_errors(
    system: tj.OpenSystem, ket: NDArray[np.complex128], found: Followed, digits: int = 60
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return |ΔS|/S at every click, and the share of its channel in the click rate, in so many digits."""
    with mpmath.workdps(digits):
        h_eff = mpmath.matrix(system.hamiltonian.toarray().tolist())
        h_eff = mpmath.mpf(0.5) * (h_eff + h_eff.H)
        jumps = [mpmath.matrix(channel.operator.toarray().tolist()) for channel in system.channels]
        for matrix in jumps:
            h_eff -= mpmath.mpc(0, 0.5) * (matrix.H * matrix)
        values, vectors = mpmath.eig(h_eff)
        inverse = vectors**-1
        psi = mpmath.matrix(np.asarray(ket / np.linalg.norm(ket)).tolist())
        errors, shares = [], []
        for wait, channel, number in zip(
            found.waits.tolist(), found.channels, found.thresholds.tolist(), strict=True
        ):
            amplitudes = inverse * psi
            for j, value in enumerate(values):
                amplitudes[j] *= mpmath.exp(-1j * value * wait)
            psi = vectors * amplitudes
            survival = mpmath.norm(psi) ** 2
            errors.append(float(abs(survival - number) / survival))
            after = [matrix * psi for matrix in jumps]
            rates = [mpmath.norm(image) ** 2 for image in after]
            shares.append(float(rates[channel] / sum(rates)))
            psi = after[channel] / mpmath.sqrt(rates[channel])
    return np.array(errors), np.array(shares)
