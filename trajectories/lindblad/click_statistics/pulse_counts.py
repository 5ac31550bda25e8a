"""What single pulses emit, exactly: counts of each pulse, when clicks come within it, and pairs within it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...checks import bin_edges, integer, positive_number
from ...detectors import Detector
from ...errors import InvalidInput
from ...pulse_results import PulseCounts, PulseMap
from ...results import Estimate, Histogram
from ...stages import staged
from ..answers import in_its_unit
from ..inputs import checked_channels, checked_detectors
from ..pulses.counting import Detected, joint_counts
from ..pulses.motion import Part, Row
from ..pulses.periodic import PeriodicState
from ..superoperators.hermitian_vectors import pack


class Detection:
    """Detected maps ηJ_k + d of the channels of a periodic state, in periods that must be the system's."""

    def __init__(
        self, state: PeriodicState, detectors: Mapping[str, Detector] | None, period: float | None
    ) -> None:
        if not isinstance(state, PeriodicState):
            raise InvalidInput(
                f"pulses need a periodic state, not {type(state).__name__}; make it with lindblad.periodic_state"
            )
        if period is not None and abs(positive_number(period, "period") - state.period) > 1e-9 * state.period:
            raise InvalidInput(f"period={period:g} is not that of the system, {state.period:g}; leave it out")
        self.state, self.period, self.motion = state, state.period, state.motion
        self.rho = pack(state.rho)
        self.detectors = checked_detectors(state.system, detectors)

    def feed(self, name: str, source: int, target: int, width: int) -> list[Part]:
        """Return the parts by which state `source` feeds `target` with each detection."""
        detector, coupling = self.detectors[name], np.zeros((width, width))
        coupling[source, target] = 1.0
        parts = [self.motion.jump_part(name, detector.efficiency * coupling)]
        return parts + ([Part(None, detector.dark_rate * coupling)] if detector.dark_rate else [])

    def rows(self, name: str) -> list[Row]:
        """Return the rows whose integrals add up to detections, after `weighted`."""
        return [self.motion.rates[name], self.motion.trace]

    def weighted(self, name: str, integrals: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return detections, given the integrals of `rows`."""
        detector = self.detectors[name]
        return np.asarray(detector.efficiency * integrals[0] + detector.dark_rate * integrals[1])

    def detected(self, name: str, edges: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the detections of a pulse in every bin."""
        emitted = self.state.emitted(edges)[:, self.state.system.channel_names.index(name)]
        detector = self.detectors[name]
        return np.asarray(detector.efficiency * emitted + detector.dark_rate * np.diff(edges))

    def mean(self, name: str) -> float:
        """Return detections per pulse."""
        return float(self.detected(name, np.array([0.0, self.period]))[0])


def brightness(
    steady: PeriodicState,
    channel: str,
    period: float | None = None,
    detectors: Mapping[str, Detector] | None = None,
) -> Estimate:
    """Return the mean number of clicks per pulse, ⟨n⟩ = ∫₀ᵀ Tr(ηJρ + d) dt.

    Parameters
    ----------
    steady : PeriodicState
        The periodic state.
    channel : str
        The channel.
    period : float, optional
        T; it must be that of the system, which is taken when not given.
    detectors : mapping of str to Detector, optional
        Efficiencies and dark rates.

    Raises
    ------
    InvalidInput
        No periodic state, an unknown channel, or another period.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> flip = tj.Drive(sigma + sigma.T, tj.Square(1.0, 1.001, 500 * np.pi))
    >>> system = tj.OpenSystem(0 * sigma, [tj.Channel("atom", sigma)], drives=[flip], period=50.0)
    >>> round(tj.lindblad.brightness(tj.lindblad.periodic_state(system), "atom").value, 3)
    1.0
    """
    detection = Detection(steady, detectors, period)
    checked_channels(steady.system, [channel])
    return Estimate(detection.mean(channel), method="exact: ∫ rate over a period")


@in_its_unit
def click_density(
    steady: PeriodicState,
    channel: str,
    edges: ArrayLike,
    period: float | None = None,
    detectors: Mapping[str, Detector] | None = None,
) -> Histogram:
    """Return the density of clicks per pulse against the time since the period began, averaged over bins.

    Parameters
    ----------
    steady : PeriodicState
        The periodic state.
    channel : str
        The channel.
    edges : array_like of shape (n_bins + 1,)
        Ascending edges in [0, T].
    period, detectors
        As for `brightness`.

    Raises
    ------
    InvalidInput
        As for `brightness`, or edges outside the period.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> pulse = tj.Drive(sigma + sigma.T, tj.Gaussian(5.0, 0.5, 1.0))
    >>> system = tj.OpenSystem(0 * sigma, [tj.Channel("atom", sigma)], drives=[pulse], period=12.0)
    >>> state = tj.lindblad.periodic_state(system)
    >>> tj.lindblad.click_density(state, "atom", [0.0, 4.0, 6.0, 12.0]).value.round(3)
    array([0.   , 0.227, 0.064])
    """
    detection = Detection(steady, detectors, period)
    checked_channels(steady.system, [channel])
    bins = _bins(edges, detection.period)
    found = detection.detected(channel, bins) / np.diff(bins)
    zero = np.zeros(len(found))
    return Histogram(bins, found, zero, zero.astype(np.int64), "exact: clicks per pulse and unit of time")


@staged("counts of pulses")
def pulse_counts(
    steady: PeriodicState,
    channels: Sequence[str],
    most: int = 3,
    period: float | None = None,
    detectors: Mapping[str, Detector] | None = None,
) -> PulseCounts:
    """Return the joint distribution of the clicks of one pulse, P(n_a, n_m, …), exactly.

    States are resolved by counts, ρ_n′ = (L − ΣM_k)ρ_n + ΣM_kρ_{n−e_k}, from ρ_0 = ρ at the beginning of a period;
    P(n) = Tr ρ_n(T). The last entry along each axis is of `most` clicks *or more*.

    Parameters
    ----------
    steady : PeriodicState
        The periodic state.
    channels : sequence of str
        Channels whose clicks are counted.
    most : int
        Largest count that is resolved.
    period, detectors
        As for `brightness`.

    Raises
    ------
    InvalidInput
        As for `brightness`, or more states than memory holds.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> flip = tj.Drive(sigma + sigma.T, tj.Square(1.0, 1.1, 5 * np.pi))
    >>> system = tj.OpenSystem(0 * sigma, [tj.Channel("atom", sigma)], drives=[flip], period=50.0)
    >>> found = tj.lindblad.pulse_counts(tj.lindblad.periodic_state(system), ["atom"], most=2)
    >>> found.probability.round(3)
    array([0.   , 0.988, 0.012])
    """
    detection = Detection(steady, detectors, period)
    names = checked_channels(steady.system, channels)
    integer(most, "most", 1, 40)
    shape = (most + 1,) * len(names)
    if np.prod(shape) > 4096 or np.prod(shape) * len(detection.rho) > 3e7:
        raise InvalidInput(f"most={most} of {len(names)} channels makes {np.prod(shape)} states; count fewer")
    detected = [
        Detected(name, detection.detectors[name].efficiency, detection.detectors[name].dark_rate) for name in names
    ]
    probability = joint_counts(detection.motion, detection.rho, detected, most, detection.period)
    return PulseCounts(names, probability, np.zeros(shape), 0, "exact: states resolved by counts")


@staged("g² over a pulse")
@in_its_unit
def pulse_map(
    steady: PeriodicState,
    first: str,
    second: str,
    edges: ArrayLike,
    period: float | None = None,
    detectors: Mapping[str, Detector] | None = None,
) -> PulseMap:
    """Return g²(t₁, t₂) within a pulse: pairs over what independent clicks of the same densities would make.

    Parameters
    ----------
    steady : PeriodicState
        The periodic state.
    first, second : str
        Channels, at t₁ and t₂.
    edges : array_like of shape (n_bins + 1,)
        Edges of both times, in [0, T].
    period, detectors
        As for `brightness`.

    Raises
    ------
    InvalidInput
        As for `click_density`.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> pulse = tj.Drive(sigma + sigma.T, tj.Gaussian(5.0, 0.5, 1.0))
    >>> system = tj.OpenSystem(0 * sigma, [tj.Channel("atom", sigma)], drives=[pulse], period=12.0)
    >>> found = tj.lindblad.pulse_map(tj.lindblad.periodic_state(system), "atom", "atom", [4.0, 5.0, 6.0])
    >>> bool((found.value == found.value.T).all()), found.value.shape
    (True, (2, 2))
    """
    detection = Detection(steady, detectors, period)
    checked_channels(steady.system, [first])
    checked_channels(steady.system, [second])
    bins = _bins(edges, detection.period)
    pairs = _ordered_pairs(detection, first, second, bins)
    other = pairs if first == second else _ordered_pairs(detection, second, first, bins)
    joint = pairs + other.T
    densities = [
        click_density(steady, name, bins, None, detectors).value * np.diff(bins) for name in (first, second)
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        value = joint / np.outer(*densities)
    return PulseMap(first, second, bins, value, np.zeros_like(value), np.zeros_like(value), "exact")


def _ordered_pairs(
    detection: Detection, first: str, second: str, bins: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the mean number of pairs, a click of `first` in one bin and a later one of `second` in another."""
    motion, count = detection.motion, len(bins) - 1
    states = np.zeros((len(detection.rho), count + 1))
    states[:, 0] = _at(detection, float(bins[0]))[:, 0]
    found, rows = np.zeros((count, count)), detection.rows(second)
    for b, (low, high) in enumerate(pairwise(bins)):
        parts = detection.feed(first, 0, 1 + b, count + 1)
        states, integrals = motion.integrate(states, float(low), float(high), parts, rows)
        found[:, b] = detection.weighted(second, integrals)[1:]
    return found


def _at(detection: Detection, time: float) -> NDArray[np.float64]:
    """Return ρ at a time of the period, as one column."""
    states = detection.rho[:, None]
    return detection.motion.carry(states, 0.0, time) if time > 0.0 else states


def _bins(edges: ArrayLike, period: float) -> NDArray[np.float64]:
    bins: Any = bin_edges(edges, lowest=0.0)
    if bins[-1] > period * (1.0 + 1e-12):
        raise InvalidInput(f"edges end at {bins[-1]:g}, beyond the period {period:g}; end them there")
    return np.asarray(bins)
