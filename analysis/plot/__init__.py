"""Pictures of clicks and of what they estimate; every function takes `ax` and returns it."""

from .clicks import click_stream, populations, record
from .curves import click_density, correlation, g2_matrix, lag_histogram, order_asymmetry, waiting_times
from .numbers import estimate, expectation, histogram, triple_correlation
from .scans import fano, purity, rate_convergence
from .style import (
    BLACK,
    BLUE,
    CHANNEL_COLOURS,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    YELLOW,
    any_script,
    channel_colour,
    save,
)

__all__ = [
    "BLACK",
    "BLUE",
    "CHANNEL_COLOURS",
    "GREEN",
    "GREY",
    "ORANGE",
    "PURPLE",
    "SKY",
    "VERMILION",
    "YELLOW",
    "any_script",
    "channel_colour",
    "click_density",
    "click_stream",
    "correlation",
    "estimate",
    "expectation",
    "fano",
    "g2_matrix",
    "histogram",
    "lag_histogram",
    "order_asymmetry",
    "populations",
    "purity",
    "rate_convergence",
    "record",
    "save",
    "triple_correlation",
    "waiting_times",
]
