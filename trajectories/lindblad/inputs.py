"""Checks that every exact function makes at its public boundary, before any work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import bundle_channels_among, channels_among, finite_array, shown, window_of
from ..detectors import Detector
from ..errors import InvalidInput
from ..model import OpenSystem
from ..model.operators import as_operator
from ..model.states import initial_states, is_mixture, state_array
from ..names import nearest

# Channels and detectors as exact functions take them.
Channels = str | Sequence[str] | None
Detectors = Mapping[str, Detector] | None
# How far a given state may be from unit trace, Hermitian and positive.
STATE_TOLERANCE = 1e-8


def checked_times(times: ArrayLike, name: str, lowest: float = 0.0) -> NDArray[np.float64]:
    """Return times of any shape, in any order; refuse any that are not finite or are below `lowest`."""
    array = finite_array(times, name)
    if array.size and array.min() < lowest:
        raise InvalidInput(f"{name}={array.min():g} must not be below {lowest:g}")
    return array


def bundle_window(system: OpenSystem, window: float | None) -> float:
    """Return the bundle window δ; None means 3/κ with the smallest κ among the system's parameters."""
    return window_of(system.parameters, window, "the system")


def checked_channels(system: OpenSystem, channels: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return channel names in the order given; one name is one channel, None means all."""
    return channels_among(channels, system.channel_names)


def bundle_channels(system: OpenSystem, channels: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the channels that form bundles; None means all but those of atoms and other finite factors."""
    finite = () if system.space is None else system.space.declared_finite
    return bundle_channels_among(channels, system.channel_names, finite)


def among(name: str, channels: tuple[str, ...]) -> str:
    """Return `name` if it is one of the detected channels."""
    if name not in channels:
        detected = ", ".join(channels)
        raise InvalidInput(
            f"channel {name!r} is not detected; the detected ones are {detected}{nearest(name, channels)}"
        )
    return name


def two_of(channels: tuple[str, ...], first: str, second: str) -> tuple[str, str]:
    """Return two different detected channels."""
    if among(first, channels) == among(second, channels):
        raise InvalidInput(f"first={first!r} and second={second!r} must be different channels")
    return first, second


def pair_of(channels: tuple[str, ...], pair: Sequence[str]) -> tuple[str, str]:
    """Return a `pair` that was given, two different detected channels."""
    names = tuple(pair) if isinstance(pair, Sequence) and not isinstance(pair, str) else ()
    if len(names) != 2 or names[0] == names[1]:
        raise InvalidInput(f"pair={shown(pair)} must be two different channels")
    return two_of(channels, names[0], names[1])


def checked_detectors(system: OpenSystem, detectors: Mapping[str, Detector] | None) -> dict[str, Detector]:
    """Return a detector for every channel, an ideal one where none is given.

    Dead time, jitter and afterpulses act on records, not on the master equation, and are refused.
    """
    given = dict(detectors or {})
    for name, detector in given.items():
        system.channel(name)
        if not isinstance(detector, Detector):
            raise InvalidInput(f"detector of {name!r} is a {type(detector).__name__}; give a Detector")
        for effect in ("dead_time", "jitter", "afterpulsing"):
            if getattr(detector, effect) != 0.0:
                raise InvalidInput(
                    f"detector of {name!r} has {effect}={getattr(detector, effect)}, which has no exact "
                    "counterpart here; leave it out, or apply it to a record"
                )
    return {name: given.get(name, Detector()) for name in system.channel_names}


def checked_operator(system: OpenSystem, operator: Any, what: str) -> Any:
    """Return an operator on the system's space as CSR."""
    matrix = as_operator(operator, what)
    if matrix.shape[0] != system.dimension:
        raise InvalidInput(
            f"{what} has dimension {matrix.shape[0]} but the system has {system.dimension}; use the same space"
        )
    return matrix


def checked_state(system: OpenSystem, state: Any) -> NDArray[np.complex128]:
    """Return the density matrix of a ket, a density matrix or a mixture that is normalised and positive."""
    if is_mixture(state):
        return initial_states(state, system.dimension).density_matrix
    array = state_array(state, "state")
    if array.shape == (system.dimension,):
        array = np.outer(array, array.conj())
    if array.shape != (system.dimension, system.dimension):
        raise InvalidInput(
            f"state has shape {array.shape}; give a ket of shape ({system.dimension},) or a density matrix"
        )
    if abs(np.trace(array) - 1.0) > STATE_TOLERANCE:
        raise InvalidInput(f"state has trace {np.trace(array):.6g}; normalise it to 1")
    if np.abs(array - array.conj().T).max() > STATE_TOLERANCE:
        raise InvalidInput("state is not Hermitian; give a density matrix")
    lowest = float(np.linalg.eigvalsh(array)[0])
    if lowest < -STATE_TOLERANCE:
        raise InvalidInput(f"state has the eigenvalue {lowest:.3g}; those of a density matrix are not negative")
    return np.asarray(0.5 * (array + array.conj().T))
