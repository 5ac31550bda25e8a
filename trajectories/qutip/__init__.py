"""For scripts written for QuTiP: its `mcsolve` on this engine, and its results as click records."""

from __future__ import annotations

from .click_record import click_record as click_record
from .mcsolve import mcsolve as mcsolve

__all__ = ["click_record", "mcsolve"]
