"""Estimate of what a run will need: clicks, time, disk, memory. Nothing is written."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import positive_number
from ..engine.blocks import Block, BlockTask, run_block
from ..engine.compiled import CompiledSystem
from ..engine.cost import Alternative, predicted_cost
from ..engine.sparse.sparse_action import SparsePropagator
from ..model.system import OpenSystem
from ..names import display
from ..records.block_files import stored_columns
from ..records.files import pack
from ..records.layout import Layout
from ..results import Estimate
from ..stages import staged
from .preparation import block_size, expected_rates, prepare
from .request import checked_request, checked_workers

# Duration of the first piece of the calibration in units of 1/‖H_eff‖, and the factor by which pieces grow.
FIRST_PIECE = 10.0
GROWTH = 4.0
# Most trajectories in the first piece: each costs some time, however short it is.
FIRST_TRAJECTORIES = 100
# A duration is whole periods up to this fraction of a period.
WHOLE = 1e-9
# From this number of clicks on the time of the eigenmodes is taken per click, so that the random number of clicks
# in the piece cancels.
ENOUGH_CLICKS = 20
# Bytes that the NPZ format adds to an array, roughly: a header and a directory entry.
ARRAY_OVERHEAD = 300
# Bytes of a click in memory until its block is written: time and channel.
CLICK_BYTES = 10
# Bytes of the number of clicks of a trajectory.
COUNT_BYTES = 8


@dataclass(frozen=True)
class Memory:
    """Memory of the parts of a simulation, in bytes.

    Attributes
    ----------
    propagator : int
        The compiled system, shared by all trajectories: propagator, jump operators, initial ensemble.
    trajectory : int
        State and work arrays of one trajectory in progress; one for each worker. For `modes` an upper bound: of
        the N² pairs of modes only those that matter are used.
    """

    propagator: int
    trajectory: int


@dataclass(frozen=True, repr=False)
class RunEstimate:
    """Estimate of what a run will need.

    Attributes
    ----------
    clicks : mapping of str to Estimate
        Expected clicks of each channel: rate × trajectories × duration. Exact if the trajectories start from the
        steady or periodic state; else the rates are those of the calibration, with their errors.
    seconds : float
        Wall time of the simulation in s, from a piece of it that was timed on this machine.
    preparation : float
        Measured wall time of steady state and compilation in s; a new run needs it again.
    clicks_per_second : float
        Clicks per second of one worker.
    calibration : Estimate
        Simulated time of the timed piece, in 1/ω_b, and in `n` its number of clicks.
    workers : int
        Number of workers that will be used.
    bytes_per_click, fixed_bytes : float, int
        Disk space of a click, and of the system and the blocks without their clicks, in bytes.
    memory : Memory
        Memory of the propagator and of a trajectory.
    blocks, block_size : int
        Number of blocks, and trajectories in each.
    propagator, reason : str
        The chosen propagator, and the reason.
    dimension : int
        Dimension N of the Hilbert space.
    alternatives : tuple of Alternative
        Predicted time and memory of each propagator (a model); empty for systems that depend on time.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    >>> expected = tj.estimate_run(system, trajectories=300, duration=100.0, workers=1, seconds=0.01)
    >>> expected.dimension, expected.seconds > 0.0
    (2, True)
    """

    clicks: Mapping[str, Estimate]
    seconds: float
    preparation: float
    clicks_per_second: float
    calibration: Estimate
    workers: int
    bytes_per_click: float
    fixed_bytes: int
    memory: Memory
    blocks: int
    block_size: int
    propagator: str
    reason: str
    dimension: int
    alternatives: tuple[Alternative, ...] = ()

    @property
    def total_clicks(self) -> float:
        """Expected clicks of all channels together."""
        return sum(expected.value for expected in self.clicks.values())

    @property
    def disk(self) -> int:
        """Size of the complete run folder in bytes, without pictures."""
        return round(self.fixed_bytes + self.bytes_per_click * self.total_clicks)

    @property
    def largest_block(self) -> int:
        """Most memory of the clicks of a block, in bytes, which a worker holds until the block is written."""
        return round(CLICK_BYTES * self.total_clicks / self.blocks)

    def __repr__(self) -> str:
        return self.table()

    def table(self) -> str:
        """Return the estimate as text."""
        total = sum(e.standard_error**2 for e in self.clicks.values()) ** 0.5
        source = f"from the {next(iter(self.clicks.values())).method}"
        clicks = Estimate(self.total_clicks, total)
        lines = [f"clicks      {_count(clicks)} expected {source}"]
        lines += [f"  {display(name):20} {_count(expected)}" for name, expected in self.clicks.items()]
        memory = self.memory
        return "\n".join(
            [
                *lines,
                f"time        about {_duration(self.seconds + self.preparation)} on {self.workers} "
                f"worker{'s' if self.workers > 1 else ''}, an estimate: {self.clicks_per_second:,.0f} clicks/s "
                f"each, timed over {self.calibration.n} clicks; {_duration(self.preparation)} to prepare",
                f"disk        {_size(self.disk)}: {self.bytes_per_click:.1f} bytes a click and "
                f"{_size(self.fixed_bytes)} for the system and {self.blocks} blocks",
                f"memory      {_size(memory.propagator)} for the propagator; for each worker up to "
                f"{_size(memory.trajectory)} for a trajectory and {_size(self.largest_block)} for a block",
                f"propagator  {self.propagator} ({self.reason}), N={self.dimension}",
                *(f"  {self._alternative_line(one)}" for one in self.alternatives),
                f"blocks      {self.blocks}, of {self.block_size} trajectories",
            ]
        )

    def _alternative_line(self, one: Alternative) -> str:
        """Return the line of one propagator: predicted time and memory for this run."""
        run = self.total_clicks * one.seconds_per_click / self.workers
        remark = f", {one.remark}" if one.remark else ""
        return (
            f"{one.name:20} about {_duration(one.seconds + run)}: {_duration(one.seconds)} to prepare, "
            f"{_rate(1.0 / one.seconds_per_click)} clicks/s each, {_size(one.bytes)}{remark}"
        )


@staged("estimating the run")
def estimate_run(
    system: OpenSystem,
    trajectories: int,
    duration: float,
    *,
    initial: str | ArrayLike = "steady",
    propagator: str = "auto",
    tolerance: float = 1e-10,
    workers: int | None = None,
    seconds: float = 1.0,
) -> RunEstimate:
    """Estimate what `simulate` with the same arguments will need.

    Expected clicks of channel k: Tr(c_kρc_k†) × trajectories × duration with the steady state ρ. The time is
    scaled from a short piece of the simulation; sizes are those of the real arrays. Nothing is written.

    Parameters
    ----------
    system, trajectories, duration, initial, propagator, tolerance, workers
        As for `trajectories.simulate`.
    seconds : float
        Approximate duration of the timing, in s.

    Returns
    -------
    RunEstimate
        Clicks, time, disk, memory, propagator and blocks; ``.table()`` is all of it as text.

    Raises
    ------
    InvalidInput
        An argument that `simulate` refuses.

    Examples
    --------
    >>> import trajectories as tj
    >>> atom = tj.HilbertSpace(atom=2)
    >>> sigma = atom.lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)], atom)
    >>> expected = tj.estimate_run(system, trajectories=300, duration=100.0, workers=1, seconds=0.01)
    >>> round(expected.total_clicks), expected.propagator
    (13333, 'modes')
    """
    request = checked_request(
        system, trajectories, duration, seed=0, initial=initial, propagator=propagator, tolerance=tolerance
    )
    threads, limit = checked_workers(workers), positive_number(seconds, "seconds")
    begun = time.perf_counter()
    compiled, description = prepare(request)
    preparation = time.perf_counter() - begun
    rates = expected_rates(description)
    fastest = float(abs(system.constant_part).sum(axis=1).max())
    count, span = request.trajectories, request.duration
    piece, simulated, spent = _timed_piece(compiled, count, span, FIRST_PIECE / max(fastest, 1e-300), limit)
    total = count * span
    if rates is None:
        clicks = _scaled_up(system.channel_names, piece, total / simulated)
    else:
        # If the duration ends within a period, the mean may be off by up to one pulse.
        whole = system.period is None or abs(np.remainder(span / system.period + 0.5, 1.0) - 0.5) < WHOLE
        off = 0.0 if whole or system.period is None else count * system.period
        method = f"rates of the {'periodic' if system.depends_on_time else 'steady'} state"
        if compiled.warm_up > 0.0:
            method = "rates of a pilot"
        clicks = {name: Estimate(rate * total, rate * off, method=method) for name, rate in rates.items()}
    expected = sum(each.value for each in clicks.values())
    by_click = compiled.propagator.name != "sparse" and len(piece.time) >= ENOUGH_CLICKS
    work = spent * (expected / len(piece.time) if by_click else total / simulated)
    size = block_size(count, span, description)
    blocks = Layout(()).extended(count, size).n_blocks
    busy = min(threads, blocks, checked_workers(None))
    per_click, frame = _block_bytes(piece, len(system.channel_names))
    return RunEstimate(
        clicks=clicks,
        seconds=work / busy,
        preparation=preparation,
        clicks_per_second=expected / work,
        calibration=Estimate(simulated, 0.0, len(piece.time), "timed"),
        workers=busy,
        bytes_per_click=per_click,
        fixed_bytes=_npz_bytes(system.to_arrays() | compiled.to_arrays()) + blocks * frame + COUNT_BYTES * count,
        memory=memory_of(compiled),
        blocks=blocks,
        block_size=size,
        propagator=compiled.propagator.name,
        reason=compiled.reason,
        dimension=system.dimension,
        alternatives=_alternatives(system, compiled, expected / total, tolerance),
    )


def _alternatives(
    system: OpenSystem, compiled: CompiledSystem, rate: float, tolerance: float
) -> tuple[Alternative, ...]:
    """Return the predicted costs of each propagator at a given number of clicks per unit of time."""
    if system.depends_on_time or not rate > 0.0:
        return ()
    action = SparsePropagator.compile(system, tolerance)
    likeliest = compiled.kets[int(np.argmax(np.diff(compiled.cumulative, prepend=0.0)))]
    return predicted_cost(system, action, compiled.jumps, likeliest, rate).alternatives


def memory_of(compiled: CompiledSystem) -> Memory:
    """Return the memory of a compiled system and of each trajectory in progress, in bytes.

    Parameters
    ----------
    compiled : CompiledSystem
        Result of `compile_system`.
    """
    n_channels = (len(compiled.jumps.indptr) - 1) // compiled.dimension
    state = compiled.propagator.start(compiled.kets[0], n_channels)
    shared = sum(array.nbytes for array in compiled.to_arrays().values())
    return Memory(shared, state.fields.nbytes + sum(_size_of(part) for part in state.work))


def _size_of(part: Any) -> int:
    """Return the bytes of an array, or of all arrays of a named tuple."""
    return sum(_size_of(one) for one in part) if isinstance(part, tuple) else int(part.nbytes)


def _timed_piece(
    compiled: CompiledSystem, trajectories: int, duration: float, first: float, limit: float
) -> tuple[Block, float, float]:
    """Simulate pieces that grow from `first` until one takes about `limit` seconds, or is the whole run.

    Returns the last piece, its simulated time summed over trajectories, and its wall time in s.
    """
    run_block(compiled, BlockTask(0, 1, 0, 0.0))  # loads the kernels, or compiles them
    total = trajectories * duration
    wanted = min(total, first, FIRST_TRAJECTORIES * duration)
    while True:
        count, span = max(1, round(wanted / duration)), min(wanted, duration)
        begun = time.perf_counter()
        block = run_block(compiled, BlockTask(0, count, 0, span))
        spent = time.perf_counter() - begun
        if GROWTH * spent > limit or wanted == total:
            return block, count * span, spent
        wanted = min(total, GROWTH * wanted)


def _scaled_up(names: tuple[str, ...], piece: Block, factor: float) -> dict[str, Estimate]:
    """Return the expected clicks of each channel, scaled up from the piece."""
    counts = np.bincount(piece.channel, minlength=len(names))
    return {
        name: Estimate(factor * int(n), factor * max(int(n), 1) ** 0.5, int(n), "rates of a short piece")
        for name, n in zip(names, counts, strict=True)
    }


def _block_bytes(block: Block, channels: int) -> tuple[float, int]:
    """Return the disk space of a click and of an empty block, in bytes."""
    columns = stored_columns(block.columns(), channels) | {"checksum": np.array("0" * 64)}
    clicks = len(block.time)
    without = columns | {name: columns[name][:0] for name in ("time", "channel")}
    per_click = (len(pack(columns)) - len(pack(without))) / clicks if clicks else float(CLICK_BYTES)
    return per_click, len(pack(without | {name: columns[name][:0] for name in ("counts", "sampled")}))


def _npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> int:
    return sum(array.nbytes + ARRAY_OVERHEAD for array in arrays.values())


def _count(clicks: Estimate) -> str:
    if clicks.standard_error == 0.0:
        return f"{clicks.value:,.0f}" if clicks.value >= 10 else f"{clicks.value:.2g}"
    return f"{clicks.value:,.0f} ± {clicks.standard_error:,.0f}"


def _rate(clicks: float) -> str:
    return f"{clicks:,.0f}" if clicks >= 10.0 else f"{clicks:.2g}"


def _duration(seconds: float) -> str:
    if seconds < 100.0:
        return f"{seconds:.2g} s"
    minutes = seconds / 60.0
    return f"{minutes:.0f} min" if minutes < 100.0 else f"{minutes / 60.0:.3g} h"


def _size(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000.0:
            return f"{size:.3g} {unit}"
        size /= 1000.0
    return f"{size:.3g} GB"
