"""Forty small open systems of many kinds, and faults that may be planted in any of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

import trajectories as tj

Matrix = NDArray[np.complex128]
# Faults that some systems cannot show.
LABELS, FREQUENCIES = "labels moved", "frequencies 5 % too large"


@dataclass(frozen=True)
class Case:
    """A system, and how its records are taken and analysed.

    `window` is the bundle window δ, None for none; `hidden` are faults that 1e5 clicks cannot show.
    """

    system: tj.OpenSystem
    window: float | None = None
    trajectories: int = 100
    detectors: Mapping[str, tj.Detector] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if len(self.system.channels) == 1:
            object.__setattr__(self, "hidden", self.hidden | {LABELS})


def lower(levels: int) -> Matrix:
    """Return the lowering operator of a mode."""
    return np.diag(np.sqrt(np.arange(1.0, levels)), 1).astype(np.complex128)


def joint(*operators: Matrix) -> Matrix:
    """Return the Kronecker product."""
    whole = np.eye(1, dtype=np.complex128)
    for operator in operators:
        whole = np.kron(whole, operator)
    return whole


def channels(**operators: Matrix) -> list[tj.Channel]:
    return [tj.Channel(name.replace("_", " "), operator) for name, operator in operators.items()]


def ports(operator: Matrix, rates: tuple[float, ...]) -> list[tj.Channel]:
    """Return channels that share the clicks of one operator."""
    return [tj.Channel(f"port {k + 1}", np.sqrt(rate) * operator) for k, rate in enumerate(rates)]


def atom(rabi: float, rates: tuple[float, ...] = (1.0,), detuning: float = 0.0, **more: Matrix) -> tj.OpenSystem:
    """Two levels driven by a laser; further jump operators by name."""
    sigma = lower(2)
    hamiltonian = 0.5 * rabi * (sigma + sigma.T) + detuning * sigma.T @ sigma
    return tj.OpenSystem(hamiltonian, [*ports(sigma, rates), *channels(**more)])


def levels(size: int, couplings: Mapping[tuple[int, int], float], decays: Mapping[str, float]) -> tj.OpenSystem:
    """Levels with couplings ⟨a|H|b⟩ and decays "ab" from b to a."""
    hamiltonian = np.zeros((size, size))
    for (a, b), strength in couplings.items():
        hamiltonian[a, b] = hamiltonian[b, a] = strength
    jumps = []
    for name, rate in decays.items():
        jump = np.zeros((size, size))
        jump[int(name[0]), int(name[1])] = np.sqrt(rate)
        jumps.append(tj.Channel(f"{name[1]} to {name[0]}", jump))
    return tj.OpenSystem(hamiltonian, jumps)


def cavity(
    drive: float, size: int, rates: tuple[float, ...] = (1.0,), detuning: float = 0.0, kerr: float = 0.0
) -> tj.OpenSystem:
    """A driven cavity with a Kerr medium."""
    a = lower(size)
    hamiltonian = detuning * a.T @ a + kerr * a.T @ a.T @ a @ a + drive * (a + a.T)
    return tj.OpenSystem(hamiltonian, ports(a, rates))


def thermal(occupation: float, kappa: float, size: int) -> tj.OpenSystem:
    a = lower(size)
    up, down = np.sqrt(kappa * occupation) * a.T, np.sqrt(kappa * (occupation + 1.0)) * a
    return tj.OpenSystem(1.7 * a.T @ a, channels(emission=down, absorption=up))


def displaced(operator: Matrix, amplitude: float, hamiltonian: Matrix) -> tj.OpenSystem:
    """Balanced detection of a field mixed with a local oscillator."""
    shift = amplitude * np.eye(len(operator))
    plus, minus = (operator + shift) / np.sqrt(2.0), (operator - shift) / np.sqrt(2.0)
    return tj.OpenSystem(hamiltonian, channels(plus=plus, minus=minus))


def parametric(gain: float, size: int) -> tj.OpenSystem:
    """A cavity of κ = 1 into which photons come in pairs."""
    a = lower(size)
    pump = 0.5j * gain * a @ a
    return tj.OpenSystem(pump + pump.conj().T, channels(photon=a))


def pair_source(coupling: float, size: int) -> tj.OpenSystem:
    a, b = joint(lower(size), np.eye(size)), joint(np.eye(size), lower(size))
    pairs = coupling * a @ b
    return tj.OpenSystem(pairs + pairs.T, channels(photon=a, magnon=b))


def jaynes_cummings(drive: float, size: int) -> tj.OpenSystem:
    a, sigma = joint(lower(size), np.eye(2)), joint(np.eye(size), lower(2))
    hamiltonian = a.T @ sigma + sigma.T @ a + drive * (a + a.T)
    return tj.OpenSystem(hamiltonian, channels(cavity=np.sqrt(0.5) * a, side=np.sqrt(0.2) * sigma))


def dense(seed: int, size: int, count: int, frequency: float, rate: float, filled: float = 1.0) -> tj.OpenSystem:
    """Random H and jump operators, whose rates spread over more than a decade."""
    rng = np.random.default_rng(seed)

    def matrix() -> Matrix:
        parts = rng.normal(size=(2, size, size))
        entries = (parts[0] + 1j * parts[1]) / np.sqrt(4.0 * size)
        return entries * (rng.random((size, size)) < filled) if filled < 1.0 else entries

    hamiltonian = matrix()
    jumps = [tj.Channel(f"c{k}", np.sqrt(rate * 10 ** rng.uniform(-1.0, 0.5)) * matrix()) for k in range(count)]
    return tj.OpenSystem(frequency * (hamiltonian + hamiltonian.conj().T), jumps)


def ladder(seed: int, size: int) -> tj.OpenSystem:
    """A ladder of random decays whose top is weakly driven from its foot: every excitation is a burst."""
    rng = np.random.default_rng(seed)
    steps = {f"{k}{k + 1}": float(10 ** rng.uniform(-0.5, 1.0)) for k in range(size - 1)}
    shifts = {(k, k): 0.05 * float(value) for k, value in enumerate(rng.normal(size=size))}
    return levels(size, {(0, size - 1): 0.02, **shifts}, steps)


def fock_bursts(quanta: int, pump: float) -> tj.OpenSystem:
    """A cavity of κ = 1 that is filled with n quanta at once, seldom, by a jump that is seen."""
    a, fill = lower(quanta + 1), np.zeros((quanta + 1, quanta + 1))
    fill[quanta, 0] = np.sqrt(pump)
    return tj.OpenSystem(0.3 * a.T @ a, channels(photon=a, pump=fill))


def driven_bursts(quanta: int, drive: float) -> tj.OpenSystem:
    """The same with a coherent drive of |0⟩ ↔ |n⟩."""
    hamiltonian = np.zeros((quanta + 1, quanta + 1))
    hamiltonian[0, quanta] = hamiltonian[quanta, 0] = drive
    return tj.OpenSystem(hamiltonian, channels(photon=lower(quanta + 1)))


def bursts_beside_singles(quanta: int, pump: float, rate: float) -> tj.OpenSystem:
    """Rare bursts in the light of a weakly driven atom."""
    a, fill = lower(quanta + 1), np.zeros((quanta + 1, quanta + 1))
    fill[quanta, 0] = np.sqrt(pump)
    one, sigma = np.eye(quanta + 1), lower(2)
    drive = joint(one, 0.5 * np.sqrt(rate) * (sigma + sigma.T))
    jumps = channels(burst=joint(a, np.eye(2)), single=joint(one, sigma), fill=joint(fill, np.eye(2)))
    return tj.OpenSystem(drive, jumps)


def spin_chain(size: int) -> tj.OpenSystem:
    """Spins that take excitations in at one end and let them out at the other."""
    sites = [joint(*(lower(2) if j == k else np.eye(2) for j in range(size))) for k in range(size)]
    hops = sum(a.T @ b + b.T @ a for a, b in pairwise(sites))
    ends = {"in": np.sqrt(0.4) * sites[0].T, "out": np.sqrt(0.6) * sites[-1]}
    return tj.OpenSystem(0.5 * hops, channels(**ends))


def two_atoms() -> tj.OpenSystem:
    first, second = joint(lower(2), np.eye(2)), joint(np.eye(2), lower(2))
    bright, dark = first + second, np.sqrt(0.05) * (first - second)
    return tj.OpenSystem(0.25 * (bright + bright.T), channels(bright=bright, dark=dark))


def resonator() -> tj.OpenSystem:
    """The paper's, with fast decays, at the smallest truncation."""
    parameters = {"kappa": 0.05, "gamma": 0.05, "magnon_coupling": 0.1, "phonon_coupling": 0.08}
    return tj.SpinningResonator(direction="left", detuning=1.36, **parameters).system(levels=(2, 2, 2))


def cases() -> dict[str, Case]:
    """Return the systems by name. Rates are of order 1 unless small rates are the point.

    Hidden from 1e5 clicks are labels of channels that are alike (two equal ports or decays, the two modes of a
    pair, the two outputs beside a strong oscillator), and 5 % of H where it commutes with what clicks (thermal
    light, bursts) or where dense random jumps, or a drive far below the splittings, leave little of it.
    """
    dephasing, sigma, mode = 0.4 * np.diag([-1.0, 1.0]), lower(2), lower(8)
    lossy = {"port 1": tj.Detector(efficiency=0.3, dark_rate=0.01), "port 2": tj.Detector(efficiency=0.7)}
    return {
        "weak atom": Case(atom(0.006)),
        "weaker atom, two ports": Case(atom(0.002, (0.6, 0.4)), 3.0),
        "atom at 0.03": Case(atom(0.03), 3.0, 400),
        "strong atom": Case(atom(9.7), 1.0),
        "detuned atom, two ports": Case(atom(1.0, (0.5, 0.5), 3.0), 3.0, hidden=frozenset({LABELS})),
        "warm atom": Case(atom(0.5, detuning=0.4, up=np.sqrt(0.3) * sigma.T), 3.0, 40),
        "dephased atom": Case(atom(0.7, dephasing=dephasing), 2.0),
        "lossy atom, dark counts": Case(
            atom(1.0, (0.5, 0.5), 0.2), 3.0, detectors=lossy, hidden=frozenset({LABELS})
        ),
        "shelved V atom": Case(levels(3, {(0, 1): 0.6, (0, 2): 0.03}, {"01": 1.0, "02": 0.004}), 5.0),
        "near-dark Λ atom": Case(
            levels(3, {(0, 2): 0.5, (1, 2): 0.5, (1, 1): 0.05}, {"02": 0.5, "12": 0.5}),
            5.0,
            hidden=frozenset({LABELS}),
        ),
        "bright Λ atom": Case(levels(3, {(0, 2): 0.8, (1, 2): 0.3, (1, 1): 0.6}, {"02": 0.5, "12": 0.8}), 4.0),
        "Ξ atom": Case(levels(3, {(0, 1): 0.4, (1, 2): 0.7, (1, 1): 0.3}, {"01": 1.0, "12": 0.6}), 3.0, 4),
        "driven cavity, 4 photons": Case(cavity(1.0, 20)),
        "the same in one trajectory": Case(cavity(1.0, 20), 0.3, 1),
        "driven cavity, three ports": Case(cavity(0.16, 8, (0.5, 0.3, 0.2), 0.1), 3.0),
        "Kerr cavity": Case(cavity(0.5, 10, detuning=-0.5, kerr=0.5), 3.0),
        "bistable cavity": Case(cavity(1.35, 20, detuning=-2.2, kerr=0.25), 1.0),
        "displaced atom": Case(
            displaced(sigma, 2.0, 0.4 * (sigma + sigma.T)), 1.5, hidden=frozenset({LABELS, FREQUENCIES})
        ),
        "displaced cavity": Case(displaced(mode, 1.0, 0.2 * (mode + mode.T) + 0.3 * mode.T @ mode), 2.0),
        "thermal light, 0.3": Case(thermal(0.3, 0.5, 12), 5.0, hidden=frozenset({FREQUENCIES})),
        "thermal light, 2": Case(thermal(2.0, 1.0, 28), 1.0, 200, hidden=frozenset({FREQUENCIES})),
        "parametric pairs": Case(parametric(0.05, 10), 3.0),
        "parametric, near threshold": Case(parametric(0.35, 22), 2.0),
        "pair source": Case(pair_source(0.05, 4), 3.0, hidden=frozenset({LABELS})),
        "strong pair source": Case(pair_source(0.2, 5), 3.0, hidden=frozenset({LABELS})),
        "Jaynes–Cummings, weak": Case(jaynes_cummings(0.05, 4), 6.0, hidden=frozenset({FREQUENCIES})),
        "Jaynes–Cummings, strong": Case(jaynes_cummings(0.6, 10), 3.0),
        "ladder of 6": Case(ladder(3, 6), 3.0),
        "ladder of 7": Case(ladder(8, 7)),
        "bursts of 12": Case(fock_bursts(12, 0.003), 3.0, 60, hidden=frozenset({FREQUENCIES})),
        "driven bursts of 5": Case(driven_bursts(5, 0.05), 3.0),
        "rare bursts beside singles": Case(bursts_beside_singles(9, 1e-5, 0.02), 3.0),
        "random, 2 channels": Case(dense(1, 3, 2, 1.0, 0.3), 5.0),
        "random, 4 channels": Case(dense(2, 5, 4, 0.5, 0.3), 5.0, 30, hidden=frozenset({FREQUENCIES})),
        "random sparse, 5 channels": Case(dense(3, 6, 5, 1.0, 0.3, 0.4), 8.0),
        "random, 15 channels": Case(dense(5, 4, 15, 0.7, 0.1), hidden=frozenset({FREQUENCIES})),
        "random, 30 channels": Case(dense(6, 6, 30, 0.5, 0.05), hidden=frozenset({FREQUENCIES})),
        "spin chain": Case(spin_chain(4), 3.0, 4),
        "two atoms": Case(two_atoms(), 4.0),
        "the paper's resonator": Case(resonator(), 60.0),
    }


def rates_too_large(system: tj.OpenSystem) -> tj.OpenSystem:
    """Every rate 5 % too large."""
    return with_jumps_scaled(system, 1.05)


def missing_half(system: tj.OpenSystem) -> tj.OpenSystem:
    """H − iΣc†c between clicks instead of H − (i/2)Σc†c; see tests/statistics/test_planted_faults.py."""
    return with_jumps_scaled(system, 2.0)


def frequencies_too_large(system: tj.OpenSystem) -> tj.OpenSystem:
    """H, drives included, 5 % too large."""
    return tj.OpenSystem(1.05 * system.hamiltonian, system.channels, system.space)


def labels_moved(system: tj.OpenSystem) -> tj.OpenSystem:
    """The clicks of each channel recorded as those of the one before."""
    turned = [*system.channels[1:], system.channels[0]]
    named = zip(system.channels, turned, strict=True)
    return tj.OpenSystem(system.hamiltonian, [tj.Channel(c.name, other.operator) for c, other in named])


def with_jumps_scaled(system: tj.OpenSystem, factor: float) -> tj.OpenSystem:
    scaled = [tj.Channel(c.name, np.sqrt(factor) * c.operator) for c in system.channels]
    return tj.OpenSystem(system.hamiltonian, scaled, system.space)


FAULTS: dict[str, Callable[[tj.OpenSystem], tj.OpenSystem]] = {
    "rates 5 % too large": rates_too_large,
    "missing half": missing_half,
    FREQUENCIES: frequencies_too_large,
    LABELS: labels_moved,
}
