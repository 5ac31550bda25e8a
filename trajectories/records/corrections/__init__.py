"""Corrections of measured clicks before the analysis: each takes a record and returns a new one.

Every correction is noted in ``provenance["corrections"]``. One that removes observed time (a delay, a gate, a cut)
also removes it from the observation windows, so that rates and correlations remain unbiased.
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
