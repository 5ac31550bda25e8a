"""The coverage study: its committed table, and the study itself as a slow test."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from coverage_checks import RECORDS, check
from coverage_study import CASES, TABLE, study


def shares(rows):
    return np.array([float(row["coverage"]) for row in rows])


@pytest.fixture
def table():
    with TABLE.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_committed_table_is_complete_and_within_the_limits(table):
    assert {row["system"] for row in table} == set(CASES)
    for row in table:
        assert int(row["records"]) == RECORDS
        assert int(row["fewest clicks"]) >= 20_000
        # Errors may be left out where a few groups carry the spread, not wherever an interval would have missed.
        assert int(row["no error"]) <= 0.04 * RECORDS
        if row["quantity"].startswith("g2"):
            assert float(row["events"]) >= 20
    check(shares(table))


def test_a_table_with_one_interval_too_short_or_too_wide_is_refused(table):
    for wrong in (0.90, 0.99):
        share = shares(table)
        share[0] = wrong
        with pytest.raises(AssertionError):
            check(share)


@pytest.mark.slow
def test_intervals_of_simulated_records_cover_the_exact_values():
    """Three systems, 400 records each: some ten minutes on two cores."""
    check(shares([row for name in CASES for row in study(name, None, workers=2)]))
