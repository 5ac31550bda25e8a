"""A million clicks of the reduced propagator against the exact side, dimension by dimension: a committed study."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

# Largest |z| of 40 quantities: 2.5e-3 by chance.
LARGEST = 4.0


@pytest.fixture(scope="module")
def table() -> list[dict[str, str]]:
    with (Path(__file__).parent / "reduced_statistics.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_rates_and_correlations_are_those_of_the_master_equation(table):
    for dimension in {row["dimension"] for row in table}:
        rows = [row for row in table if row["dimension"] == dimension]
        z = np.array([float(row["z"]) for row in rows])
        assert len(rows) == 20
        assert float(rows[0]["clicks"]) > 0.95e6
        assert np.abs(z).max() < LARGEST
        # Bins of one record are correlated, but not so much that half of them could err by two sigma.
        assert np.sqrt(np.mean(z**2)) < 2.0


def test_the_table_is_sharp(table):
    """A photon rate wrong by a per cent, or pairs off by a twentieth at the shortest lags, would be seen."""
    for row in table:
        share = float(row["standard_error"]) / float(row["exact"])
        if row["quantity"] == "rate of photon":
            assert share < 0.01 / LARGEST
        if row["quantity"].startswith("g2 of photon and magnon"):
            assert share < 0.05 / LARGEST
