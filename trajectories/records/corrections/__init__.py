"""Corrections of measured clicks before they are analysed: each takes a record and returns another, and says so.

Every step is noted in ``provenance["corrections"]``. A step that takes observed time away (a delay, a gate, a cut)
takes it from the windows too, so that rates and correlations stay right.
"""

from .channels import merged, renamed, seen_with, selected, with_dead_time
from .delays import delayed, unfolded
from .gates import cut, gated, gated_between, gated_within, in_windows, kept, without_silences
from .joins import appended, joined

__all__ = [
    "appended",
    "cut",
    "delayed",
    "gated",
    "gated_between",
    "gated_within",
    "in_windows",
    "joined",
    "kept",
    "merged",
    "renamed",
    "seen_with",
    "selected",
    "unfolded",
    "with_dead_time",
    "without_silences",
]
