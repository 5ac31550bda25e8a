"""Closed dynamics: super-Rabi oscillations of |000+⟩ and a pair state, without dissipation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

from ..checks import finite_array
from ..errors import InvalidInput
from ..model import SpinningResonator
from ..results import read_only
from ..stages import staged

PAIR_STATES = {"photon-phonon": "110-", "photon-magnon": "101-"}
START = "000+"
# Times are handled in blocks, so that the phases of N energies at many times need not fit in memory at once.
BLOCK = 4096


@dataclass(frozen=True)
class SuperRabi:
    """Populations of dressed product states against time, from |000+⟩, with γ = κ = 0.

    Attributes
    ----------
    pair : {"photon-phonon", "photon-magnon"}
        The pair whose state, |110−⟩ or |101−⟩, is the target.
    direction : {"left", "right"}
        Side of the drive.
    detuning : float
        Δ_ad in ω_b.
    levels : tuple of int
        Truncation.
    times : ndarray of shape (n_times,)
        In 1/ω_b.
    populations : mapping of str to ndarray of shape (n_times,)
        P(t) = |⟨n_a n_b n_m l|ψ(t)⟩|², by label such as ``"000+"``, ``"101-"``, ``"110-"``, for all n = 0, 1
        and l = ±.
    effective_coupling : float
        Half the smallest gap of the avoided crossing, in ω_b.
    crossing : float
        Δ_ad of that crossing.
    period : float
        2π/E in 1/ω_b, with E the distance of the two energies that carry the oscillation at this Δ_ad;
        at the crossing it is π/(effective coupling).

    Examples
    --------
    >>> import trajectories as tj
    >>> resonator = tj.SpinningResonator("left")
    >>> found = tj.lindblad.super_rabi(resonator, "photon-magnon", [0.0, 100.0], levels=(3, 2, 3))
    >>> found.pair_population.shape, round(found.maximum, 4)
    ((2,), 0.0018)
    """

    pair: str
    direction: str
    detuning: float
    levels: tuple[int, int, int]
    times: NDArray[np.float64]
    populations: Mapping[str, NDArray[np.float64]]
    effective_coupling: float
    crossing: float
    period: float

    @property
    def pair_population(self) -> NDArray[np.float64]:
        """Population of the pair state, shape (n_times,)."""
        return self.populations[PAIR_STATES[self.pair]]

    @property
    def maximum(self) -> float:
        """Largest pair population at any of the times."""
        return float(self.pair_population.max())


@staged("closed system")
def super_rabi(
    resonator: SpinningResonator, pair: str, times: ArrayLike, levels: tuple[int, int, int] = (4, 4, 4)
) -> SuperRabi:
    """Return the closed dynamics |ψ(t)⟩ = e^{−iHt}|000+⟩ in the basis of dressed product states.

    Exact at any time: H is diagonalised once. Decay rates and temperatures of the resonator are ignored.

    Parameters
    ----------
    resonator : SpinningResonator
        Parameters, Δ_ad and direction of the drive.
    pair : {"photon-phonon", "photon-magnon"}
        Whose effective coupling, period and population are asked for.
    times : array of shape (n_times,)
        In 1/ω_b, finite.
    levels : tuple of int
        Fock levels of photon, phonon and magnon.

    Returns
    -------
    SuperRabi
        Populations of all dressed states with at most one quantum a mode, coupling and period.

    Raises
    ------
    InvalidInput
        An unknown pair, no times, or times that are not finite, or a bad truncation.
    ConvergenceError
        No avoided crossing of the pair for these parameters.

    References
    ----------
    Paper, Fig. 2(a)–(c).

    Examples
    --------
    >>> import trajectories as tj
    >>> resonator = tj.SpinningResonator("left")
    >>> found = tj.lindblad.super_rabi(resonator, "photon-magnon", [0.0, 100.0], levels=(3, 2, 3))
    >>> found.populations["000+"].round(4), round(found.period)
    (array([1.    , 0.9925]), 5759)
    """
    t = np.atleast_1d(finite_array(times, "times"))
    if t.ndim != 1 or t.size == 0:
        raise InvalidInput(f"times has shape {t.shape}; give at least one time in one dimension")
    crossing = resonator.avoided_crossing(pair, levels)
    system = resonator.system(levels)
    assert system.space is not None
    states = list(product((0, 1), (0, 1), (0, 1), "+-"))
    labels = [f"{a}{b}{m}{sign}" for a, b, m, sign in states]
    kets = np.array([resonator.dressed_ket(system.space, a, b, m, sign) for a, b, m, sign in states])
    energies, vectors = linalg.eigh(system.hamiltonian.toarray())
    overlaps = kets.conj() @ vectors  # ⟨label|j⟩
    paths = overlaps * overlaps[labels.index(START)].conj()  # ⟨label|j⟩⟨j|000+⟩
    values = np.concatenate(
        [
            np.abs(paths @ np.exp(-1j * np.outer(energies, block))) ** 2
            for block in np.split(t, range(BLOCK, t.size, BLOCK))
        ],
        axis=1,
    )
    # The pair population is |Σ_j path_j e^{−iE_j t}|²; its slow beat is that of the two largest terms.
    first, second = np.argsort(np.abs(paths[labels.index(PAIR_STATES[pair])]))[-2:]
    return SuperRabi(
        pair=pair,
        direction=resonator.direction,
        detuning=resonator.number("detuning"),
        levels=(int(levels[0]), int(levels[1]), int(levels[2])),
        times=read_only(t),
        populations=MappingProxyType({k: read_only(v) for k, v in zip(labels, values, strict=True)}),
        effective_coupling=crossing.effective_coupling,
        crossing=crossing.detuning,
        period=float(2.0 * np.pi / abs(energies[first] - energies[second])),
    )
