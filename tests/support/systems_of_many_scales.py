"""Small systems whose rates lie many decades apart, and their click rates to 60 digits by mpmath."""

from __future__ import annotations

import mpmath
import numpy as np

from trajectories import Channel, HilbertSpace, OpenSystem

LOWER = np.array([[0.0, 1.0], [0.0, 0.0]])


def atom(rabi: float, kappa: float) -> OpenSystem:
    """A driven two-level atom, H = Ω(σ + σ†), decay κ."""
    return OpenSystem(rabi * (LOWER + LOWER.T), (Channel("p", np.sqrt(kappa) * LOWER),))


def atom_rate(rabi: float, kappa: float) -> mpmath.mpf:
    """4Ω²κ/(κ² + 8Ω²), with κ as the square of the double that is in the jump operator."""
    with mpmath.workdps(40):
        k, w = mpmath.mpf(float(np.sqrt(kappa))) ** 2, mpmath.mpf(rabi)
        return 4 * w**2 * k / (k**2 + 8 * w**2)


def of_many_scales(seed: int) -> OpenSystem:
    """A dephased atom, two coupled atoms, a near-dark Λ atom, a nonlinear cavity or a chain; twelve decades."""
    rng = np.random.default_rng(seed)

    def size(lowest: float = -6.0, highest: float = 6.0) -> float:
        return float(10.0 ** rng.uniform(lowest, highest))

    kind = seed % 5
    if kind == 0:
        number = LOWER.T @ LOWER
        hamiltonian = size() * (LOWER + LOWER.T) + size() * number
        return OpenSystem(
            hamiltonian, (Channel("p", np.sqrt(size()) * LOWER), Channel("d", np.sqrt(size()) * number))
        )
    if kind == 1:
        space = HilbertSpace(atom1=2, atom2=2)
        a, b = space.lower("atom1"), space.lower("atom2")
        hamiltonian = size() * (a + a.T) + size() * (a.T @ b + b.T @ a) + size() * (b.T @ b)
        return OpenSystem(hamiltonian, (Channel("a", np.sqrt(size()) * a), Channel("b", np.sqrt(size()) * b)))
    if kind == 2:
        hamiltonian = np.diag([0.0, size(-6.0, 0.0) * rng.choice([1.0, -1.0]), size()])
        hamiltonian[0, 2] = hamiltonian[2, 0] = size()
        hamiltonian[1, 2] = hamiltonian[2, 1] = size()
        jumps = np.zeros((2, 3, 3))
        jumps[0, 0, 2], jumps[1, 1, 2] = np.sqrt(size()), np.sqrt(size())
        return OpenSystem(hamiltonian, tuple(Channel(f"leg {k}", jump) for k, jump in enumerate(jumps)))
    if kind == 3:
        space = HilbertSpace(photon=4)
        a = space.lower("photon")
        hamiltonian = size(-6.0, 0.0) * (a + a.T) + size() * (a.T @ a) + size() * (a.T @ a.T @ a @ a)
        kappa = size()
        heat = Channel("absorption", np.sqrt(kappa * size(-6.0, 0.0)) * a.T)
        return OpenSystem(hamiltonian, (Channel("emission", np.sqrt(kappa) * a), heat))
    hamiltonian = np.zeros((4, 4))
    for i in range(3):
        hamiltonian[i, i + 1] = hamiltonian[i + 1, i] = size()
    channels = []
    for k in range(3):
        jump = np.zeros((4, 4))
        i, j = rng.choice(4, 2, replace=False)
        jump[i, j] = np.sqrt(size())
        channels.append(Channel(f"c{k}", jump))
    return OpenSystem(hamiltonian, tuple(channels))


def exceptional(order: int) -> OpenSystem:
    """A spin whose H_eff = J_x − i(J_z + j) is one Jordan block of this order, and a level that is pumped back."""
    spin = 0.5 * (order - 1)
    projection = np.arange(spin, -spin - 1.0, -1.0)
    raising = np.diag(np.sqrt(spin * (spin + 1.0) - projection[1:] * (projection[1:] + 1.0)), 1)
    hamiltonian = np.zeros((order + 1, order + 1))
    hamiltonian[:order, :order] = 0.5 * (raising + raising.T)
    channels = []
    for level in range(order - 1):
        jump = np.zeros_like(hamiltonian)
        jump[order, level] = np.sqrt(2.0 * (projection[level] + spin))
        channels.append(Channel(f"loss {level}", jump))
    pump = np.zeros_like(hamiltonian)
    pump[0, order] = 1.0
    return OpenSystem(hamiltonian, (*channels, Channel("pump", pump)))


def exact_rates(system: OpenSystem) -> dict[str, mpmath.mpf]:
    """Solve Lρ = 0, Tr ρ = 1 in 70 digits, apart from the package's solver, and return every Tr c†cρ."""
    n = system.dimension
    with mpmath.workdps(70):
        hamiltonian = _matrix(system.hamiltonian)
        jumps = {c.name: _matrix(c.operator) for c in system.channels}
        unit = mpmath.eye(n)
        generator = -1j * (_kron(hamiltonian, unit) - _kron(unit, hamiltonian.T))
        numbers = {name: c.H * c for name, c in jumps.items()}
        for name, c in jumps.items():
            generator += _kron(c, c.conjugate())
            generator -= (_kron(numbers[name], unit) + _kron(unit, numbers[name].T)) / 2
        for j in range(n * n):
            generator[0, j] = 1 if j % (n + 1) == 0 else 0
        right = mpmath.zeros(n * n, 1)
        right[0] = 1
        state = mpmath.lu_solve(generator, right)
        rho = mpmath.matrix(n, n)
        for i in range(n):
            for j in range(n):
                rho[i, j] = state[i * n + j]
        return {name: mpmath.re(sum((number * rho)[i, i] for i in range(n))) for name, number in numbers.items()}


def _matrix(operator) -> mpmath.matrix:
    return mpmath.matrix([[mpmath.mpc(float(z.real), float(z.imag)) for z in row] for row in operator.toarray()])


def _kron(first: mpmath.matrix, second: mpmath.matrix) -> mpmath.matrix:
    n = first.rows
    result = mpmath.zeros(n * n)
    for i in range(n):
        for j in range(n):
            if first[i, j] != 0:
                for k in range(n):
                    for m in range(n):
                        result[i * n + k, j * n + m] = first[i, j] * second[k, m]
    return result
