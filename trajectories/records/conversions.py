"""Conversions of a record: NumPy table, pandas DataFrame, xarray Dataset."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MissingPackage
from .columns import Columns


def numpy_table(record: Columns) -> NDArray[Any]:
    """Return a table with one row for each click: trajectory, time, channel; tick and within if it has them."""
    columns = _columns(record)
    table = np.empty(len(record), dtype=[(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        table[name] = column
    return table


def data_frame(record: Columns) -> Any:
    """Return a `pandas.DataFrame` with one row for each click; channels are categories, named as in the record.

    Raises
    ------
    InvalidInput
        pandas is not installed (`MissingPackage`).
    """
    try:
        import pandas
    except ImportError as error:
        raise MissingPackage("a data frame", "pandas", error) from error
    columns: dict[str, Any] = _columns(record)
    columns["channel"] = pandas.Categorical.from_codes(record.channel, categories=list(record.channel_names))
    frame = pandas.DataFrame(columns)
    frame.attrs["unit"] = record.unit.name
    return frame


def dataset(record: Columns) -> Any:
    """Return an `xarray.Dataset` over the dimensions click and trajectory, observation windows included.

    Raises
    ------
    InvalidInput
        xarray is not installed (`MissingPackage`).
    """
    try:
        import xarray
    except ImportError as error:
        raise MissingPackage("a dataset", "xarray", error) from error
    columns: dict[str, Any] = _columns(record)
    columns["of_trajectory"] = columns.pop("trajectory")
    columns["channel"] = np.asarray(record.channel_names, dtype=str)[record.channel]
    windows = {"start": ("trajectory", record.start), "stop": ("trajectory", record.stop)}
    clicks = {name: ("click", column) for name, column in columns.items()}
    return xarray.Dataset(clicks | windows, attrs={"unit": record.unit.name})


def _columns(record: Columns) -> dict[str, NDArray[Any]]:
    columns: dict[str, NDArray[Any]] = {
        "trajectory": record.trajectory,
        "time": record.time,
        "channel": record.channel,
    }
    if record.clock is not None:
        columns["tick"] = record.stamp
    return columns if record.within is None else columns | {"within": record.within}
