"""The exponential of a generator over one time step, as a Chebyshev series with an a-priori error bound."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.polynomial import chebyshev as polynomial
from numpy.typing import NDArray
from scipy import sparse

from .bessel import bessel_orders
from .chebyshev_kernels import chebyshev_series
from .hermitian_vectors import Generator, Vector

# Error of one step relative to ‖x‖_F that the series is cut at: a hundred rounding errors.
STEP_ERROR = 1e-14
# The sum of the series' terms may exceed the result by this factor, which multiplies rounding errors.
MAX_AMPLIFICATION = 1e4
# Longest step in units of 1/max(R, |c|); beyond it, longer steps save nothing more.
LONGEST_STEP = 360.0
# The foci lie this factor outside the numerical range, which keeps the enclosing ellipse slim.
FOCUS_MARGIN = 1.03


@dataclass(frozen=True)
class Ellipse:
    """An ellipse that encloses a numerical range.

    Attributes
    ----------
    center : float
        Its centre c, on the real axis.
    focus : float
        Distance R of the foci from the centre.
    oscillating : bool
        Whether the foci are c ± iR (motion that mostly oscillates) or c ± R (that mostly decays).
    eta : float
        Semi-axes are R cosh η and R sinh η, so that |Φ_k| ≤ cosh kη inside.
    """

    center: float
    focus: float
    oscillating: bool
    eta: float

    @classmethod
    def enclosing(cls, generator: Generator) -> Ellipse:
        """Return a slim ellipse around the rectangle that bounds the numerical range."""
        lowest, highest = generator.real_range
        width, height = 0.5 * (highest - lowest), generator.imaginary_bound
        long, short = max(width, height), min(width, height)
        focus = max(FOCUS_MARGIN * long, 1e-12)
        a, b = (long / focus) ** 2, (short / focus) ** 2
        # The corner of the rectangle: a/cosh²η + b/sinh²η = 1, quadratic in sinh²η.
        square = 0.5 * (a + b - 1.0 + np.sqrt((a + b - 1.0) ** 2 + 4.0 * b))
        return cls(0.5 * (lowest + highest), focus, height >= width, float(np.arcsinh(np.sqrt(square))))

    def terms(self, order: int, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return f_k(t) in e^{Gt} = Σ_k f_k(t) Φ_k((G − c)/R), shape (order, n_times).

        f_k = (2 − δ_k0) e^{ct} J_k(Rt) for foci on the imaginary direction and (2 − δ_k0) e^{ct} I_k(Rt) for real
        ones; Φ_0 = 1, Φ_1 = x, Φ_{k+1} = 2xΦ_k ± Φ_{k−1} (+ for oscillating).
        """
        weight = np.where(np.arange(order) == 0, 1.0, 2.0)[:, None]
        shift = self.center if self.oscillating else self.center + self.focus
        return weight * np.exp(shift * times) * bessel_orders(order, self.focus * times, not self.oscillating)

    def log_largest_terms(self, order: int, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a bound of ln max_{0≤s≤t} |f_k(s)|, shape (order, n_times).

        For c < 0 the factor e^{cs} is largest at s = 0: a term may be larger inside a step than at its end.
        f_k rises up to t where its logarithmic derivative c + R F_k′/F_k is not negative there:

        - J_k: y = zJ_k′/J_k = k − Σ_m 2z²/(j_{k,m}² − z²) falls and obeys zy′ + y² = k² − z², so that
          y ≥ √(k² − z²): f_k rises while k² ≥ (R² + c²)t².
        - I_k: I_k′/I_k ≥ √(k/(k + 1) + k²/z²) (Amos, Math. Comput. 28, 239 (1974)): f_k rises while
          R²k/(k + 1) + k²/t² ≥ c².

        There the maximum is f_k(t). Elsewhere Cauchy's estimates |J_k(z)| ≤ e^{z sinh θ − kθ} and
        I_k(z) ≤ e^{z cosh θ − kθ} serve, with the θ that makes the exponential in time constant, or θ = 0.
        """
        k = np.arange(order)[:, None]
        fall, ratio = max(-self.center, 0.0), max(-self.center, 0.0) / self.focus
        if self.oscillating:
            rising = k >= np.hypot(self.focus, fall) * times
            theta, growth = float(np.arcsinh(ratio)), max(self.center, 0.0)
        else:
            early = k >= fall * times  # k²/t² ≥ c² without dividing by t = 0
            rising = early | (fall**2 * times**2 <= (self.focus * times) ** 2 * (k / (k + 1.0)) + k**2)
            theta, growth = float(np.arccosh(max(ratio, 1.0))), max(self.center + self.focus, 0.0)
        with np.errstate(divide="ignore"):
            last = np.log(np.abs(self.terms(order, times)))
        return np.where(rising, last, np.log(2.0) + growth * times - k * theta)


class Expansion:
    """e^{Gt} for 0 ≤ t ≤ h, as e^{Gt} = Σ_{k<K} f_k(t) Φ_k(G).

    G maps Hermitian matrices and its numerical range lies in an ellipse E. By the theorem of Crouzeix and
    Palencia (SIAM J. Matrix Anal. Appl. 38, 649 (2017)), ‖f(G)‖ ≤ (1+√2) max_E |f|, so the series cut
    after K terms is wrong by at most (1+√2) Σ_{k≥K} |f_k(t)| cosh kη in Frobenius norm, whatever G's eigenvectors.
    K is chosen from the largest value of this bound in 0 ≤ t ≤ h, and h as the step that costs the fewest products
    per time while the terms do not exceed 10⁴ in sum at any t.

    Parameters
    ----------
    generator : Generator
        G.
    longest : float
        Largest h wanted.

    Attributes
    ----------
    step : float
        h.
    order : int
        K, the number of terms.
    error : float
        The bound above for every t up to h, relative to ‖x‖_F.
    """

    def __init__(self, generator: Generator, longest: float = np.inf) -> None:
        self.generator = generator
        self.ellipse = Ellipse.enclosing(generator)
        self.step, self.order, self.error = self._choose(longest)

    def _choose(self, longest: float) -> tuple[float, int, float]:
        """Return the cheapest step, its order and its error bound."""
        ellipse = self.ellipse
        fastest = max(ellipse.focus, abs(ellipse.center))
        steps = np.unique(np.minimum(LONGEST_STEP / fastest * 0.8 ** np.arange(40), longest))
        widest = float(np.hypot(ellipse.focus, ellipse.center) * steps[-1])
        k = np.arange(int(1.5 * widest * np.exp(ellipse.eta)) + 120)
        # The logarithm keeps cosh kη from overflowing where f_k vanishes.
        bounds = ellipse.log_largest_terms(len(k), steps) + (k * ellipse.eta)[:, None]
        with np.errstate(over="ignore"):
            bounds = np.exp(bounds)
        tail = (1.0 + np.sqrt(2.0)) * np.cumsum(bounds[::-1], axis=0)[::-1]
        orders = np.maximum(np.argmax(tail <= STEP_ERROR, axis=0), 2)
        stable = (bounds.sum(axis=0) <= MAX_AMPLIFICATION) & (tail[-1] <= STEP_ERROR)
        best = int(np.argmin(np.where(stable, orders / steps, np.inf)))
        return float(steps[best]), int(orders[best]), float(tail[orders[best], best])

    def series(
        self, start: Vector, weights: NDArray[np.float64], functionals: sparse.csr_array | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return Σ_k w_k Φ_k x for each row w, and the moments u·Φ_k x of each functional u.

        Parameters
        ----------
        start : ndarray of shape (N²,)
            x, a packed matrix.
        weights : ndarray of shape (n_weights, K)
            Rows w, from `weights`.
        functionals : sparse array of shape (n_functionals, N²), optional
            Rows u.

        Returns
        -------
        sums : ndarray of shape (n_weights, N²)
        moments : ndarray of shape (K, n_functionals)
        """
        rows = sparse.csr_array((0, len(start))) if functionals is None else functionals
        sums = np.zeros((len(weights), len(start)))
        moments = np.zeros((weights.shape[1], rows.shape[0]))
        size = self.generator.half.shape[0]
        ellipse = (self.ellipse.center, self.ellipse.focus, 1.0 if self.ellipse.oscillating else -1.0)
        read = (rows.indptr.astype(np.int64), rows.indices.astype(np.int64), rows.data.astype(np.float64))
        matrix = np.ascontiguousarray(start).reshape(size, size)
        chebyshev_series(self.generator.motion, matrix, ellipse, weights, read, sums, moments)
        return sums, moments

    @cached_property
    def _in_time(self) -> NDArray[np.float64]:
        """Coefficients of every f_k in Chebyshev polynomials of time over [0, h], shape (n_nodes, K)."""
        nodes = int(0.5 * self.ellipse.focus * self.step + 0.5 * abs(self.ellipse.center) * self.step) + 40
        x = np.cos(np.pi * (np.arange(nodes) + 0.5) / nodes)
        values = self.ellipse.terms(self.order, 0.5 * self.step * (x + 1.0))
        transform = np.cos(np.outer(np.arange(nodes), np.pi * (np.arange(nodes) + 0.5) / nodes)) * (2.0 / nodes)
        transform[0] *= 0.5
        return transform @ values.T

    def weights(self, times: NDArray[np.float64], integrals: int = 0) -> NDArray[np.float64]:
        """Return f_k(t), or its repeated integral from 0, shape (n_times, K), for times within the step."""
        half = 0.5 * self.step
        coefficients = self._in_time
        if integrals:
            coefficients = np.asarray(polynomial.chebint(coefficients, m=integrals, lbnd=-1, scl=half, axis=0))
        values = polynomial.chebvander(np.clip(times / half - 1.0, -1.0, 1.0), len(coefficients) - 1)
        return np.asarray(values @ coefficients)
