"""Standard errors from independent groups of samples, and when the data do not determine them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# A standard error is the spread of independent groups. If fewer than five contribute, rare large contributions may
# be missing from the sample, and the error is unknown. With few groups in all, a quarter of them must contribute.
LEAST_GROUPS = 5.0
SHARE_OF_FEW = 0.25
# Relative spreads below this are rounding.
ROUNDING = 1e-12


def independent_groups(deviations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the effective number of independent groups that make up a spread, K = 1/(Σd⁴/(Σd²)² − 2/m).

    For normal deviations d of m groups K is about m. If only n ≪ m groups deviate, by equal amounts, K is n: a
    burst of clicks counts as one.

    Parameters
    ----------
    deviations : ndarray of shape (m, …)
        Deviations of the groups from their mean, or of resampled values from theirs.

    Returns
    -------
    ndarray of shape (…)
        K, between 1 and m; NaN where no group deviates.
    """
    square = deviations**2
    return groups_of_sums(len(deviations), square.sum(axis=0), (square**2).sum(axis=0))


def groups_of_sums(size: int, squares: NDArray[np.float64], fourths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the effective number of independent groups, of `size` in all, from Σd² and Σd⁴."""
    with np.errstate(divide="ignore", invalid="ignore"):
        concentration = fourths / squares**2
    return np.asarray(1.0 / np.maximum(concentration - 2.0 / size, 1.0 / size))


def known_errors(
    errors: NDArray[np.float64], values: NDArray[np.float64], deviations: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the standard errors, NaN where the data do not determine them.

    They are undetermined where the spread is rounding, and where fewer than five effective independent groups
    contribute (see `independent_groups`), or fewer than a quarter if there are fewer than twenty groups.

    Parameters
    ----------
    errors, values : ndarray of shape (…)
        Standard errors and the values they belong to.
    deviations : ndarray of shape (m, …)
        Deviations of the groups from which the errors were computed.
    """
    return errors_of_groups(errors, values, independent_groups(deviations), len(deviations))


def errors_of_groups(
    errors: NDArray[np.float64], values: NDArray[np.float64], groups: NDArray[np.float64], size: int
) -> NDArray[np.float64]:
    """Return the standard errors as `known_errors` does, given the effective groups of `size` in all."""
    least = min(LEAST_GROUPS, SHARE_OF_FEW * size)
    with np.errstate(invalid="ignore"):
        known = (errors > ROUNDING * np.abs(values)) & (groups >= least)
    return np.where(known, errors, np.nan)
