"""The physics, no algorithms: Hilbert space, open systems and their drives, the paper's resonator."""

from .drives import Drive
from .envelopes import Envelope
from .shapes import Cosine, Gaussian, Ramp, Rotation, Sampled, Sech, Square
from .space import HilbertSpace
from .spinning_resonator import AvoidedCrossing, SpinningResonator, fizeau_shift
from .system import Channel, OpenSystem

__all__ = [
    "AvoidedCrossing",
    "Channel",
    "Cosine",
    "Drive",
    "Envelope",
    "Gaussian",
    "HilbertSpace",
    "OpenSystem",
    "Ramp",
    "Rotation",
    "Sampled",
    "Sech",
    "SpinningResonator",
    "Square",
    "fizeau_shift",
]
