"""What the detectors saw: click records and the run folders that hold them."""

from .clicks import ClickRecord
from .continuation import end_to_end
from .damage import repair
from .detection_log import DetectionLog, recorded_detectors
from .run import Run

__all__ = ["ClickRecord", "DetectionLog", "Run", "end_to_end", "recorded_detectors", "repair"]
