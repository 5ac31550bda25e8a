"""What the detectors saw: click records and the run folders that hold them."""

from .clicks import ClickRecord
from .damage import repair
from .run import Run

__all__ = ["ClickRecord", "Run", "repair"]
