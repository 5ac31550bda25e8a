"""Drives: the terms of a Hamiltonian that depend on time, and the period of a system."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from ..checks import positive_number, shown
from ..errors import InvalidInput
from .envelopes import Constant, Envelope, as_envelope, envelope_from
from .operators import HERMITICITY, as_operator

# The values of an envelope at the start and the end of a period may differ by this share of its largest value.
SEAM = 1e-9
# Number of points at which an envelope is checked for NaN and its largest value is taken.
LOOKS = 257


@dataclass(frozen=True, eq=False)
class Drive:
    """A term of H that depends on time: f(t)·O for real f, f(t)·O + f(t)*·O† for complex f.

    Parameters
    ----------
    operator : array or sparse array of shape (N, N)
        O; Hermitian where f is real.
    envelope : Envelope or number
        f: a named shape, a sum or product of them, or `Sampled` values.

    Raises
    ------
    InvalidInput
        An operator that is not Hermitian though the envelope is real, or an object that is no envelope.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> pulse = tj.Drive(sigma + sigma.T, tj.Gaussian(centre=10.0, sigma=1.0, height=0.5))
    >>> carrier = tj.Gaussian(10.0, 1.0, 0.5) * tj.Rotation(frequency=0.2)
    >>> detuned = tj.Drive(sigma.T, carrier)           # f σ† + f* σ
    >>> detuned.envelope.is_complex
    True
    """

    operator: sparse.csr_array
    envelope: Envelope

    def __post_init__(self) -> None:
        operator = as_operator(self.operator, "operator of a drive")
        envelope = as_envelope(self.envelope)
        object.__setattr__(self, "operator", operator)
        object.__setattr__(self, "envelope", envelope)
        skew = np.abs(sparse.csr_array(operator - operator.conj().T).data).max(initial=0.0)
        if not envelope.is_complex and skew > HERMITICITY * np.abs(operator.data).max(initial=0.0):
            raise InvalidInput(
                f"operator of a drive with a real amplitude is not Hermitian (by {skew:.3g}); give O + O†, or a "
                "complex amplitude f, which means f·O + f*·O†"
            )


@dataclass(frozen=True, eq=False)
class Term:
    """A real function of time times a constant operator, for integrators.

    Attributes
    ----------
    values : callable
        The function; its argument is an array of times.
    operator : csr_array of shape (N, N)
        The operator.
    envelope : Envelope
        The envelope of the function, which has its knots.
    """

    values: Callable[[ArrayLike], NDArray[np.float64]]
    operator: sparse.csr_array
    envelope: Envelope


def checked_drives(drives: Any, dimension: int) -> tuple[Drive, ...]:
    """Return drives of a system of this dimension.

    Raises
    ------
    InvalidInput
        An object that is no sequence of drives, or another dimension.
    """
    if not isinstance(drives, Iterable):
        raise InvalidInput(f"drives must be a sequence of Drive objects, not {shown(drives)}")
    chosen = tuple(drives)
    for drive in chosen:
        if not isinstance(drive, Drive):
            raise InvalidInput(f"drives must be Drive objects, but one is {type(drive).__name__}")
        if drive.operator.shape[0] != dimension:
            raise InvalidInput(
                f"operator of a drive has dimension {drive.operator.shape[0]} but the Hamiltonian has "
                f"{dimension}; use one truncation for both"
            )
    return chosen


def checked_amplitude(amplitude: Any, name: str) -> Envelope | None:
    """Return the real amplitude g(t) of a jump operator; None stays None.

    Raises
    ------
    InvalidInput
        A complex amplitude, or an object that is no envelope.
    """
    if amplitude is None:
        return None
    envelope = as_envelope(amplitude)
    if envelope.is_complex:
        raise InvalidInput(
            f"amplitude of channel {name!r} is complex; give its modulus, since its phase has no effect"
        )
    return None if envelope == Constant(1.0) else envelope


def checked_period(period: Any, envelopes: Sequence[Envelope]) -> float | None:
    """Return the period of a system after checking that its envelopes fit into it.

    Raises
    ------
    InvalidInput
        A discontinuity outside [0, T], an envelope whose values at 0 and T differ without a discontinuity there,
        or a period of a constant system.
    """
    if period is None:
        return None
    span = positive_number(period, "period")
    if not envelopes:
        raise InvalidInput(f"period={span:g} of a system without drives; leave it out")
    for envelope in envelopes:
        outside = [step for step in envelope.steps if not 0.0 <= step <= span]
        if outside:
            raise InvalidInput(
                f"period={span:g} does not fit: an envelope has a step at t={outside[0]:g}; they are used for "
                "0 ≤ t ≤ period, so move the pulse or lengthen the period"
            )
        if {0.0, span} & set(envelope.steps):
            continue
        values = np.asarray(envelope(np.linspace(0.0, span, LOOKS)))
        ends = np.asarray(envelope(np.array([0.0, np.nextafter(span, 0.0)])))
        if abs(ends[1] - ends[0]) > SEAM * float(np.abs(values).max(initial=0.0)):
            raise InvalidInput(
                f"period={span:g} does not fit: an envelope starts at {_number(ends[0])} and ends at "
                f"{_number(ends[1])}; let it return to its start, or multiply it by a Square for a step"
            )
    return span


def refuse_undefined(envelope: Envelope, start: float, stop: float, what: str) -> None:
    """Refuse an envelope that is not finite on an interval of time."""
    values = np.asarray(envelope(np.linspace(start, stop, LOOKS)))
    if not np.isfinite(values).all():
        raise InvalidInput(f"{what} contains {values[~np.isfinite(values)][0]}; give finite values only")


def drive_terms(drives: Sequence[Drive]) -> list[Term]:
    """Return Σ f O + h.c. as real functions times Hermitian operators."""
    terms = []
    for drive in drives:
        f, operator = drive.envelope, drive.operator
        adjoint = sparse.csr_array(operator.conj().T)
        if not f.is_complex:
            terms.append(Term(_real(f), operator, f))
            continue
        terms.append(Term(_real(f), sparse.csr_array(operator + adjoint), f))
        terms.append(Term(_imaginary(f), sparse.csr_array(1j * (operator - adjoint)), f))
    return terms


def _real(envelope: Envelope) -> Callable[[ArrayLike], NDArray[np.float64]]:
    return lambda t: np.asarray(envelope(t)).real.astype(np.float64)


def _imaginary(envelope: Envelope) -> Callable[[ArrayLike], NDArray[np.float64]]:
    return lambda t: np.asarray(envelope(t)).imag.astype(np.float64)


def square_of(envelope: Envelope) -> Callable[[ArrayLike], NDArray[np.float64]]:
    """Return g² of a real envelope g."""
    return lambda t: np.asarray(envelope(t)).astype(np.float64) ** 2


def as_text(value: Any) -> str:
    """Return envelopes as canonical JSON: equal text for equal numbers."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def envelopes_from_text(text: str) -> dict[str, Any]:
    """Return the content of a text that `as_text` made, with envelopes as objects."""
    given = json.loads(text)
    return {
        "period": given["period"],
        "drives": [envelope_from(envelope) for envelope in given["drives"]],
        "amplitudes": {name: envelope_from(envelope) for name, envelope in given["amplitudes"].items()},
    }


def _number(value: Any) -> str:
    number = complex(value)
    return f"{number:.3g}" if number.imag else f"{number.real:.3g}"
