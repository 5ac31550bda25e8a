"""Clicks → estimates with honest error bars → pictures."""
