"""Propagators of systems that depend on time: by steps and eigenmodes, or by a tree of both."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidInput
from ...model.system import OpenSystem
from ..jump_kernels import Jumps
from ..modes.eigenmodes import ModesPropagator
from ..modes.forms_kernels import ModesArrays
from ..modes.mode_tables import aligned
from ..propagator import Propagator, TrajectoryState, check_tolerance
from ..trajectory_state import new_fields
from .place_kernels import N_PLACE, PulseWorkspace, start_watch
from .pulse_kernels import advance
from .still import one_of
from .tables import Builder, no_bridges, no_periods
from .taylor_kernels import MOST_TERMS, N_SCALARS, TimedArrays
from .trees import tree_arrays


class TimedPropagator(Propagator):
    """Taylor steps while envelopes change, eigenmodes while they are constant; see `TreePropagator`."""

    name = "steps"
    Arrays = TimedArrays

    def __init__(self, arrays: TimedArrays) -> None:
        still = ModesArrays(*(aligned(part) for part in arrays.still))
        others = arrays._asdict()
        del others["still"]
        contiguous = {name: np.ascontiguousarray(part) for name, part in others.items()}
        self.arrays = TimedArrays(**contiguous, still=still)
        self._scratch = ModesPropagator(one_of(still))

    @classmethod
    def compile(cls, system: OpenSystem, tolerance: float, horizon: float | None = None) -> TimedPropagator:
        """Prepare the propagator of a system that depends on time.

        Parameters
        ----------
        system : OpenSystem
            The system.
        tolerance : float
            Bound of |ΔS|/S, the relative error of the no-click probability.
        horizon : float, optional
            Duration of trajectories; needed if there is no period.

        Raises
        ------
        InvalidInput
            A tolerance out of range, a system that does not depend on time, or an envelope that is not finite.
        ConvergenceError
            A dimension too large for a tree.
        """
        check_tolerance(tolerance)
        if not system.depends_on_time:
            raise InvalidInput(f"propagator={cls.name!r} is for systems that depend on time; use 'auto'")
        if system.period is None and horizon is None:
            raise InvalidInput("a system that depends on time without a period needs a horizon; give horizon=")
        return cls(cls._made(Builder(system, tolerance, horizon or np.inf)))

    @classmethod
    def _made(cls, builder: Builder) -> TimedArrays:
        return builder.arrays()[0]

    @classmethod
    def restored(cls, arrays: dict[str, NDArray[Any]]) -> TimedArrays:
        """Return the tables of a file."""
        modes = {key.removeprefix("still."): part for key, part in arrays.items() if key.startswith("still.")}
        others = {key: part for key, part in arrays.items() if not key.startswith("still.")}
        # Files of earlier versions have no tables of whole periods, or others, no bridges, and fewer scalars.
        none = no_periods(arrays["adjoint"].shape[0])
        if "segment_of_position" not in others:
            others = {key: part for key, part in others.items() if key in TimedArrays._fields and key not in none}
            others.pop("bridges", None)
        others = none | others
        # They had each element of a diagonal twice.
        for name in ("diagonal_real", "diagonal_imag"):
            others[name] = others[name][:, :: max(1, others[name].shape[1] // arrays["adjoint"].shape[0])]
        others.setdefault("bridges", no_bridges(len(arrays["leaf_modes"])))
        others["scalars"] = np.pad(others["scalars"], (0, N_SCALARS - len(others["scalars"])))
        return TimedArrays(**others, still=ModesArrays(**modes))

    def start(
        self, ket: NDArray[np.complex128], n_channels: int, before: TrajectoryState | None = None
    ) -> TrajectoryState:
        """Return the state of a trajectory that begins in `ket`, of norm 1, at t = 0."""
        size, terms = len(ket), self.arrays.coefficients.shape[1:]
        near = len(self.arrays.frame)
        reach = 2 * int(np.abs(self.arrays.offsets).max(initial=0))
        padded_series, padded_mixed = (np.zeros(2 * (n * size + reach)) for n in (MOST_TERMS, 1))
        work = PulseWorkspace(
            psi=np.array(ket, np.complex128),
            trial=np.zeros(size, np.complex128),
            watched=np.zeros(size, np.complex128),
            parts=np.zeros((2, size)),
            padded_series=padded_series,
            padded_mixed=padded_mixed,
            series=_within(padded_series, reach).reshape(MOST_TERMS, size),
            mixed=_within(padded_mixed, reach),
            sums=np.zeros((2, 2 * size)),
            modes=np.zeros(size, np.complex128),
            phases=np.zeros(size, np.complex128),
            phi=np.zeros(near, np.complex128),
            lent=np.zeros(near, np.complex128),
            slow=np.zeros(self.arrays.to_slow.shape[3], np.complex128),
            near=np.zeros(max(self.arrays.from_slow.shape[3], self.arrays.to_slow.shape[1]), np.complex128),
            local=np.zeros(terms),
            rates=np.zeros(n_channels),
            place=np.zeros(N_PLACE, np.int64),
            offset=np.zeros(1),
            guess=np.zeros(1),
            watch_place=np.zeros(N_PLACE, np.int64),
            watch_offset=np.zeros(1),
            modal=self._scratch.workspace(size),
        )
        start_watch(work)
        fields = new_fields()
        fields.threshold, fields.survival = -1.0, 1.0
        return TrajectoryState(fields, work)

    def advance(
        self,
        jumps: Jumps,
        stop: float,
        state: TrajectoryState,
        uniforms: NDArray[np.float64],
        sampling: tuple[Jumps, NDArray[np.float64], NDArray[np.float64], NDArray[np.complex128]],
        clicks: tuple[NDArray[np.float64], NDArray[np.int16]],
    ) -> int:
        """Follow a trajectory until it ends or a buffer must be drained; see `pulse_kernels.advance`."""
        observables, sample_times, sampled, kets = sampling
        return advance(  # type: ignore[no-any-return]
            self.arrays,
            jumps,
            stop,
            uniforms,
            observables,
            sample_times,
            state.fields,
            state.work,
            *clicks,
            sampled,
            kets,
        )


def _within(padded: NDArray[np.float64], reach: int) -> NDArray[np.complex128]:
    """Return the complex numbers between the ends of an array."""
    return padded[reach : len(padded) - reach].view(np.complex128)


class TreePropagator(TimedPropagator):
    """Propagators of dyadic blocks of leaves, up to the whole period and 2, 4, 8, … periods, kept as matrices.

    A block without a click is one product; a click is found by bisection. Memory: about 32 N² bytes a leaf,
    bounded by the number of leaves.
    """

    name = "tree"

    @classmethod
    def _made(cls, builder: Builder) -> TimedArrays:
        return tree_arrays(builder)
