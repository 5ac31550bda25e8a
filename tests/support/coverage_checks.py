"""Do nominal 95 % intervals cover the exact value in 95 % of independent records?

Every quantity must lie within two-sided binomial limits at a family-wise 1 %, and their mean within 94–96 %, for
fewer records within limits that are as much wider as their scatter is.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

RECORDS = 400
LEVEL = 0.95


def limits(quantities, records=RECORDS):
    """Two-sided binomial limits on the share of covered records, family-wise 1 % (Bonferroni)."""
    tail = 0.01 / quantities / 2
    low, high = stats.binom.ppf([tail, 1 - tail], records, LEVEL)
    return low / records, high / records


def covers(value, error, exact):
    """Say for each quantity whether its interval holds the exact value; one without an error does not."""
    return np.abs(value - exact) < stats.norm.ppf(0.5 + LEVEL / 2) * error


def check(share, records=RECORDS):
    """Each quantity within the limits for a family of so many; the mean within 94–96 % for 400 records."""
    low, high = limits(len(share), records)
    assert low <= share.min(), share
    assert share.max() <= high, share
    assert abs(share.mean() - LEVEL) < 0.01 * np.sqrt(RECORDS / records), share
