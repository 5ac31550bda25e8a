"""The paper's correlations from wave functions: moments and two-time averages of states along trajectories."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from ..checks import finite_array, integer, shown
from ..engine.compiled import CompiledSystem
from ..engine.two_time import TimeSampling, occupations, two_time_average
from ..errors import InvalidInput
from ..group_errors import known_errors
from ..lindblad.two_time import bundle_operator
from ..model.system import OpenSystem
from ..notebook import Shown, Summary
from ..results import Estimate, Expectation, read_only
from ..stages import Stage
from .preparation import prepare
from .request import Request, checked_request, checked_workers

METHOD = "wave functions; jackknife over trajectories"


@dataclass(frozen=True, eq=False, repr=False)
class Moments(Shown):
    """Time averages of ‖Oψ(t)‖² along stationary trajectories.

    Attributes
    ----------
    names : tuple of str
        Names of the operators.
    table : ndarray of shape (n_trajectories, n_operators)
        Average over the sample times of each trajectory.
    samples : int
        Number of sample times of each trajectory.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> found = tj.moments(
    ...     system, {"a": ("atom1",), "b": ("atom2",), "ab": ("atom1", "atom2")},
    ...     trajectories=20, duration=100.0, seed=1, samples=32, workers=1,
    ... )
    >>> found.table.shape, found.mean("a").value > 0.0
    ((20, 3), True)
    """

    names: tuple[str, ...]
    table: NDArray[np.float64]
    samples: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", read_only(self.table, np.float64))

    def _summary(self) -> Summary:
        rows = [(name, str(self.mean(name))) for name in self.names]
        title = f"Moments: {len(self.table)} trajectories, {self.samples} samples of each"
        return Summary(title, ("operator O", "⟨O†O⟩"), rows)

    def mean(self, name: str) -> Estimate:
        """Return ⟨O†O⟩ = Tr[O†Oρ]."""
        return self.ratio(name)

    def ratio(self, numerator: str, *denominators: str) -> Estimate:
        """Return ⟨O†O⟩/Π_k⟨O_k†O_k⟩ of pooled averages, such as g₁ = ⟨a†a b†b⟩/(⟨a†a⟩⟨b†b⟩).

        Parameters
        ----------
        numerator : str
            Name of O.
        *denominators : str
            Names of the O_k; a name given twice is a square.

        Raises
        ------
        InvalidInput
            A name that was not sampled, or a denominator that is zero in every sample.
        """
        columns = [self._column(name) for name in (numerator, *denominators)]
        for name, column in zip(denominators, columns[1:], strict=True):
            if not column.any():
                raise InvalidInput(
                    f"⟨O†O⟩ of {name!r} is 0 in every sample; take another denominator, or more samples"
                )
        value, error = _jackknife(
            np.stack(columns, axis=1), lambda mean: mean[..., 0] / mean[..., 1:].prod(axis=-1)
        )
        return Estimate(float(value), float(error), self.samples * len(self.table), METHOD)

    def _column(self, name: str) -> NDArray[np.float64]:
        if name not in self.names:
            raise InvalidInput(f"{shown(name)} was not sampled; there are {', '.join(self.names)}")
        return self.table[:, self.names.index(name)]


def moments(
    system: OpenSystem,
    operators: Mapping[str, Any],
    *,
    trajectories: int,
    duration: float,
    seed: int,
    samples: int = 256,
    workers: int | None = None,
) -> Moments:
    """Average ‖Oψ(t)‖² along stationary trajectories, for any operators O.

    ⟨O†O⟩ = lim (1/T) ∫₀ᵀ ‖Oψ(t)‖² dt, with ψ(t) normalised. For a product of lowering operators, this is a
    normally ordered moment of the steady state. Rare bundles cost no more than frequent ones, because no click has
    to occur: the small amplitude in every state is averaged.

    Parameters
    ----------
    system : OpenSystem
        The system.
    operators : mapping of str to sequence of str, or to array of shape (N, N)
        Name of your choice: operator O. A sequence of names of modes is the product of their lowering operators in
        this order, such as ``("photon", "magnon")``; or any matrix.
    trajectories : int
        Number of trajectories, each started from a random eigenvector of the steady state; at least 2.
    duration : float
        Length T of each in 1/ω_b.
    seed : int
        Seed of the random numbers, not negative. The trajectories are those of `simulate` with this seed.
    samples : int
        Number of sample times of each trajectory: one random time in each of so many equal parts of it.
    workers : int, optional
        Number of threads; by default all cores. The result does not depend on it.

    Returns
    -------
    Moments
        Averages; `Moments.ratio` has errors by the jackknife over trajectories, NaN where no sampled state
        contributed.

    Raises
    ------
    InvalidInput
        An invalid argument; nothing was computed.

    Notes
    -----
    For the paper's Fig. 3, let ``a`` be ``("photon",)``, ``b`` ``("phonon",)``, ``ab`` both, and ``abab`` both
    twice: then g₁ is ``ratio("ab", "a", "b")``, and g₂(0) is ``ratio("abab", "ab", "ab")``.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> found = tj.moments(
    ...     system, {"a": ("atom1",), "b": ("atom2",), "ab": ("atom1", "atom2")},
    ...     trajectories=20, duration=100.0, seed=1, samples=32, workers=1,
    ... )
    >>> found.names, found.ratio("ab", "a", "b").value > 10.0
    (('a', 'b', 'ab'), True)
    """
    plan = _planned(system, trajectories, duration, seed, samples, workers)
    if not isinstance(operators, Mapping) or not operators:
        raise InvalidInput(f"operators={shown(operators)} must be a dictionary of operators by name, at least one")
    chosen = [bundle_operator(system, operator) for operator in operators.values()]
    table = plan.each(lambda compiled, index: occupations(compiled, plan.sampling, index, chosen))
    return Moments(tuple(operators), table, samples)


def cross_correlation(
    system: OpenSystem,
    first_mode: str,
    second_mode: str,
    *,
    trajectories: int,
    duration: float,
    seed: int,
    samples: int = 256,
    workers: int | None = None,
) -> Estimate:
    """Estimate g₁_oo'(0) = ⟨o†o o'†o'⟩/(⟨o†o⟩⟨o'†o'⟩), the cross correlation of the paper's Fig. 3.

    Exact counterpart: `lindblad.cross_correlation`. See `moments` for the parameters and for several correlations
    from the same trajectories.

    Raises
    ------
    InvalidInput
        An invalid argument, or a mode that is empty in every sample.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> found = tj.cross_correlation(
    ...     system, "atom1", "atom2", trajectories=20, duration=100.0, seed=1, samples=32, workers=1
    ... )
    >>> exact = tj.lindblad.cross_correlation(tj.lindblad.steady_state(system), "atom1", "atom2")
    >>> abs(found.value - exact) < 4 * found.standard_error
    True
    """
    chosen = {"both": (second_mode, first_mode), "first": (first_mode,), "second": (second_mode,)}
    found = moments(
        system,
        chosen,
        trajectories=trajectories,
        duration=duration,
        seed=seed,
        samples=samples,
        workers=workers,
    )
    return found.ratio("both", "first", "second")


def bundle_correlation(
    system: OpenSystem,
    operator: Any,
    tau: ArrayLike = 0.0,
    *,
    trajectories: int,
    duration: float,
    seed: int,
    samples: int = 256,
    workers: int | None = None,
) -> Expectation:
    """Estimate the generalised second-order correlation of a bundle, the paper's Eq. (3), from wave functions.

    g₂(τ) = ⟨B†(0) B†(τ) B(τ) B(0)⟩/⟨B†B⟩². At random times along stationary trajectories B is applied to the
    state; Bψ/‖Bψ‖ is propagated for τ with jumps of its own, and ‖Bψ′‖² is averaged with the weight ‖Bψ‖². At
    τ = 0 this is the average of ‖BBψ‖². Averages are pooled over trajectories before they are divided. Exact
    counterpart: `lindblad.bundle_correlation`.

    Parameters
    ----------
    system : OpenSystem
        The system.
    operator : sequence of str, or array of shape (N, N)
        B: names of modes, whose lowering operators are multiplied in the order written, such as
        ``("photon", "magnon")`` or ``("photon", "photon")``, or any matrix.
    tau : array_like
        Delays in 1/ω_b of any sign, shape and order; the correlation is even in τ.
    trajectories, duration, seed, samples, workers
        As in `moments`. For τ ≠ 0 each trajectory has `samples` branches.

    Returns
    -------
    Expectation
        g₂ against τ in ``.value``, of the shape of `tau`; ``.times`` are the delays. The error is NaN where no
        sampled state contributed, and 0 at τ = 0 if BB = 0.

    Raises
    ------
    InvalidInput
        An invalid argument, a system that depends on time, whose g₂ depends on two times, or a bundle that no
        sampled state contains.

    Notes
    -----
    Sánchez Muñoz et al., Nat. Photon. 8, 550 (2014), for B = aⁿ. Two-time averages by trajectories: Mølmer, Castin
    and Dalibard, J. Opt. Soc. Am. B 10, 524 (1993).

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> found = tj.bundle_correlation(
    ...     system, ("atom1", "atom2"), [0.0, 10.0], trajectories=20, duration=50.0, seed=1, samples=8, workers=1
    ... )
    >>> found.times, found.value.shape
    (array([ 0., 10.]), (2,))
    """
    plan = _planned(system, trajectories, duration, seed, samples, workers)
    system.require_constant("bundle_correlation")
    bundle = bundle_operator(system, operator)
    asked = finite_array(tau, "tau")
    delays, place = np.unique(np.abs(asked), return_inverse=True)
    sums = plan.each(lambda compiled, index: _sums(compiled, plan.sampling, index, bundle, delays))
    if not sums[:, 0].any():
        raise InvalidInput("⟨B†B⟩=0 in every sampled state; choose another operator")
    value, error = _jackknife(sums, lambda mean: mean[..., 1:] / mean[..., :1] ** 2)
    if not (bundle @ bundle).count_nonzero():
        error[delays == 0.0] = 0.0  # exactly 0, because BB = 0
    shape = asked.shape
    columns = (value[place].reshape(shape), error[place].reshape(shape))
    return Expectation(asked, *columns, len(sums), METHOD, system.time_unit)


def _sums(
    compiled: CompiledSystem,
    sampling: TimeSampling,
    index: int,
    bundle: sparse.csr_array,
    delays: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return ⟨B†B⟩ and the two-time average at every delay along one trajectory, shape (1 + n_delays,)."""
    twice = sparse.csr_array(bundle @ bundle)
    now = occupations(compiled, sampling, index, [bundle, twice])
    result = np.concatenate([now[:1], np.zeros(len(delays))])
    later = delays > 0.0
    if later.any():
        result[1:][later] = two_time_average(compiled, sampling, index, bundle, delays[later])[1]
    # No branch is needed at τ = 0: every sample gives ‖BBψ‖² itself.
    result[1:][~later] = now[1]
    return result


@dataclass(frozen=True, eq=False)
class _Plan:
    """Sampling of trajectories, checked before any work."""

    request: Request
    sampling: TimeSampling
    trajectories: int
    threads: int

    def each(self, function: Callable[[CompiledSystem, int], NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return function(compiled system, index) of every trajectory as rows, computed on threads."""
        compiled, _ = prepare(self.request)
        rows: list[NDArray[np.float64]] = []
        with (
            Stage("following wave functions") as stage,
            ThreadPoolExecutor(self.threads, thread_name_prefix="trajectories") as pool,
        ):
            for row in pool.map(lambda index: function(compiled, index), range(self.trajectories)):
                rows.append(row)
                stage.say(f"following wave functions: {len(rows)} of {self.trajectories} trajectories")
        return np.array(rows)


def _planned(
    system: OpenSystem, trajectories: int, duration: float, seed: int, samples: int, workers: int | None
) -> _Plan:
    """Check the arguments and return the plan."""
    request = checked_request(system, trajectories, duration, seed=seed)
    # One trajectory gives no error.
    count = integer(trajectories, "trajectories", 2)
    sampling = TimeSampling(request.seed, request.duration, integer(samples, "samples", 1))
    return _Plan(request, sampling, count, checked_workers(workers))


def _jackknife(
    rows: NDArray[np.float64], function: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return f of the mean row and its standard error, leaving out one row at a time.

    The error is NaN if no sampled state contributed, so that the value is 0, or if few trajectories make up the
    value (see `known_errors`).
    """
    count = len(rows)
    total = rows.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        replicates = function((total - rows) / (count - 1))
        value = np.asarray(function(total / count))
        deviations = np.sqrt((count - 1) / count) * (replicates - replicates.mean(axis=0))
        error = known_errors(np.sqrt((deviations**2).sum(axis=0)), value, deviations)
    return value, np.where(value == 0.0, np.nan, error)
