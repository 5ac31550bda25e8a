"""ConditionalFilter: ρ given a record of imperfect detectors, at any dimension, with its estimated error."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...blas import one_blas_thread
from ...detectors import Detector
from ...errors import ConvergenceError, InvalidInput
from ...model import OpenSystem
from ..levels import LARGEST_CORE, MAX_CONDITION, MAX_GROWTH, MODE_CUTS, PAIR_CUTS, RESTRICT
from ..reduced.essential import MAX_ROUNDS, STATE_CUT, closed_under_jumps, neighbours, restricted
from ..reduced.mode_space import MODE_CUT, AllModes, ModeSpace, all_modes, mode_space
from ..reduced.pair_core import importance
from ..reduced.stationary import FINE, stationary
from ..reduced.stationary import cut_out as essential_part
from ..solver import MAX_MODES_CONDITION
from ..steady_state import SteadyState, steady_state
from .compiled import CompiledFilter
from .dead_sets_kernels import mark_dead_sets
from .follow_kernels import Clicks, follow
from .followed import Followed, Plan, refuse_hidden_events
from .linear_model import LinearModel, core_model, full_model
from .motions import MAX_FULL_CONDITION
from .stretches import (
    Found,
    cut_out,
    differences,
    digest_of,
    ended_by_clicks,
    rates_apart,
    rows_of_gaps,
    with_neighbours,
    write,
)

Array = NDArray[np.float64]
Matrix = NDArray[np.complex128]

# Up to this dimension states are followed on all their N² numbers.
FULL = 30
# The two levels of `levels.PAIR_CUTS` with which a record is followed first.
FIRST_LEVELS = (0, 1)
# Largest error of a hazard or of ln of a rate, by default; where more is stated a finer level takes over.
TOLERANCE = 2e-2
# What is stated as the error of a gap is so many times the difference of two levels there, and more of the first.
SAFETY, FIRST_SAFETY = 3.0, 6.0
# The filter's levels are those of stationary curves. Its cores are larger where more is asked for than by default:
# diagonalising one takes a minute.
CUTS = PAIR_CUTS
LARGEST_FILTER = 3400
# Stretches begin so many clicks before the gap that is wanted, and more where that is not enough.
LEAD, LONGEST_LEAD = 3, 96
# Where more than this share of all gaps needs a finer level, trajectories go there as a whole.
MOSTLY = 0.5
# Number of trajectories that are followed together.
WIDTH = 64
# Channels with a dead time, of which all subsets may be dead together.
MOST_DEAD = 12
# A click may come too early after a dead time by this fraction of it: the rounding of sums of times.
EARLY = 1e-9
# Jitter is neglected where rates after a click change by less than this fraction within it.
BLURRED = 1e-2


class ConditionalFilter:
    """Follows records of one system, one set of detectors and one initial state.

    Between clicks ρ̃' = L0ρ̃ with L0 = L − Σ_k (η_kJ_k + d_k) over the detectors that are not dead, and a click in k
    makes ρ̃ → η_kJ_kρ̃ + d_kρ̃. Up to 30 dimensions ρ̃ is all of its N² numbers. Above, it is carried on a core of
    pairs of modes of H_eff (`reduced.pair_core`), whose L0 is diagonalised once: a gap costs R exponentials
    and a click a product of R² numbers. Two cores are followed side by side, and the error that is stated
    comes from their difference in a gap and the gaps beside it: an estimate. It is largest after sequences of
    clicks that are rare; where it exceeds the tolerance, finer and finer cores follow these stretches again.

    Parameters
    ----------
    system : OpenSystem
        The model.
    watching : mapping of str to Detector
        Detector of each detected channel, in the order of the rates that are returned; others are not detected.
    initial : SteadyState or ndarray of shape (N, N)
        The steady state, or the density matrix at the start of every trajectory.
    tolerance : float, optional
        Largest error of a hazard and of ln of a rate; gaps of which more is stated are followed again in a finer
        core, while there is one of at most 2600 pairs, or of 3400 where a tolerance is given.
    like : ConditionalFilter, optional
        The filter of a similar system that has followed a record: the same basis states, the modes that are most
        like its modes, and the same pairs are taken. Of that record the same gaps are followed again in the same
        finer cores, so that likelihoods are smooth functions of the system's parameters. Errors are not estimated
        then.

    Raises
    ------
    InvalidInput
        Too many channels with dead time, jitter within which click rates change, or afterpulses.
    ConvergenceError
        A system above 30 dimensions for which no core passes its checks, as under strong dissipation.
    """

    def __init__(
        self,
        system: OpenSystem,
        watching: Mapping[str, Detector],
        initial: SteadyState | Matrix,
        tolerance: float | None = None,
        like: ConditionalFilter | None = None,
    ) -> None:
        self._system, self._watching, self._initial = system, dict(watching), initial
        self.tolerance = TOLERANCE if tolerance is None else tolerance
        self._largest = LARGEST_CORE if tolerance is None else LARGEST_FILTER
        self._like, self._plan = like, Plan(b"", FIRST_LEVELS[1], [])
        dead = [name for name, detector in watching.items() if detector.dead_time > 0.0]
        refuse_hidden_events(watching)
        if len(dead) > MOST_DEAD:
            raise InvalidInput(f"{len(dead)} channels have a dead time; at most {MOST_DEAD} can be followed")
        self._levels: dict[int, CompiledFilter] = {}
        self._states: NDArray[np.int64] = np.arange(system.dimension)

    @property
    def exact(self) -> bool:
        """Whether nothing is left out."""
        return self._system.dimension <= FULL

    def follow(
        self, start: Array, stop: Array, offsets: NDArray[np.int64], time: Array, channel: NDArray[np.int64]
    ) -> Followed:
        """Follow trajectories.

        Parameters
        ----------
        start, stop : ndarray of shape (n,)
            Observation windows.
        offsets : ndarray of shape (n + 1,)
            Where the clicks of each trajectory begin and end.
        time, channel : ndarray of shape (n_clicks,)
            The clicks; channels are numbered in the order of `watching`.
        """
        clicks = Clicks(
            np.array(start, dtype=np.float64),
            np.array(stop, dtype=np.float64),
            np.array(offsets, dtype=np.int64),
            np.array(time, dtype=np.float64),
            np.array(channel, dtype=np.int64),
        )
        with one_blas_thread():
            if not self.exact and self._like is None:
                return self._by_cores(clicks)
            hazard, intensity, forbidden = self._at(0, clicks) if self.exact else self._as_planned(clicks)
            none, no_rate = np.zeros(len(hazard)), np.zeros(len(intensity))
            method = self._method(0 if self._like is None else self._like._plan.level)
            return Followed(hazard, none, intensity, no_rate, np.zeros(len(forbidden)), forbidden, method)

    def _by_cores(self, clicks: Clicks) -> Followed:
        """Follow with two cores, and the gaps that are too inaccurate with finer ones."""
        level, safety = FIRST_LEVELS[1], FIRST_SAFETY
        coarse = self._at(FIRST_LEVELS[0], clicks)
        while True:
            found = self._at(level, clicks)
            added = differences(coarse, found, clicks)
            error = safety * with_neighbours(added.worst, clicks)
            doubtful = np.flatnonzero(error > self.tolerance)
            if len(doubtful) <= MOSTLY * len(error) or not self.has(level + 1):
                break
            coarse, level, safety = found, level + 1, SAFETY
        plan = Plan(digest_of(clicks), level, [])
        row, ended = rows_of_gaps(clicks), ended_by_clicks(clicks)
        off = added.hazard.copy()
        off[ended] -= added.rate
        off *= -safety
        finest, anew = level, len(doubtful)
        while len(doubtful) and self.has(finest + 1):
            error[doubtful], off[doubtful], lead = self._refined(clicks, found, doubtful, finest)
            finest += 1
            plan.repeated.append((finest, doubtful, lead))
            doubtful = doubtful[error[doubtful] > self.tolerance]
        self._plan = plan
        method = self._method(level)
        if finest > level:
            method += f", {anew} of {len(error)} gaps again with up to {self._core_size(finest)}"
        return Followed(
            found.hazard,
            error,
            found.intensity,
            error[ended],
            np.asarray(np.bincount(row, off, len(clicks.start)), dtype=np.float64),
            found.forbidden,
            method,
        )

    def _as_planned(self, clicks: Clicks) -> Found:
        """Follow as the filter of the similar system did: of that record, the same gaps in finer cores."""
        assert self._like is not None
        plan = self._like._plan
        found = self._at(plan.level, clicks)
        for level, gaps, lead in plan.repeated if plan.digest == digest_of(clicks) else ():
            parts = cut_out(clicks, gaps, lead)
            write(self._at(level, parts.clicks), parts, found, clicks)
        return found

    def _refined(
        self, clicks: Clicks, found: Found, gaps: NDArray[np.int64], level: int
    ) -> tuple[Array, Array, int]:
        """Follow some gaps one level finer, write them into what was found; return their errors and the lead.

        The old level follows the stretches as well: its difference to what it found before shows how much the
        beginning of the stretches matters, and that of the two levels is the error of the finer one. Returned are
        the error of each gap, and what ln of the likelihood may be off by in it, with a sign.
        """
        lead = LEAD
        while True:
            parts = cut_out(clicks, gaps, lead)
            same = self._at(level, parts.clicks)
            clicked = ended_by_clicks(clicks)[gaps]
            click = (gaps - rows_of_gaps(clicks)[gaps])[clicked]
            click_here = (parts.here - rows_of_gaps(parts.clicks)[parts.here])[clicked]
            with np.errstate(invalid="ignore"):
                moved = np.abs(same.hazard[parts.here] - found.hazard[gaps])
            before, now = found.intensity[click], same.intensity[click_here]
            moved[~np.isfinite(moved)] = 0.0
            moved[clicked] = np.maximum(moved[clicked], rates_apart(before, now, clicks.channel[click])[1])
            if moved.max(initial=0.0) <= 0.1 * self.tolerance or lead >= LONGEST_LEAD:
                break
            lead *= 2
        finer = self._at(level + 1, parts.clicks)
        added = differences(same, finer, parts.clicks)
        error = SAFETY * with_neighbours(added.worst, parts.clicks)[parts.here] + moved
        off = -added.hazard[parts.here]
        off[clicked] += added.rate[click_here]
        write(finer, parts, found, clicks)
        return error, SAFETY * off, lead

    def has(self, level: int) -> bool:
        """Say whether there is a core of this level that passes its checks."""
        if level >= len(CUTS) or self._core_size(level) > self._largest:
            return False
        try:
            self.compiled(level)
        except ConvergenceError:
            return False
        return True

    def compiled(self, level: int) -> CompiledFilter:
        """Return the model of a level, made once; for exact models all levels are one."""
        if level not in self._levels:
            model = self._full() if self.exact else self._core(level)
            compiled = CompiledFilter(model, self._watching, full=self.exact)
            compiled.require_sound(MAX_FULL_CONDITION if self.exact else MAX_CONDITION, MAX_GROWTH)
            self._refuse_blur(compiled)
            self._levels[level] = compiled
        return self._levels[level]

    def _at(self, level: int, clicks: Clicks) -> Found:
        """Follow with one model; return hazards, rates and impossible trajectories."""
        compiled = self.compiled(level)
        dead_time = np.array([detector.dead_time for detector in self._watching.values()])
        met = np.zeros(1 << int((dead_time > 0.0).sum()), dtype=np.bool_)
        bit = np.where(dead_time > 0.0, 1 << np.maximum(np.cumsum(dead_time > 0.0) - 1, 0), 0).astype(np.int64)
        mark_dead_sets(clicks.offsets, clicks.time, clicks.channel, dead_time, bit, met)
        longest = float((clicks.stop - clicks.start).max(initial=0.0))
        slack = EARLY * float(dead_time.max(initial=0.0)) + 4.0 * float(np.spacing(clicks.stop.max(initial=1.0)))
        motions, watch = compiled.arrays(np.flatnonzero(met), bit, longest, slack)
        n = len(clicks.time)
        hazard, intensity = np.empty(n + len(clicks.start)), np.empty((n, len(dead_time)))
        forbidden = np.zeros(len(clicks.start), dtype=np.bool_)
        state = np.zeros((max(min(WIDTH, len(clicks.start)), 1), compiled.model.size))
        follow(motions, watch, clicks, state, hazard, intensity, forbidden)
        return Found(hazard, intensity, forbidden)

    def _method(self, level: int) -> str:
        if self.exact:
            return "density matrix"
        return f"density matrix, core of {self.compiled(level).model.size} mode pairs"

    # -- models -------------------------------------------------------------------------------------------------

    def _full(self) -> LinearModel:
        initial = self._initial
        return full_model(self._system, initial.rho if isinstance(initial, SteadyState) else initial)

    def _core(self, level: int) -> LinearModel:
        space, begun = self._space(level)
        return core_model(space, self._chosen(level), begun)

    def _core_size(self, level: int) -> int:
        return int(self._chosen(level).sum())

    def _chosen(self, level: int) -> NDArray[np.bool_]:
        if self._like is not None:
            return self._like._chosen(level)
        space, begun = self._space(level)
        others = () if isinstance(self._initial, SteadyState) else (begun,)
        return importance(space, tuple(self._watching), tuple(self._watching), True, others) > CUTS[level]

    def _space(self, level: int) -> tuple[ModeSpace, Matrix]:
        """Return the modes of a level and the initial state in them."""
        if level not in self._spaces:
            system, rho, begun, modes = self._essential
            others = () if isinstance(self._initial, SteadyState) else (begun,)
            like = None if self._like is None else self._like._space(level)[0].vectors
            cut = MODE_CUT * MODE_CUTS[min(level, len(MODE_CUTS) - 1)]
            space = mode_space(system, rho, modes, cut, others, like)
            state = space.rho if isinstance(self._initial, SteadyState) else space.seen(begun)
            self._spaces[level] = space, state
        return self._spaces[level]

    @cached_property
    def _spaces(self) -> dict[int, tuple[ModeSpace, Matrix]]:
        return {}

    @cached_property
    def _essential(self) -> tuple[OpenSystem, Matrix, Matrix, AllModes]:
        """Return the system on its essential states, its steady and its initial state there, and all modes."""
        system, initial = self._system, self._initial
        steady = initial if isinstance(initial, SteadyState) else steady_state(system)
        begun = steady.rho if isinstance(initial, SteadyState) else initial
        inner, rho = system, steady.rho
        if system.dimension > RESTRICT:
            if self._like is not None:
                states = self._like._states
            else:
                states = essential_part(system, steady.rho, STATE_CUT).states
                if not isinstance(initial, SteadyState):
                    states = _grown_from(system, states, begun)
            self._states = states
            inner = restricted(system, states)
            square = np.ix_(states, states)
            rho, begun = stationary(inner, steady.rho[square], FINE), begun[square]
        modes = all_modes(inner)
        if modes.condition > MAX_MODES_CONDITION:
            raise ConvergenceError(
                f"the modes of H_eff have condition {modes.condition:.1g}, too large to reduce {system.dimension} "
                f"dimensions; lower the levels to at most {FULL} dimensions, or record every channel ideally"
            )
        return inner, rho, begun, modes

    def _refuse_blur(self, compiled: CompiledFilter) -> None:
        """Refuse jitter within which rates change."""
        jitter = max((detector.jitter for detector in self._watching.values()), default=0.0)
        change = compiled.blur(jitter) if jitter > 0.0 else 0.0
        if change > BLURRED:
            raise InvalidInput(
                f"jitter={jitter:g} is too long to be neglected: within it rates after a click change by a share "
                f"of {change:.2g}, above {BLURRED:g}; lower it"
            )


def _grown_from(system: OpenSystem, states: NDArray[np.int64], begun: Matrix) -> NDArray[np.int64]:
    """Return some basis states together with those that an initial state needs while it relaxes."""
    occupied = np.flatnonzero(np.diag(begun).real > STATE_CUT)
    states = closed_under_jumps(system, np.union1d(states, occupied))
    for _ in range(MAX_ROUNDS):
        more = neighbours(system, states, begun[np.ix_(states, states)], STATE_CUT)
        larger = closed_under_jumps(system, np.union1d(states, more))
        if len(larger) == len(states):
            break
        states = larger
    return states
