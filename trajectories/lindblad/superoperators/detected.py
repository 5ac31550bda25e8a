"""A system with detectors: jump maps η_k J_k + d_k, and the motion while nothing detected clicks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from scipy import sparse

from ...detectors import Detector
from ...errors import InvalidInput
from ...model import OpenSystem
from ..inputs import checked_channels, checked_detectors
from .hermitian_vectors import Vector, pack, unpack
from .liouvillian import sandwich

# A rate below this fraction of its terms Σ|u_ij||ρ_ij| is what rounding leaves of a sum that vanishes; and below
# this fraction of ‖c†c‖_F, what propagation makes of populations that are zero.
NOISE = 1e-14
# Below this fraction of ‖c†c‖_F a rate in the steady state may be what the doubled precision leaves of zero.
NOTHING = 2e-26


class DetectedSystem:
    """The Liouvillian of a system, split into detected jumps and the rest, on packed matrices.

    𝒥_k = η_k c_k · c_k† + d_k,  L0 = L − Σ_k 𝒥_k over the detected channels.

    Parameters
    ----------
    system : OpenSystem
        The system.
    channels : str or sequence of str, optional
        Detected channels; all when not given.
    detectors : mapping of str to Detector, optional
        Efficiency and dark counts by channel; ideal where not given.
    """

    def __init__(
        self,
        system: OpenSystem,
        channels: Sequence[str] | None = None,
        detectors: Mapping[str, Detector] | None = None,
    ) -> None:
        self.names = checked_channels(system, channels)
        self.system = system
        self._detectors = checked_detectors(system, detectors)

    @cached_property
    def identity(self) -> Vector:
        """The packed identity operator: its dot product with a packed matrix is the trace."""
        return pack(np.eye(self.system.dimension, dtype=np.complex128))

    @property
    def efficiencies(self) -> dict[str, float]:
        """η_k of the detected channels."""
        return {name: self._detectors[name].efficiency for name in self.names}

    @property
    def dark(self) -> float:
        """Total rate of dark counts in the detected channels."""
        return sum(self._detectors[name].dark_rate for name in self.names)

    def jump(self, name: str, state: Vector) -> Vector:
        """Return η_k c_k X c_k† + d_k X."""
        detector = self._detectors[name]
        moved = pack(sandwich(self.system.channel(name).operator, unpack(state)))
        return detector.efficiency * moved + detector.dark_rate * state

    def jumps(self, state: Vector) -> Vector:
        """Return 𝒥 X, summed over the detected channels."""
        return np.sum([self.jump(name, state) for name in self.names], axis=0)

    def jump_adjoint(self, name: str, observable: Vector) -> Vector:
        """Return η_k c_k† O c_k + d_k O."""
        detector = self._detectors[name]
        operator = sparse.csr_array(self.system.channel(name).operator.conj().T)
        moved = pack(sandwich(operator, unpack(observable)))
        return detector.efficiency * moved + detector.dark_rate * observable

    def effect(self, name: str) -> Vector:
        """Return η_k c_k†c_k + d_k, whose expectation value is the rate of events."""
        detector, operator = self._detectors[name], self.system.channel(name).operator
        number = pack((operator.conj().T @ operator).toarray())
        return detector.efficiency * number + detector.dark_rate * self.identity

    def total_effect(self) -> Vector:
        """Return Σ_k (η_k c_k†c_k + d_k) over the detected channels."""
        return np.sum([self.effect(name) for name in self.names], axis=0)

    def clicks(self, name: str, state: Vector, noise: float = NOTHING) -> bool:
        """Say whether a channel's rate is more than rounding, where elements of the state are known to `noise`."""
        effect = self.effect(name)
        doubt = NOISE * float(np.abs(effect) @ np.abs(state)) + noise * float(np.linalg.norm(effect))
        return float(effect @ state) > doubt

    def rate(self, name: str, state: Vector, noise: float = NOTHING) -> float:
        """Return the rate of events in a channel; raise `InvalidInput` if there are none at all."""
        value = float(self.effect(name) @ state)
        if not self.clicks(name, state, noise):
            raise InvalidInput(f"channel {name!r} never clicks in this state (rate={value:.3g}); choose another")
        return value

    def total_rate(self, state: Vector) -> float:
        """Return the rate of events in all detected channels; raise `InvalidInput` if there are none."""
        value = float(self.total_effect() @ state)
        if not any(self.clicks(name, state) for name in self.names):
            raise InvalidInput(f"{', '.join(self.names)} never click (rate={value:.3g}); choose other channels")
        return value
