"""Spectral filters behind a channel: cascaded cavities whose outputs are channels of an ordinary open system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from scipy import sparse

from ..checks import finite_array, finite_number, integer, positive_number
from ..errors import InvalidInput
from .space import HilbertSpace

# An OpenSystem; not imported, because its method `filtered` calls this module.
System = TypeVar("System", bound=Any)
# Name of the finite factor that stands for a system without a space.
SOURCE = "atoms"


def filtered(
    system: System, channel: str, frequency: Any, width: Any, levels: int = 3, name: str | None = None
) -> System:
    """Return the system with filters in series behind a channel; see `OpenSystem.filtered`."""
    system.channel(channel)
    frequencies = np.atleast_1d(finite_array(frequency, "frequency"))
    if frequencies.ndim != 1 or frequencies.size == 0:
        raise InvalidInput(f"frequency has shape {frequencies.shape}; give one number, or a list of at least one")
    try:
        widths = np.broadcast_to(finite_array(width, "width"), frequencies.shape)
    except ValueError as error:
        raise InvalidInput(
            f"width has shape {np.shape(width)}; give one number, or {frequencies.size}, one for each frequency"
        ) from error
    label = channel if name is None else name
    for number, (centre, full) in enumerate(zip(frequencies.tolist(), widths.tolist(), strict=True), start=1):
        suffix = f" {number}" if frequencies.size > 1 else ""
        into = channel if number == 1 else f"{label} reflected"
        outputs = f"{label} transmitted{suffix}", f"{label} reflected"
        system = _one_filter(system, into, centre, full, levels, f"filter{suffix} of {label}", outputs)
    return system


def _one_filter(
    system: System,
    channel: str,
    frequency: float,
    width: float,
    levels: int,
    mode: str,
    outputs: tuple[str, str],
) -> System:
    count, centre = integer(levels, "levels", 2), finite_number(frequency, "frequency")
    mirror = np.sqrt(0.5 * positive_number(width, "width"))
    source = system.channel(channel)
    if source.amplitude is not None:
        raise InvalidInput(
            f"channel {channel!r} has an amplitude that depends on time; filters take constant ones"
        )
    space = _with_mode(system, mode, count)
    place = _places(system, space, count)

    def beside(operator: sparse.csr_array, lowering: sparse.csr_array | None = None) -> sparse.csr_array:
        """Return O ⊗ F in the basis order of the new space."""
        other = sparse.eye_array(count, format="csr") if lowering is None else lowering
        both = sparse.coo_array(sparse.kron(operator, other, format="coo"))
        return sparse.csr_array((both.data, (place[both.row], place[both.col])), shape=both.shape)

    lower = sparse.csr_array(np.diag(np.sqrt(np.arange(1.0, count)), 1).astype(np.complex128))
    one = sparse.csr_array(sparse.eye_array(system.dimension, dtype=np.complex128))
    field, light = beside(one, mirror * lower), beside(source.operator)
    # Series product (Gough and James): H + (1/2i)(L₂†L₁ − L₁†L₂), L₁ = c in front of L₂ = √(Γ/2) f.
    passed = field.conj().T @ light
    hamiltonian = (
        beside(system.hamiltonian)
        + centre * beside(one, sparse.csr_array(lower.conj().T @ lower))
        - 0.5j * (passed - passed.conj().T)
    )
    channels = []
    for other in system.channels:
        if other.name != channel:
            channels.append(replace(other, operator=beside(other.operator)))
            continue
        both = sparse.csr_array(light + field)
        channels += [
            replace(other, name=outputs[0], operator=field),
            replace(other, name=outputs[1], operator=both),
        ]
    drives = tuple(replace(drive, operator=beside(drive.operator)) for drive in system.drives)
    entry = {"channel": channel, "frequency": centre, "width": float(width), "levels": count}
    parameters = {**system.parameters, "filters": [*system.parameters.get("filters", []), entry]}
    return replace(
        system,
        hamiltonian=hamiltonian,
        channels=tuple(channels),
        space=space,
        parameters=parameters,
        drives=drives,
    )


def _with_mode(system: Any, mode: str, count: int) -> HilbertSpace:
    """Return the space with one more mode, after the other modes and before the finite factors."""
    if system.space is None:
        return HilbertSpace(**{mode: count, SOURCE: system.dimension})
    if system.space.max_quanta is not None:
        raise InvalidInput(
            f"max_quanta={system.space.max_quanta} is not possible with a filter; give levels of each mode instead"
        )
    if mode in system.space.names:
        raise InvalidInput(f"the space has a mode {mode!r} already; give the filter another name")
    return HilbertSpace(finite=system.space.declared_finite, **{**system.space.levels, mode: count})


def _places(system: Any, space: HilbertSpace, count: int) -> Any:
    """Return the index in the new space of the basis state (source state, level of the filter)."""
    old: Sequence[str] = () if system.space is None else system.space.names
    shape = [space.levels[name] for name in old] or [system.dimension]
    axes = [*old, "filter"] if old else [SOURCE, "filter"]
    new = [name if name in axes else "filter" for name in space.names]
    grid = np.arange(space.dimension).reshape([space.levels[name] for name in space.names])
    return np.ascontiguousarray(grid.transpose([new.index(axis) for axis in axes])).reshape(np.prod(shape) * count)
