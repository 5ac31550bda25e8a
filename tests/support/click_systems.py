"""Small open systems whose click laws are known, and the exact averages of any small system."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm
from scipy.stats import unitary_group

import trajectories as tj
from trajectories.engine.operators import stack_operators


def watch(system: tj.OpenSystem, trajectories: int, duration: float, *, seed: int, **options) -> tj.ClickRecord:
    """Simulate on one thread without a progress bar."""
    return tj.simulate(system, trajectories, duration, seed=seed, workers=1, progress=False, **options)


def leaky_cavity(levels: int = 5, kappa: float = 0.1, second: float | None = None) -> tj.OpenSystem:
    """Return a cavity of unit frequency that only decays, through one port or two."""
    space = tj.HilbertSpace(cavity=levels)
    lower = space.lower("cavity")
    channels = [tj.Channel("left", np.sqrt(kappa) * lower)]
    if second is not None:
        channels.append(tj.Channel("right", np.sqrt(second) * lower))
    return tj.OpenSystem(space.number("cavity"), channels, space)


def driven_atom(rabi: float, gamma: float) -> tj.OpenSystem:
    """Return a resonantly driven two-level atom, H = Ω/2 (σ + σ†)."""
    space = tj.HilbertSpace(atom=2)
    sigma = space.lower("atom")
    return tj.OpenSystem(0.5 * rabi * (sigma + sigma.T), [tj.Channel("atom", np.sqrt(gamma) * sigma)], space)


def driven_cavity(amplitude: float, kappa: float, levels: int = 12) -> tj.OpenSystem:
    """Return a resonantly driven empty cavity, H = ε (a + a†), whose steady state is |−2iε/κ⟩."""
    space = tj.HilbertSpace(cavity=levels)
    lower = space.lower("cavity")
    return tj.OpenSystem(amplitude * (lower + lower.T), [tj.Channel("cavity", np.sqrt(kappa) * lower)], space)


def thermal_cavity(occupation: float, kappa: float, levels: int = 14) -> tj.OpenSystem:
    """Return a cavity of unit frequency in a bath of mean occupation n̄."""
    space = tj.HilbertSpace(cavity=levels)
    lower = space.lower("cavity")
    channels = [
        tj.Channel("emission", np.sqrt(kappa * (occupation + 1.0)) * lower),
        tj.Channel("absorption", np.sqrt(kappa * occupation) * lower.T),
    ]
    return tj.OpenSystem(space.number("cavity"), channels, space)


def random_matrix(rng: np.random.Generator, dimension: int) -> NDArray[np.complex128]:
    """Return a complex matrix with independent normal entries and norm of order 1."""
    parts = rng.normal(size=(2, dimension, dimension))
    return (parts[0] + 1j * parts[1]) / np.sqrt(4.0 * dimension)


def random_ket(rng: np.random.Generator, dimension: int) -> NDArray[np.complex128]:
    """Return a normalised random ket."""
    ket = rng.normal(size=dimension) + 1j * rng.normal(size=dimension)
    return ket / np.linalg.norm(ket)


def random_system(
    seed: int, dimension: int, channels: int, *, frequency: float = 1.0, rate: float = 0.3
) -> tj.OpenSystem:
    """Return a system with dense random H and jump operators of the given sizes."""
    rng = np.random.default_rng(seed)
    matrix = random_matrix(rng, dimension)
    operators = [np.sqrt(rate) * random_matrix(rng, dimension) for _ in range(channels)]
    named = [tj.Channel(f"c{k}", operator) for k, operator in enumerate(operators)]
    return tj.OpenSystem(frequency * (matrix + matrix.conj().T), named)


def unitary_jumps(kappa: float, norm: float, dimension: int = 4) -> tj.OpenSystem:
    """Return a system with c†c = κ·1, so that S(t) = e^{−κt} exactly whatever H of the given norm does."""
    matrix = random_matrix(np.random.default_rng(0), dimension)
    hamiltonian = matrix + matrix.conj().T
    hamiltonian *= norm / np.linalg.norm(hamiltonian, 2)
    jump = np.sqrt(kappa) * unitary_group.rvs(dimension, random_state=0)
    return tj.OpenSystem(hamiltonian, [tj.Channel("u", jump)])


def lambda_atom(kappa: float = 0.3) -> tj.OpenSystem:
    """Return a Λ atom |1⟩, |2⟩, |e⟩, driven on both legs: (|1⟩ − |2⟩)/√2 is dark."""
    hamiltonian = np.array([[0.0, 0.0, 0.5], [0.0, 0.0, 0.5], [0.5, 0.5, 0.0]])
    channels = []
    for k in range(2):
        jump = np.zeros((3, 3))
        jump[k, 2] = np.sqrt(kappa)
        channels.append(tj.Channel(f"leg {k + 1}", jump))
    return tj.OpenSystem(hamiltonian, channels)


def hopping_chain(hopping: float, sites: int = 4, spectator: float = 10.0) -> tj.OpenSystem:
    """Return one quantum on a chain with a weak hopping J that leaks from its last site at rate J.

    States are the sites, the empty chain, and a spectator of high energy that nothing couples to, which only
    widens the spectrum.
    """
    size = sites + 2
    hamiltonian = np.zeros((size, size))
    for k in range(sites - 1):
        hamiltonian[k, k + 1] = hamiltonian[k + 1, k] = hopping
    hamiltonian[-1, -1] = spectator
    leak = np.zeros((size, size))
    leak[sites, sites - 1] = np.sqrt(hopping)
    return tj.OpenSystem(hamiltonian, [tj.Channel("end", leak)])


def superoperator(system: tj.OpenSystem) -> NDArray[np.complex128]:
    """Return the Liouvillian as a dense matrix that acts on ρ read row by row."""
    one = np.eye(system.dimension)
    hamiltonian = system.hamiltonian.toarray()
    total = -1j * (np.kron(hamiltonian, one) - np.kron(one, hamiltonian.T))
    for channel in system.channels:
        c = channel.operator.toarray()
        rate = c.conj().T @ c
        total += np.kron(c, c.conj()) - 0.5 * np.kron(rate, one) - 0.5 * np.kron(one, rate.T)
    return total


def exact_averages(
    system: tj.OpenSystem,
    initial: NDArray[np.complex128],
    observable: NDArray[np.complex128],
    times: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return Tr(O e^{Lt}|ψ⟩⟨ψ|) by the matrix exponential of the superoperator."""
    generator = superoperator(system)
    start = np.outer(initial, initial.conj()).ravel()
    return np.array(
        [np.trace(observable @ (expm(generator * t) @ start).reshape(observable.shape)).real for t in times]
    )


def replay(
    system: tj.OpenSystem, ket: NDArray[np.complex128], times: NDArray[np.float64], channels: NDArray[np.int16]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Follow given clicks with dense exponentials, from t = 0.

    Returns S at the end of every gap, shape (n_clicks,), and the cumulative share of each channel in the click
    rate there, shape (n_clicks, n_channels). Both follow the recorded clicks, so that an error does not grow from
    click to click as it does between two simulations.
    """
    generator = -1j * system.H_eff.toarray()
    operators = [channel.operator.toarray() for channel in system.channels]
    survival, shares = np.zeros(len(times)), np.zeros((len(times), len(operators)))
    psi = ket / np.linalg.norm(ket)
    for n, gap in enumerate(np.diff(times, prepend=0.0)):
        psi = expm(gap * generator) @ psi
        survival[n] = np.vdot(psi, psi).real
        after = [operator @ psi for operator in operators]
        rates = np.cumsum([np.vdot(c, c).real for c in after])
        shares[n] = rates / rates[-1]
        psi = after[channels[n]] / np.linalg.norm(after[channels[n]])
    return survival, shares


def weak_cavity(levels: int = 60, slower: float = 1.0) -> tj.OpenSystem:
    """Return a weakly driven atom in a cavity: of its many states a trajectory sees the lowest few."""
    space = tj.HilbertSpace(cavity=levels, atom=2)
    a, s = space.lower("cavity"), space.lower("atom")
    hamiltonian = 0.3 * space.number("cavity") + 0.2 * (a @ s.T + a.T @ s) + 0.05 * (a + a.T)
    cavity, atom = 0.3 * np.sqrt(slower) * a, 0.2 * np.sqrt(slower) * s
    return tj.OpenSystem(hamiltonian, [tj.Channel("cavity", cavity), tj.Channel("atom", atom)], space)


def ground(system: tj.OpenSystem) -> np.ndarray:
    return np.eye(1, system.dimension, dtype=complex)[0]


def jumps_of(system: tj.OpenSystem):
    return stack_operators([channel.operator for channel in system.channels], system.dimension)


def shelving(branching: float) -> tj.OpenSystem:
    """Return a driven atom whose excited state decays to a shelf now and then, from where it is driven back."""
    hamiltonian = np.zeros((5, 5))
    hamiltonian[0, 1] = hamiltonian[1, 0] = 0.5
    hamiltonian[2, 3] = hamiltonian[3, 2] = 0.2
    hamiltonian[4, 4] = 3.0
    down, shelve, back = np.zeros((3, 5, 5))
    down[0, 1], shelve[2, 1], back[0, 3] = 1.0, np.sqrt(branching), np.sqrt(0.1)
    return tj.OpenSystem(
        hamiltonian, [tj.Channel("down", down), tj.Channel("shelve", shelve), tj.Channel("back", back)]
    )
