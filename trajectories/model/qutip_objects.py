"""QuTiP objects to matrices and back, so that a script for its `mcsolve` needs one line to run here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from scipy import sparse

from ..checks import shown
from ..errors import InvalidInput, MissingPackage
from .space import HilbertSpace


def matrix_of(operator: Any, what: str) -> Any:
    """Return the matrix of a QuTiP operator; anything else is returned as it is, to be checked like any matrix.

    A `QobjEvo` that does not depend on time, and a list of operators without coefficients, which QuTiP adds, are
    constant operators like any other.

    Raises
    ------
    InvalidInput
        A time-dependent operator, or an object that is no operator.
    """
    if is_terms(operator):
        terms = [term[0] if isinstance(term, list | tuple) and len(term) == 1 else term for term in operator]
        if not all(hasattr(term, "dims") or callable(term) for term in terms):  # a coefficient
            raise _depends_on_time(what)
        parts = [matrix_of(term, what) for term in terms]
        if any(part.shape != parts[0].shape for part in parts):
            raise InvalidInput(f"{what} has terms of shapes {', '.join(str(p.shape) for p in parts)}; they add up")
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
    """Return collapse operators as a list; one alone needs none, as for `mcsolve`.

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


def _depends_on_time(what: str) -> InvalidInput:
    return InvalidInput(f"{what} depends on time; only constant operators are simulated here")


def same_subsystems(hamiltonian: Any, collapse_operators: Sequence[Any]) -> None:
    """Refuse QuTiP operators whose tensor factors differ: matrices of one size may still mean different things.

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


def qobj(matrix: sparse.csr_array, space: HilbertSpace | None) -> Any:
    """Return a matrix as a QuTiP operator, with the subsystems' dimensions where the space is their product.

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
