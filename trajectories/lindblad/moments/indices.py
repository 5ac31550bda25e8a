"""The moments of a hierarchy: indices (n₁ … n_2M) with Σ n ≤ order, and steps between them."""

from __future__ import annotations

from functools import cached_property
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


def compositions(variables: int, order: int) -> NDArray[np.int64]:
    """Return all rows of non-negative integers with a sum of at most `order`, lower sums first."""
    if variables == 0:
        return np.zeros((1, 0), dtype=np.int64)
    rows = np.arange(order + 1, dtype=np.int64)[:, None]
    for _ in range(variables - 1):
        left = order - rows.sum(axis=1)
        tail = np.concatenate([np.arange(n + 1) for n in left])
        rows = np.column_stack([np.repeat(rows, left + 1, axis=0), tail])
    return rows[np.argsort(rows.sum(axis=1), kind="stable")]


def count(variables: int, order: int) -> int:
    """Return how many rows `compositions` has."""
    return comb(order + variables, variables)


class Indices:
    """Indices sorted by those of the outer variables, then by those of the inner ones, which come last.

    The inner indices that belong to an outer one of total k are all of total ≤ order − k, the same whatever it is.

    Parameters
    ----------
    outer, inner : int
        Numbers of variables.
    order : int
        Largest total.
    """

    def __init__(self, outer: int, inner: int, order: int) -> None:
        self.order = order
        self.outer = compositions(outer, order)
        self.inner = compositions(inner, order)
        self.widths = np.array([count(inner, order - k) for k in self.outer.sum(axis=1)])
        self.starts = np.concatenate([[0], np.cumsum(self.widths)])
        within = np.concatenate([np.arange(width) for width in self.widths])
        self.rows = np.column_stack([np.repeat(self.outer, self.widths, axis=0), self.inner[within]])

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def lowering(self) -> list[sparse.csr_array]:
        """√n |n − 1⟩⟨n| of every variable."""
        weights = (self.order + 1) ** np.arange(self.rows.shape[1], dtype=np.int64)
        codes = self.rows @ weights
        places = np.argsort(codes)
        found = []
        for variable, weight in enumerate(weights):
            source = np.flatnonzero(self.rows[:, variable] > 0)
            target = places[np.searchsorted(codes[places], codes[source] - weight)]
            amplitude = np.sqrt(self.rows[source, variable].astype(np.float64))
            found.append(sparse.csr_array((amplitude, (target, source)), shape=(len(self), len(self))))
        return found
