"""Physical systems: Hilbert spaces, open systems and their drives, the paper's resonator."""

from .avoided_crossing import AvoidedCrossing
from .channel import Channel
from .drives import Drive
from .envelopes import Envelope
from .fizeau import fizeau_shift
from .piecewise import Piecewise
from .shapes import Cosine, Gaussian, Ramp, Rotation, Sampled, Sech, Square
from .space import HilbertSpace
from .spinning_resonator import SpinningResonator
from .system import OpenSystem

__all__ = [
    "AvoidedCrossing",
    "Channel",
    "Cosine",
    "Drive",
    "Envelope",
    "Gaussian",
    "HilbertSpace",
    "OpenSystem",
    "Piecewise",
    "Ramp",
    "Rotation",
    "Sampled",
    "Sech",
    "SpinningResonator",
    "Square",
    "fizeau_shift",
]
