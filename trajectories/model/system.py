"""Channel and OpenSystem: any Hamiltonian, any number of jump operators, checked once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..checks import plain_value, shown
from ..digest import digest_of
from ..errors import InvalidInput
from ..names import can_be_kept
from .qutip_objects import default_names, matrix_of, operator_list, qobj, same_subsystems
from .space import HilbertSpace

# H is taken for Hermitian when ‖H − H†‖_max is below this fraction of ‖H‖_max.
HERMITICITY = 1e-12
# Entries beyond this overflow when they are multiplied, and belong to no unit that anyone uses.
LARGEST_ENTRY = 1e100


def as_operator(operator: Any, what: str) -> sparse.csr_array:
    """Return `operator` (NumPy, SciPy sparse or QuTiP) as a canonical complex CSR array, finite and square.

    Raises
    ------
    InvalidInput
        Not a square matrix of numbers, not finite, or a QuTiP object that is no constant operator.
    """
    try:
        matrix = sparse.csr_array(matrix_of(operator, what), dtype=np.complex128, copy=True)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput(
            f"{what} must be a square matrix of numbers, but is {type(operator).__name__}"
        ) from error
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.shape[0] < 1:
        raise InvalidInput(f"{what} must be a square matrix, but has shape {matrix.shape}")
    matrix.sum_duplicates()
    if not np.isfinite(matrix.data).all():
        bad = matrix.data[~np.isfinite(matrix.data)][0]
        raise InvalidInput(f"{what} contains {bad}; give finite numbers only")
    largest = float(np.abs(matrix.data).max(initial=0.0))
    if largest > LARGEST_ENTRY:
        raise InvalidInput(
            f"{what} contains {largest:.3g}, above {LARGEST_ENTRY:g}, whose products overflow; choose another unit"
        )
    matrix.eliminate_zeros()
    for array in (matrix.data, matrix.indices, matrix.indptr):
        array.flags.writeable = False
    return matrix


@dataclass(frozen=True, eq=False)
class Channel:
    """A decay channel whose every jump is a click.

    Parameters
    ----------
    name : str
        The channel's name, e.g. ``"photon"``.
    operator : array or sparse array of shape (N, N)
        The jump (collapse) operator c, its rate included: c = √κ a.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> channel = tj.Channel("atom", np.sqrt(0.5) * sigma)
    >>> channel.name, channel.operator.shape
    ('atom', (2, 2))
    """

    name: str
    operator: sparse.csr_array

    def __post_init__(self) -> None:
        if not can_be_kept(self.name) or not self.name.strip():
            raise InvalidInput(
                f"channel name {shown(self.name)} must be a non-empty string of at most 255 characters without NUL"
            )
        object.__setattr__(self, "operator", as_operator(self.operator, f"jump operator of channel {self.name!r}"))


@dataclass(frozen=True, eq=False)
class OpenSystem:
    """A Hamiltonian and its click channels: dρ/dt = −i[H, ρ] + Σ_k D[c_k]ρ.

    Parameters
    ----------
    hamiltonian : array or sparse array of shape (N, N)
        H with ħ = 1.
    channels : sequence of Channel
        At least one; names are unique.
    space : HilbertSpace, optional
        What the basis states mean; needed for labels and for the truncation check.
    parameters : dict, optional
        How the system was made, for the provenance of records: what JSON can hold, and arrays, which become
        lists.

    Raises
    ------
    InvalidInput
        A non-Hermitian or non-finite H, no channel, a name used twice, dimensions that differ, or a parameter
        that JSON cannot hold.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    >>> system.dimension, system.channel_names
    (2, ('atom',))
    """

    hamiltonian: sparse.csr_array
    channels: tuple[Channel, ...]
    space: HilbertSpace | None = None
    parameters: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        matrix = as_operator(self.hamiltonian, "Hamiltonian")
        scale = float(np.max(np.abs(matrix.data), initial=0.0))
        skew = sparse.csr_array(matrix - matrix.conj().T)
        worst = float(np.max(np.abs(skew.data), initial=0.0))
        if worst > HERMITICITY * scale:
            raise InvalidInput(f"Hamiltonian is not Hermitian: max|H − H†| = {worst:.3g}; check its terms")
        object.__setattr__(self, "hamiltonian", matrix)
        object.__setattr__(self, "channels", _checked_channels(self.channels, matrix.shape[0]))
        if self.space is not None and self.space.dimension != matrix.shape[0]:
            raise InvalidInput(
                f"Hamiltonian has dimension {matrix.shape[0]} but the space has {self.space.dimension}; use one"
            )
        if not isinstance(self.parameters, Mapping):
            raise InvalidInput(f"parameters={shown(self.parameters)} must be a dictionary")
        object.__setattr__(self, "parameters", plain_value(self.parameters, "parameters"))

    @classmethod
    def from_qutip(
        cls,
        hamiltonian: Any,
        collapse_operators: Any,
        names: Sequence[str] | None = None,
        space: HilbertSpace | None = None,
    ) -> OpenSystem:
        """Build a system from what a script gives to QuTiP's `mcsolve`: H and c_ops.

        Parameters
        ----------
        hamiltonian : qutip.Qobj, constant qutip.QobjEvo, list of qutip.Qobj, or array
            H, constant in time; the operators of a list are added.
        collapse_operators : the same, or a sequence of it
            The c_ops, rates included; or a single one.
        names : sequence of str, optional
            Channel names; by default ``"channel 0"``, ``"channel 1"``, …, in QuTiP's order of ``col_which``.
        space : HilbertSpace, optional
            What the basis states mean; QuTiP's tensor order is kept, so name the subsystems in that order.

        Raises
        ------
        InvalidInput
            A time-dependent operator, an object that is no operator, or whatever `OpenSystem` refuses.
        """
        operators = operator_list(collapse_operators)
        same_subsystems(hamiltonian, operators)
        named = zip(default_names(len(operators), names), operators, strict=True)
        channels = tuple(Channel(name, matrix_of(given, f"collapse operator {name!r}")) for name, given in named)
        return cls(matrix_of(hamiltonian, "Hamiltonian"), channels, space)

    def to_qutip(self) -> tuple[Any, list[Any]]:
        """Return H and the collapse operators as QuTiP objects, in the order of the channels.

        Raises
        ------
        InvalidInput
            QuTiP is not installed.
        """
        return qobj(self.hamiltonian, self.space), [qobj(c.operator, self.space) for c in self.channels]

    @property
    def dimension(self) -> int:
        """Dimension N of the Hilbert space."""
        return int(self.hamiltonian.shape[0])

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Channel names in order; clicks are recorded as positions in this tuple."""
        return tuple(channel.name for channel in self.channels)

    def channel(self, name: str) -> Channel:
        """Return the channel called `name`; raise `InvalidInput` if there is none."""
        for candidate in self.channels:
            if candidate.name == name:
                return candidate
        raise InvalidInput(f"no channel named {name!r}; there are {', '.join(self.channel_names)}")

    @cached_property
    def decay(self) -> sparse.csr_array:
        """Σ_k c_k†c_k, the operator of the total click rate."""
        zero = sparse.csr_array((self.dimension, self.dimension), dtype=np.complex128)
        return sum((sparse.csr_array(c.operator.conj().T @ c.operator) for c in self.channels), start=zero)

    @cached_property
    def H_eff(self) -> sparse.csr_array:
        """Effective Hamiltonian H − (i/2) Σ_k c_k†c_k, which drives a trajectory between clicks."""
        return sparse.csr_array(self.hamiltonian - 0.5j * self.decay)

    @cached_property
    def centred_H_eff(self) -> sparse.csr_array:
        """H_eff less the constant Tr H/N, which no click and no expectation value can see.

        What computes with absolute energies uses this one: a large constant would cost it digits.
        """
        constant = float(self.hamiltonian.diagonal().real.mean())
        return sparse.csr_array(self.H_eff - constant * sparse.eye_array(self.dimension, format="csr"))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of H, the channel names and their operators: the identity of the physics."""
        return digest_of(self.to_arrays())

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return H and the jump operators by name, for a pickle-free NPZ."""
        named: dict[str, NDArray[Any]] = {"channel_names": np.array(self.channel_names)}
        for key, matrix in [
            ("hamiltonian", self.hamiltonian),
            *((f"channel.{c.name}", c.operator) for c in self.channels),
        ]:
            named |= {
                f"{key}.data": matrix.data,
                f"{key}.indices": matrix.indices,
                f"{key}.indptr": matrix.indptr,
            }
        return named

    @classmethod
    def from_arrays(
        cls,
        named: Mapping[str, NDArray[Any]],
        space: HilbertSpace | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> OpenSystem:
        """Rebuild a system from what `to_arrays` gave."""

        def matrix(key: str) -> sparse.csr_array:
            size = len(named[f"{key}.indptr"]) - 1
            parts = tuple(named[f"{key}.{part}"] for part in ("data", "indices", "indptr"))
            return sparse.csr_array(parts, shape=(size, size))

        channels = tuple(Channel(str(name), matrix(f"channel.{name}")) for name in named["channel_names"])
        return cls(matrix("hamiltonian"), channels, space, parameters or {})

    def __repr__(self) -> str:
        return f"OpenSystem(dimension={self.dimension}, channels={list(self.channel_names)})"


def _checked_channels(channels: Sequence[Channel], dimension: int) -> tuple[Channel, ...]:
    if not isinstance(channels, Iterable):
        raise InvalidInput(f"channels must be a sequence of Channel objects, not {shown(channels)}")
    chosen = tuple(channels)
    if not chosen:
        raise InvalidInput("the system has no channel; without one nothing ever clicks, so add at least one")
    seen: set[str] = set()
    for channel in chosen:
        if not isinstance(channel, Channel):
            raise InvalidInput(f"channels must be Channel objects, but one is {type(channel).__name__}")
        if channel.name in seen:
            raise InvalidInput(f"channel name {channel.name!r} is used twice; give each channel its own")
        seen.add(channel.name)
        if channel.operator.shape[0] != dimension:
            raise InvalidInput(
                f"jump operator of channel {channel.name!r} has dimension {channel.operator.shape[0]} "
                f"but the Hamiltonian has {dimension}; use one truncation for both"
            )
    return chosen
