"""Detected clicks gathered into bundles: the table of all, and bundles of a pair."""
