"""Columns: the attributes of a `ClickRecord` that functions of this folder use."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

from ..time_units import TimeUnit
from .ticks import Clock


class Columns(Protocol):
    """The columns of clicks, their windows and their clock; a `ClickRecord` has them."""

    @property
    def channel_names(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def trajectory(self) -> NDArray[Any]: ...  # noqa: D102
    @property
    def time(self) -> NDArray[Any]: ...  # noqa: D102
    @property
    def channel(self) -> NDArray[Any]: ...  # noqa: D102
    @property
    def stamp(self) -> NDArray[Any]: ...  # noqa: D102
    @property
    def within(self) -> NDArray[Any] | None: ...  # noqa: D102
    @property
    def start(self) -> NDArray[Any]: ...  # noqa: D102
    @property
    def stop(self) -> NDArray[Any]: ...  # noqa: D102
    @property
    def offsets(self) -> NDArray[Any]: ...  # noqa: D102
    @property
    def clock(self) -> Clock | None: ...  # noqa: D102
    @property
    def unit(self) -> TimeUnit: ...  # noqa: D102
    @property
    def n_trajectories(self) -> int: ...  # noqa: D102
    def __len__(self) -> int: ...
