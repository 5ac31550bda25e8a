"""Click records as files that other tools read, and back."""

from .files import FORMATS, export, is_foreign, load, open_measured

__all__ = ["FORMATS", "export", "is_foreign", "load", "open_measured"]
