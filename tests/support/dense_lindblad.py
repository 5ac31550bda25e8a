"""The master equation as a dense N² × N² matrix: slow, obvious, and written apart from the package's solver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product

import numpy as np
from scipy import linalg

from trajectories import OpenSystem
from trajectories.lindblad.superoperators.hermitian_vectors import Generator


def packed_matrix(generator: Generator) -> np.ndarray:
    """The generator as a matrix on packed vectors, column by column, by plain sparse products."""
    size = generator.half.shape[0] ** 2
    return np.array([generator.apply(column) for column in np.eye(size)]).T


class DenseLindblad:
    """L, the jump maps and L0 on row-major vectorised density matrices, by definition and matrix exponential."""

    def __init__(
        self,
        system: OpenSystem,
        channels: Sequence[str] | None = None,
        efficiency: Mapping[str, float] | None = None,
        dark: Mapping[str, float] | None = None,
    ) -> None:
        self.n = system.dimension
        unit = np.eye(self.n)
        hamiltonian = system.hamiltonian.toarray()
        self.L = -1j * (np.kron(hamiltonian, unit) - np.kron(unit, hamiltonian.T))
        self.jumps = {}
        for channel in system.channels:
            c = channel.operator.toarray()
            number = c.conj().T @ c
            jump = np.kron(c, c.conj())
            self.L += jump - 0.5 * (np.kron(number, unit) + np.kron(unit, number.T))
            eta, d = (efficiency or {}).get(channel.name, 1.0), (dark or {}).get(channel.name, 0.0)
            self.jumps[channel.name] = eta * jump + d * np.eye(self.n**2)
        self.names = tuple(channels or system.channel_names)
        self.J = sum(self.jumps[name] for name in self.names)
        self.L0 = self.L - self.J
        self.one = unit.reshape(-1)
        _, singular, rows = linalg.svd(self.L)
        assert singular[-1] < 1e-10 * singular[0] < singular[-2]
        self.rho = rows[-1].conj() / (self.one @ rows[-1].conj())
        self.rates = {name: (self.one @ jump @ self.rho).real for name, jump in self.jumps.items()}

    def g2(self, first: str, second: str, tau: float) -> float:
        if tau < 0:
            return self.g2(second, first, -tau)
        after = linalg.expm(self.L * tau) @ self.jumps[first] @ self.rho
        return (self.one @ self.jumps[second] @ after).real / (self.rates[first] * self.rates[second])

    def waiting(self, first: str, second: str, tau: float) -> float:
        after = linalg.expm(self.L0 * tau) @ self.jumps[first] @ self.rho
        return (self.one @ self.jumps[second] @ after).real / self.rates[first]

    @cache  # noqa: B019 — an oracle lives for one test
    def click_free(self, tau: float) -> np.ndarray:
        return linalg.expm(self.L0 * tau)

    @cache  # noqa: B019
    def integrated(self, tau: float) -> np.ndarray:
        """∫₀^τ e^{L0 t} dt, from the exponential of a block matrix."""
        size = self.n**2
        block = np.zeros((2 * size, 2 * size), dtype=complex)
        block[:size, :size], block[:size, size:] = self.L0, np.eye(size)
        return linalg.expm(block * tau)[:size, size:]

    def after(self, sequence: Sequence[str], window: float) -> np.ndarray:
        K = self.integrated(window)
        state = self.jumps[sequence[0]] @ self.click_free(window) @ self.rho
        for name in sequence[1:]:
            state = self.jumps[name] @ K @ state
        return state

    def cluster_rate(self, sequence: Sequence[str], window: float) -> float:
        return (self.one @ self.click_free(window) @ self.after(sequence, window)).real

    def cluster_rates_of_size(self, size: int, window: float) -> float:
        return sum(self.cluster_rate(sequence, window) for sequence in product(self.names, repeat=size))

    def cluster_g2(self, n: int, m: int, window: float, tau: float) -> float:
        E, K = self.click_free(window), self.integrated(window)
        first = np.linalg.matrix_power(self.J @ K, n - 1) @ self.J @ E @ self.rho
        last = self.one @ E @ np.linalg.matrix_power(self.J @ K, m - 1) @ self.J
        if tau < window:
            return 0.0
        between = linalg.expm(self.L0 * tau)
        if tau >= 2 * window:
            between = E @ linalg.expm(self.L * (tau - 2 * window)) @ E
        norms = (self.one @ E @ first).real * (last @ E @ self.rho).real
        return (last @ between @ first).real / norms

    def count_generating(self, window: float, points: int = 32) -> np.ndarray:
        """P(N) for N < points, by Fourier inversion of Tr e^{(L + (z−1)𝒥)T}ρ on the unit circle."""
        z = np.exp(2j * np.pi * np.arange(points) / points)
        values = [self.one @ linalg.expm((self.L + (x - 1) * self.J) * window) @ self.rho for x in z]
        return np.fft.fft(values).real / points

    def leading_eigenvalue(self, s: complex) -> complex:
        values = linalg.eigvals(self.L + (np.exp(s) - 1) * self.J)
        return values[np.argmax(values.real)]
