"""Two-photon spectra: the correlation of photons of two colours, g²_Γ(ω₁, ω₂)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..blas import one_blas_thread
from ..checks import finite_array, positive_number
from ..errors import ConvergenceError, InvalidInput
from ..stages import Stage, staged
from .levels import CORE, LARGEST_FINER, MAX_CONDITION
from .reduced.matrix_modes import MatrixModes
from .steady_state import SteadyState

Array = NDArray[np.float64]
Matrix = NDArray[np.complex128]

# L is diagonalised as a real matrix of N² × N²: some twenty seconds at the largest N.
LARGEST = int(LARGEST_FINER**0.5)
# Filtered light weaker than this beside the channel's is rounding.
DARK = 1e-13


@staged("two-photon spectrum")
def two_photon_spectrum(
    steady: SteadyState, first: str, second: str, omega1: ArrayLike, omega2: ArrayLike, width: float
) -> Array:
    """Return g²_Γ(ω₁, ω₂) of coincident photons behind two filters, as a map.

    g²_Γ = ⟨f₁†f₂†f₂f₁⟩/(⟨f₁†f₁⟩⟨f₂†f₂⟩) of two filters of width Γ, one on a part of the light of each channel:
    what `g2_at` gives at τ = 0 for `OpenSystem.filtered` on channels that a beam splitter divides, for all pairs
    of frequencies at once.

    The equations of the sensor method are solved in the eigenbasis of L, which is found once: with the sensors'
    operators ordered, ⟨f₁†f₂†f₂f₁⟩ follows from ⟨f₁⟩, ⟨f₁†f₁⟩, ⟨f₁f₂⟩, … by one division each. The last
    step is taken by the functional that it ends in, so that a pair of frequencies costs one sum over the basis.

    Parameters
    ----------
    steady : SteadyState
        The stationary state of a system of at most 57 dimensions.
    first, second : str
        Channels, which may be the same.
    omega1, omega2 : array_like of shape (n,) and (m,)
        Frequencies of the filters, relative to the drive.
    width : float
        Γ, full width of both.

    Returns
    -------
    ndarray of shape (n, m)
        g²_Γ; NaN where no light passes.

    Raises
    ------
    InvalidInput
        An unknown channel, bad frequencies, a width that is not positive, or a system that is too large.
    ConvergenceError
        L is near an exceptional point.

    Notes
    -----
    del Valle, Gonzalez-Tudela, Laussy, Tejedor and Hartmann, Phys. Rev. Lett. 109, 183601 (2012).

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(5.0 * (sigma + sigma.T), [tj.Channel("atom", sigma)])
    >>> steady = tj.lindblad.steady_state(system)
    >>> sides = [-10.0, 10.0]
    >>> tj.lindblad.two_photon_spectrum(steady, "atom", "atom", sides, sides, 1.0).round(2)
    array([[0.42, 1.42],
           [1.42, 0.42]])
    """
    operators = [steady.system.channel(name).operator for name in (first, second)]
    lists = [finite_array(values, name) for values, name in ((omega1, "omega1"), (omega2, "omega2"))]
    for values, name in zip(lists, ("omega1", "omega2"), strict=True):
        if values.ndim != 1 or values.size == 0:
            raise InvalidInput(f"{name} has shape {values.shape}; give at least one frequency in one dimension")
    half = 0.5 * positive_number(width, "width")
    steady.system.require_constant("two_photon_spectrum")
    size = steady.system.dimension
    if size > LARGEST:
        raise InvalidInput(f"dimension {size} exceeds {LARGEST}; take g2_at of system.filtered")
    with one_blas_thread():
        if "matrix modes" not in steady.workspace:
            with Stage(f"diagonalising {size**2} pairs of states", expected=CORE * size**6):
                steady.workspace["matrix modes"] = MatrixModes(steady.system)
        modes: MatrixModes = steady.workspace["matrix modes"]
        if modes.condition > MAX_CONDITION:
            raise ConvergenceError(
                f"eigenvectors of L have condition {modes.condition:.2g}; take g2_at of system.filtered"
            )
        sensors = [
            _Sensor(modes, steady.rho, operator.toarray(), omega, half)
            for operator, omega in zip(operators, lists, strict=True)
        ]
        # −4(Γ/2) Tr X[1,1;1,1] = 2 Im Tr(c₁†X[0,1;1,1]) + 2 Im Tr(c₂†X[1,1;0,1])
        both = -(_ends(modes, *sensors) + _ends(modes, *sensors[::-1]).T) / (2.0 * half)
    light = [np.where(s.light > DARK * _strongest(steady) / half**2, s.light, np.nan) for s in sensors]
    return np.asarray(both / np.multiply.outer(*light))


def _strongest(steady: SteadyState) -> float:
    """Return the largest click rate."""
    return max(steady.rate(name) for name in steady.system.channel_names)


class _Sensor:
    """What one weakly coupled sensor holds at each of its frequencies.

    Of the moments X[p, q] = Tr_sensor(f^q ρ f†^p), X[0, 1] obeys (L − iω − Γ/2)X = icρ, and X[1, 1] obeys
    (L − Γ)X = icX[0, 1]† − iX[0, 1]c†.

    Attributes
    ----------
    amplitude, number : ndarray of shape (n, N, N)
        X[0, 1] and X[1, 1].
    light : ndarray of shape (n,)
        ⟨f†f⟩.
    """

    def __init__(self, modes: MatrixModes, rho: Matrix, operator: Matrix, omega: Array, half: float) -> None:
        self.operator, self.omega, self.half = operator, omega, half
        self.adjoint = operator.conj().T
        found = modes.coefficients(1j * operator @ rho) / (modes.values - 1j * omega[:, None] - half)
        self.amplitude = modes.matrices(found)
        source = -1j * self.amplitude @ self.adjoint
        source = source + source.conj().swapaxes(-1, -2)
        self.number = modes.matrices(modes.coefficients(source) / (modes.values - 2.0 * half))
        self.light: Array = -np.einsum("kj,njk->n", self.adjoint, self.amplitude).imag / half


def _ends(modes: MatrixModes, one: _Sensor, two: _Sensor) -> Array:
    """Return Im Tr(c₁†X[0,1;1,1]) for all pairs of frequencies, shape (n, m).

    (L − iω₁ − 3Γ/2) X[0,1;1,1] = ic₁X[0,0;1,1] + ic₂X[0,1;1,0] − iX[0,1;0,1]c₂†. Tr(c₁†(L − iω₁ − 3Γ/2)⁻¹Y) is
    Tr(WY), with one W for each ω₁.
    """
    half, c1, c2 = one.half, one.operator, two.operator
    rows = modes.functionals(one.adjoint) / (modes.values - 1j * one.omega[:, None] - 3.0 * half)
    w = modes.observables(rows)
    result = np.einsum("nkj,mjk->nm", 1j * w @ c1, two.number)
    # X[0,1;1,0]: (L − i(ω₁ − ω₂) − Γ) X = ic₁X[0,0;1,0] − iX[0,1;0,0]c₂†
    reader = modes.functionals(1j * w @ c2)
    ofs = modes.coefficients(-1j * one.amplitude @ two.adjoint)
    ofm = modes.coefficients(1j * c1 @ two.amplitude.conj().swapaxes(-1, -2))
    result += _divided(modes, reader, ofs, ofm, one.omega, -two.omega, half)
    # X[0,1;0,1]: (L − i(ω₁ + ω₂) − Γ) X = ic₁X[0,0;0,1] + ic₂X[0,1;0,0]
    reader = modes.functionals(-1j * two.adjoint @ w)
    ofs, ofm = modes.coefficients(1j * c2 @ one.amplitude), modes.coefficients(1j * c1 @ two.amplitude)
    result += _divided(modes, reader, ofs, ofm, one.omega, two.omega, half)
    return np.asarray(result.imag)


def _divided(
    modes: MatrixModes, reader: Matrix, ofs: Matrix, ofm: Matrix, one: Array, two: Array, half: float
) -> Matrix:
    """Return Σ_k u_k(a)(s_k(a) + t_k(b))/(μ_k − i(a + b) − Γ) for all a and b."""
    result = np.empty((len(one), len(two)), dtype=np.complex128)
    for n, a in enumerate(one.tolist()):
        poles = modes.values - 1j * (a + two[:, None]) - 2.0 * half
        result[n] = np.sum(reader[n] * (ofs[n] + ofm) / poles, axis=1)
    return result
