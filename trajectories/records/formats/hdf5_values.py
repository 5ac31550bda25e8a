"""Reading from an HDF5 file, with links, wrong sizes and damage refused."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...checks import positive_number
from ...errors import InvalidInput, MissingPackage
from ..files import MOST_DEFLATED, SMALL, memory

# Exceptions of h5py on reading a damaged or foreign file.
UNREADABLE = (
    *(OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError),
    *(MemoryError, RecursionError),
)


def found(file: Any, name: str) -> Any | None:
    """Return the object at a path, or None; refuse links, which may lead to another file or to a pipe.

    Soft links within the file are refused too, because they may pass through an external link.
    """
    h5py, here = h5py_module(), file
    for part in name.split("/"):
        if not isinstance(here, h5py.Group) or not here.id.links.exists(part.encode()):
            return None
        if here.id.links.get_info(part.encode()).type != h5py.h5l.TYPE_HARD:
            raise InvalidInput(f"{file.filename}: {name} is a link, which is not followed; store the data itself")
        here = here[part]
    return here


def values_of(file: Any, name: str) -> NDArray[Any]:
    """Return the values of a dataset stored in the file itself, if they fit into memory."""
    dataset = dataset_of(file, name)
    size = math.prod(dataset.shape) * dataset.dtype.itemsize
    if size > memory():
        raise InvalidInput(f"{file.filename}: {name} takes {size} bytes, more than the memory; use open_measured")
    return np.asarray(dataset[()])


def dataset_of(file: Any, name: str) -> Any:
    """Return a dataset that is stored in the file itself and whose stated size is possible."""
    dataset = found(file, name)
    if not isinstance(dataset, h5py_module().Dataset):
        raise InvalidInput(f"{file.filename} has no {name}; store it")
    if dataset.is_virtual or dataset.external:
        raise InvalidInput(
            f"{file.filename}: {name} is stored in another file, which is not read; store the data itself"
        )
    if dataset.shape is None:
        raise InvalidInput(f"{file.filename}: {name} is empty; store it")
    size, stored = math.prod(dataset.shape) * dataset.dtype.itemsize, dataset.id.get_storage_size()
    if size > MOST_DEFLATED * stored + SMALL:
        raise InvalidInput(
            f"{file.filename}: {name} states {size} bytes, but holds {stored}; write the file again"
        )
    return dataset


def text_of(file: Any, name: str) -> str:
    """Return a string."""
    value = values_of(file, name).item()
    return value.decode() if isinstance(value, bytes) else str(value)


def positive_of(file: Any, name: str) -> float:
    """Return one positive number."""
    values = values_of(file, name)
    if values.size != 1 or values.dtype.kind not in "iuf":
        raise InvalidInput(f"{file.filename}: {name} must be one real number; correct it")
    return positive_number(values.item(), f"{file.filename}: {name}")


def integers_of(file: Any, group: str, name: str) -> NDArray[np.int64]:
    """Return a column of events; refuse values that int64 cannot hold."""
    return _as_ticks(file, name, values_of(file, f"{group}/{name}"))


def column_of(file: Any, group: str, name: str) -> Any:
    """Return a column of events that `part_of` reads in parts."""
    dataset = dataset_of(file, f"{group}/{name}")
    _as_ticks(file, name, np.zeros((0,) * dataset.ndim if dataset.ndim != 1 else 0, dtype=dataset.dtype))
    return dataset


def part_of(file: Any, column: Any, first: int, last: int) -> NDArray[np.int64]:
    """Return rows `first` … `last` − 1 of a column of events."""
    return _as_ticks(file, column.name, np.asarray(column[first:last]))


def _as_ticks(file: Any, name: str, values: NDArray[Any]) -> NDArray[np.int64]:
    if values.dtype.kind not in "iu" or values.ndim != 1:
        raise InvalidInput(
            f"{file.filename}: {name} must be integers in one column, but is {values.dtype} of shape "
            f"{values.shape}; store ticks"
        )
    if values.size and values.max() > np.iinfo(np.int64).max:
        raise InvalidInput(f"{file.filename}: {name} reaches {values.max()}, more than 63 bits hold; shift it")
    return values.astype(np.int64)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a file for reading; exceptions of a damaged file become an `InvalidInput`."""
    h5py = h5py_module()
    try:
        with h5py.File(path, "r") as file:
            yield file
    except InvalidInput:
        raise
    except UNREADABLE as error:
        raise InvalidInput(f"{path} is no readable Photon-HDF5 file: {error}") from error


def h5py_module() -> Any:
    """Import h5py; if it is missing, raise an error that says how to install it."""
    try:
        import h5py
    except ImportError as error:
        raise MissingPackage("Photon-HDF5", "h5py", error) from error
    os.environ.setdefault("HDF5_USE_FILE_LOCKING", "BEST_EFFORT")
    return h5py
