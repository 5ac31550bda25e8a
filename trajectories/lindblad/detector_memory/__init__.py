"""Detectors with dead time, jitter or afterpulses: what they do to rates, waits, g² and counts, exactly."""
