"""Files of clicks that other programs read or write: export and load."""

from .files import FORMATS, export, is_foreign, load, open_measured

__all__ = ["FORMATS", "export", "is_foreign", "load", "open_measured"]
