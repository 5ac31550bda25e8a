"""Run the trajectories of `mcsolve` and add each to QuTiP's result."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import SeedSequence
from numpy.typing import NDArray
from scipy import sparse

from ..engine.blocks import NO_SAMPLING, Block, BlockTask, Sampling, run_block
from ..engine.compiled import CompiledSystem, compile_system
from ..engine.operators import stack_operators
from ..engine.replay.replay import replay_ideal
from ..model.qutip_objects import matrix_of
from ..model.system import OpenSystem
from ..progress import Progress
from ..records.clicks import ClickRecord
from .ensemble import PureStart
from .options import Options

if TYPE_CHECKING:
    from qutip.solver import McResult

# Most complex numbers in the states of one block, and most trajectories of a block.
BLOCK_NUMBERS, BLOCK_TRAJECTORIES = 2_000_000, 64

# Blocks that are computed ahead.
AHEAD = 8
# Below this probability of a click, the no-click probability is 1 to rounding.
LEAST_CHANCE = 1e-14


@dataclass(frozen=True)
class Sampled:
    """Quantities that are sampled from a trajectory at given times.

    Attributes
    ----------
    times : ndarray of shape (n_times,)
        Sample times.
    constant : dict
        Matrices of the constant operators among `e_ops`, by key.
    hermitian : tuple of bool
        Whether each constant operator is Hermitian, so that its average is real.
    functions : dict
        Functions f(t, ket) of the other operators.
    states : bool
        Whether kets are kept.
    e_ops, of_result
        Arguments of QuTiP's result.
    dims : list
        Dimensions of a ket.
    """

    times: NDArray[np.float64]
    constant: dict[Any, sparse.csr_array]
    hermitian: tuple[bool, ...]
    functions: dict[Any, Callable[[float, Any], Any]]
    states: bool
    e_ops: Any
    of_result: dict[str, Any]
    dims: list[Any]

    @classmethod
    def of(
        cls, result: McResult, e_ops: Any, options: Options, times: NDArray[np.float64], hamiltonian: Any
    ) -> Sampled:
        """Separate operators that the engine averages from those that need the ket."""
        import qutip

        constant, functions = {}, {}
        for key, operator in result._e_ops_to_dict(e_ops).items():
            if isinstance(operator, qutip.QobjEvo) and operator.isconstant:
                operator = operator(0.0)
            if isinstance(operator, qutip.Qobj):
                constant[key] = sparse.csr_array(matrix_of(operator, f"e_ops {key!r}"))
            else:
                functions[key] = operator.expect if isinstance(operator, qutip.QobjEvo) else operator
        keep = options.of_result
        wanted = keep["store_states"] or (keep["store_states"] is None and not constant and not functions)
        states = bool(wanted or keep["store_final_state"] or functions)
        dims = [hamiltonian.dims[0], [1] * len(hamiltonian.dims[0])]
        hermitian = tuple(m.nnz == 0 or abs(m - m.conj().T).max() == 0.0 for m in constant.values())
        return cls(times, constant, hermitian, functions, states, e_ops, keep, dims)

    def sampling(self, dimension: int) -> Sampling:
        """Return the observables of the engine: Hermitian and anti-Hermitian part of each constant operator."""
        parts = []
        for matrix in self.constant.values():
            adjoint = matrix.conj().T
            parts += [sparse.csr_array(0.5 * (matrix + adjoint)), sparse.csr_array(-0.5j * (matrix - adjoint))]
        stacked = stack_operators(parts, dimension) if parts else NO_SAMPLING.operators
        return Sampling(len(parts), stacked, self.times - self.times[0], self.states)

    def trajectory(self, block: Block, row: int, clicks: slice) -> Any:
        """Return one trajectory of a block in the form of QuTiP's solvers."""
        from qutip import Qobj
        from qutip.solver.result import Result

        made = Result(self.e_ops, self.of_result)
        made.times = self.times.tolist()
        for number, (key, hermitian) in enumerate(zip(self.constant, self.hermitian, strict=True)):
            real, imaginary = block.sampled[row, :, 2 * number], block.sampled[row, :, 2 * number + 1]
            made.e_data[key] = (real if hermitian else real + 1j * imaginary).tolist()
        if self.states:
            kets = [Qobj(ket[:, None], dims=self.dims) for ket in block.kets[row]]
            for key, function in self.functions.items():
                made.e_data[key] = [function(t, ket) for t, ket in zip(self.times.tolist(), kets, strict=True)]
            keep = self.of_result
            if keep["store_states"] or (keep["store_states"] is None and not made.e_data):
                made.states = kets
            if keep["store_final_state"]:
                made._final_state = kets[-1]
        made.collapse = list(
            zip((block.time[clicks] + self.times[0]).tolist(), block.channel[clicks].tolist(), strict=True)
        )
        return made


class Solver:
    """The compiled system, and the quantities sampled from its trajectories."""

    def __init__(
        self,
        system: OpenSystem,
        starts: Sequence[PureStart],
        times: NDArray[np.float64],
        sampled: Sampled,
        options: Options,
    ) -> None:
        self._system, self._starts, self._sampled, self._options = system, starts, sampled, options
        self._kets = [np.ascontiguousarray(start.ket.full()[:, 0]) for start in starts]
        self._duration = float(times[-1])
        first = compile_system(
            system,
            self._kets[0],
            propagator=options.propagator,
            tolerance=options.tolerance,
            horizon=self._duration,
        )
        self._compiled = [replace(first, kets=ket[None, :]) for ket in self._kets]
        self._sampling = sampled.sampling(system.dimension)
        numbers = len(times) * (system.dimension if sampled.states else 1)
        self._block = max(1, min(BLOCK_TRAJECTORIES, BLOCK_NUMBERS // numbers))

    @property
    def propagator(self) -> str:
        """Name of the propagator."""
        return self._compiled[0].propagator.name

    def run(self, result: McResult, seeds: Sequence[SeedSequence], deadline: float | None) -> None:
        """Compute the trajectories and add each to the result, in the order of the seeds."""
        total = len(seeds)
        given = 0
        with Progress(total * self._duration, self._options.progress) as bar:
            for start, compiled, ket in zip(self._starts, self._compiled, self._kets, strict=True):
                mine = list(seeds[given : given + start.trajectories])
                given += start.trajectories
                # The weight corrects for the rounding to whole trajectories.
                weight = start.weight * total / start.trajectories
                thresholds = (0.0, 1.0)
                if self._options.improved_sampling:
                    silent = self._survival(ket)
                    self._add_silent(result, compiled, start.weight * silent)
                    # A state that is dark to rounding cannot click, and one without weight is not needed.
                    dark = 1.0 - silent < LEAST_CHANCE
                    thresholds, weight = (0.0 if dark else silent, 0.0 if dark else 1.0), weight * (1.0 - silent)
                if self._add(result, compiled, mine, weight, thresholds, bar, deadline):
                    return

    def _survival(self, ket: NDArray[np.complex128]) -> float:
        """Return S(T), the probability of no click at all."""
        names = self._system.channel_names
        nothing = ClickRecord.from_arrays([], [], [], channel_names=names, start=0.0, stop=self._duration)
        return min(1.0, float(np.exp(replay_ideal(nothing, self._system, ket).log_likelihood)))

    def _add_silent(self, result: McResult, compiled: CompiledSystem, weight: float) -> None:
        """Add the trajectory without a click, with its known weight."""
        task = BlockTask(0, 1, 0, self._duration, self._sampling, first_threshold=(0.0, 0.0))
        made = self._sampled.trajectory(run_block(compiled, task), 0, slice(0, 0))
        result.add_deterministic(made, weight)

    def _add(
        self,
        result: McResult,
        compiled: CompiledSystem,
        seeds: list[SeedSequence],
        weight: float,
        thresholds: tuple[float, float],
        bar: Progress,
        deadline: float | None,
    ) -> bool:
        """Add the trajectories of one initial state; return whether the result needs no more."""
        tasks = [self._task(piece, thresholds) for piece in pieces(seeds, self._block)]
        abort = threading.Event()
        with ThreadPoolExecutor(self._options.workers, thread_name_prefix="mcsolve") as pool:
            try:
                for (_, mine), block in _in_order(pool, compiled, tasks, deadline, bar, abort):
                    bounds = np.concatenate([[0], np.cumsum(block.counts)])
                    for row, seed in enumerate(mine):
                        clicks = slice(int(bounds[row]), int(bounds[row + 1]))
                        left = result.add((seed, self._sampled.trajectory(block, row, clicks), weight))
                        if left <= 0:
                            return True
            finally:
                abort.set()
        return deadline is not None and time.monotonic() > deadline

    def _task(
        self, piece: tuple[int, int, list[SeedSequence]], thresholds: tuple[float, float]
    ) -> tuple[BlockTask, list[SeedSequence]]:
        seed, first, mine = piece
        last = first + len(mine)
        return BlockTask(first, last, seed, self._duration, self._sampling, first_threshold=thresholds), mine


def pieces(seeds: Sequence[SeedSequence], size: int) -> Iterator[tuple[int, int, list[SeedSequence]]]:
    """Yield (seed, first trajectory, seeds) of sequences of seeds that one seed has spawned in order.

    The random numbers of trajectory r of seed s are those of ``SeedSequence(s, spawn_key=(r,))``. A seed of
    another form is trajectory 0 of a seed that is derived from it.
    """
    gathered: list[SeedSequence] = []
    begun: tuple[int, int] = (0, 0)
    for seed in seeds:
        key = _key(seed)
        if gathered and (key != (begun[0], begun[1] + len(gathered)) or len(gathered) == size):
            yield *begun, gathered
            gathered = []
        if not gathered:
            begun = key
        gathered.append(seed)
    if gathered:
        yield *begun, gathered


def _key(seed: SeedSequence) -> tuple[int, int]:
    entropy = seed.entropy
    if isinstance(entropy, int | np.integer) and len(seed.spawn_key) == 1:
        return int(entropy), int(seed.spawn_key[0])
    words = seed.generate_state(4, np.uint32)
    return int.from_bytes(words.tobytes(), "little"), 0


def _in_order(
    pool: Executor,
    compiled: CompiledSystem,
    tasks: Sequence[tuple[BlockTask, list[SeedSequence]]],
    deadline: float | None,
    bar: Progress,
    abort: threading.Event,
) -> Iterator[tuple[tuple[BlockTask, list[SeedSequence]], Block]]:
    """Yield blocks in the order of the tasks, a few computed ahead; after the deadline only the first starts."""
    ahead: list[tuple[tuple[BlockTask, list[SeedSequence]], Future[Block]]] = []
    upcoming, first = iter(tasks), True
    while True:
        while len(ahead) < AHEAD and (first or deadline is None or time.monotonic() <= deadline):
            following = next(upcoming, None)
            if following is None:
                break
            ahead.append((following, pool.submit(run_block, compiled, following[0], bar.add, abort)))
            first = False
        if not ahead:
            return
        given, future = ahead.pop(0)
        yield given, future.result()
        bar.refresh()
