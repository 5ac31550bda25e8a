"""Envelopes: amplitudes that depend on time, as named shapes with numbers, never as code."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import finite_number, integer, one_of, positive_number, shown
from ..errors import InvalidInput

Values = NDArray[Any]
Times = NDArray[np.float64]

# Every shape by its name in files.
SHAPES: dict[str, type[Envelope]] = {}

MOST_COPIES = 10**6


class Envelope:
    """A real or complex function of time; sums, products and differences of envelopes and numbers are envelopes.

    It is analytic between its `knots`, which integrators never step across, and discontinuous at its `steps`,
    where it has the value to the right.

    Examples
    --------
    >>> import trajectories as tj
    >>> chirped = 0.3 * tj.Gaussian(centre=50.0, sigma=5.0) * tj.Rotation(frequency=0.1, chirp=0.01)
    >>> isinstance(chirped, tj.Envelope), chirped.is_complex, chirped.knots
    (True, True, (5.0, 95.0))
    """

    def __init_subclass__(cls) -> None:
        SHAPES[cls.__name__] = cls

    def __call__(self, t: ArrayLike) -> Values:
        """Return the values at times of any shape."""
        return self._values(np.asarray(t, dtype=np.float64))

    @cached_property
    def knots(self) -> tuple[float, ...]:
        """Ascending times at which the envelope is not analytic: discontinuities, kinks, ends of cut tails."""
        return self._knots()

    @cached_property
    def steps(self) -> tuple[float, ...]:
        """The `knots` at which the envelope is discontinuous."""
        return self._steps()

    @property
    def is_complex(self) -> bool:
        """Whether values are complex."""
        return self._complex()

    def constant_between(self, start: float, stop: float) -> bool:
        """Whether the envelope is constant on an interval without a knot inside."""
        return self._constant(start, stop)

    def _values(self, t: Times) -> Values:
        raise NotImplementedError

    def _knots(self) -> tuple[float, ...]:
        return ()

    def _steps(self) -> tuple[float, ...]:
        return ()

    def _complex(self) -> bool:
        return False

    def _constant(self, start: float, stop: float) -> bool:
        return False

    def repeated(self, spacing: float, count: int) -> Envelope:
        """Return the sum of `count` copies, each delayed by `spacing` with respect to the one before."""
        return Train(self, spacing, count)

    def delayed(self, by: float) -> Envelope:
        """Return the envelope delayed by a time."""
        return Delayed(self, by)

    def to_dict(self) -> dict[str, Any]:
        """Return the shape and its numbers as a dictionary for JSON and TOML."""
        kept: dict[str, Any] = {"shape": type(self).__name__}
        for field in fields(self):  # type: ignore[arg-type]
            kept[field.name] = _plain(getattr(self, field.name))
        return kept

    def __add__(self, other: Any) -> Envelope:
        return Sum((self, as_envelope(other)))

    def __mul__(self, other: Any) -> Envelope:
        return Product((self, as_envelope(other)))

    def __sub__(self, other: Any) -> Envelope:
        return Sum((self, Product((Constant(-1.0), as_envelope(other)))))

    def __rsub__(self, other: Any) -> Envelope:
        return as_envelope(other) - self

    def __neg__(self) -> Envelope:
        return Product((Constant(-1.0), self))

    __radd__ = __add__
    __rmul__ = __mul__


def as_envelope(value: Any) -> Envelope:
    """Return an envelope unchanged, and a number as a constant envelope.

    Raises
    ------
    InvalidInput
        Any other object, functions included, which must be sampled first.
    """
    if isinstance(value, Envelope):
        return value
    if callable(value):
        raise InvalidInput(
            f"an amplitude must be data, not {shown(value)}; give tj.Piecewise.of(f, start, stop) or a named shape"
        )
    return Constant(value)


def envelope_from(given: Any) -> Envelope:
    """Return the envelope from the dictionary of `Envelope.to_dict`; numbers and [real, imaginary] are constants.

    Raises
    ------
    InvalidInput
        An unknown shape, or wrong numbers for it.
    """
    if isinstance(given, Envelope):
        return given
    if isinstance(given, list) and len(given) == 2:
        return Constant(complex(finite_number(given[0], "real part"), finite_number(given[1], "imaginary part")))
    if not isinstance(given, dict):
        return as_envelope(given)
    numbers = dict(given)
    shape = one_of(numbers.pop("shape", None), "shape", SHAPES)
    kind = SHAPES[shape]
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for key in numbers:
        if key not in known:
            raise InvalidInput(f"{shape} has no {key!r}; known are {', '.join(known)}")
    try:
        return kind(**{key: _from_plain(key, value) for key, value in numbers.items()})
    except InvalidInput:
        raise
    except (TypeError, ValueError, KeyError) as error:
        raise InvalidInput(f"{shape} needs {', '.join(known)}: {error}") from error


def _from_plain(key: str, value: Any) -> Any:
    """Return a field of an envelope from its entry in a dictionary; the inverse of `_plain`."""
    if key == "parts":
        return tuple(envelope_from(part) for part in value)
    if key == "envelope":
        return envelope_from(value)
    if isinstance(value, dict):  # complex samples
        return np.asarray(value["real"]) + 1j * np.asarray(value["imag"])
    return complex(*value) if key == "value" and isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Envelope):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, np.ndarray):
        if np.iscomplexobj(value):
            return {"real": value.real.tolist(), "imag": value.imag.tolist()}
        return value.tolist()
    if isinstance(value, complex):
        return [value.real, value.imag]
    return value


def numbers(envelope: Any, *names: str) -> None:
    """Replace fields of a frozen dataclass by finite floats."""
    for name in names:
        what = f"{name} of {type(envelope).__name__}"
        object.__setattr__(envelope, name, finite_number(getattr(envelope, name), what))


def widths(envelope: Any, *names: str) -> None:
    """Replace fields of a frozen dataclass by positive floats."""
    for name in names:
        what = f"{name} of {type(envelope).__name__}"
        object.__setattr__(envelope, name, positive_number(getattr(envelope, name), what))


def ordered(envelope: Any) -> None:
    """Refuse a start that is not before its stop."""
    if not envelope.start < envelope.stop:
        raise InvalidInput(
            f"{type(envelope).__name__} runs from start={envelope.start:g} to stop={envelope.stop:g}; "
            "stop must be later"
        )


def _merged(*knots: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(sorted(set().union(*knots)))


@dataclass(frozen=True)
class Constant(Envelope):
    """f(t) = value, real or complex."""

    value: float | complex

    def __post_init__(self) -> None:
        try:
            value = complex(self.value)
        except (TypeError, ValueError, OverflowError):
            value = complex("nan")
        if isinstance(self.value, bool | str) or not np.isfinite(value):
            raise InvalidInput(f"amplitude={shown(self.value)} must be an envelope or a finite number")
        object.__setattr__(self, "value", value if value.imag != 0.0 else value.real)

    def _values(self, t: Times) -> Values:
        return np.full(np.shape(t), self.value)

    def _complex(self) -> bool:
        return isinstance(self.value, complex)

    def _constant(self, start: float, stop: float) -> bool:
        return True


@dataclass(frozen=True)
class Sum(Envelope):
    """The sum of envelopes; written with +."""

    parts: tuple[Envelope, ...]

    def _values(self, t: Times) -> Values:
        return np.asarray(sum((part(t) for part in self.parts[1:]), start=self.parts[0](t)))

    def _knots(self) -> tuple[float, ...]:
        return _merged(*(part.knots for part in self.parts))

    def _steps(self) -> tuple[float, ...]:
        return _merged(*(part.steps for part in self.parts))

    def _complex(self) -> bool:
        return any(part.is_complex for part in self.parts)

    def _constant(self, start: float, stop: float) -> bool:
        return all(part.constant_between(start, stop) for part in self.parts)


@dataclass(frozen=True)
class Product(Envelope):
    """The product of envelopes; written with *."""

    parts: tuple[Envelope, ...]

    def _values(self, t: Times) -> Values:
        total = self.parts[0](t)
        for part in self.parts[1:]:
            total = total * part(t)
        return np.asarray(total)

    def _knots(self) -> tuple[float, ...]:
        return _merged(*(part.knots for part in self.parts))

    def _steps(self) -> tuple[float, ...]:
        return _merged(*(part.steps for part in self.parts))

    def _complex(self) -> bool:
        return any(part.is_complex for part in self.parts)

    def _constant(self, start: float, stop: float) -> bool:
        constant = [part for part in self.parts if part.constant_between(start, stop)]
        middle = 0.5 * (start + stop)
        return len(constant) == len(self.parts) or any(complex(part(middle)) == 0.0 for part in constant)


@dataclass(frozen=True)
class Delayed(Envelope):
    """f(t − by); written ``envelope.delayed(by)``."""

    envelope: Envelope
    by: float

    def __post_init__(self) -> None:
        numbers(self, "by")

    def _values(self, t: Times) -> Values:
        return self.envelope(t - self.by)

    def _knots(self) -> tuple[float, ...]:
        return tuple(knot + self.by for knot in self.envelope.knots)

    def _steps(self) -> tuple[float, ...]:
        return tuple(step + self.by for step in self.envelope.steps)

    def _complex(self) -> bool:
        return self.envelope.is_complex

    def _constant(self, start: float, stop: float) -> bool:
        return self.envelope.constant_between(start - self.by, stop - self.by)


@dataclass(frozen=True)
class Train(Envelope):
    """Σ_{k<count} f(t − k·spacing), a finite train; written ``envelope.repeated(spacing, count)``.

    For an infinite train give the system a `period`.

    Examples
    --------
    >>> import trajectories as tj
    >>> train = tj.Square(0.0, 1.0).repeated(spacing=10.0, count=3)
    >>> train([0.5, 5.0, 20.5, 30.5])
    array([1., 0., 1., 0.])
    """

    envelope: Envelope
    spacing: float
    count: int

    _everywhere: ClassVar[float] = np.inf

    def __post_init__(self) -> None:
        widths(self, "spacing")
        object.__setattr__(self, "count", integer(self.count, "count of Train", 1, MOST_COPIES))

    @property
    def _reach(self) -> tuple[float, float]:
        """Interval in which the first copy is not zero."""
        knots = self.envelope.knots
        if len(knots) < 2:
            return -self._everywhere, self._everywhere
        ends = (2.0 * knots[0] - knots[-1] - 1.0, 2.0 * knots[-1] - knots[0] + 1.0)
        dark = all(
            self.envelope.constant_between(a, b) and complex(self.envelope(0.5 * (a + b))) == 0.0
            for a, b in ((ends[0], knots[0]), (knots[-1], ends[1]))
        )
        return (knots[0], knots[-1]) if dark else (-self._everywhere, self._everywhere)

    def _values(self, t: Times) -> Values:
        low, high = self._reach
        total: Values = np.zeros(t.shape, np.complex128 if self.is_complex else np.float64)
        if not np.isfinite(low):
            for number in range(self.count):
                total = total + self.envelope(t - number * self.spacing)
            return total
        # Only copies that are not zero at a time are summed, so that the cost does not grow with their number.
        newest = np.floor((t - low) / self.spacing)
        for back in range(int(np.ceil((high - low) / self.spacing)) + 1):
            copy = newest - back
            there = (copy >= 0) & (copy < self.count)
            values = self.envelope(t - np.where(there, copy, 0.0) * self.spacing)
            total = total + np.where(there, values, 0.0)
        return total

    def _knots(self) -> tuple[float, ...]:
        shifts = range(self.count)
        return _merged(*(tuple(knot + k * self.spacing for knot in self.envelope.knots) for k in shifts))

    def _steps(self) -> tuple[float, ...]:
        shifts = range(self.count)
        return _merged(*(tuple(step + k * self.spacing for step in self.envelope.steps) for k in shifts))

    def _complex(self) -> bool:
        return self.envelope.is_complex

    def _constant(self, start: float, stop: float) -> bool:
        return all(
            self.envelope.constant_between(start - k * self.spacing, stop - k * self.spacing)
            for k in range(self.count)
        )


def outside(start: float, stop: float, reach: tuple[float, ...]) -> bool:
    """Whether an interval lies outside the interval between the first and the last knot."""
    middle = 0.5 * (start + stop)
    return middle < reach[0] or middle > reach[-1]
