"""Correlations from pulse to pulse, exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...checks import integer, one_of
from ...detectors import Detector
from ...errors import InvalidInput
from ...results import Correlation
from ...stages import staged
from ..answers import in_its_unit
from ..inputs import checked_channels
from ..pulses.periodic import PeriodicState
from .pulse_counts import Detection

NORMALISATIONS = ("side peaks", "rates")


@staged("g² of pulses")
@in_its_unit
def pulsed_g2(
    steady: PeriodicState,
    first: str,
    second: str,
    pulses: int = 20,
    period: float | None = None,
    centre: int = 0,
    normalise: str = "side peaks",
    detectors: Mapping[str, Detector] | None = None,
) -> Correlation:
    """Return g²[m] = ⟨n_k n_l[m]⟩/⟨n_k⟩⟨n_l⟩ of pulses that are m apart; on the diagonal ⟨n(n − 1)⟩/⟨n⟩² at m = 0.

    With X′ = LX + M_kρ over a pulse, X(0) = 0, the state weighted by the clicks of that pulse is X(T), and
    ⟨n_k n_l[m]⟩ is the integral of Tr M_l X over pulse m > 0; within the pulse both orders add up.

    Parameters
    ----------
    steady : PeriodicState
        The periodic state.
    first, second : str
        Channels k and l; m counts from the pulse of `first` to that of `second`.
    pulses : int
        Largest |m − centre|.
    period, detectors
        As for `brightness`.
    centre : int
        Must be 0: delays by whole pulses occur in measured records only.
    normalise : {"side peaks", "rates"}
        By the mean of all peaks but the central one, or by the mean counts.

    Raises
    ------
    InvalidInput
        As for `brightness`, or another centre or normalisation.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> flip = tj.Drive(sigma + sigma.T, tj.Square(1.0, 1.1, 5 * np.pi))
    >>> system = tj.OpenSystem(0 * sigma, [tj.Channel("atom", sigma)], drives=[flip], period=50.0)
    >>> state = tj.lindblad.periodic_state(system)
    >>> tj.lindblad.pulsed_g2(state, "atom", "atom", pulses=2).value.round(3)
    array([1.   , 1.   , 0.024, 1.   , 1.   ])
    """
    detection = Detection(steady, detectors, period)
    checked_channels(steady.system, [first])
    checked_channels(steady.system, [second])
    one_of(normalise, "normalise", NORMALISATIONS)
    integer(pulses, "pulses", 1)
    if centre != 0:
        raise InvalidInput(f"centre={centre} applies to records with delayed channels; the exact centre is 0")
    forward = _following(detection, first, second, pulses)
    backward = forward if first == second else _following(detection, second, first, pulses)
    joint = np.concatenate([backward[:0:-1], [forward[0] + backward[0]], forward[1:]])
    value: NDArray[Any] = np.asarray(joint / (detection.mean(first) * detection.mean(second)))
    if normalise == "side peaks":
        side = np.arange(len(value)) != pulses
        value = np.asarray(value / value[side].mean())
    edges: Any = (np.arange(-pulses, pulses + 2) - 0.5) * detection.period
    zero = np.zeros(len(value))
    return Correlation(
        first, second, edges, value.astype(np.float64), zero, zero.astype(np.int64), f"exact, by {normalise}"
    )


def _following(detection: Detection, first: str, second: str, pulses: int) -> NDArray[np.float64]:
    """Return the mean number of clicks of `first` with a later one of `second`, by the pulses between them.

    Of detections ηJ + d the state weighted by the clicks of a pulse is ηX(t) + d·tρ(t), and ∫Tr X dt, of clicks
    that are followed by a dark count, is ∫(T − t) Tr Jρ dt.
    """
    names, period = list(detection.state.system.channel_names), detection.period
    k, after = names.index(first), names.index(second)
    one, other = detection.detectors[first], detection.detectors[second]
    pairs, late = detection.state.followed(pulses)
    emitted = detection.state.emitted(np.array([0.0, period]))[0]
    found = one.efficiency * other.efficiency * pairs[:, k, after]
    dark = one.efficiency * emitted[k] * other.dark_rate + one.dark_rate * other.efficiency * emitted[after]
    found[1:] += period * (dark + period * one.dark_rate * other.dark_rate)
    found[0] += one.efficiency * other.dark_rate * (period * emitted[k] - late[k])
    found[0] += one.dark_rate * other.efficiency * late[after] + 0.5 * period**2 * one.dark_rate * other.dark_rate
    return np.asarray(found)
