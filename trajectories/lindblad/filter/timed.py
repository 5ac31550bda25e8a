"""TimedFilter: ρ given a record of imperfect detectors of a system that depends on time, on all N² numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import comb, floor

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ...blas import one_blas_thread
from ...detectors import Detector
from ...errors import ConvergenceError, InvalidInput
from ...model import OpenSystem
from ...model.stretches import POINTS, polynomial_steps, stretches
from ..pulses.motion import ENOUGH, MOST_TERMS, Part, TimedMotion
from ..pulses.motion_kernels import SeriesRoom, StackedParts, taylor_series
from ..superoperators.hermitian_vectors import pack
from .conditional import EARLY, FULL
from .follow_kernels import IMPOSSIBLE, NOTHING
from .followed import Followed, refuse_hidden_events
from .motions import ClickFreeMotion

Array = NDArray[np.float64]
Matrix = NDArray[np.complex128]

# Cells of a period whose propagators are tabulated where envelopes change.
CELLS = 64
# Tables are made for records of more periods than this share of N²: a table costs as much as N² states.
TABULATED = 0.5
# Jitter is neglected where it is shorter than this part of all that moves: the fastest frequency, and the pulses.
BLURRED = 1e-2
# Binomials that move the origin of a polynomial.
BINOMIAL = np.array([[comb(row, column) for column in range(POINTS)] for row in range(POINTS)], dtype=np.float64)


@dataclass(eq=False)
class Cell:
    """A part of a period: constant, with its motion; or some steps on which all terms are polynomials.

    Attributes
    ----------
    start, stop : float
        Where it begins and ends.
    motion : ClickFreeMotion or None
        Of a constant part.
    starts : ndarray of shape (n_steps + 1,)
        Where its steps begin, and the last one ends.
    coefficients : ndarray of shape (n_steps, n_terms, n_coefficients)
        The terms on each step.
    table : ndarray of shape (N², N²), or None
        The propagator over the whole cell.
    """

    start: float
    stop: float
    motion: ClickFreeMotion | None
    starts: Array
    coefficients: Array
    table: Array | None = None


class ClickFreePeriod:
    """The motion without detected clicks while some of the detectors are dead, ρ̃' = (L(t) − Σ_k 𝒥_k(t)) ρ̃.

    Parameters
    ----------
    motion : TimedMotion
        L(t).
    seeing : mapping of str to Detector
        The detectors that are not dead.
    tabulated : bool
        Whether propagators of cells and of periods are computed and kept.
    """

    def __init__(self, motion: TimedMotion, seeing: Mapping[str, Detector], tabulated: bool) -> None:
        self._motion, self._tabulated = motion, tabulated
        self._size = motion.system.dimension**2
        self._trace, self.period = motion.trace.row, motion.system.period
        dark = sum(detector.dark_rate for detector in seeing.values())
        self._seen = [Part(-dark * sparse.eye_array(self._size, format="csr"), None)]
        for name, detector in seeing.items():
            term = motion.amplitude_term.get(name, -1)
            self._seen.append(Part(-detector.efficiency * motion.jumps[name], None, term))
        self._powers: list[Array] = []
        self._rooms: dict[int, tuple[Array, SeriesRoom]] = {}

    def carry(self, state: Array, start: float, stop: float) -> tuple[Array, float]:
        """Return the state of trace 1 at `stop`, and −ln of its trace before that."""
        if self.period is None:
            return self._across(state, start, stop)
        first, last = floor(start / self.period), floor(stop / self.period)
        begin, end = start - first * self.period, stop - last * self.period
        if first == last:
            return self._across(state, begin, end)
        state, gathered = self._across(state, begin, self.period)
        left = last - first - 1
        while left and not self._tabulated:
            state, more = self._across(state, 0.0, self.period)
            gathered, left = gathered + more, left - 1
        for power in range(left.bit_length()):
            if (left >> power) & 1:
                state, more = self._of_trace_1(self._power(power) @ state)
                gathered += more
        state, more = self._across(state, 0.0, end)
        return state, gathered + more

    def _across(self, state: Array, start: float, stop: float) -> tuple[Array, float]:
        """Carry a state within a period."""
        gathered = 0.0
        number = max(int(np.searchsorted(self._starts, start, side="right")) - 1, 0)
        while start < stop:
            cell = self._cells[number]
            until = min(stop, cell.stop)
            if until > start:
                if cell.motion is not None:
                    state = cell.motion.at(state, np.array([until - start]))[0]
                elif self._tabulated and start <= cell.start and until >= cell.stop:
                    state = self._table(cell) @ state
                else:
                    state = self._by_steps(cell, state[:, None], start, until)[:, 0]
                state, more = self._of_trace_1(state)
                gathered += more
            start, number = until, number + 1
        return state, gathered

    def _of_trace_1(self, state: Array) -> tuple[Array, float]:
        trace = float(self._trace @ state)
        if not trace > NOTHING:
            return state, np.inf
        return state / trace, -np.log(trace)

    def _by_steps(self, cell: Cell, states: Array, start: float, stop: float) -> Array:
        """Carry states through a part of a cell by Taylor series, from within a step if need be."""
        width = states.shape[1]
        if width not in self._rooms:
            mixed, flipped, left, right = np.zeros((4, self._size, width))
            room = np.zeros((MOST_TERMS, self._size, width))
            self._rooms[width] = (
                room,
                SeriesRoom(mixed, flipped, left, right, np.zeros(width), np.zeros(MOST_TERMS)),
            )
        room, places = self._rooms[width]
        number = max(int(np.searchsorted(cell.starts, start, side="right")) - 1, 0)
        while number < len(cell.coefficients) and cell.starts[number] < stop:
            low, high = cell.starts[number], cell.starts[number + 1]
            begin, end = max(start, low), min(stop, high)
            if end > begin:
                coefficients = _moved(
                    cell.coefficients[number], (begin - low) / (high - low), (end - begin) / (high - low)
                )
                room[0] = states
                count = taylor_series(self._stacked, coefficients, end - begin, ENOUGH, room, places)
                if count < 0:
                    raise ConvergenceError(
                        f"a Taylor series of the filter over {end - begin:g} diverges; lower its rates"
                    )
                states = room[:count].sum(axis=0)
            number += 1
        return states

    def _table(self, cell: Cell) -> Array:
        if cell.table is None:
            cell.table = self._by_steps(cell, np.eye(self._size), cell.start, cell.stop)
        return cell.table

    def _power(self, power: int) -> Array:
        """Return the propagator over 2^power periods, scaled: only its direction and decay beside that count."""
        if not self._powers:
            whole = np.eye(self._size)
            for cell in self._cells:
                if cell.motion is None:
                    whole = self._table(cell) @ whole
                else:
                    span = np.array([cell.stop - cell.start])
                    whole = np.stack([cell.motion.at(column, span)[0] for column in whole.T], axis=1)
            self._powers.append(whole)
        while len(self._powers) <= power:
            self._powers.append(self._powers[-1] @ self._powers[-1])
        return self._powers[power]

    @cached_property
    def _stacked(self) -> StackedParts:
        return self._motion.stacked(self._seen)

    @cached_property
    def _starts(self) -> Array:
        return np.array([cell.start for cell in self._cells])

    @cached_property
    def _cells(self) -> list[Cell]:
        motion, found = self._motion, []
        nothing = np.zeros(0)
        for stretch in stretches(motion.system, motion.horizon):
            if stretch.values is not None:
                generator = np.zeros((self._size, self._size))
                for part in [*motion.parts, *self._seen]:
                    assert part.matrix is not None
                    generator += (1.0 if part.term < 0 else stretch.values[part.term]) * part.matrix.toarray()
                constant = ClickFreeMotion(generator)
                found.append(Cell(stretch.start, stretch.stop, constant, nothing, np.zeros((0, 0, 0))))
                continue
            steps = polynomial_steps(motion.system, stretch, stretch.stop, motion.longest_step(stretch))
            count = len(steps.coefficients)
            bounds = np.unique(np.linspace(0, count, min(CELLS, count) + 1).astype(np.int64))
            for low, high in pairwise(bounds.tolist()):
                starts = steps.starts[low : high + 1]
                coefficients = steps.coefficients[low:high]
                found.append(Cell(float(starts[0]), float(starts[-1]), None, starts, coefficients))
        return found


class TimedFilter:
    """Follows records of a system that depends on time, such as one driven by pulses.

    Between clicks ρ̃' = (L(t) − Σ_k 𝒥_k(t))ρ̃ with 𝒥_k = η_k g_k(t)²J_k + d_k over the detectors that are not
    dead, and a click in k makes ρ̃ → 𝒥_kρ̃. Constant stretches go by the modes of their generator, the others by
    Taylor series on steps on which the envelopes are polynomials. Of a long train the propagators of cells of a
    period, and of 2ⁿ periods, are tabulated.

    Parameters
    ----------
    system : OpenSystem
        The model, of at most 30 dimensions.
    watching : mapping of str to Detector
        Detector of each detected channel, in the order of the rates that are returned; others are not detected.
    initial : ndarray of shape (N, N)
        The density matrix at the start of every trajectory.

    Raises
    ------
    InvalidInput
        Too many dimensions, afterpulses, or jitter that is not short beside what moves.
    """

    exact = True

    def __init__(self, system: OpenSystem, watching: Mapping[str, Detector], initial: Matrix) -> None:
        if system.dimension > FULL:
            raise InvalidInput(
                f"imperfect detectors of a system that depends on time are followed up to {FULL} dimensions, not "
                f"{system.dimension}; lower the levels, or record every channel ideally"
            )
        refuse_hidden_events(watching)
        self._system, self._watching, self._start = system, dict(watching), pack(initial)
        self._names, self._detectors = tuple(watching), tuple(watching.values())
        self._silent: dict[tuple[tuple[bool, ...], bool], ClickFreePeriod] = {}
        self._horizon = 0.0

    def follow(
        self, start: Array, stop: Array, offsets: NDArray[np.int64], time: Array, channel: NDArray[np.int64]
    ) -> Followed:
        """Follow trajectories; see `ConditionalFilter.follow`."""
        if self._system.period is None and float(stop.max(initial=0.0)) > self._horizon:
            self._silent, self._horizon = {}, float(stop.max())
            self.__dict__.pop("_motion", None)
        self._refuse_blur()
        n, rows = len(time), len(start)
        hazard, intensity = np.empty(n + rows), np.empty((n, len(self._names)))
        forbidden = np.zeros(rows, dtype=np.bool_)
        periods = float((stop - start).sum()) / (self._system.period or np.inf)
        tabulated = periods > TABULATED * self._system.dimension**2
        with one_blas_thread():
            for r in range(rows):
                low, high = int(offsets[r]), int(offsets[r + 1])
                gaps = hazard[low + r : high + r + 1]
                window = float(start[r]), float(stop[r])
                mine = time[low:high], channel[low:high]
                forbidden[r] = self._trajectory(window, *mine, gaps, intensity[low:high], tabulated)
        none = np.zeros(n + rows), np.zeros(n), np.zeros(rows)
        return Followed(hazard, none[0], intensity, none[1], none[2], forbidden, "density matrix, step by step")

    def _trajectory(
        self,
        window: tuple[float, float],
        time: Array,
        channel: NDArray[np.int64],
        hazard: Array,
        intensity: Array,
        tabulated: bool,
    ) -> bool:
        """Follow one trajectory, write its hazards and rates, and say whether one of its clicks is impossible."""
        state, now, forbidden = self._start, window[0], False
        alive_at = np.full(len(self._names), -np.inf)
        dead = np.zeros(len(self._names), dtype=np.bool_)
        for n, target in enumerate([*time.tolist(), window[1]]):
            k, gathered = (int(channel[n]) if n < len(time) else -1), 0.0
            slack = EARLY * self._detectors[k].dead_time + 4.0 * float(np.spacing(target)) if k >= 0 else 0.0
            if k >= 0 and dead[k] and alive_at[k] - target <= slack:
                alive_at[k] = min(alive_at[k], target)
            while dead.any():
                first = int(np.argmin(np.where(dead, alive_at, np.inf)))
                if alive_at[first] > target:
                    break
                state, more = self._motions(dead, tabulated).carry(state, now, alive_at[first])
                gathered, now, dead[first] = gathered + more, float(alive_at[first]), False
            state, more = self._motions(dead, tabulated).carry(state, now, target)
            hazard[n], now = gathered + more, target
            if k < 0:
                break
            clicked = [self._click(i, state, now) for i in range(len(self._names))]
            rates = np.where(dead, 0.0, [max(float(self._trace @ image), 0.0) for image in clicked])
            intensity[n] = rates
            if not rates[k] > max(IMPOSSIBLE * rates.sum(), NOTHING) or not np.isfinite(hazard[n]):
                forbidden, state = True, self._start
                dead[:], alive_at[:] = False, -np.inf
                continue
            state = clicked[k] / rates[k]
            if self._detectors[k].dead_time > 0.0:
                dead[k], alive_at[k] = True, now + self._detectors[k].dead_time
        return forbidden

    def _click(self, k: int, state: Array, time: float) -> Array:
        """Return 𝒥_kρ̃ at a time."""
        name, detector = self._names[k], self._detectors[k]
        factor, term = 1.0, self._motion.amplitude_term.get(name, -1)
        if term >= 0:
            period = self._system.period
            phase = time if period is None else time - period * floor(time / period)
            factor = float(self._system.terms[term].values(np.array([phase]))[0])
        jumped = factor * detector.efficiency * (self._motion.jumps[name] @ state)
        return np.asarray(jumped + detector.dark_rate * state)

    def _motions(self, dead: NDArray[np.bool_], tabulated: bool) -> ClickFreePeriod:
        """Return the motion while some detectors are dead, which is made once; tables pay only for those alive."""
        key = tuple(dead.tolist()), tabulated and not dead.any()
        if key not in self._silent:
            pairs = zip(self._names, self._detectors, dead, strict=True)
            seeing = {name: detector for name, detector, asleep in pairs if not asleep}
            self._silent[key] = ClickFreePeriod(self._motion, seeing, key[1])
        return self._silent[key]

    @cached_property
    def _motion(self) -> TimedMotion:
        return TimedMotion(self._system, self._system.period or self._horizon)

    @cached_property
    def _trace(self) -> Array:
        return self._motion.trace.row

    def _refuse_blur(self) -> None:
        """Refuse jitter that is not short beside the steps on which the motion is a short series."""
        jitter = max((detector.jitter for detector in self._watching.values()), default=0.0)
        if jitter <= 0.0:
            return
        shortest = min(self._motion.longest_step(one) for one in stretches(self._system, self._motion.horizon))
        if jitter > BLURRED * shortest:
            raise InvalidInput(
                f"jitter={jitter:g} is too long to be neglected: it must be below {BLURRED * shortest:.2g}, a "
                "small part of the fastest motion; lower it"
            )


def _moved(coefficients: Array, start: float, span: float) -> Array:
    """Return polynomials of y with x = start + span·y, for polynomials of x, shape (n_terms, n_coefficients)."""
    count = coefficients.shape[1]
    if count == 1 or (start == 0.0 and span == 1.0):
        return coefficients
    above = np.arange(count)[:, None] - np.arange(count)[None, :]
    shift = np.where(above >= 0, BINOMIAL[:count, :count] * start ** np.maximum(above, 0), 0.0)
    return np.ascontiguousarray((coefficients @ shift) * span ** np.arange(count))
