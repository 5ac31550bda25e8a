"""For scripts written for QuTiP: `mcsolve` on this engine, and results of `mcsolve` as click records."""

from __future__ import annotations

from .click_record import click_record as click_record
from .mcsolve import mcsolve as mcsolve

__all__ = ["click_record", "mcsolve"]
