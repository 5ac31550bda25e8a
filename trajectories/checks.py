"""Checks of arguments at public boundaries, one for each kind of value.

Each returns the value as a plain type, or raises InvalidInput with one line: name, value, and what it must be.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InvalidInput
from .names import nearest
from .results import read_only
from .time_units import NATURAL, SECONDS, TimeUnit

# Most characters of a refused value in a message.
SHOWN = 80
# Default of the bundle window δ, in units of 1/κ.
WINDOW_IN_LIFETIMES = 3.0
# The shortest window or bin of which powers are needed, in any unit of time.
SHORTEST = 1e-60
# A unit of the form one over a rate, such as 1/γ or 1/kappa.
OWN_UNIT = re.compile(r"1/\w{1,12}")


def finite_number(value: Any, what: str) -> float:
    """Return a real number as a float; refuse NaN, infinity, booleans and objects that are not numbers."""
    number = _real(value)
    if not np.isfinite(number):
        raise InvalidInput(f"{what}={shown(value)} must be a finite number")
    return number


def positive_number(value: Any, what: str) -> float:
    """Return a finite number above zero as a float."""
    number = _real(value)
    if not 0.0 < number < np.inf:
        raise InvalidInput(f"{what}={shown(value)} must be a positive finite number")
    return number


def nonnegative_number(value: Any, what: str) -> float:
    """Return a finite number that is zero or more as a float."""
    number = _real(value)
    if not 0.0 <= number < np.inf:
        raise InvalidInput(f"{what}={shown(value)} must be a finite number that is not negative")
    return number


def integer(value: Any, what: str, least: int, most: int | None = None) -> int:
    """Return an integer from `least` to `most` as an int; refuse booleans, and floats even when they are whole."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, Integral) or value < least:
        raise InvalidInput(f"{what}={shown(value)} must be an integer of at least {least}")
    if most is not None and int(value) > most:
        raise InvalidInput(f"{what}={shown(value)} must be an integer of at most {most}")
    return int(value)


def one_of(value: Any, what: str, choices: Collection[str]) -> str:
    """Return a string that is one of the choices."""
    if not isinstance(value, str) or value not in choices:
        raise InvalidInput(f"{what}={shown(value)} must be one of {', '.join(choices)}{nearest(value, choices)}")
    return value


def finite_array(values: ArrayLike, what: str, dtype: Any = np.float64) -> NDArray[Any]:
    """Return finite numbers of any shape as an array of float64 or, if asked for, complex128."""
    kinds = "iufcO" if np.dtype(dtype).kind == "c" else "iufO"
    try:
        given = np.asarray(values)
        array = given.astype(dtype) if given.dtype.kind in kinds else None
    except (TypeError, ValueError, OverflowError):
        array = None
    if array is None:
        raise InvalidInput(f"{what} must be numbers in a regular array, not {shown(values)}")
    if not np.isfinite(array).all():
        bad = array[~np.isfinite(array)].flat[0]
        raise InvalidInput(f"{what} contains {bad}; give finite numbers, neither NaN nor infinity")
    return array


def positions(values: ArrayLike, what: str, size: int) -> NDArray[np.int64]:
    """Return integers from 0 to size − 1, of any shape."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InvalidInput(f"{what} must be integers in a regular array, not {shown(values)}") from error
    if array.size == 0:
        return np.zeros(array.shape, dtype=np.int64)
    if array.dtype.kind not in "iu":
        raise InvalidInput(f"{what} must be integers, but is {array.dtype}")
    if array.min() < 0 or array.max() >= size:
        bad = array.min() if array.min() < 0 else array.max()
        raise InvalidInput(f"{what} contains {bad}; must lie in 0 … {size - 1}")
    return array.astype(np.int64)


def whole_numbers(values: ArrayLike, what: str) -> NDArray[np.int64]:
    """Return integers of any shape as int64; refuse floats, and magnitudes of more than 62 bits."""
    array = np.asarray(values)
    if array.size == 0:
        return np.zeros(array.shape, dtype=np.int64)
    if array.dtype.kind not in "iu":
        raise InvalidInput(f"{what} must be whole numbers of ticks, but is {array.dtype}")
    if array.max() >= 2**62 or array.min() < -(2**62):
        bad = array.max() if array.max() >= 2**62 else array.min()
        raise InvalidInput(f"{what} reaches {bad} ticks, more than 62 bits hold; subtract an offset")
    return array.astype(np.int64)


def plain_value(value: Any, what: str) -> Any:
    """Return a value in types that JSON has: NumPy numbers become Python numbers, arrays and tuples lists."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return finite_number(value, what)
    if isinstance(value, np.bool_ | np.ndarray):
        return plain_value(value.tolist(), what)
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: plain_value(item, f"{what}[{key!r}]") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(item, f"{what}[{i}]") for i, item in enumerate(value)]
    raise InvalidInput(f"{what}={shown(value)} must be real numbers, strings, or lists or dictionaries of them")


def bin_edges(edges: ArrayLike, *, lowest: float = -np.inf) -> NDArray[np.float64]:
    """Return bin edges as a read-only array; refuse any that are not finite, ascending and ≥ `lowest`."""
    array = finite_array(edges, "edges")
    if array.ndim != 1 or len(array) < 2:
        raise InvalidInput(f"edges has shape {array.shape}; give at least two bin edges in one dimension")
    backward = np.flatnonzero(np.diff(array) <= 0)
    if len(backward):
        i = int(backward[0])
        raise InvalidInput(
            f"edges[{i}]={array[i]:g} and edges[{i + 1}]={array[i + 1]:g} overlap; bin edges must ascend strictly"
        )
    if array[0] < lowest:
        raise InvalidInput(f"edges start at {array[0]:g}; these bins must not start below {lowest:g}")
    return read_only(array)


def positive_numbers(values: Any, what: str) -> NDArray[np.float64]:
    """Return a non-empty array of positive finite durations."""
    if not isinstance(values, Iterable) or isinstance(values, str | bytes):
        raise InvalidInput(f"{what}={shown(values)} must be a sequence of durations in the unit of time")
    durations = [positive_number(value, f"{what}[{i}]") for i, value in enumerate(values)]
    if not durations:
        raise InvalidInput(f"{what} is empty; give at least one duration")
    return np.array(durations)


def resolved_duration(value: Any, what: str, factors: int = 1) -> float:
    """Return a positive duration; refuse one so short that rates times it, or `factors` of it, underflow."""
    duration = positive_number(value, what)
    if duration < SHORTEST or duration**factors < SHORTEST**2:
        raise InvalidInput(f"{what}={duration:g} is so short that its powers underflow; lengthen it")
    return duration


def channels_among(channels: Any, known: Sequence[str], least: int = 1) -> tuple[str, ...]:
    """Return distinct known channel names in the order given; one name is one channel, None means all.

    None is refused if at least two are needed.
    """
    if channels is None and least == 1:
        return tuple(known)
    names = (channels,) if isinstance(channels, str) else tuple(channels) if isinstance(channels, Iterable) else ()
    if len(names) < least or not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        wanted = (
            "a channel name, or several distinct ones"
            if least == 1
            else f"at least {least} distinct channel names"
        )
        raise InvalidInput(f"channels={shown(channels)} must be {wanted}")
    for name in names:
        if name not in known:
            raise InvalidInput(f"no channel named {name!r}; there are {', '.join(known)}{nearest(name, known)}")
    return names


def bundle_channels_among(channels: Any, known: Sequence[str], finite: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the channels that form bundles; None means all except those of atoms and of `finite` factors."""
    if channels is not None:
        return channels_among(channels, known)
    names = tuple(name for name in known if forms_bundles(name, tuple(finite)))
    if not names:
        raise InvalidInput(
            f"there are only the channels {', '.join(known)}, which bundles leave out; give channels="
        )
    return names


def forms_bundles(channel: str, finite: Sequence[str] = ()) -> bool:
    """Return whether the clicks of a channel form bundles by default.

    Those of an atom do not (names that start with "atom"), nor those named after another finite factor, alone or
    with the suffix of a filter: "spin", "spin transmitted".
    """
    return not channel.startswith("atom") and not f"{channel} ".startswith(tuple(f"{name} " for name in finite))


def window_of(parameters: Mapping[str, Any], window: float | None, whose: str) -> float:
    """Return the bundle window δ; None means 3/κ with the smallest κ among the parameters."""
    if window is not None:
        return resolved_duration(window, "window")
    kappa = parameters.get("kappa")
    if kappa is None:
        raise InvalidInput(f"{whose} has no kappa for the default window = 3/kappa; give window=")
    slowest = float(finite_array(kappa, "kappa").min(initial=np.inf))
    if not 0.0 < slowest < np.inf:
        raise InvalidInput(
            f"kappa={shown(kappa)} of {whose} is no rate for the default window = 3/kappa; give window="
        )
    return WINDOW_IN_LIFETIMES / slowest


def delays_of(names: Sequence[str], delays: Mapping[str, float] | None) -> dict[str, float]:
    """Return the delay of every channel, 0 by default; refuse names of other channels."""
    if not isinstance(delays, Mapping | None):
        raise InvalidInput(f"delays={shown(delays)} must be a dictionary of delays by channel")
    given = dict(delays or {})
    for name in given:
        if name not in names:
            raise InvalidInput(f"delays: no channel named {shown(name)}; there are {', '.join(names)}")
    return {name: finite_number(given.get(name, 0.0), f"delay of {name}") for name in names}


def shown(value: Any) -> str:
    """Return a value as one short line for messages."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # an integer of more digits than Python prints
        text = f"<{type(value).__name__}>"
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _real(value: Any) -> float:
    """Return a real number as a float, and NaN for anything else."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        return np.nan
    try:
        return float(value)
    except OverflowError:
        return np.inf


def time_unit(given: Any) -> TimeUnit:
    """Return the unit for a name ("ns", "1/γ"), a number (1/ω_b in seconds), or a stored dictionary.

    Raises
    ------
    InvalidInput
        An unknown name, or a length that is not positive.
    """
    if isinstance(given, TimeUnit):
        return given
    if isinstance(given, str):
        if given in SECONDS:
            return TimeUnit(given, SECONDS[given])
        if given == NATURAL.name:
            return NATURAL
        if OWN_UNIT.fullmatch(given):
            return TimeUnit(given)
        try:
            given = float(given)
        except ValueError:
            known = ", ".join(SECONDS)
            raise InvalidInput(
                f"unit={shown(given)} must be one of {known}, one over a rate such as 1/γ, or the length of 1/ω_b "
                "in seconds"
            ) from None
    if isinstance(given, dict):
        seconds = given.get("seconds")
        return TimeUnit(str(given.get("name", NATURAL.name)), None if seconds is None else float(seconds))
    return TimeUnit(NATURAL.name, positive_number(given, "unit"))
