"""pooled(): the resampled sums behind an estimate, in the same way for every estimator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec

from trajectories.checks import shown
from trajectories.errors import InvalidInput

from ..clicks.streams import Clicks
from ..estimators.bundle_correlations import cluster_g2, cluster_g2_pooled
from ..estimators.bundle_rates import order_rates, order_rates_pooled, purity, purity_pooled
from ..estimators.correlations import count_pairs, g2
from ..estimators.counting import fano, fano_pooled, rates, rates_pooled
from ..estimators.ordering import lag_histogram, lag_histogram_pooled
from ..estimators.waiting import waiting_times, waiting_times_pooled
from ..statistics.resampling import Pooled

P = ParamSpec("P")


def pooled(estimator: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> Pooled:
    """Return the resampled sums that an estimate is a function of, θ = f(Σ_u s_u) over resampling units u.

    Parameters
    ----------
    estimator : callable
        One of `cluster_g2`, `fano`, `g2`, `lag_histogram`, `order_rates`, `purity`, `rates`, `waiting_times`.
    *args, **kwargs
        What the estimator itself takes, the clicks first.

    Returns
    -------
    Pooled
        Values, the events behind them and, by `jackknife` or `bootstrap`, their covariance and simultaneous bands.

    Raises
    ------
    InvalidInput
        Another function, or what the estimator refuses.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> from trajectories import analysis as an
    >>> time = np.sort(np.random.default_rng(1).uniform(0.0, 4000.0, 2000))
    >>> same = np.zeros(2000, dtype=int)  # one trajectory, one channel
    >>> record = tj.ClickRecord.from_arrays(same, time, same, channel_names=["atom"], start=0.0, stop=4000.0)
    >>> found = an.pooled(an.g2, record, "atom", "atom", [0.0, 1.0, 2.0])
    >>> found.jackknife().covariance.shape, len(found.counts)
    ((2, 2), 2)
    """
    ways: dict[Any, Callable[..., Pooled]] = {
        cluster_g2: cluster_g2_pooled,
        fano: fano_pooled,
        g2: _g2,
        lag_histogram: lag_histogram_pooled,
        order_rates: order_rates_pooled,
        purity: purity_pooled,
        rates: rates_pooled,
        waiting_times: waiting_times_pooled,
    }
    if estimator not in ways:
        names = ", ".join(known.__name__ for known in ways)
        raise InvalidInput(f"estimator={shown(getattr(estimator, '__name__', estimator))} must be one of {names}")
    return ways[estimator](*args, **kwargs)


def _g2(record: Clicks, first: str, second: str, edges: Any) -> Pooled:
    return count_pairs(record, [(first, second)], edges).pooled(first, second)
