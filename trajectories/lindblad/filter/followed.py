"""What a filter found along a record, in which levels, and the detectors that no filter follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...detectors import Detector
from ...errors import InvalidInput

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Plan:
    """How a record was followed.

    Attributes
    ----------
    digest : bytes
        Of the record.
    level : int
        The level of the whole.
    repeated : list of (int, ndarray, int)
        Level, gaps and lead of what was followed again, in this order.
    """

    digest: bytes
    level: int
    repeated: list[tuple[int, NDArray[np.int64], int]]


@dataclass(frozen=True, eq=False)
class Followed:
    """What the filter computed along some trajectories.

    Attributes
    ----------
    hazard, hazard_error : ndarray of shape (n_gaps,)
        −ln of the survival of every gap, and its estimated error.
    intensity : ndarray of shape (n_clicks, K)
        Rates of the watched channels just before every click.
    intensity_error : ndarray of shape (n_clicks,)
        Estimated relative error of the rate of the channel that clicked.
    log_likelihood_error : ndarray of shape (n_trajectories,)
        Estimated error of ln of the likelihood of each trajectory, with its sign.
    forbidden : ndarray of bool, shape (n_trajectories,)
        Trajectories with a click that is impossible in the model.
    method : str
        How states were carried.
    """

    hazard: Array
    hazard_error: Array
    intensity: Array
    intensity_error: Array
    log_likelihood_error: Array
    forbidden: NDArray[np.bool_]
    method: str


def refuse_hidden_events(watching: Mapping[str, Detector]) -> None:
    """Refuse detectors that no filter follows."""
    for name, detector in watching.items():
        if detector.paralysable:
            raise InvalidInput(
                f"detector of {name!r} is paralysable: lost events that are not in the record prolong its dead "
                "time, and no filter follows them; leave it out, or compare its rate and g²"
            )
        if detector.afterpulsing > 0.0:
            raise InvalidInput(
                f"detector of {name!r} has afterpulsing={detector.afterpulsing:g}: which clicks are "
                "afterpulses is not known, and no filter follows them; leave it out, or compare rates alone"
            )
