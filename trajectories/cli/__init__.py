"""The command line: ``trajectories simulate CONFIG --out RUN`` and its companions."""

from .entry import main

__all__ = ["main"]
