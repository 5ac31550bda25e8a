"""ClickRecord: what the detectors saw, as sorted columns, with every trajectory's observation window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import finite_number, shown, time_unit
from ..ensembles import TrajectoryStates
from ..errors import InvalidInput
from ..names import display, nearest
from ..notebook import Shown, Summary, drawn
from ..results import Expectation, read_only
from ..time_units import NATURAL, TimeUnit
from .click_strip import click_strip
from .conversions import data_frame, dataset, numpy_table
from .joining import joined_columns
from .record_checks import checked_columns
from .ticks import Clock
from .time_axis import TimeAxis

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, repr=False)
class ClickRecord(TimeAxis, Shown):
    """Clicks of independent trajectories, sorted by trajectory, then time.

    Make one with `from_arrays`, `trajectories.simulate` or `trajectories.load`.

    Attributes
    ----------
    trajectory : ndarray of int64, shape (n_clicks,)
        Row of `start` and `stop` that each click belongs to.
    stamp : ndarray of float64 or int64, shape (n_clicks,)
        Click times in `unit`; or, where `clock` is given, the whole ticks of that clock.
    channel : ndarray of int16, shape (n_clicks,)
        Position of the channel in `channel_names`.
    channel_names : tuple of str
        Every channel that was watched, clicks or not.
    start, stop : ndarray of float64, shape (n_trajectories,)
        Observation window of each trajectory; trajectories without clicks count too.
    provenance : dict
        Where the record comes from: model, seed, tolerances, truncation, versions.
    expectations : dict of str to Expectation
        Sampled expectation values, if `simulate` was given observables.
    clock : Clock or None
        The clock that stamped the clicks; None for clicks that were simulated.
    unit : TimeUnit
        The unit of all times; 1/ω_b by default.
    within : ndarray of int32, shape (n_clicks,), or None
        Time since the sync pulse in steps of `clock.fine`, for synced (T3) data, whose ticks are sync periods.
    final_states : TrajectoryStates or None
        State of each trajectory at its end, if `simulate` kept it; can be the `initial` of another run.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> len(record), record.total_time, record.counts().tolist()
    (7, 100.0, [[4, 3]])
    >>> record["a"][0.0:5.0].time
    array([1., 4.])
    """

    trajectory: NDArray[np.int64]
    stamp: NDArray[Any]
    channel: NDArray[np.int16]
    channel_names: tuple[str, ...]
    start: NDArray[np.float64]
    stop: NDArray[np.float64]
    provenance: dict[str, Any] = field(default_factory=dict)
    expectations: Mapping[str, Expectation] = field(default_factory=dict)
    clock: Clock | None = None
    unit: TimeUnit = NATURAL
    within: NDArray[np.int32] | None = None
    final_states: TrajectoryStates | None = None

    @classmethod
    def from_arrays(
        cls,
        trajectory: ArrayLike,
        time: ArrayLike,
        channel: ArrayLike,
        *,
        channel_names: Sequence[str],
        start: ArrayLike,
        stop: ArrayLike,
        provenance: Mapping[str, Any] | None = None,
        expectations: Mapping[str, Expectation] | None = None,
        tick: float | None = None,
        origin: ArrayLike = 0.0,
        unit: Any = NATURAL,
        within: ArrayLike | None = None,
        fine: float | None = None,
        final_states: TrajectoryStates | None = None,
    ) -> ClickRecord:
        """Make a record from columns, after checking them.

        Parameters
        ----------
        trajectory, channel : array_like of int, shape (n_clicks,)
            Row of the observation window, and position in `channel_names`, of each click.
        time : array_like of float or int, shape (n_clicks,)
            Click times, ascending within each trajectory; with `tick`, whole numbers of ticks.
        channel_names : sequence of str
            All channels that were watched.
        start, stop : float or array_like of shape (n_trajectories,)
            Observation windows; two scalars mean one trajectory.
        provenance, expectations : mapping, optional
            Stored with the record.
        tick, origin : float, optional
            Length of a tick of the clock that stamped the clicks, and the time at which its tick 0 begins (one
            value, or one for each trajectory), in `unit`.
        unit : str, float or TimeUnit
            Unit of time: "s", "ns", … or the length of 1/ω_b in seconds.
        within, fine : array_like of int and float, optional
            Time of each click since its sync pulse, in steps of length `fine`; `tick` is then the sync period.
        final_states : TrajectoryStates, optional
            One for each trajectory.

        Raises
        ------
        InvalidInput
            Columns of unequal length, clicks out of order or outside their observation window, unknown trajectory
            or channel numbers, empty observation windows, NaN, or channel names that repeat.
        """
        columns = checked_columns(
            trajectory,
            time,
            channel,
            channel_names,
            start,
            stop,
            tick=tick,
            origin=origin,
            within=within,
            fine=fine,
        )
        return cls(
            **columns,
            provenance=dict(provenance or {}),
            expectations=dict(expectations or {}),
            unit=time_unit(unit),
            final_states=final_states,
        )

    def __len__(self) -> int:
        return len(self.stamp)

    @property
    def n_trajectories(self) -> int:
        """Number of trajectories observed."""
        return len(self.start)

    @property
    def total_time(self) -> float:
        """Observed time summed over trajectories, Σ_r (stop_r − start_r)."""
        return float((self.stop - self.start).sum())

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """Slice bounds: trajectory r owns clicks ``offsets[r]:offsets[r + 1]``."""
        return read_only(np.searchsorted(self.trajectory, np.arange(self.n_trajectories + 1)), np.int64)

    def channel_number(self, name: str) -> int:
        """Return the position of a channel in `channel_names`; raise `InvalidInput` if there is none."""
        if name not in self.channel_names:
            known = self.channel_names
            raise InvalidInput(
                f"no channel named {name!r}; the record has {', '.join(known)}{nearest(name, known)}"
            )
        return self.channel_names.index(name)

    def counts(self) -> NDArray[np.int64]:
        """Return the number of clicks of every trajectory and channel, shape (n_trajectories, n_channels)."""
        size = len(self.channel_names)
        flat = np.bincount(self.trajectory * size + self.channel, minlength=self.n_trajectories * size)
        return flat.reshape(self.n_trajectories, size).astype(np.int64)

    def select(self, *names: str) -> ClickRecord:
        """Return the record of only these channels, in this order.

        Raises
        ------
        InvalidInput
            No name, an unknown name, or a name given twice.
        """
        chosen_channels = [self.channel_number(name) for name in names]
        if not names or len(set(names)) != len(names):
            raise InvalidInput(f"select{names!r} needs distinct channel names, at least one")
        numbers = np.full(len(self.channel_names), -1, dtype=np.int16)
        numbers[chosen_channels] = np.arange(len(names))
        chosen = numbers[self.channel]
        kept = chosen >= 0
        return self._with_clicks(kept, channel=read_only(chosen[kept], np.int16), channel_names=tuple(names))

    def after(self, time: float) -> ClickRecord:
        """Return the record with every observation window starting no earlier than `time`: drops a transient.

        Raises
        ------
        InvalidInput
            `time` is not finite, or leaves nothing of a trajectory's observation window.
        """
        if not (self.stop > finite_number(time, "after: time")).all():
            raise InvalidInput(
                f"after({time!r}) leaves nothing of a trajectory that stops at {self.stop.min():g}; "
                "give an earlier time"
            )
        return self._with_clicks(self.time >= time, start=read_only(np.maximum(self.start, time)))

    def before(self, time: float) -> ClickRecord:
        """Return the record with every observation window ending no later than `time`, in `unit`.

        Raises
        ------
        InvalidInput
            `time` is not finite, or leaves nothing of a trajectory's observation window.
        """
        if not (self.start < finite_number(time, "before: time")).all():
            raise InvalidInput(
                f"before({time!r}) leaves nothing of a trajectory that starts at {self.start.max():g}; "
                "give a later time"
            )
        return self._with_clicks(self.time < time, stop=read_only(np.minimum(self.stop, time)), final_states=None)

    def between(self, start: float, stop: float) -> ClickRecord:
        """Return what was observed from `start` to `stop`, in `unit`; the same as ``record[start:stop]``.

        Raises
        ------
        InvalidInput
            Times that are not finite, or leave nothing of a trajectory's observation window.
        """
        if not finite_number(start, "between: start") < finite_number(stop, "between: stop"):
            raise InvalidInput(f"between({start!r}, {stop!r}) is empty; stop must exceed start")
        return self.after(start).before(stop)

    def __getitem__(self, wanted: str | tuple[str, ...] | slice) -> ClickRecord:
        """Return ``record["photon"]``, ``record["photon", "magnon"]`` or, by time, ``record[t0:t1]``.

        Raises
        ------
        InvalidInput
            An unknown channel, an empty interval of time, or an index of another kind.
        """
        if isinstance(wanted, slice) and wanted.step is None:
            part = self if wanted.start is None else self.after(wanted.start)
            return part if wanted.stop is None else part.before(wanted.stop)
        names = (wanted,) if isinstance(wanted, str) else wanted
        if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
            raise InvalidInput(f"record[{shown(wanted)}]: give names of channels, or times as start:stop")
        return self.select(*names)

    def to_numpy(self) -> NDArray[Any]:
        """Return a table with one row a click and the fields trajectory, time, channel (and tick, within)."""
        return numpy_table(self)

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame` with one row a click; the channel is a category."""
        return data_frame(self)

    def to_xarray(self) -> Any:
        """Return an `xarray.Dataset` over clicks and trajectories, observation windows included."""
        return dataset(self)

    def plot(
        self,
        trajectory: int = 0,
        start: float | None = None,
        stop: float | None = None,
        *,
        bundles: Any = None,
        ax: Axes | None = None,
    ) -> Axes:
        """Draw the clicks of a trajectory over an interval of time, one row for each channel.

        Parameters
        ----------
        trajectory : int
            Number of the trajectory.
        start, stop : float, optional
            Interval of time, in `unit`; the first sixty clicks when neither is given.
        bundles : Bundles, optional
            Bundles of this record, which are shaded.
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; a new figure when not given.
        """
        return drawn("record", self, trajectory, start, stop, bundles, ax)

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the columns with one entry for each click, by name."""
        names = ("trajectory", "stamp", "channel", "within")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def _with_clicks(self, kept: NDArray[Any], **changes: Any) -> ClickRecord:
        columns = {name: read_only(column[kept]) for name, column in self.columns().items()}
        return replace(self, **(columns | changes))

    @staticmethod
    def concatenate(records: Sequence[ClickRecord]) -> ClickRecord:
        """Join records of the same channels into one; the numbers of trajectories continue from record to record.

        Kept is the provenance that all records share, with the seeds and trajectory numbers of all. Sampled
        expectation values and final states are dropped, because they belong to each record alone.

        Raises
        ------
        InvalidInput
            No record; records whose channels, systems, detectors or units of time differ; or, as far as the
            provenance shows, a trajectory that occurs twice, which would make all errors too small.
        """
        parts = list(records)
        if not parts:
            raise InvalidInput("concatenate needs at least one record")
        return replace(parts[0], **joined_columns(parts), expectations={}, final_states=None)

    def __repr__(self) -> str:
        return (
            f"ClickRecord({len(self)} clicks, {self.n_trajectories} trajectories, "
            f"channels={list(self.channel_names)}, total_time={self.total_time:g})"
        )

    def _summary(self) -> Summary:
        counts = np.bincount(self.channel, minlength=len(self.channel_names)).tolist()
        rows = [
            (display(name), str(count), f"{count / self.total_time:.4g}")
            for name, count in zip(self.channel_names, counts, strict=True)
        ]
        many = "trajectory" if self.n_trajectories == 1 else "trajectories"
        title = f"{len(self)} clicks of {self.n_trajectories} {many}"
        note = f"{self.unit.of(f'{self.total_time:g}')} in all; times in {self.counted_in}"
        return Summary(title, ("channel", "clicks", f"rate in {self.unit.rate}"), rows, note, click_strip(self))
