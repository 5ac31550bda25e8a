"""The stationary moments of an open system with damped linear modes, however hot."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ...checks import integer
from ...errors import ConvergenceError, InvalidInput
from ...model import OpenSystem
from ...model.operators import as_operator
from ...model.space import HilbertSpace
from ...notebook import Shown, Summary
from ...stages import staged
from ..superoperators.krylov import gmres
from .hierarchy import Hierarchy
from .indices import count
from .polynomials import Matrix, Polynomial, polynomial

# Relative residual that is aimed at, and the error of a click rate above which the result is refused.
AIM, ACCEPTED = 1e-11, 1e-6
MAX_PRODUCTS, RESTART = 600, 150
MAX_UNKNOWNS = 400_000


@dataclass(frozen=True, eq=False, repr=False)
class SteadyMoments(Shown):
    """The stationary state of `steady_moments`.

    Attributes
    ----------
    system : OpenSystem
        The system, of whose levels it does not depend.
    order : int
        Largest order of the moments kept.
    unknowns : int
        How many numbers were solved for.
    residual : float
        ‖Lx‖/(‖x‖ · largest column sum of L).
    error : float
        Largest relative difference of a click rate between two unrelated starts; says nothing about the order.
    top_order : float
        Share of the moments of highest order in the norm of all.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> space = tj.HilbertSpace(photon=3)
    >>> a = space.lower("photon")
    >>> warm = [tj.Channel("out", np.sqrt(11.0) * a), tj.Channel("in", np.sqrt(10.0) * a.T)]
    >>> state = tj.lindblad.steady_moments(tj.OpenSystem(0.5 * (a + a.T), warm, space))
    >>> round(state.expect(space.number("photon")), 6)  # 10 quanta of the bath and |0.5/(1/2)|² of the drive
    11.0
    """

    system: OpenSystem
    order: int
    unknowns: int
    residual: float
    error: float
    top_order: float
    hierarchy: Hierarchy = field(repr=False)
    vector: Matrix = field(repr=False)

    def _summary(self) -> Summary:
        rows = [(f"rate of {name}", f"{self.rate(name):.6g}") for name in self.system.channel_names]
        rows += [("share of the highest order", f"{self.top_order:.2g}"), ("residual", f"{self.residual:.2g}")]
        return Summary(f"Stationary moments to order {self.order}, {self.unknowns} numbers", ("", "value"), rows)

    def expect(self, operator: Any) -> float | complex:
        """Return ⟨O⟩, a float when O is Hermitian.

        Parameters
        ----------
        operator : array or sparse array of shape (N, N)
            O on the system's space; it is read as a normally ordered polynomial of the modes, and means the same
            polynomial on modes without a highest level.

        Raises
        ------
        InvalidInput
            Another dimension, powers that the levels of the space cannot show, or more factors than `order`.
        """
        matrix = as_operator(operator, "operator")
        terms = self._polynomial(matrix, "operator")
        self._require_order(max(sum(p) + sum(q) for p, q in terms), "operator")
        value = self.hierarchy.average(terms, self.vector)
        skew = abs(matrix - matrix.conj().T)
        hermitian = skew.nnz == 0 or skew.max() <= 1e-14 * abs(matrix).max()
        return value.real if hermitian else value

    def norm(self, operator: Any, power: int = 1) -> float:
        """Return ⟨B†ⁿBⁿ⟩, of n quanta or bundles at once, for instance.

        Parameters
        ----------
        operator : array or sparse array of shape (N, N)
            B, read as in `expect`.
        power : int
            n.

        Raises
        ------
        InvalidInput
            As in `expect`.
        """
        integer(power, "power", 1)
        terms = self._polynomial(as_operator(operator, "operator"), "operator")
        self._require_order(2 * power * max(sum(p) + sum(q) for p, q in terms), f"⟨B†^{power} B^{power}⟩")
        return self.hierarchy.norm(terms, self.vector, power)

    def rate(self, channel: str) -> float:
        """Return λ_k = ⟨c_k†c_k⟩, the click rate of a channel in ω_b."""
        return self.norm(self.system.channel(channel).operator)

    def _polynomial(self, matrix: sparse.csr_array, what: str) -> Polynomial:
        space = space_of(self.system)
        if matrix.shape[0] != space.dimension:
            raise InvalidInput(
                f"{what} has dimension {matrix.shape[0]} but the space has {space.dimension}; use that space"
            )
        terms = polynomial(matrix, space, what)
        if not terms:
            raise InvalidInput(
                f"{what} is zero, as powers beyond the levels are; build the space with more levels"
            )
        return terms

    def _require_order(self, factors: int, what: str) -> None:
        if factors > self.order:
            raise InvalidInput(f"{what} has {factors} factors, more than order={self.order}; raise the order")

    @property
    def reduced(self) -> NDArray[np.complex128]:
        """Density matrix of the finite factors, shape (d, d)."""
        size = self.hierarchy.size
        return self.vector[: size**2].reshape(size, size).copy()


@staged("stationary moments")
def steady_moments(system: OpenSystem, order: int = 8) -> SteadyMoments:
    """Solve L ρ = 0 in moments of the modes, relative to the Gaussian state that they have by themselves.

    The function R(u, v) = Tr_modes[Π e^{u_j a_j†} e^{v_j a_j} ρ] has operators of the finite factors (atoms,
    spins) as values. What L does to the modes' amplitudes linearly (frequencies, couplings, drives, damping,
    temperature) is solved exactly: R = e^{½ zCz + mz} S, Ṡ = Σ λ_i y_i ∂S/∂y_i + …, with z = (u, v), the modes'
    covariances C, the eigenvalues λ_i of their drift, and its coordinates y. S is expanded in powers of y up to a
    total order. It differs from a constant only through the finite factors and what is not linear, so that the
    number of moments does not grow with the temperature or the amplitude of the modes, as the number of Fock
    levels does. Cold modes need orders of about twice their levels. `converge` raises the order until nothing
    moves.

    Parameters
    ----------
    system : OpenSystem
        Constant, with a space whose modes are all damped; H and jump operators are polynomials of ladder
        operators. Its levels only need to show these powers, two more than the highest: they are no truncation.
    order : int
        Largest total order of the moments kept; at least the number of ladder operators in what is asked for.

    Returns
    -------
    SteadyMoments

    Raises
    ------
    InvalidInput
        A system that depends on time or has no space, a cut-off of the total excitation, a mode without damping, a
        term that the levels cannot show, or an order that gives too many unknowns.
    ConvergenceError
        The equations could not be solved, or have several solutions.

    References
    ----------
    Briegel and Englert, Phys. Rev. A 47, 3311 (1993), for the thermal mode by itself; Tanimura, J. Chem. Phys.
    153, 020901 (2020), for hierarchies of a system in a Gaussian environment.

    Examples
    --------
    >>> import trajectories as tj
    >>> resonator = tj.SpinningResonator("left", 1.3406, thermal=(0.0, 9.9, 9.4))    # 1 K
    >>> state = tj.lindblad.steady_moments(resonator.system((3, 3, 3)), order=4)
    >>> round(state.expect(state.system.space.number("phonon")), 1)
    9.8
    """
    order = integer(order, "order", 1)
    space = space_of(system)
    unknowns = count(2 * len(space.modes), order) * prod(space.levels[name] for name in space.finite) ** 2
    if unknowns > MAX_UNKNOWNS:
        raise InvalidInput(f"order={order} gives {unknowns} unknowns, above {MAX_UNKNOWNS}; lower it")
    hierarchy = Hierarchy(system, space, order)
    vector, residual = _solved(hierarchy, hierarchy.normal)
    other, _ = _solved(hierarchy, _another_start(hierarchy))
    state = _state(system, order, residual, 0.0, hierarchy, vector)
    twin = _state(system, order, residual, 0.0, hierarchy, other)
    rates = [(state.rate(name), twin.rate(name)) for name in system.channel_names]
    largest = max(abs(x) for x, _ in rates)
    error = max(abs(x - y) / max(abs(x), 1e-6 * largest, 1e-300) for x, y in rates)
    if not error <= ACCEPTED:
        raise ConvergenceError(
            f"stationary moments of order {order}: two starts differ by {error:.2g} in a click rate; the state is "
            "not unique, or the order too low for so strong a coupling"
        )
    return _state(system, order, residual, error, hierarchy, vector)


def space_of(system: OpenSystem) -> HilbertSpace:
    """Return the space of a system that has modes and does not depend on time."""
    system.require_constant("the moments")
    space = system.space
    if space is None or not space.modes:
        raise InvalidInput("moments are those of modes; give a system with a HilbertSpace that has one")
    if space.max_quanta is not None:
        raise InvalidInput("moments have no cut-off of the total excitation; build the space without max_quanta")
    return space


def _solved(hierarchy: Hierarchy, start: Matrix) -> tuple[Matrix, float]:
    """Return x with Lx = 0 and unit trace, from (L + |start⟩⟨trace|)x = start, and its residual."""
    generator, trace = hierarchy.generator, hierarchy.trace
    found = gmres(
        lambda x: generator @ x + start * (trace @ x),
        start,
        tolerance=AIM,
        max_products=MAX_PRODUCTS,
        restart=RESTART,
        precondition=hierarchy.solve_blocks,
    )
    vector = found.solution / (trace @ found.solution)
    scale = float(abs(generator).sum(axis=0).max()) * float(np.linalg.norm(vector))
    return vector, float(np.linalg.norm(generator @ vector)) / scale


def _another_start(hierarchy: Hierarchy) -> Matrix:
    """Return an unrelated vector of unit trace."""
    generator = np.random.default_rng(1)
    start = hierarchy.normal.copy()
    size = hierarchy.size
    ket = generator.normal(size=size) + 1j * generator.normal(size=size)
    start[: size**2] = (np.outer(ket, ket.conj()) / np.vdot(ket, ket)).reshape(-1)
    return start


def _state(
    system: OpenSystem, order: int, residual: float, error: float, hierarchy: Hierarchy, vector: Matrix
) -> SteadyMoments:
    highest = np.repeat(hierarchy.indices.rows.sum(axis=1) == order, hierarchy.size**2)
    share = float(np.linalg.norm(vector[highest]) / np.linalg.norm(vector))
    return SteadyMoments(system, order, hierarchy.unknowns, residual, error, share, hierarchy, vector)
