"""replay(): a record followed through a model, whatever its detectors were; each click and gap is predicted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trajectories.checks import positive_number, shown
from trajectories.detectors import Detector
from trajectories.engine.replay.replay import Replay, replay_ideal
from trajectories.errors import InvalidInput
from trajectories.lindblad import SteadyState, steady_state
from trajectories.lindblad.filter.conditional import ConditionalFilter
from trajectories.lindblad.filter.timed import TimedFilter
from trajectories.lindblad.pulses.periodic import affordable_periodic_state
from trajectories.model.states import initial_states
from trajectories.model.system import OpenSystem
from trajectories.records.clicks import ClickRecord
from trajectories.records.corrections import unfolded
from trajectories.results import read_only
from trajectories.stages import staged

from ..clicks.inputs import checked_detectors
from ..clicks.streams import Clicks, ClickStream, stream
from .subject import in_memory

# The arrays of a run, or the system that the engine compiled from them.
Compiled = Any


@staged("replaying the record")
def replay(
    record: Clicks,
    system: OpenSystem,
    initial: Any = "steady",
    *,
    detectors: Mapping[str, Detector] | None = None,
    compiled: Compiled = None,
    tolerance: float | None = None,
) -> Replay:
    """Replay a record through a system.

    Between clicks ρ̃' = L0ρ̃ with Tr ρ̃ = S, the probability of no click so far; a click in k comes at the rate
    Tr[𝒥_kρ̃]/S and leaves 𝒥_kρ̃/Tr[𝒥_kρ̃]. Where every channel is detected ideally 𝒥_k = c_k·c_k†, and ρ̃ is carried
    as a few kets that follow exp(−iH_eff t), of whose weight at most 1e-12 is dropped at a click. Otherwise
    𝒥_k = η_kc_k·c_k† + d_k, and 0 while the detector is dead; what is not detected stays in L0 = L − Σ_k𝒥_k, and
    the density matrix itself is carried: exactly up to 30 dimensions, above in a reduced model with an estimate of
    its error. Systems that depend on time are followed too, with imperfect detectors up to 30 dimensions.

    Parameters
    ----------
    record : ClickRecord, Run, or whatever `stream` takes
        The clicks; its channels are channels of the system, in any order.
    system : OpenSystem
        The hypothesised model.
    initial : {"steady"}, SteadyState, or whatever `simulate` takes
        State at the start of every trajectory: the steady state, a ket, a density matrix, a mixture.
    detectors : mapping of str to Detector, optional
        Efficiency, dark counts, dead time and jitter by channel; those in the record's provenance when not given.
        Channels of the system that the record lacks are not detected.
    compiled : CompiledSystem or mapping of str to ndarray, optional
        The same system compiled before, or its arrays, as `Run.arrays` has them; saves the diagonalisation.
    tolerance : float, optional
        With imperfect detectors and more than 30 dimensions: the largest error of −ln of a survival and of ln of a
        rate. Gaps of which more is stated, as after rare sequences of clicks, are followed again in larger
        models, which take up to a minute to make each. 0.02 when not given; 1e-6 is reached by most gaps, and what
        is not reached is stated (`hazard_error`, `intensity_error`).

    Returns
    -------
    Replay

    Raises
    ------
    InvalidInput
        A channel that the system lacks, a bad state or tolerance, or jitter within which the rates after a click
        change by more than one per cent, so that it cannot be neglected.
    ConvergenceError
        Imperfect detection of a system of more than 30 dimensions of which no reduced model passes its checks.

    Notes
    -----
    Brown, Barbieri, Ventura, Kass and Frank, Neural Comput. 14, 325 (2002), for rescaled time. `replays` follows
    runs that are larger than memory.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    >>> record = tj.simulate(system, trajectories=4, duration=20.0, seed=1, progress=False)
    >>> weaker = tj.OpenSystem(0.2 * (sigma + sigma.T), [tj.Channel("atom", sigma)])
    >>> tj.replay(record, system).log_likelihood > tj.replay(record, weaker).log_likelihood
    True
    >>> seen = tj.analysis.apply_detectors(record, {"atom": tj.Detector(efficiency=0.5, dead_time=0.2)}, seed=1)
    >>> tj.replay(seen, system).method
    'density matrix'
    """
    clicks = in_memory(record)
    return Replayer(clicks, system, initial, detectors, compiled, tolerance=tolerance).replay(clicks)


def replays(
    record: Clicks,
    system: OpenSystem,
    initial: Any = "steady",
    *,
    detectors: Mapping[str, Detector] | None = None,
    compiled: Compiled = None,
    tolerance: float | None = None,
) -> Iterator[Replay]:
    """Replay clicks block by block, so that runs larger than memory can be replayed.

    Parameters, errors and what each block gives are those of `replay`; the blocks are those of the stream.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    >>> records = [tj.simulate(system, 4, 20.0, seed=seed, progress=False) for seed in (1, 2)]
    >>> whole = tj.replay(records, system).log_likelihood
    >>> parts = [block.log_likelihood for block in tj.replays(records, system)]
    >>> len(parts), round(sum(parts) - whole, 9)
    (2, 0.0)
    """
    clicks = stream(record)
    replayer = Replayer(clicks, system, initial, detectors, compiled, tolerance=tolerance)
    return (replayer.replay(block) for block in clicks.blocks())


class Replayer:
    """Replays records of the same detectors; what they share is computed once.

    Parameters
    ----------
    watched : ClickRecord or ClickStream
        Gives the channels and the recorded detectors.
    system, initial, detectors, compiled
        As in `replay`.
    like : Replayer, optional
        One of a similar system that has replayed a record; see `ConditionalFilter`.
    tolerance : float, optional
        As in `replay`.

    Attributes
    ----------
    watching : dict of str to Detector
        Detector of each channel of the record.
    filter : ConditionalFilter, TimedFilter or None
        Carries the density matrix; None where every channel is detected ideally.
    """

    def __init__(
        self,
        watched: ClickRecord | ClickStream,
        system: OpenSystem,
        initial: Any,
        detectors: Mapping[str, Detector] | None,
        compiled: Compiled = None,
        like: Replayer | None = None,
        tolerance: float | None = None,
    ) -> None:
        if tolerance is not None:
            positive_number(tolerance, "tolerance")
        self.watching = watching(watched, system, detectors)
        self._system, self._compiled = system, compiled
        if isinstance(initial, str):
            if initial != "steady":
                raise InvalidInput(f"initial={shown(initial)} must be 'steady', a ket or a density matrix")
            if system.depends_on_time:
                initial = initial_states(affordable_periodic_state(system).rho, system.dimension)
            else:
                initial = steady_state(system)
        elif not isinstance(initial, SteadyState):
            initial = initial_states(initial, system.dimension)
        self._initial = initial
        every = set(self.watching) == set(system.channel_names)
        ideal = every and all(detector == Detector() for detector in self.watching.values())
        self.filter: ConditionalFilter | TimedFilter | None = None
        if ideal:
            return
        if system.depends_on_time:
            self.filter = TimedFilter(system, self.watching, initial.density_matrix)
            return
        start = initial if isinstance(initial, SteadyState) else initial.density_matrix
        pattern = like.filter if like is not None and isinstance(like.filter, ConditionalFilter) else None
        self.filter = ConditionalFilter(system, self.watching, start, tolerance, like=pattern)

    def replay(self, record: ClickRecord) -> Replay:
        """Replay one record; of a synced one, the times within the period count."""
        if record.within is not None:
            record = unfolded(record)
        if self.filter is None:
            return replay_ideal(record, self._system, self._initial, self._compiled)
        place: NDArray[np.int64] = np.array(
            [list(self.watching).index(name) for name in record.channel_names], dtype=np.int64
        )
        found = self.filter.follow(record.start, record.stop, record.offsets, record.time, place[record.channel])
        return Replay(
            channel_names=record.channel_names,
            trajectory=read_only(np.repeat(np.arange(record.n_trajectories), np.diff(record.offsets) + 1)),
            hazard=read_only(found.hazard),
            intensity=read_only(found.intensity[:, place]),
            channel=record.channel,
            discarded=0.0,
            forbidden=read_only(found.forbidden),
            method=found.method,
            hazard_error=read_only(found.hazard_error),
            intensity_error=read_only(found.intensity_error),
            log_likelihood_error=float(abs(found.log_likelihood_error.sum())),
        )


def watching(
    record: ClickRecord | ClickStream, system: OpenSystem, detectors: Mapping[str, Detector] | None
) -> dict[str, Detector]:
    """Return the detector of each channel of a record, in the system's order; ideal where none is given."""
    for name in record.channel_names:
        system.channel(name)
    given = checked_detectors(record, detectors)
    return {name: given.get(name, Detector()) for name in system.channel_names if name in record.channel_names}
