"""Streams of clicks, what detectors do to them, and checked arguments about them."""
