"""Named shapes of envelopes: square, Gaussian, sech, ramp, cosine, rotation, and sampled values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..checks import finite_array, one_of
from ..errors import InvalidInput
from ..results import read_only
from .envelopes import Envelope, Times, Values, numbers, ordered, outside, widths

if TYPE_CHECKING:
    from scipy.interpolate import CubicSpline

# Distances in widths at which a Gaussian and a hyperbolic secant are below 1e-16 and are cut to zero.
GAUSSIAN_REACH, SECH_REACH = 9.0, 40.0
# How far a spline through samples may be from the spline through every other one, over their largest modulus, and
# by how much more accurate a cubic spline through twice as many samples is.
COARSEST, SPLINE_GAIN = 1e-3, 15.0
# Degree of the polynomial between two samples, for each way to join them.
ORDERS = {"steps": 0, "lines": 1, "spline": 3}


def cubic_spline(times: NDArray[np.float64], values: NDArray[Any]) -> CubicSpline:
    """Return SciPy's spline; imported here, because its import takes longer than that of the whole model."""
    from scipy.interpolate import CubicSpline

    return CubicSpline(times, values)


@dataclass(frozen=True)
class Square(Envelope):
    """f(t) = height for start ≤ t < stop, otherwise 0.

    Examples
    --------
    >>> import trajectories as tj
    >>> tj.Square(1.0, 3.0, height=0.5)([0.0, 1.0, 2.0, 3.0])
    array([0. , 0.5, 0.5, 0. ])
    """

    start: float
    stop: float
    height: float = 1.0

    def __post_init__(self) -> None:
        numbers(self, "start", "stop", "height")
        ordered(self)

    def _values(self, t: Times) -> Values:
        return np.where((t >= self.start) & (t < self.stop), self.height, 0.0)

    def _knots(self) -> tuple[float, ...]:
        return (self.start, self.stop)

    def _steps(self) -> tuple[float, ...]:
        return self.knots

    def _constant(self, start: float, stop: float) -> bool:
        return True


@dataclass(frozen=True)
class Gaussian(Envelope):
    """f(t) = height·exp(−(t − centre)²/2σ²), cut to 0 beyond 9σ, where it is 2.6e-18 of the height.

    Examples
    --------
    >>> import trajectories as tj
    >>> pulse = tj.Gaussian(centre=10.0, sigma=2.0, height=0.3)
    >>> pulse([10.0, 12.0, 40.0]).round(4), pulse.knots
    (array([0.3  , 0.182, 0.   ]), (-8.0, 28.0))
    """

    centre: float
    sigma: float
    height: float = 1.0

    def __post_init__(self) -> None:
        numbers(self, "centre", "height")
        widths(self, "sigma")

    def _values(self, t: Times) -> Values:
        x = (t - self.centre) / self.sigma
        inside = np.abs(x) <= GAUSSIAN_REACH
        return np.where(inside, self.height * np.exp(-0.5 * np.where(inside, x, 0.0) ** 2), 0.0)

    def _knots(self) -> tuple[float, ...]:
        return (self.centre - GAUSSIAN_REACH * self.sigma, self.centre + GAUSSIAN_REACH * self.sigma)

    def _constant(self, start: float, stop: float) -> bool:
        return outside(start, stop, self.knots)


@dataclass(frozen=True)
class Sech(Envelope):
    """f(t) = height/cosh((t − centre)/width), cut to 0 beyond 40 widths, where it is 8.5e-18 of the height.

    Examples
    --------
    >>> import trajectories as tj
    >>> tj.Sech(centre=0.0, width=1.0)([0.0, 1.0, 50.0]).round(4)
    array([1.    , 0.6481, 0.    ])
    """

    centre: float
    width: float
    height: float = 1.0

    def __post_init__(self) -> None:
        numbers(self, "centre", "height")
        widths(self, "width")

    def _values(self, t: Times) -> Values:
        x = (t - self.centre) / self.width
        inside = np.abs(x) <= SECH_REACH
        return np.where(inside, self.height / np.cosh(np.where(inside, x, 0.0)), 0.0)

    def _knots(self) -> tuple[float, ...]:
        return (self.centre - SECH_REACH * self.width, self.centre + SECH_REACH * self.width)

    def _constant(self, start: float, stop: float) -> bool:
        return outside(start, stop, self.knots)


@dataclass(frozen=True)
class Ramp(Envelope):
    """A straight line from (start, low) to (stop, high), and constant before and after it.

    Examples
    --------
    >>> import trajectories as tj
    >>> tj.Ramp(0.0, 2.0, low=1.0, high=3.0)([-1.0, 1.0, 5.0])
    array([1., 2., 3.])
    """

    start: float
    stop: float
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        numbers(self, "start", "stop", "low", "high")
        ordered(self)

    def _values(self, t: Times) -> Values:
        x = np.clip((t - self.start) / (self.stop - self.start), 0.0, 1.0)
        return np.asarray((1.0 - x) * self.low + x * self.high)

    def _knots(self) -> tuple[float, ...]:
        return (self.start, self.stop)

    def _constant(self, start: float, stop: float) -> bool:
        return outside(start, stop, self.knots) or self.low == self.high


@dataclass(frozen=True)
class Cosine(Envelope):
    """f(t) = height·cos(frequency·t + phase), with the angular frequency.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> tj.Cosine(frequency=np.pi)([0.0, 1.0])
    array([ 1., -1.])
    """

    frequency: float
    phase: float = 0.0
    height: float = 1.0

    def __post_init__(self) -> None:
        numbers(self, "frequency", "phase", "height")

    def _values(self, t: Times) -> Values:
        return np.asarray(self.height * np.cos(self.frequency * t + self.phase))

    def _constant(self, start: float, stop: float) -> bool:
        return self.frequency == 0.0


@dataclass(frozen=True)
class Rotation(Envelope):
    """f(t) = exp[−i(phase + frequency·x + chirp·x²/2)] with x = t − centre: a detuned or chirped carrier.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> (0.5 * tj.Rotation(frequency=np.pi))([0.0, 0.5]).round(12)
    array([0.5+0.j , 0. -0.5j])
    """

    frequency: float
    phase: float = 0.0
    chirp: float = 0.0
    centre: float = 0.0

    def __post_init__(self) -> None:
        numbers(self, "frequency", "phase", "chirp", "centre")

    def _values(self, t: Times) -> Values:
        x = t - self.centre
        return np.asarray(np.exp(-1j * (self.phase + x * (self.frequency + 0.5 * self.chirp * x))))

    def _complex(self) -> bool:
        return True

    def _constant(self, start: float, stop: float) -> bool:
        return self.frequency == 0.0 and self.chirp == 0.0


@dataclass(frozen=True, eq=False)
class Sampled(Envelope):
    """Values at ascending times, joined by a cubic spline, lines or steps; constant outside.

    Parameters
    ----------
    t : array_like of shape (n,)
        Ascending times.
    values : array_like of shape (n,)
        Real or complex values; taken as real if all imaginary parts vanish.
    join : {"spline", "lines", "steps"}
        How samples are joined; a step lasts from its sample to the next.
    sampling_error : float
        Error with respect to the sampled function, relative to its largest modulus; 0 if unknown.

    Raises
    ------
    InvalidInput
        NaN, times out of order, or samples so coarse that the spline through every other one differs by more than
        1.5 % of the largest value, so that the spline through all may have an error of 1e-3.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> t = np.linspace(0.0, 6.0, 61)
    >>> envelope = tj.Sampled(t, np.sin(t) ** 2)
    >>> bool(abs(envelope(1.03) - np.sin(1.03) ** 2) < 1e-5), envelope.error < 1e-4
    (True, True)
    """

    t: NDArray[np.float64]
    values: NDArray[Any]
    join: str = "spline"
    sampling_error: float = 0.0

    def __post_init__(self) -> None:
        times, values = (
            finite_array(self.t, "t of Sampled"),
            finite_array(self.values, "values of Sampled", np.complex128),
        )
        order = ORDERS[one_of(self.join, "join", ORDERS)]
        if times.ndim != 1 or times.shape != values.shape or len(times) < max(2, order + 1):
            raise InvalidInput(
                f"Sampled has {times.shape} times and {values.shape} values; give one value a time, at least "
                f"{max(2, order + 1)}"
            )
        backward = np.flatnonzero(np.diff(times) <= 0)
        if len(backward):
            raise InvalidInput(f"times of Sampled do not ascend at {times[backward[0] + 1]:g}; sort them")
        object.__setattr__(self, "t", read_only(times))
        object.__setattr__(self, "values", read_only(values if values.imag.any() else values.real))
        if self.error > COARSEST:
            raise InvalidInput(
                f"samples are too coarse: a spline through them is uncertain by {self.error:.1g} of the largest; "
                "sample more finely, or give join='lines' or 'steps'"
            )

    @cached_property
    def _spline(self) -> CubicSpline:
        return cubic_spline(self.t, self.values)

    @property
    def error(self) -> float:
        """Estimated error of the spline relative to the largest modulus; 0 for lines and steps (exact)."""
        largest = float(np.abs(self.values).max())
        if ORDERS[self.join] < 3 or len(self.t) < 9 or largest == 0.0:
            return 0.0 if ORDERS[self.join] < 3 or largest == 0.0 else self._error_of_few(largest)
        coarse = cubic_spline(self.t[::2], self.values[::2])
        between = self.t[1::2][: (len(self.t) - 1) // 2]
        apart = np.abs(coarse(between) - self.values[1::2][: len(between)])
        return float(apart.max()) / (SPLINE_GAIN * largest)

    def _error_of_few(self, largest: float) -> float:
        """Return the distance of lines between few samples from the spline, a bound far above the error."""
        middle = 0.5 * (self.t[1:] + self.t[:-1])
        lines = 0.5 * (self.values[1:] + self.values[:-1])
        return float(np.abs(self._spline(middle) - lines).max()) / (SPLINE_GAIN * largest)

    def _values(self, t: Times) -> Values:
        times = t
        if self.join == "steps":
            place = np.clip(np.searchsorted(self.t, times, side="right") - 1, 0, len(self.t) - 1)
            return np.asarray(self.values[place])
        inside = np.clip(times, self.t[0], self.t[-1])
        if self.join == "spline":
            return np.asarray(self._spline(inside))
        if not self.is_complex:
            return np.asarray(np.interp(inside, self.t, self.values))
        return np.asarray(np.interp(inside, self.t, self.values.real)) + 1j * np.interp(
            inside, self.t, self.values.imag
        )

    def _knots(self) -> tuple[float, ...]:
        return tuple(self.t.tolist())

    def _steps(self) -> tuple[float, ...]:
        return tuple(self.t[1:].tolist()) if self.join == "steps" else ()

    def _complex(self) -> bool:
        return bool(np.iscomplexobj(self.values))

    def _constant(self, start: float, stop: float) -> bool:
        if self.join == "steps" or outside(start, stop, (float(self.t[0]), float(self.t[-1]))):
            return True
        first, last = (
            np.searchsorted(self.t, 0.5 * (start + stop)) - 1,
            np.searchsorted(self.t, 0.5 * (start + stop)),
        )
        nearby = self.values[first : last + 1]
        if self.join == "lines":
            return bool((nearby == nearby[0]).all())
        return bool((self._spline.c[:3, first] == 0.0).all())
