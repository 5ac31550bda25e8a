"""Systems from the arguments of QuTiP's `mcsolve`: H and c_ops, as constant parts and envelopes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..checks import finite_array
from ..errors import InvalidInput
from .channel import Channel
from .drives import Drive
from .piecewise import Piecewise
from .qutip_objects import (
    DependsOnTime,
    TimedTerm,
    default_names,
    matrix_of,
    operator_list,
    same_subsystems,
    timed_terms,
)
from .shapes import Sampled

# Largest deviation of H(t) from Hermitian, relative to its largest entry.
SAMPLED_HERMITICITY = 1e-8


class QutipParts(NamedTuple):
    """Parts of an `OpenSystem`, and the errors of its splines relative to the largest value of each."""

    hamiltonian: Any
    channels: tuple[Channel, ...]
    drives: tuple[Drive, ...]
    sampling_error: float


def parts_of_qutip(
    hamiltonian: Any,
    collapse_operators: Any,
    names: Sequence[str] | None,
    tlist: Any,
    args: Mapping[str, Any] | None,
) -> QutipParts:
    """Return the parts of a system; see `OpenSystem.from_qutip`."""
    operators = operator_list(collapse_operators)
    same_subsystems(hamiltonian, operators)
    times = None if tlist is None else finite_array(tlist, "tlist")
    named = zip(default_names(len(operators), names), operators, strict=True)
    channels, errors = [], [0.0]
    for name, given in named:
        what = f"collapse operator {name!r}"
        constant, timed = _constant_and_timed(given, what, times, args)
        if not timed:
            channels.append(Channel(name, constant))
            continue
        if len(timed) > 1 or abs(constant).sum() > 0.0:
            raise InvalidInput(f"{what} is a sum of operators; give g(t)·c with one coefficient")
        matrix, amplitude = timed[0]
        if amplitude.is_complex and times is not None:
            amplitude = _modulus(amplitude, times)
        errors.append(amplitude.sampling_error)
        channels.append(Channel(name, matrix, amplitude))
    constant, timed = _constant_and_timed(hamiltonian, "Hamiltonian", times, args)
    drives = []
    for matrix, envelope in timed:
        errors.append(envelope.sampling_error)
        # Half of the term and half of its conjugate: their sum is H if H is Hermitian.
        half = 0.5 * matrix if envelope.is_complex else 0.5 * (matrix + matrix.conj().T)
        drives.append(Drive(half, envelope))
    if timed and times is not None:
        _require_hermitian(timed, times)
    return QutipParts(constant, tuple(channels), tuple(drives), max(errors))


def _modulus(amplitude: Sampled | Piecewise, times: NDArray[np.float64]) -> Piecewise:
    """Return |g(t)|, because the phase of a jump operator changes neither clicks nor averages."""
    found = Piecewise.of(lambda t: abs(complex(amplitude(t))), float(times[0]), float(times[-1]), at=times)
    return replace(found, sampling_error=found.sampling_error + amplitude.sampling_error)


def shifted_to_zero(parts: QutipParts, start: float) -> QutipParts:
    """Return the parts of the same system with time counted from `start`, as trajectories count it."""
    channels = tuple(
        channel if channel.amplitude is None else replace(channel, amplitude=channel.amplitude.delayed(-start))
        for channel in parts.channels
    )
    drives = tuple(replace(drive, envelope=drive.envelope.delayed(-start)) for drive in parts.drives)
    return parts._replace(channels=channels, drives=drives)


def _constant_and_timed(
    given: Any, what: str, times: NDArray[np.float64] | None, args: Mapping[str, Any] | None
) -> tuple[Any, list[TimedTerm]]:
    """Return the constant part of a QuTiP operator and its terms that depend on time."""
    try:
        return matrix_of(given, what), []
    except DependsOnTime:
        if times is None:
            raise
    return timed_terms(given, what, times, args)


def _require_hermitian(timed: list[TimedTerm], times: NDArray[np.float64]) -> None:
    """Refuse Σ f_j(t) O_j that is not Hermitian at some of the times."""
    for t in times[:: max(1, len(times) // 64)]:
        total = sum((complex(f(t)) * operator for operator, f in timed[1:]), complex(timed[0][1](t)) * timed[0][0])
        skew = float(np.abs(sparse.csr_array(total - total.conj().T).data).max(initial=0.0))
        if skew > SAMPLED_HERMITICITY * float(np.abs(total.data).max(initial=0.0)):
            raise InvalidInput(f"Hamiltonian is not Hermitian at t={t:g}: max|H − H†| = {skew:.3g}; add + h.c.")
