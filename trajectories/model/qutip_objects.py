"""QuTiP objects to matrices and back, so that a script for its `mcsolve` needs one line to run here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from ..checks import shown
from ..errors import InvalidInput
from .space import HilbertSpace


def matrix_of(operator: Any, what: str) -> Any:
    """Return the matrix of a QuTiP operator; anything else is returned as it is, to be checked like any matrix.

    Raises
    ------
    InvalidInput
        A time-dependent operator, or an object that is no operator.
    """
    if isinstance(operator, list | tuple) or callable(getattr(operator, "arguments", None)):
        raise InvalidInput(f"{what} depends on time; only constant operators are simulated here")
    if not hasattr(operator, "dims") or not hasattr(operator, "full"):
        return operator
    if not operator.isoper:
        raise InvalidInput(f"{what} is a QuTiP {operator.type}; it must be an operator")
    return sparse.csr_array(operator.to("CSR").data_as("csr_matrix"))


def same_subsystems(hamiltonian: Any, collapse_operators: Sequence[Any]) -> None:
    """Refuse QuTiP operators whose tensor factors differ: matrices of one size may still mean different things.

    Raises
    ------
    InvalidInput
        Different ``dims``.
    """
    there = [
        operator.dims for operator in (hamiltonian, *collapse_operators) if getattr(operator, "isoper", False)
    ]
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
        raise InvalidInput("QuTiP is not installed; pip install 'bundle-trajectories[qutip]'") from error
    product = space is not None and space.dimension == int(np.prod(list(space.levels.values())))
    sizes = list(space.levels.values()) if space is not None and product else [matrix.shape[0]]
    return qutip.Qobj(sparse.csr_matrix(matrix), dims=[sizes, sizes])
