"""Resampling units, resampled errors and goodness of fit."""
