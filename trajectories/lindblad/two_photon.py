"""Two-photon spectra: the correlation of photons of two colours, g²_Γ(ω₁, ω₂)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, sparse

from ..checks import finite_array, positive_number
from ..errors import ConvergenceError, InvalidInput
from ..stages import staged
from .blas import one_blas_thread
from .steady_state import SteadyState

Array = NDArray[np.float64]
Matrix = NDArray[np.complex128]

# The Liouvillian is diagonalised as a matrix of N² × N²: 15 s at the largest N.
LARGEST = 26
MAX_CONDITION = 1e8
# Filtered light weaker than this beside the channel's is rounding.
DARK = 1e-13


@staged("two-photon spectrum")
def two_photon_spectrum(
    steady: SteadyState, first: str, second: str, omega1: ArrayLike, omega2: ArrayLike, width: float
) -> Array:
    """Return g²_Γ(ω₁, ω₂) of coincident photons behind two filters, as a map.

    g²_Γ = ⟨f₁†f₂†f₂f₁⟩/(⟨f₁†f₁⟩⟨f₂†f₂⟩) of two filters of width Γ, one on a part of the light of each channel:
    what `g2_at` gives at τ = 0 for `OpenSystem.filtered` on
    channels that a beam splitter divides, for all pairs of frequencies at once.

    The equations of the sensor method are solved in the eigenbasis of L: with the sensor's operators ordered,
    ⟨f₁†f₂†f₂f₁⟩ follows from ⟨f₁⟩, ⟨f₁†f₁⟩, ⟨f₁f₂⟩, … by one division each.

    Parameters
    ----------
    steady : SteadyState
        The stationary state of a system of at most 26 dimensions.
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
    if steady.system.dimension > LARGEST:
        raise InvalidInput(f"dimension {steady.system.dimension} exceeds {LARGEST}; take g2_at of system.filtered")
    with one_blas_thread():
        sensors = _Sensors(steady, operators, half)
        return np.array([[sensors.g2(a, b) for b in lists[1].tolist()] for a in lists[0].tolist()])


class _Sensors:
    """Moments of weakly coupled sensors, vectors over the eigenbasis of L.

    A moment X[p, q; r, s] = Tr_sensors(f₁^q f₂^s ρ f₁†^p f₂†^r) obeys (L − i(q − p)ω₁ − i(s − r)ω₂ −
    (p + q + r + s)Γ/2) X = i(what has one less on the left: q cX[…q−1…], …) − i(one less on the right).
    """

    def __init__(self, steady: SteadyState, operators: list[sparse.csr_array], half: float) -> None:
        one = sparse.eye_array(steady.system.dimension, format="csr")
        h = steady.system.centred_H_eff
        # Matrices are taken row by row: A X B is A ⊗ Bᵀ.
        liouvillian = -1j * sparse.kron(h, one) + 1j * sparse.kron(one, h.conj())
        for channel in steady.system.channels:
            liouvillian = liouvillian + sparse.kron(channel.operator, channel.operator.conj())
        self.values, right = linalg.eig(liouvillian.toarray())
        left = np.linalg.inv(right)
        condition = float(np.linalg.norm(left, 2) * np.linalg.norm(right, 2))
        if condition > MAX_CONDITION:
            raise ConvergenceError(
                f"eigenvectors of L have condition {condition:.2g}; take g2_at of system.filtered"
            )
        self.half = half
        self.before = [left @ (sparse.kron(c, one) @ right) for c in operators]
        self.behind = [left @ (sparse.kron(one, c.conj()) @ right) for c in operators]
        self.trace = one.toarray().reshape(-1) @ right
        self.start = left @ steady.rho.reshape(-1)
        self.scales = [steady.rate(channel.name) for channel in steady.system.channels]

    def g2(self, first: float, second: float) -> float:
        """Return g² of two sensors."""
        moments: dict[tuple[int, int, int, int], Matrix] = {(0, 0, 0, 0): self.start}

        def moment(p: int, q: int, r: int, s: int) -> Matrix:
            """Return X with p, r daggered lowerings of the sensors on the right and q, s on the left."""
            if (p, q, r, s) not in moments:
                source = np.zeros_like(self.start)
                if q:
                    source += 1j * self.before[0] @ moment(p, q - 1, r, s)
                if p:
                    source -= 1j * self.behind[0] @ moment(p - 1, q, r, s)
                if s:
                    source += 1j * self.before[1] @ moment(p, q, r, s - 1)
                if r:
                    source -= 1j * self.behind[1] @ moment(p, q, r - 1, s)
                pole = -1j * ((q - p) * first + (s - r) * second) - (p + q + r + s) * self.half
                moments[p, q, r, s] = source / (self.values + pole)
            return moments[p, q, r, s]

        both, one, two = (
            float((self.trace @ moment(*order)).real) for order in ((1, 1, 1, 1), (1, 1, 0, 0), (0, 0, 1, 1))
        )
        if min(one, two) <= DARK * max(self.scales) / self.half**2:
            return float("nan")
        return both / (one * two)
