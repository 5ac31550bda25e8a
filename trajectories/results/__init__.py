"""Values with their uncertainty; estimators and the exact side return the same types."""

from .columns import in_unit, read_only
from .curves import Correlation, Expectation, Histogram, TripleCorrelation
from .estimate import Coincidences, Estimate

__all__ = [
    "Coincidences",
    "Correlation",
    "Estimate",
    "Expectation",
    "Histogram",
    "TripleCorrelation",
    "in_unit",
    "read_only",
]
