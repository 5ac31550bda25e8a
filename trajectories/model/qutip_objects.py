"""Conversion of QuTiP objects to matrices and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..checks import shown
from ..errors import InvalidInput, MissingPackage
from .piecewise import Piecewise, TooManyPieces
from .shapes import Sampled, cubic_spline
from .space import HilbertSpace

# How well a spline must follow what may be samples, relative to its largest value, and how many polynomials are
# tried for a function before.
SAMPLED_TO, FEW_PIECES = 1e-10, 64

TimedTerm: TypeAlias = tuple[sparse.csr_array, Sampled | Piecewise]


def matrix_of(operator: Any, what: str) -> Any:
    """Return the matrix of a QuTiP operator; other objects are returned unchanged, and checked later.

    A `QobjEvo` that does not depend on time, and a list of operators without coefficients, which QuTiP adds, are
    constant operators like any other.

    Raises
    ------
    InvalidInput
        A time-dependent operator, or an object that is not an operator.
    """
    if is_terms(operator):
        terms = [term[0] if isinstance(term, list | tuple) and len(term) == 1 else term for term in operator]
        if not all(hasattr(term, "dims") or callable(term) for term in terms):  # a coefficient
            raise _depends_on_time(what)
        parts = [matrix_of(term, what) for term in terms]
        if any(part.shape != parts[0].shape for part in parts):
            raise InvalidInput(
                f"{what} has terms of shapes {', '.join(str(p.shape) for p in parts)}; give one shape"
            )
        return sum(parts[1:], start=parts[0])
    if callable(getattr(operator, "arguments", None)):  # a QobjEvo
        if not operator.isconstant:
            raise _depends_on_time(what)
        operator = operator(0.0)
    if not hasattr(operator, "dims") or not hasattr(operator, "full"):
        if callable(operator):
            raise _depends_on_time(what)
        return operator
    if not operator.isoper:
        raise InvalidInput(f"{what} is a QuTiP {operator.type}; it must be an operator")
    return sparse.csr_array(operator.to("CSR").data_as("csr_matrix"))


def is_terms(operator: Any) -> bool:
    """Whether this is QuTiP's list of terms, [H₀, [H₁, f], …], and not a matrix written as nested lists."""
    if not isinstance(operator, list | tuple):
        return False
    heads = [term[0] if isinstance(term, list | tuple) and term else term for term in operator]
    return any(hasattr(head, "dims") or callable(head) for head in heads)


def operator_list(operators: Any) -> list[Any]:
    """Return collapse operators as a list; a single one may be given without a list, as for `mcsolve`.

    Raises
    ------
    InvalidInput
        Neither operators nor one operator.
    """
    matrix = sparse.issparse(operators) or (isinstance(operators, np.ndarray) and operators.ndim == 2)
    if matrix or hasattr(operators, "dims"):
        return [operators]
    if not isinstance(operators, Iterable) or isinstance(operators, str | bytes):
        raise InvalidInput("collapse_operators must be a list of operators, as for mcsolve")
    return list(operators)


class DependsOnTime(InvalidInput):
    """An operator depends on time, but must be constant."""


def _depends_on_time(what: str) -> DependsOnTime:
    return DependsOnTime(f"{what} depends on time; give from_qutip the times of its coefficients as tlist=")


def timed_terms(
    operator: Any, what: str, tlist: NDArray[np.float64], args: Mapping[str, Any] | None
) -> tuple[Any, list[TimedTerm]]:
    """Return the constant part and the terms Σ f_j(t) O_j of a QuTiP operator that depends on time.

    Coefficients that are arrays over `tlist` become the same cubic splines as in QuTiP, functions the fewest
    polynomials that agree with them to rounding, at the times of `tlist` and between them.

    Raises
    ------
    InvalidInput
        Objects that QuTiP refuses, or a function that polynomials do not approximate.
    """
    import qutip

    try:
        whole = qutip.QobjEvo(operator, args=dict(args or {}), tlist=tlist)
        parts = whole.to_list()
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(f"{what} is refused by QuTiP: {error}") from error
    constant: Any = sparse.csr_array(whole.shape, dtype=np.complex128)
    timed = []
    for part in parts:
        head, coefficient = part if isinstance(part, list | tuple) else (part, None)
        if callable(head) and not hasattr(head, "full"):
            raise InvalidInput(f"{what} is a function; give [operator, coefficient] pairs")
        matrix = sparse.csr_array(head.to("CSR").data_as("csr_matrix"))
        if coefficient is None:
            constant = constant + matrix
        else:
            timed.append((matrix, _sampled(coefficient, what, tlist)))
    return constant, timed


def _sampled(coefficient: Any, what: str, tlist: NDArray[np.float64]) -> Sampled | Piecewise:
    """Return a coefficient as few polynomials, or if it is a spline over `tlist`, as that spline."""
    middle = 0.5 * (tlist[1:] + tlist[:-1])
    span, at = (float(tlist[0]), float(tlist[-1])), np.concatenate([tlist, middle])
    try:
        return Piecewise.of(coefficient, *span, at=at, most=max(FEW_PIECES, len(tlist) // 4))
    except TooManyPieces:
        pass
    except InvalidInput as error:
        raise InvalidInput(f"a coefficient of {what}: {error}") from error
    values, between = (np.array([complex(coefficient(t)) for t in times]) for times in (tlist, middle))
    largest = max(float(np.abs(values).max()), 1e-300)
    apart = float(np.abs(cubic_spline(tlist, values)(middle) - between).max()) / largest
    if apart <= SAMPLED_TO:
        return Sampled(tlist, values, sampling_error=apart)
    try:
        return Piecewise.of(coefficient, *span, at=at)
    except InvalidInput as refused:
        raise InvalidInput(f"a coefficient of {what}: {refused}") from refused


def same_subsystems(hamiltonian: Any, collapse_operators: Sequence[Any]) -> None:
    """Refuse QuTiP operators with different tensor factors, even if their matrices have the same size.

    Raises
    ------
    InvalidInput
        Different ``dims``.
    """
    terms = [
        term for given in (hamiltonian, *collapse_operators) for term in (given if is_terms(given) else [given])
    ]
    there = [term.dims for term in terms if getattr(term, "isoper", False)]
    for dims in there[1:]:
        if dims != there[0]:
            raise InvalidInput(f"operators have dims {there[0]} and {dims}; build all on the same subsystems")


def default_names(count: int, names: Sequence[str] | None) -> tuple[str, ...]:
    """Return one channel name for each of `count` collapse operators.

    Raises
    ------
    InvalidInput
        Another number of names.
    """
    if names is None:
        return tuple(f"channel {number}" for number in range(count))
    if isinstance(names, str) or len(names) != count:
        raise InvalidInput(f"names={shown(names)} must name each of the {count} collapse operators")
    return tuple(names)


def timed_qobj(operator: Any, values: Callable[[Any], Any], period: float | None) -> Any:
    """Return a QuTiP operator times a function of time, which is repeated with the period if there is one."""
    import qutip

    def coefficient(t: float) -> complex:
        return complex(values(t if period is None else t % period))

    return qutip.QobjEvo([[operator, coefficient]])


def qobj(matrix: sparse.csr_array, space: HilbertSpace | None) -> Any:
    """Return a matrix as a QuTiP operator, with the dimensions of the subsystems if the space is their product.

    Raises
    ------
    InvalidInput
        QuTiP is not installed.
    """
    try:
        import qutip
    except ImportError as error:
        raise MissingPackage("a QuTiP object", "qutip", error) from error
    product = space is not None and space.dimension == int(np.prod(list(space.levels.values())))
    sizes = list(space.levels.values()) if space is not None and product else [matrix.shape[0]]
    return qutip.Qobj(sparse.csr_matrix(matrix), dims=[sizes, sizes])
