"""Emission spectra: the light of a channel against frequency, its coherent line, and its peaks by name."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.optimize import brentq, minimize_scalar

from ..blas import one_blas_thread
from ..checks import finite_array
from ..errors import InvalidInput
from ..model import OpenSystem
from ..notebook import Shown, Summary
from ..results import read_only
from ..stages import staged
from ..time_units import NATURAL, TimeUnit
from .answers import in_its_unit
from .reduced.essential import STATE_CUT
from .reduced.field_resolvent import FieldResolvent, FrequencyByFrequency, Poles
from .reduced.mode_space import AllModes, all_modes
from .reduced.stationary import cut_out
from .steady_state import SteadyState
from .transitions import Transitions

Array = NDArray[np.float64]
Matrix = NDArray[np.complex128]

# Pairs of modes below these importances are left out, from fine to coarse. The first cut whose core is small
# enough is used, and the next coarser one states the error. Without two such cuts one equation is solved for each
# frequency.
CUTS = (1e-7, 1e-6, 1e-5, 1e-4)
LARGEST_CORE = 800
# Up to this dimension all pairs are taken.
COMPLETE = 18
# Above this dimension the system is first restricted to essential states, as for every exact quantity.
RESTRICT = 300
# Condition of eigenvectors of H_eff, and of L, above which poles are not trusted.
MAX_CONDITION = 1e6
# Pairs of modes that may make a peak: importance relative to the strongest; grid points around each, in half
# widths.
CANDIDATE = 1e-7
AROUND = np.sinh(np.linspace(-6.0, 6.0, 33)) / np.sinh(1.0)
# A peak is kept if its height, relative to the highest, is above this.
LOWEST_PEAK = 1e-6
# Below this a frequency is rounding of zero, and shown as that.
ZERO = 1e-12
# Fluctuations smaller than this share of the coherent light are rounding.
ROUNDING = 1e-13


@dataclass(frozen=True)
class EmissionPeak:
    """A maximum of an emission spectrum.

    Attributes
    ----------
    frequency, height : float
        Position in ω_b, relative to the drive, and S there.
    width : float
        Full width at half height; NaN where a neighbouring peak is too close.
    rate : float
        Clicks per time between the two minima beside it; the outermost are at infinity.
        With one equation a frequency, `frequency` is the best grid point, `width` is interpolated on the grid, and
        `rate` is the trapezoidal sum.
    transition : str
        The transition between product states, with atoms dressed by their drive, that contributes most; empty if
        there is none.
    share : float
        The share of that transition in the strength of the peak.

    Examples
    --------
    >>> import trajectories as tj
    >>> tj.lindblad.EmissionPeak(-2.4, 1.0, 0.1, 0.2, "|0,−⟩ → |0,+⟩", 0.9).transition
    '|0,−⟩ → |0,+⟩'
    """

    frequency: float
    height: float
    width: float
    rate: float
    transition: str
    share: float


@dataclass(frozen=True, eq=False, repr=False)
class EmissionSpectrum(Shown):
    """The emission spectrum of a channel; frequencies are relative to the drive.

    Attributes
    ----------
    channel : str
        The channel.
    omega, density : ndarray of shape (n,)
        Frequencies, and clicks per time and frequency, the coherent line left out.
    rate, coherent : float
        ⟨c†c⟩, and |⟨c⟩|², the rate of the coherent line at ω = 0.
    sum_rule : float
        ∫S dω + |⟨c⟩|² over all frequencies, as computed; it must equal `rate`.
    peaks : tuple of EmissionPeak
        Highest first.
    method : str
        How it was computed.
    numerical_error : float
        Estimated error of the density, relative to its largest value.
    unit : TimeUnit
        Of time; frequencies, widths and rates are one over it.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(2.0 * (sigma + sigma.T), [tj.Channel("atom", sigma)])
    >>> spectrum = tj.lindblad.emission_spectrum(tj.lindblad.steady_state(system), "atom")
    >>> round(spectrum.rate, 4), round(spectrum.coherent, 4)
    (0.4848, 0.0147)
    """

    channel: str
    omega: Array
    density: Array
    rate: float
    coherent: float
    sum_rule: float
    peaks: tuple[EmissionPeak, ...]
    method: str
    numerical_error: float
    _resolvent: FieldResolvent
    unit: TimeUnit = NATURAL

    def at(self, omega: ArrayLike) -> Array:
        """Return S at other frequencies, of any shape."""
        return self._resolvent.density(finite_array(omega, "omega"))

    def rate_between(self, low: float, high: float) -> float:
        """Return the incoherent clicks per time between two frequencies, ∫S dω."""
        edges = finite_array([low, high], "low and high")
        return self._resolvent.integral(float(edges[0]), float(edges[1]))

    def _summary(self) -> Summary:
        rows = []
        for p in self.peaks:
            frequency = p.frequency if abs(p.frequency) > ZERO else 0.0
            numbers = (f"{frequency:.5g}", f"{p.width:.3g}", f"{p.rate:.4g}", f"{p.share:.2f}")
            rows.append((p.transition or "–", *numbers))
        title = f"Emission spectrum of {self.channel}: rate {self.rate:.5g}, coherent {self.coherent:.3g}"
        within = "" if self.unit == NATURAL else f" ({self.unit.rate})"
        heads = ("peak", f"ω{within}", f"width{within}", f"rate{within}", "share")
        return Summary(title, heads, rows, self.method)


@staged("emission spectrum")
@in_its_unit
def emission_spectrum(steady: SteadyState, channel: str, omega: ArrayLike | None = None) -> EmissionSpectrum:
    """Return the emission spectrum of a channel.

    S(ω) = (1/π) Re ∫₀^∞ e^{iωτ} [⟨c†(0)c(τ)⟩ − |⟨c⟩|²] dτ = (1/π) Re Tr[c (−iω − L)⁻¹ (ρc† − ⟨c†⟩ρ)],

    clicks per time and frequency ω, relative to the drive in whose frame H is written; the coherent line
    |⟨c⟩|² δ(ω) is given apart, and ∫S dω + |⟨c⟩|² = ⟨c†c⟩.

    L is diagonalised over the pairs of modes of H_eff that matter to this field. They are about a hundred,
    whatever N is, and further frequencies cost almost nothing. The stated error is the largest difference to a
    coarser core, an estimate. Where H_eff or L is near an exceptional point, or with
    ``steady.with_solver("propagation")``, one equation is solved for each frequency.

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    channel : str
        The channel.
    omega : array_like of shape (n,), optional
        Frequencies; by default a grid that resolves every peak.

    Raises
    ------
    InvalidInput
        An unknown channel, frequencies that are not finite, or a channel that never clicks.

    Notes
    -----
    Mollow, Phys. Rev. 188, 1969 (1969), for the driven atom.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> space = tj.HilbertSpace(atom=2)
    >>> system = tj.OpenSystem(2.0 * (sigma + sigma.T), [tj.Channel("atom", sigma)], space)
    >>> spectrum = tj.lindblad.emission_spectrum(tj.lindblad.steady_state(system), "atom")
    >>> sorted((round(peak.frequency, 2), peak.transition) for peak in spectrum.peaks[1:])
    [(-3.87, '|−⟩ → |+⟩'), (3.87, '|+⟩ → |−⟩')]
    """
    operator = steady.system.channel(channel).operator
    rate = steady.rate(channel)
    if rate <= 0.0:
        raise InvalidInput(f"channel {channel!r} never clicks and has no spectrum; choose another channel")
    asked = None if omega is None else finite_array(omega, "omega")
    if asked is not None and (asked.ndim != 1 or asked.size == 0):
        raise InvalidInput(f"omega has shape {asked.shape}; give at least one frequency in one dimension")
    with one_blas_thread():
        part = _essential(steady)
        mean = complex((operator @ steady.rho).trace())
        inner = part.system.channel(channel).operator
        start = part.rho @ inner.conj().T.toarray()
        start = start - np.trace(start) * part.rho
        resolvent, coarse = _resolvents(steady, part, start, inner, rate)
        seeds = _candidates(part.modes, start, inner)
        grid = np.unique((seeds[:, :1] + seeds[:, 1:] * AROUND).ravel())
        if isinstance(resolvent, FrequencyByFrequency):  # each costs a solve
            grid = grid[:: max(1, len(grid) // 400)] if asked is None else np.unique(asked)
        values = resolvent.density(grid)
        fluctuating = rate - abs(mean) ** 2
        peaks: list[EmissionPeak] = []
        if fluctuating > ROUNDING * rate:
            peaks = _peaks(resolvent, grid, values, Transitions(steady.system, part.rho, part.states, operator))
        if asked is None:
            asked, density = grid, values
        else:
            density = resolvent.density(asked)
        error = 1e-10
        if isinstance(resolvent, Poles):
            error = 1e-15 * resolvent.condition
        if coarse is not None:
            apart = np.abs(coarse.density(grid) - values).max(initial=0.0)
            error = max(error, float(apart / max(np.abs(values).max(initial=0.0), 1e-300)))
        total = abs(mean) ** 2 + (
            float(resolvent.weights.sum().real) if isinstance(resolvent, Poles) else float("nan")
        )
    return EmissionSpectrum(
        channel,
        read_only(asked),
        read_only(density),
        rate,
        abs(mean) ** 2,
        total,
        tuple(peaks),
        f"exact, {resolvent.method}, relative error {error:.1g}",
        error,
        resolvent,
    )


@dataclass(frozen=True, eq=False)
class _Part:
    """The stationary state on its essential basis states, with the modes of H_eff on them."""

    system: OpenSystem
    rho: Matrix
    states: NDArray[np.int64]
    modes: AllModes


def _essential(steady: SteadyState) -> _Part:
    """Return the state on its essential basis states, made once."""
    found: _Part | None = steady.workspace.get("fields")
    if found is None:
        system, rho, states = steady.system, steady.rho, np.arange(steady.system.dimension)
        if steady.system.dimension > RESTRICT and steady.solver != "propagation":
            cut = cut_out(steady.system, steady.rho, STATE_CUT)
            system, rho, states = cut.system, cut.rho, cut.states
        found = _Part(system, rho, states, all_modes(system))
        steady.workspace["fields"] = found
    return found


def _resolvents(
    steady: SteadyState, part: _Part, start: Matrix, operator: sparse.csr_array, rate: float
) -> tuple[FieldResolvent, Poles | None]:
    """Return the most accurate resolvent that is affordable, and a coarser one that estimates its error."""
    slow = FrequencyByFrequency(part.system, part.modes, part.rho, start, operator)
    if steady.solver == "propagation" or part.modes.condition > MAX_CONDITION:
        return slow, None
    complete = part.system.dimension <= COMPLETE
    found: list[Poles] = []
    for cut in (0.0,) if complete else CUTS:
        core = Poles(part.system, part.modes, part.rho, start, operator, rate, cut)
        if core.size <= max(LARGEST_CORE, COMPLETE**2):
            found.append(core.diagonalise())
        if len(found) == 2 or (found and complete):
            break
    if len(found) < (1 if complete else 2) or found[0].condition > MAX_CONDITION:
        return slow, None
    return found[0], None if complete else found[1]


def _candidates(modes: AllModes, start: Matrix, operator: sparse.csr_array) -> Array:
    """Return frequency and half width of the pairs of modes that may make a peak, shape (n, 2)."""
    inverse, vectors = modes.inverse, modes.vectors
    if not np.isfinite(modes.condition):
        inverse = vectors.conj().T
    weight = np.abs(inverse @ start @ inverse.conj().T) * np.abs((vectors.conj().T @ (operator @ vectors)).T)
    first, second = np.nonzero(weight > CANDIDATE * weight.max())
    pole = -1j * (modes.values[first] - modes.values[second].conj())
    widths = np.maximum(-pole.real, 1e-12 * np.abs(pole).max(initial=1.0))
    order = np.argsort(-weight[first, second] / widths)
    chosen: list[tuple[float, float]] = []
    for i in order:  # those that lie within a fifth of a width of a stronger one need no points of their own
        here, wide = -pole[i].imag, widths[i]
        if all(abs(here - f) > 0.2 * w or wide > 3.0 * w or wide < w / 3.0 for f, w in chosen):
            chosen.append((float(here), float(wide)))
        if len(chosen) == 200:
            break
    return np.array(chosen).reshape(-1, 2)


def _peaks(resolvent: FieldResolvent, grid: Array, values: Array, transitions: Transitions) -> list[EmissionPeak]:
    """Return the local maxima, highest first."""
    inner = np.arange(1, len(grid) - 1)
    highest = float(values.max())
    tops = inner[(values[inner] > values[inner - 1]) & (values[inner] >= values[inner + 1])]
    tops = tops[values[tops] > LOWEST_PEAK * highest]
    valleys = [0, *(int(a + np.argmin(values[a : b + 1])) for a, b in pairwise(tops)), -1]
    found = []
    for number, top in enumerate(tops):
        frequency, height = float(grid[top]), float(values[top])
        if isinstance(resolvent, Poles):
            best = minimize_scalar(
                lambda w: -float(resolvent.density(np.array([w]))[0]),
                bounds=(grid[top - 1], grid[top + 1]),
                method="bounded",
                options={"xatol": 1e-4 * (grid[top + 1] - grid[top - 1])},
            )
            frequency, height = float(best.x), -float(best.fun)
        low, high = valleys[number], valleys[number + 1]
        width = _width(resolvent, grid, values, int(top), height)
        reach = 0.5 * width if np.isfinite(width) else 0.25 * float(grid[high] - grid[low])
        name, share = transitions.named(frequency, reach)
        if isinstance(resolvent, Poles):
            edges = (_minimum(resolvent, grid, valley) for valley in (low, high))
            rate = resolvent.integral(*edges)
        else:
            part = slice(low, None if high == -1 else high + 1)
            rate = float(np.trapezoid(values[part], grid[part]))
        found.append(EmissionPeak(frequency, height, width, rate, name, share))
    return sorted(found, key=lambda peak: -peak.height)


def _minimum(resolvent: Poles, grid: Array, valley: int) -> float:
    """Return where the density is least between two peaks, near a point of the grid; beyond its ends, infinity."""
    if valley in (0, -1):
        return float("-inf") if valley == 0 else float("inf")
    best = minimize_scalar(
        lambda w: float(resolvent.density(np.array([w]))[0]),
        bounds=(grid[valley - 1], grid[valley + 1]),
        method="bounded",
        options={"xatol": 1e-4 * (grid[valley + 1] - grid[valley - 1])},
    )
    return float(best.x)


def _width(resolvent: FieldResolvent, grid: Array, values: Array, top: int, height: float) -> float:
    """Return the full width at half height, NaN where a side does not fall that far before it rises."""
    half, edges = 0.5 * height, []
    for step in (-1, 1):
        i = top
        while 0 <= i + step < len(grid) and (i == top or values[i + step] <= values[i]) and values[i] > half:
            i += step
        if values[i] > half:
            return float("nan")
        ends = grid[i], grid[i - step]
        if isinstance(resolvent, Poles):
            edges.append(brentq(lambda w: float(resolvent.density(np.array([w]))[0]) - half, *ends, rtol=1e-10))
        else:
            edges.append(np.interp(half, values[[i, i - step]], ends))
    return float(edges[1] - edges[0])
