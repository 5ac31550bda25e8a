"""Columns of results: read-only copies, and results in another unit of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..time_units import TimeUnit


def read_only(values: ArrayLike, dtype: Any = None) -> NDArray[Any]:
    """Return a private, contiguous, read-only copy of `values`."""
    array = np.array(values, dtype=dtype, order="C")
    array.flags.writeable = False
    return array


def freeze_columns(result: object, **dtypes: type) -> None:
    """Replace columns of a frozen dataclass by read-only copies."""
    for name, dtype in dtypes.items():
        object.__setattr__(result, name, read_only(getattr(result, name), dtype))


def in_unit(found: Any, unit: TimeUnit) -> Any:
    """Return a result with `unit` as its unit of time; also for tuples and mappings; other values unchanged."""
    if isinstance(found, tuple):
        return tuple(in_unit(each, unit) for each in found)
    if isinstance(found, Mapping):
        return {name: in_unit(each, unit) for name, each in found.items()}
    return replace(found, unit=unit) if isinstance(getattr(found, "unit", None), TimeUnit) else found


def not_estimated() -> NDArray[np.float64]:
    """Return the default of `numerical_error`: not estimated."""
    return np.zeros(0)


def freeze_numerical_error(result: Any) -> None:
    """Make `numerical_error` a column: zeros if it was not estimated."""
    errors = result.numerical_error if len(result.numerical_error) else np.zeros(len(result.value))
    object.__setattr__(result, "numerical_error", read_only(errors, np.float64))
