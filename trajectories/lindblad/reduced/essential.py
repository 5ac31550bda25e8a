"""The essential basis states of a stationary state, found step by step, and the system restricted to them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from ...model import Channel, OpenSystem

Matrix = NDArray[np.complex128]
States = NDArray[np.int64]
Vector = NDArray[np.float64]

# States of smaller estimated population, in ρ or after a click, are left out.
STATE_CUT = 1e-15
# Weight of populations after a click: their errors matter to one curve, those in ρ to all.
AFTER_CLICK = 1e-3
# Weight of the share of a channel's clicks that come from a state: rare light comes from hardly occupied states.
BEFORE_CLICK = 1e-3
# Rates below this share of the largest jump are rounding.
NO_RATE = 1e-14
# Rounds in which estimates alone choose. Each adds neighbours of the states that the round before added.
MAX_ROUNDS = 40


def restricted(system: OpenSystem, states: States) -> OpenSystem:
    """Return the system on some basis states: again a master equation that keeps the trace.

    H and every c lose their rows and columns outside; the decay is that of the restricted c, so that no
    population leaks out.
    """
    channels = tuple(Channel(c.name, _part(c.operator, states)) for c in system.channels)
    return OpenSystem(_part(system.hamiltonian, states), channels, None, system.parameters)


def embedded(part: Matrix, states: States, dimension: int) -> Matrix:
    """Return a matrix on some basis states as one on all, zero elsewhere."""
    whole = np.zeros((dimension, dimension), dtype=np.complex128)
    whole[np.ix_(states, states)] = part
    return whole


def first_states(system: OpenSystem) -> States:
    """Return the first set: states of at most two quanta, or those within two steps of the slowest decay."""
    space = system.space
    if space is not None and space.modes:
        quanta = space.occupations[:, : len(space.modes)].sum(axis=1)
        return np.flatnonzero(quanta <= 2)
    return reached(system, np.array([np.argmin(system.decay.diagonal().real)]), 2)


def reached(system: OpenSystem, states: States, steps: int) -> States:
    """Return the states together with those within some steps of H and the jumps, in either direction."""
    reach = abs(system.hamiltonian) + sum((abs(c.operator) for c in system.channels), start=0 * system.decay.real)
    reach = sparse.csr_array(reach + reach.T)
    inside = np.zeros(system.dimension, dtype=bool)
    inside[states] = True
    for _ in range(steps):
        if inside.all():
            break
        inside |= (reach @ inside.astype(np.float64)) > 0
    return np.flatnonzero(inside)


def importance(system: OpenSystem, states: States, population: Vector, rates: Vector) -> Vector:
    """Return populations p_i of some basis states, or a thousandth of p_i⟨i|c_k†c_k|i⟩/λ_k where that is more.

    Parameters
    ----------
    system : OpenSystem
        The system.
    states : ndarray of shape (n,)
        The basis states.
    population : ndarray of shape (n,)
        Their populations, or estimates.
    rates : ndarray of shape (n_channels,)
        Click rates λ_k of the channels; NaN for those that do not click.
    """
    found = population.copy()
    for channel, rate in zip(system.channels, rates.tolist(), strict=True):
        if np.isfinite(rate):
            leaves = np.asarray(abs(channel.operator[:, states]).power(2).sum(axis=0)).reshape(-1)
            found = np.maximum(found, BEFORE_CLICK * population * leaves / rate)
    return found


def click_rates(system: OpenSystem, rho: Matrix) -> Vector:
    """Return the click rates λ_k = Tr c_k†c_kρ of all channels; NaN where one is rounding."""
    rates = np.full(len(system.channels), np.nan)
    for k, channel in enumerate(system.channels):
        rate = float(np.real(np.sum(channel.operator.conj().multiply(channel.operator @ rho))))
        if rate > NO_RATE * max(float(abs(channel.operator).max()) ** 2, 1e-300):
            rates[k] = rate
    return rates


def neighbours(system: OpenSystem, states: States, rho: Matrix, cut: float) -> States:
    """Return the states outside whose estimated population in ρ, or before or after a click, exceeds a cut.

    p_i = Σ_m w_m |⟨i|H|ψ_m⟩|²/|λ_m − H_ii|² + Σ_k ⟨i|c_kρc_k†|i⟩/Γ_i, with ψ_m the right eigenvectors of the
    restricted H_eff, λ_m their eigenvalues and w_m the populations in ρ, or a thousandth of those after
    a click where that is more; H_ii includes the decay −iΓ_i/2. Of a state that a good share of the clicks of a
    channel comes from a thousandth of that share counts (see `importance`).
    """
    # Of all others only those that H or a jump leads to.
    led_to = np.zeros(system.dimension, dtype=bool)
    for operator in (system.hamiltonian, *(channel.operator for channel in system.channels)):
        led_to |= np.diff(sparse.csr_array(operator[:, states]).indptr) > 0
    led_to[states] = False
    outside = np.flatnonzero(led_to)
    if not len(outside):
        return outside
    inner = restricted(system, states)
    values, vectors = linalg.eig(inner.H_eff.toarray(), check_finite=False)
    inverse = linalg.pinv(vectors)
    state = inverse @ rho @ inverse.conj().T
    weight = np.abs(np.diag(state))
    gained = np.zeros(len(outside))
    decay = system.decay.diagonal().real[outside]
    slowest = float(system.decay.diagonal().real[system.decay.diagonal().real > 0].min(initial=np.inf))
    rates = click_rates(inner, rho)
    for channel, part, rate in zip(system.channels, inner.channels, rates.tolist(), strict=True):
        jump = inverse @ (part.operator @ vectors)
        if np.isfinite(rate):
            after = np.abs(np.einsum("jk,kl,jl->j", jump, state, jump.conj(), optimize=True)) / rate
            weight = np.maximum(weight, AFTER_CLICK * after)
        out = sparse.csr_array(channel.operator)[outside][:, states]
        moved = out @ rho
        gained += np.real(np.asarray(out.conj().multiply(moved).sum(axis=1))).reshape(-1)
    gained /= np.maximum(decay, slowest if np.isfinite(slowest) else 1.0)
    coupling = sparse.csr_array(system.hamiltonian)[outside][:, states]
    energy = system.H_eff.diagonal()[outside]
    amplitude = np.abs(coupling @ vectors) ** 2
    distance = np.abs(values[None, :] - energy[:, None]) ** 2
    smallest = (1e-3 * np.median(np.abs(values - values.mean()))) ** 2 + 1e-300
    population = (amplitude / np.maximum(distance, smallest)) @ weight + gained
    return outside[importance(system, outside, population, rates) > cut]


def closed_under_jumps(system: OpenSystem, states: States) -> States:
    """Return the states together with those of slower decay that their jumps lead to, so that no click is lost.

    For ladder operators these are the lower states.
    """
    decay = system.decay.diagonal().real
    jumps = sum((abs(c.operator) for c in system.channels), start=0 * system.decay.real)
    inside = np.zeros(system.dimension, dtype=bool)
    inside[states] = True
    while True:
        entries = sparse.coo_array(jumps)
        led_to = inside[entries.col] & ~inside[entries.row] & (decay[entries.row] < decay[entries.col])
        if not led_to.any():
            return np.flatnonzero(inside)
        inside[entries.row[led_to]] = True


def _part(operator: sparse.csr_array, states: States) -> sparse.csr_array:
    return sparse.csr_array(operator[states][:, states])
