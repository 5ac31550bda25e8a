"""Excitation spectra against the detuning, and the resonances in them."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from ..blas import one_blas_thread
from ..checks import finite_array, integer
from ..displays import bar as progress_bar
from ..errors import ConvergenceError, InvalidInput
from ..model import AvoidedCrossing, SpinningResonator
from ..processors import usable_processors
from ..results import read_only
from ..stages import Stage, call, is_interactive, staged
from .steady_state import SteadyState, steady_state

MODES = ("photon", "phonon", "magnon")
# The pairs whose bundles the paper studies, and the modes that make them.
PAIRS = {"photon-phonon": ("photon", "phonon"), "photon-magnon": ("photon", "magnon")}
# Points added around each resonance, in units of its width, closest at the top.
REFINEMENT = 3.0 * np.sinh(np.linspace(-2.0, 2.0, 25)) / np.sinh(2.0)
# Neighbouring detunings that are solved one after the other, each from the state before. Fixed, so that
# the answer does not depend on the number of workers.
CHUNK = 20
# Resonances are located to this accuracy, and searched no further than this from the crossing (in ω_b):
# beyond it lie the wings of the single-photon resonance.
LOCATED = 1e-7
FURTHEST = 0.06


@dataclass(frozen=True)
class Spectrum:
    """Steady-state populations against Δ_ad, with points added around each resonance.

    Attributes
    ----------
    direction : {"left", "right"}
        Side of the drive.
    levels : tuple of int
        Truncation.
    detunings : ndarray of shape (n,)
        Δ_ad in ω_b, sorted: those asked for and those added around each resonance.
    added : ndarray of bool, shape (n,)
        Which detunings were added; ``spectrum.detunings[~spectrum.added]`` are those asked for.
    populations : mapping of str to ndarray of shape (n,)
        S_o = ⟨o†o⟩ of every mode.
    pairs : mapping of str to ndarray of shape (n,)
        Pair populations ⟨a†a b†b⟩ (``"photon-phonon"``) and ⟨a†a m†m⟩ (``"photon-magnon"``).
    resonances : mapping of str to float
        Δ_ad of the largest pair population, for each pair that has a resonance within the sweep.
    residuals : ndarray of shape (n,)
        Relative ‖Lρ‖ of each steady state.
    top_level : ndarray of shape (n,)
        Largest population of any mode's highest level.

    Examples
    --------
    >>> import trajectories as tj
    >>> resonator = tj.SpinningResonator("left")
    >>> spectrum = tj.lindblad.excitation_spectrum(resonator, [1.2], levels=(3, 2, 3))
    >>> sorted(spectrum.populations), sorted(spectrum.pairs), spectrum.added.any().item()
    (['magnon', 'phonon', 'photon'], ['photon-magnon', 'photon-phonon'], False)
    """

    direction: str
    levels: tuple[int, int, int]
    detunings: NDArray[np.float64]
    added: NDArray[np.bool_]
    populations: Mapping[str, NDArray[np.float64]]
    pairs: Mapping[str, NDArray[np.float64]]
    resonances: Mapping[str, float]
    residuals: NDArray[np.float64]
    top_level: NDArray[np.float64]


@staged("locating the resonance")
def resonance(resonator: SpinningResonator, pair: str, levels: tuple[int, int, int] = (4, 4, 4)) -> float:
    """Return the Δ_ad that maximises the pair population ⟨o†o o'†o'⟩ of the steady state.

    The search starts at the avoided crossing of the closed system, `SpinningResonator.resonance`, from
    which dissipation shifts the maximum by about 1e-4.

    Parameters
    ----------
    resonator : SpinningResonator
        Parameters and direction; its own Δ_ad is ignored.
    pair : {"photon-phonon", "photon-magnon"}
        Which pair.
    levels : tuple of int
        Fock levels of photon, phonon and magnon. The resonance moves with them.

    Returns
    -------
    float
        Δ_ad in ω_b, to 1e-7.

    Raises
    ------
    InvalidInput
        An unknown pair or a bad truncation.
    ConvergenceError
        No avoided crossing for these parameters, or no maximum within a width of it (gap plus mean
        linewidth of the pair, at most 0.06): too weak a coupling, or too few levels.

    Examples
    --------
    >>> import trajectories as tj
    >>> resonator = tj.SpinningResonator("left")
    >>> round(tj.lindblad.resonance(resonator, "photon-magnon", levels=(3, 2, 3)), 3)
    1.34
    """
    with one_blas_thread():
        return _maximum(resonator, pair, levels, resonator.avoided_crossing(pair, levels))


def excitation_spectrum(
    resonator: SpinningResonator,
    detunings: ArrayLike,
    levels: tuple[int, int, int] = (4, 4, 4),
    *,
    progress: bool = True,
    workers: int | None = None,
) -> Spectrum:
    """Return the excitation spectra S_o = ⟨o†o⟩ against Δ_ad, resonances found and refined.

    The resonances are narrower than the steps of any practical grid, so each one within the sweep is located
    by `resonance`, and 25 points within three widths of it are added (a width being the gap of the avoided
    crossing plus the mean linewidth of the pair). One call sweeps the resonator's own direction.

    Parameters
    ----------
    resonator : SpinningResonator
        Parameters and direction; its own Δ_ad is ignored.
    detunings : array of shape (n,)
        Values of Δ_ad in ω_b, in any order; those given twice are solved once.
    levels : tuple of int
        Fock levels of photon, phonon and magnon.
    progress : bool
        Whether to draw a progress bar, at a terminal and in a notebook.
    workers : int, optional
        Threads; by default one for each processor. The answer does not depend on it.

    Returns
    -------
    Spectrum
        Sorted by detuning.

    Raises
    ------
    InvalidInput
        Detunings that are not a list of finite numbers, workers below 1, a bad truncation.

    References
    ----------
    Paper, Fig. 1(c)–(d).

    Examples
    --------
    >>> import trajectories as tj
    >>> resonator = tj.SpinningResonator("left")
    >>> spectrum = tj.lindblad.excitation_spectrum(resonator, [1.2], levels=(3, 2, 3))
    >>> spectrum.populations["photon"].round(4)
    array([0.2683])
    """
    asked = finite_array(detunings, "detunings")
    if asked.ndim != 1 or asked.size == 0:
        raise InvalidInput(f"detunings has shape {asked.shape}; give at least one detuning in one dimension")
    if workers is not None:
        integer(workers, "workers", 1)
    resonator.system(levels)  # refuses a bad truncation before any work
    asked = np.unique(asked)
    with call("excitation spectrum", progress), one_blas_thread():
        resonances, around = _resonances_within(resonator, levels, float(asked[0]), float(asked[-1]))
        points = np.union1d(asked, around)
        rows = _sweep(resonator, points, levels, progress, workers or usable_processors())
    return Spectrum(
        direction=resonator.direction,
        levels=(int(levels[0]), int(levels[1]), int(levels[2])),
        detunings=read_only(points),
        added=read_only(~np.isin(points, asked)),
        populations=MappingProxyType({name: read_only(rows[:, i]) for i, name in enumerate(MODES)}),
        pairs=MappingProxyType({pair: read_only(rows[:, len(MODES) + i]) for i, pair in enumerate(PAIRS)}),
        resonances=MappingProxyType(resonances),
        residuals=read_only(rows[:, -2]),
        top_level=read_only(rows[:, -1]),
    )


def _resonances_within(
    resonator: SpinningResonator, levels: tuple[int, int, int], low: float, high: float
) -> tuple[dict[str, float], NDArray[np.float64]]:
    """Return the resonances between two detunings, and the points to be added around them."""
    found: dict[str, float] = {}
    around = [np.empty(0)]
    for pair in PAIRS:
        try:
            crossing = resonator.avoided_crossing(pair, levels)
        except ConvergenceError:  # these parameters have no such resonance
            continue
        width = _width(resonator, pair, crossing)
        if not low - width <= crossing.detuning <= high + width:
            continue
        try:
            centre = _maximum(resonator, pair, levels, crossing)
        except ConvergenceError:  # hidden by the linewidth
            continue
        if low <= centre <= high:
            found[pair] = centre
            near = centre + width * REFINEMENT
            around.append(near[(near >= low) & (near <= high)])
    return found, np.concatenate(around)


def _width(resonator: SpinningResonator, pair: str, crossing: AvoidedCrossing) -> float:
    """Return about the full width of a pair resonance: gap of the crossing plus mean linewidth."""
    kappa = dict(zip(MODES, resonator.kappas, strict=True))
    return crossing.gap + float(np.mean([kappa[mode] for mode in PAIRS[pair]]))


def _maximum(
    resonator: SpinningResonator, pair: str, levels: tuple[int, int, int], crossing: AvoidedCrossing
) -> float:
    """Return the detuning of the largest pair population within a width of the crossing."""
    state: SteadyState | None = None

    def loss(detuning: float) -> float:
        nonlocal state
        state = _steady_at(resonator, float(detuning), levels, state)
        return -float(_populations(state)[len(MODES) + list(PAIRS).index(pair)])

    half = min(_width(resonator, pair, crossing), FURTHEST)
    low, high = crossing.detuning - half, crossing.detuning + half
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": LOCATED})
    best = float(found.x)
    if min(best - low, high - best) < 0.01 * half:
        raise ConvergenceError(
            f"no maximum of the {pair} population within {half:.2g} of Δ_ad={crossing.detuning:.5f}; "
            "the coupling is too weak for this decay or truncation"
        )
    return best


def _sweep(
    resonator: SpinningResonator,
    points: NDArray[np.float64],
    levels: tuple[int, int, int],
    progress: bool,
    workers: int,
) -> NDArray[np.float64]:
    """Return populations, pair populations, residual and top level at each detuning, shape (n, 7)."""

    def solve(chunk: NDArray[np.float64]) -> NDArray[np.float64]:
        rows, state = [], None
        for detuning in chunk:
            state = _steady_at(resonator, float(detuning), levels, state)
            rows.append([*_populations(state), state.residual, max(state.top_level.values())])
        return np.array(rows)

    chunks = np.split(points, range(CHUNK, points.size, CHUNK))
    shown = progress_bar(total=points.size, unit="Δ", disable=not (progress and is_interactive()))
    covered = Stage("excitation spectrum", covers=True, shown=bool(shown.disable))
    with covered, ThreadPoolExecutor(workers) as pool, shown as bar:
        results = []
        try:
            for rows in pool.map(solve, chunks):
                results.append(rows)
                bar.update(len(rows))
        except BaseException:
            pool.shutdown(cancel_futures=True)  # an interrupt must not wait for the rest of the sweep
            raise
    return np.concatenate(results)


def _steady_at(
    resonator: SpinningResonator, detuning: float, levels: tuple[int, int, int], guess: SteadyState | None
) -> SteadyState:
    return steady_state(replace(resonator, detuning=detuning).system(levels), guess=guess)


def _populations(state: SteadyState) -> NDArray[np.float64]:
    """Return ⟨o†o⟩ of photon, phonon and magnon, then the pair populations, shape (5,)."""
    space = state.system.space
    assert space is not None
    quanta = dict(zip(MODES, space.occupations.T.astype(np.float64), strict=False))  # atom left out
    products = [quanta[first] * quanta[second] for first, second in PAIRS.values()]
    return np.array([*quanta.values(), *products]) @ np.diag(state.rho).real
