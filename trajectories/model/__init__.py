"""The physics, no algorithms: Hilbert space, open systems, the paper's resonator."""

from .space import HilbertSpace
from .spinning_resonator import AvoidedCrossing, SpinningResonator, fizeau_shift
from .system import Channel, OpenSystem

__all__ = ["AvoidedCrossing", "Channel", "HilbertSpace", "OpenSystem", "SpinningResonator", "fizeau_shift"]
