"""Interface of all propagators, and their common accuracy."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidInput
from ..model.system import OpenSystem
from .jump_kernels import Jumps

# A click is bracketed to this time, in 1/ω_b, or in inverse spectral widths if that is shorter.
BRACKET_WIDTH = 1e-8
SMALLEST_TOLERANCE = 1e-13
LARGEST_TOLERANCE = 1e-2


def bracket_width(scale: float) -> float:
    """Return the width of the bracket of a click at this spectral width, rounded down."""
    return float(np.nextafter(BRACKET_WIDTH / max(1.0, scale), 0.0))


def check_tolerance(tolerance: float) -> None:
    """Refuse a tolerance that double precision cannot keep, or that is too large to be useful."""
    if not np.isfinite(tolerance) or not SMALLEST_TOLERANCE <= tolerance <= LARGEST_TOLERANCE:
        raise InvalidInput(
            f"tolerance={tolerance} must lie between {SMALLEST_TOLERANCE:g} and {LARGEST_TOLERANCE:g}"
        )


class TrajectoryState(NamedTuple):
    """State of a trajectory between two calls of a kernel.

    `fields` is a record of type `trajectory_state.STATE`; `work` are the work arrays of the propagator.
    """

    fields: Any
    work: Any


class Propagator(Protocol):
    """Propagates states from click to click; made once for a system and shared by its trajectories."""

    name: ClassVar[str]
    Arrays: ClassVar[Any]
    arrays: Any

    def __init__(self, arrays: Any) -> None:
        """Make the propagator from the arrays of `compile`, e.g. from a file."""

    @classmethod
    def compile(cls, system: OpenSystem, tolerance: float) -> Propagator:
        """Prepare for a system; `tolerance` bounds |ΔS|/S, the relative error of the no-click probability."""

    @classmethod
    def restored(cls, arrays: dict[str, NDArray[Any]]) -> Any:
        """Return `Arrays` from a file, also from one of an earlier version."""
        return cls.Arrays(**arrays)

    def start(
        self, ket: NDArray[np.complex128], n_channels: int, before: TrajectoryState | None = None
    ) -> TrajectoryState:
        """Return the state of a trajectory that begins in `ket`, of norm 1.

        Of a trajectory `before`, which has ended, the work arrays may be used again.
        """

    def advance(
        self,
        jumps: Jumps,
        stop: float,
        state: TrajectoryState,
        uniforms: NDArray[np.float64],
        sampling: tuple[Jumps, NDArray[np.float64], NDArray[np.float64], NDArray[np.complex128]],
        clicks: tuple[NDArray[np.float64], NDArray[np.int16]],
    ) -> int:
        """Compute a trajectory until it ends or a buffer must be emptied; return why (see `trajectory_state`).

        `sampling` are operators, times, the table for their values, and the table for the states at the last of
        these times (which may have no rows); `clicks` are the buffers of click times and channels.
        """


def named_arrays(arrays: Any) -> dict[str, NDArray[Any]]:
    """Return the arrays of a propagator by name; arrays of a nested named tuple as ``outer.inner``."""
    found: dict[str, NDArray[Any]] = {}
    for name, part in arrays._asdict().items():
        found |= (
            {f"{name}.{key}": value for key, value in part._asdict().items()} if _nested(part) else {name: part}
        )
    return found


def _nested(part: Any) -> bool:
    return hasattr(part, "_asdict")
