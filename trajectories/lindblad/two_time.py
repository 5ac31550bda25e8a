"""Two-time averages of operators by quantum regression: the paper's g₁ and Eq. (3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from ..errors import InvalidInput
from ..model import OpenSystem
from ..stages import staged
from .inputs import checked_operator, checked_times
from .moments.steady import SteadyMoments
from .steady_state import SteadyState
from .superoperators.detected import NOISE, NOTHING
from .superoperators.hermitian_vectors import pack
from .superoperators.motions import motion_of


def cross_correlation(steady: SteadyState | SteadyMoments, first_mode: str, second_mode: str) -> float:
    """Return g₁_oo'(0) = ⟨o†o o'†o'⟩/(⟨o†o⟩⟨o'†o'⟩), the cross correlation of the paper's Fig. 3.

    For one mode with itself this is ⟨o†o†oo⟩/⟨o†o⟩², normally ordered.

    Parameters
    ----------
    steady : SteadyState or SteadyMoments
        The stationary state; its system has a space.
    first_mode, second_mode : str
        Names of modes or atoms of the space.

    Raises
    ------
    InvalidInput
        No space, an unknown name, or a mode that is empty.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> steady = tj.lindblad.steady_state(system)
    >>> round(tj.lindblad.cross_correlation(steady, "atom1", "atom2"), 2)
    101.0
    """
    lower = [bundle_operator(steady.system, (name,)) for name in (first_mode, second_mode)]
    both = lower[1] @ lower[0]
    joint = _norm(steady, both)
    occupations = [_norm(steady, operator) for operator in lower]
    if min(occupations) <= NOTHING:
        raise InvalidInput(f"{first_mode!r} and {second_mode!r} hold {occupations} quanta; both must be occupied")
    return joint / (occupations[0] * occupations[1])


@staged("bundle correlation")
def bundle_correlation(
    steady: SteadyState | SteadyMoments, operator: Any, tau: ArrayLike = 0.0
) -> NDArray[np.float64]:
    """Return the generalised second-order correlation of a bundle, the paper's Eq. (3).

    g₂(τ) = ⟨B†(0) B†(τ) B(τ) B(0)⟩/⟨B†B⟩² = Tr[B†B e^{L|τ|} BρB†]/Tr[B†Bρ]², with B = o o' for a pair.

    Parameters
    ----------
    steady : SteadyState or SteadyMoments
        The stationary state; of moments only g₂(0) follows.
    operator : sequence of str, or array of shape (N, N)
        B: names of modes, whose lowering operators are multiplied in the order written, such as
        ``("photon", "magnon")`` or ``("photon", "photon")``, or any matrix.
    tau : array_like
        Delays in 1/ω_b of any sign and shape; the correlation is even in τ.

    Returns
    -------
    ndarray
        Of the shape of `tau`.

    Raises
    ------
    InvalidInput
        An unknown mode, a matrix of another dimension, a bundle that the state does not contain, or delays of
        moments.

    Notes
    -----
    Sánchez Muñoz et al., Nat. Photon. 8, 550 (2014), for B = aⁿ.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> steady = tj.lindblad.steady_state(system)
    >>> tj.lindblad.bundle_correlation(steady, ("atom1", "atom2"), [1.0, 10.0]).round(3)
    array([0.849, 1.   ])
    """
    bundle = bundle_operator(steady.system, operator)
    delays = np.abs(checked_times(tau, "tau", lowest=-np.inf))
    rate = _norm(steady, bundle)
    if isinstance(steady, SteadyMoments):
        return _of_moments(steady, bundle, delays, rate)
    terms = float(np.sum(abs(bundle) @ np.abs(steady.rho) * abs(bundle).toarray()))
    if rate <= max(NOISE * terms, NOTHING * float(sparse.linalg.norm(bundle)) ** 2):
        raise InvalidInput(f"the state holds no such bundle: ⟨B†B⟩={rate:.3g}; choose another operator")
    after = bundle @ (bundle @ steady.rho).conj().T / rate
    number = pack((bundle.conj().T @ bundle).toarray())
    difference = pack(after - steady.rho)
    longest = float(delays.max(initial=0.0))
    if longest == 0.0:
        return np.full(delays.shape, 1.0 + float(number @ difference) / rate)
    motion = motion_of(steady.system, longest)
    values = motion.observe(difference, number[None], delays.reshape(-1))[0][:, 0]
    return (1.0 + values / rate).reshape(delays.shape)


def bundle_operator(system: OpenSystem, operator: Any) -> sparse.csr_array:
    """Return a product of lowering operators, or the matrix given."""
    if isinstance(operator, str):
        raise InvalidInput(f"operator={operator!r} must be a sequence of mode names, such as ({operator!r},)")
    names = operator if isinstance(operator, Sequence) and all(isinstance(o, str) for o in operator) else None
    if names is None:
        return checked_operator(system, operator, "bundle operator")
    if not names:
        raise InvalidInput("operator names no mode; give at least one")
    if system.space is None:
        raise InvalidInput("mode names need a system with a space; give the operator as a matrix")
    bundle = system.space.identity()
    for name in names:
        bundle = bundle @ system.space.lower(name)
    return sparse.csr_array(bundle)


def _of_moments(
    steady: SteadyMoments, bundle: sparse.csr_array, delays: NDArray[np.float64], rate: float
) -> NDArray[np.float64]:
    """Return g₂(0); refuse delays, and a bundle that is not there."""
    if float(delays.max(initial=0.0)) > 0.0:
        raise InvalidInput("moments are those of one time; give tau=0, or a SteadyState")
    if rate <= NOTHING:
        raise InvalidInput(f"the state holds no such bundle: ⟨B†B⟩={rate:.3g}; choose another operator")
    return np.full(delays.shape, steady.norm(bundle, 2) / rate**2)


def _norm(steady: SteadyState | SteadyMoments, operator: sparse.csr_array) -> float:
    """Return ⟨B†B⟩ = Tr[BρB†]."""
    if isinstance(steady, SteadyMoments):
        return steady.norm(operator)
    return float(np.real(np.trace(operator @ (operator @ steady.rho).conj().T)))
