"""Files of clicks that other programs read or write: export and load."""

from .files import export, is_foreign, load, open_measured
from .table import FORMATS

__all__ = ["FORMATS", "export", "is_foreign", "load", "open_measured"]
