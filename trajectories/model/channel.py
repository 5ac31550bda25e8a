"""Channel: a named jump operator, and the checks of a system's channels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scipy import sparse

from ..checks import shown
from ..errors import InvalidInput
from ..names import can_be_kept
from .drives import checked_amplitude
from .envelopes import Constant, Envelope
from .operators import as_operator


@dataclass(frozen=True, eq=False)
class Channel:
    """A decay channel whose every jump is a click.

    Parameters
    ----------
    name : str
        The channel's name, e.g. ``"photon"``.
    operator : array or sparse array of shape (N, N)
        The jump (collapse) operator c, its rate included: c = √κ a.
    amplitude : Envelope or number, optional
        Real g(t) of a jump operator g(t)·c that depends on time; the rate is g². 1 by default.

    Raises
    ------
    InvalidInput
        A name that cannot be stored, an invalid operator, or an amplitude that is not real.

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
    amplitude: Envelope | None = None

    def __post_init__(self) -> None:
        if not can_be_kept(self.name) or not self.name.strip():
            raise InvalidInput(
                f"channel name {shown(self.name)} must be a non-empty string of at most 255 characters without NUL"
            )
        object.__setattr__(self, "operator", as_operator(self.operator, f"jump operator of channel {self.name!r}"))
        amplitude = checked_amplitude(self.amplitude, self.name)
        if isinstance(amplitude, Constant):
            object.__setattr__(self, "operator", as_operator(amplitude.value * self.operator, "jump operator"))
            amplitude = None
        object.__setattr__(self, "amplitude", amplitude)


def checked_channels(channels: Sequence[Channel], dimension: int) -> tuple[Channel, ...]:
    """Return the channels as a tuple; refuse an empty sequence, a name used twice, and another dimension."""
    if not isinstance(channels, Iterable):
        raise InvalidInput(f"channels must be a sequence of Channel objects, not {shown(channels)}")
    chosen = tuple(channels)
    if not chosen:
        raise InvalidInput("the system has no channel, so that nothing clicks; give at least one")
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
