"""Replay a record of ideal detectors: kets, conditioned on the clicks so far, predict every gap and channel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...blas import one_blas_thread
from ...errors import ConvergenceError, InvalidInput
from ...model.states import initial_states
from ...model.system import OpenSystem
from ...notebook import Shown, Summary
from ...processors import side_by_side, usable_processors
from ...records.clicks import ClickRecord
from ...results import read_only
from ..compiled import CompiledSystem, compile_system
from ..cost import SHORT, most_modes_seconds
from ..jump_kernels import Jumps
from ..modes.eigenbasis import eigenbasis
from ..modes.eigenmodes import ModesPropagator
from ..operators import stack_operators
from ..pulses.replay_kernels import follow_timed
from ..pulses.timed import TimedPropagator
from ..reduced.reduced_basis import ReducedPropagator
from ..sparse.sparse_action import SparsePropagator
from .reduced_filter import ReducedFilter, filter_modes
from .replay_kernels import FilterModes, follow_modes, follow_sparse, in_modes

# Largest weight of a mixed state that is dropped at each click.
DISCARDED = 1e-12
# −ln of the smallest survival probability above zero in double precision.
LONGEST_GAP = 745.0
# Records of fewer clicks are replayed on one thread.
LEAST_SHARED = 2000
# Propagators along which a record can be followed, and the tolerance of the one that takes the place of another.
WITH_FILTER = (ModesPropagator, ReducedPropagator, SparsePropagator, TimedPropagator)
FOLLOWED = 1e-10

# Follows one trajectory: gaps and channels in, hazards and intensities out; returns the weight dropped and whether
# the model forbids a click.
Follow = Callable[..., tuple[float, bool]]
# Makes one with buffers of its own, for each thread.
MakeFollow = Callable[[], Follow]


@dataclass(frozen=True, eq=False, repr=False)
class Replay(Shown):
    """Predictions of a system, click by click, for a record.

    Attributes
    ----------
    channel_names : tuple of str
        The record's channels.
    trajectory : ndarray of int64, shape (n_gaps,)
        Trajectory of every gap. A trajectory of n clicks has n + 1 gaps; the last one is not ended by a click.
    hazard : ndarray of float64, shape (n_gaps,)
        −ln S, with S the probability, given all clicks before, of no click for as long as the gap.
    intensity : ndarray of float64, shape (n_clicks, n_channels)
        Click rates in ω_b just before every click, conditioned on all earlier clicks.
    channel : ndarray of int16, shape (n_clicks,)
        The channel that clicked.
    discarded : float
        Weight of the mixed state that was dropped, summed over all starts and clicks.
    forbidden : ndarray of bool, shape (n_trajectories,)
        Trajectories with a click that the system cannot make; after it the replay restarts from the initial state.
    method : str
        How the state was propagated.
    hazard_error : ndarray of float64, shape (n_gaps,)
        Estimated error of each hazard if the state is propagated in a reduced model, from a smaller one; zeros for
        the full model.
    intensity_error : ndarray of float64, shape (n_clicks,)
        The same for the rate of the channel that clicked, relative to it. Largest after rare sequences of clicks.
    log_likelihood_error : float
        The same for ln of the likelihood of the whole record.

    Notes
    -----
    If the system is right, a dropped part of the mixed state is the true state with a probability equal to its
    weight. By the martingale property of conditional probabilities the likelihood loses at most the fraction
    `discarded` on average.

    Amplitudes below 1e-11 are left out: a rate that is the share p of all click rates at that time may be off by
    2e-11/√p of itself, 1e-4 at p = 4e-14. Below p = 1e-20 a click counts as impossible.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    >>> record = tj.simulate(system, trajectories=4, duration=20.0, seed=1, progress=False)
    >>> found = tj.replay(record, system, initial=[1, 0])
    >>> len(found.hazard) == len(record) + 4, found.intensity.shape == (len(record), 1)
    (True, True)
    """

    channel_names: tuple[str, ...]
    trajectory: NDArray[np.int64]
    hazard: NDArray[np.float64]
    intensity: NDArray[np.float64]
    channel: NDArray[np.int16]
    discarded: float
    forbidden: NDArray[np.bool_]
    method: str
    hazard_error: NDArray[np.float64]
    intensity_error: NDArray[np.float64]
    log_likelihood_error: float = 0.0

    def _summary(self) -> Summary:
        rows = [("ln of the likelihood", f"{self.log_likelihood:.6g}")]
        if self.log_likelihood_error:
            rows.append(("how far it may be off", f"{self.log_likelihood_error:.2g}"))
        if self.forbidden.any():
            rows.append(("impossible trajectories", str(int(self.forbidden.sum()))))
        title = f"Replay of {len(self.channel)} clicks in {len(self.forbidden)} trajectories"
        return Summary(title, ("", "value"), rows, self.method)

    @cached_property
    def ended(self) -> NDArray[np.bool_]:
        """Whether a click ended the gap, shape (n_gaps,); False for the last gap of every trajectory."""
        last = np.append(self.trajectory[1:] != self.trajectory[:-1], True)
        return read_only(~last)

    @cached_property
    def probability(self) -> NDArray[np.float64]:
        """Probability of every channel, given that a click came when it did, shape (n_clicks, n_channels)."""
        with np.errstate(invalid="ignore"):
            return read_only(self.intensity / self.intensity.sum(axis=1, keepdims=True))

    @cached_property
    def log_likelihoods(self) -> NDArray[np.float64]:
        """Logarithm of the density of every trajectory's clicks in ω_bⁿ, shape (n_trajectories,).

        ln p = Σ over gaps of ln S + Σ over clicks of ln λ_k, with λ_k the rate of the channel that clicked; −∞ for
        clicks that the system cannot make.
        """
        chosen = self.intensity[np.arange(len(self.channel)), self.channel]
        with np.errstate(divide="ignore"):
            gained = np.log(chosen)
        size = len(self.forbidden)
        total = np.bincount(self.trajectory[self.ended], gained, size) - np.bincount(
            self.trajectory, self.hazard, size
        )
        return read_only(np.where(self.forbidden, -np.inf, total))

    @property
    def log_likelihood(self) -> float:
        """Logarithm of the likelihood of the whole record."""
        return float(self.log_likelihoods.sum())

    @cached_property
    def rescaled_gaps(self) -> NDArray[np.float64]:
        """Gaps in rescaled time: independent, and exponential of mean 1, if the record came from the system.

        Trajectories are joined end to end: the hazard of the last gap of one is added to the first gap of the
        next. What remains after the very last click is left out. Shape (n_clicks,).
        """
        # A survival probability that underflows to zero must not affect later gaps.
        gathered = np.cumsum(np.minimum(self.hazard, LONGEST_GAP))
        return read_only(np.diff(gathered[self.ended], prepend=0.0))


def replay_ideal(
    record: ClickRecord,
    system: OpenSystem,
    initial: Any,
    compiled: CompiledSystem | Mapping[str, NDArray[Any]] | None = None,
) -> Replay:
    """Replay a record whose channels are all of the system's, each detected ideally.

    Between clicks ρ̃' = L0ρ̃ with Tr ρ̃ = S, the probability of no click so far; a click in k comes at the rate
    Tr[J_kρ̃]/S and leaves J_kρ̃/Tr[J_kρ̃], J_k = c_k·c_k†. ρ̃ is represented by a few kets that evolve under
    exp(−iH_eff t); at most 1e-12 of their weight is dropped at the start and at each click.

    Parameters
    ----------
    record : ClickRecord
        The clicks; its channels are those of the system, in any order.
    system : OpenSystem
        The hypothesised model.
    initial : array_like of complex, shape (N,) or (N, N), or another initial state that `simulate` takes
        Ket or density matrix at the start of every trajectory.
    compiled : CompiledSystem or mapping of str to ndarray, optional
        The same system, compiled, or its arrays as in `Run.arrays`; saves the diagonalisation.

    Raises
    ------
    InvalidInput
        Channels that are not those of the system, or no initial state.
    """
    if set(record.channel_names) != set(system.channel_names):
        raise InvalidInput(
            f"the record has the channels {', '.join(record.channel_names)}; it must have those of the system, "
            f"{', '.join(system.channel_names)}"
        )
    make, method, faint = _ket_filter(system, initial, compiled, float(record.stop.max()))
    place = np.array([system.channel_names.index(name) for name in record.channel_names])
    channel = place[record.channel]
    offsets, n_clicks = record.offsets, len(record)
    hazard = np.empty(n_clicks + record.n_trajectories)
    intensity = np.empty((n_clicks, len(place)))
    forbidden = np.zeros(record.n_trajectories, dtype=np.bool_)
    dropped = np.zeros(record.n_trajectories)

    def worker() -> Callable[[tuple[int, tuple[int, int]]], None]:
        follow = make()

        def one(part: tuple[int, tuple[int, int]]) -> None:
            r, (low, high) = part
            gaps = np.diff(record.time[low:high], prepend=record.start[r], append=record.stop[r])
            clicks = (gaps, channel[low:high])
            begun = float(record.start[r])
            weight, forbidden[r] = follow(clicks, hazard[low + r : high + r + 1], intensity[low:high], begun)
            dropped[r] = faint + weight

        return one

    threads = min(usable_processors(), record.n_trajectories) if n_clicks >= LEAST_SHARED else 1
    side_by_side(enumerate(pairwise(offsets)), worker, threads)
    return Replay(
        channel_names=record.channel_names,
        trajectory=read_only(np.repeat(np.arange(record.n_trajectories), np.diff(offsets) + 1)),
        hazard=read_only(hazard),
        intensity=read_only(intensity[:, place]),
        channel=record.channel,
        discarded=float(sum(dropped)),
        forbidden=read_only(forbidden),
        method=method,
        hazard_error=read_only(np.zeros(len(hazard))),
        intensity_error=read_only(np.zeros(n_clicks)),
    )


def _timed_filter(propagator: TimedPropagator, jumps: Jumps, ensemble: NDArray[np.complex128]) -> MakeFollow:
    """Return a function that makes the filter of a system that depends on time."""

    def make() -> Follow:
        work = propagator.start(ensemble[0], len(propagator.arrays.amplitude)).work

        def by_time(clicks: Any, hazard: Any, intensity: Any, begun: float) -> tuple[float, bool]:
            return follow_timed(  # type: ignore[no-any-return]
                propagator.arrays, jumps, ensemble, (*clicks, begun), DISCARDED, hazard, intensity, work
            )

        return by_time

    return make


@one_blas_thread()
def _modes_alone(system: OpenSystem) -> FilterModes | None:
    """Return the eigenmodes of a system that `compile_system` would take them of, without its tables for clicks.

    A fit replays a record hundreds of times, each time through another system, which of small systems takes less
    time than to prepare what trajectories need.
    """
    if system.depends_on_time or most_modes_seconds(system.dimension, len(system.channels)) > SHORT:
        return None
    try:
        basis = eigenbasis(system, FOLLOWED)
    except ConvergenceError:
        return None
    return filter_modes(basis.energy - basis.energy[0], basis.decay, basis.vectors, basis.inverse)


def _modes_filter(modes: FilterModes, jumps: Jumps, ensemble: NDArray[np.complex128]) -> MakeFollow:
    """Return a function that makes the filter of a system that is followed in its eigenmodes."""
    start = in_modes(modes, ensemble)

    def by_modes(clicks: Any, hazard: Any, intensity: Any, _: float) -> tuple[float, bool]:
        return follow_modes(modes, jumps, start, clicks, DISCARDED, hazard, intensity)  # type: ignore[no-any-return]

    return lambda: by_modes


def _ket_filter(
    system: OpenSystem,
    initial: Any,
    compiled: CompiledSystem | Mapping[str, NDArray[Any]] | None,
    horizon: float,
) -> tuple[MakeFollow, str, float]:
    """Return a function that makes the filter for ideal detectors, its name, and the dropped initial weight."""
    start = initial_states(initial, system.dimension)
    kets, weights = start.kets, start.weights
    # A steady state has many kets, most of them of less weight than may be dropped at a click.
    order = np.argsort(weights)
    kept = np.sort(order[np.cumsum(weights[order]) > DISCARDED])
    ensemble = np.ascontiguousarray(np.sqrt(weights[kept])[:, None] * kets[kept])
    faint = float(weights.sum() - weights[kept].sum()) if len(kept) < len(weights) else 0.0
    kind = "pure state" if len(kets) == 1 else "mixture of kets"
    if compiled is None:
        alone = _modes_alone(system)
        if alone is not None:
            jumps = stack_operators([channel.operator for channel in system.channels], system.dimension)
            return _modes_filter(alone, jumps, ensemble), f"{kind}, {ModesPropagator.name}", faint
        ready = compile_system(system, kets[0], horizon=horizon)
    else:
        ready = compiled if isinstance(compiled, CompiledSystem) else CompiledSystem.from_arrays(compiled)
    propagator, jumps = ready.propagator, ready.jumps
    if not isinstance(propagator, WITH_FILTER):
        timed = system.depends_on_time
        propagator = (
            TimedPropagator.compile(system, FOLLOWED, horizon)
            if timed
            else SparsePropagator.compile(system, FOLLOWED)
        )
    method = f"{kind}, {propagator.name}"
    if isinstance(propagator, ModesPropagator):
        arrays = propagator.arrays
        modes = filter_modes(arrays.energy, arrays.decay, arrays.vectors, arrays.inverse)
        return _modes_filter(modes, jumps, ensemble), method, faint
    if isinstance(propagator, TimedPropagator):
        return _timed_filter(propagator, jumps, ensemble), method, faint
    reduced = None
    if isinstance(propagator, ReducedPropagator):
        reduced = ReducedFilter(system, propagator.arrays, ensemble)
        method = f"{method} to {len(reduced.states)} of {system.dimension} basis states"
        propagator = propagator.action
    action = propagator

    def make() -> Follow:
        work = action.start(kets[0], len(system.channels)).work

        def by_action(clicks: Any, hazard: Any, intensity: Any, _: float) -> tuple[float, bool]:
            # A trajectory that leaves the essential states is replayed on all states.
            found = None if reduced is None else reduced.follow(clicks, DISCARDED, hazard, intensity)
            if found is not None:
                return found
            return follow_sparse(action.arrays, jumps, ensemble, clicks, DISCARDED, hazard, intensity, work)  # type: ignore[no-any-return]

        return by_action

    return make, method, faint
