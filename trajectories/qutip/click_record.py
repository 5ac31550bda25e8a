"""Click records from results of QuTiP's `mcsolve`, or of the one in this package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..checks import shown
from ..errors import InvalidInput
from ..model.qutip_objects import default_names
from ..records.clicks import ClickRecord


def click_record(result: Any, names: Sequence[str] | None = None) -> ClickRecord:
    """Return the clicks of a Monte Carlo result as a record, for every estimator of the analysis.

    Parameters
    ----------
    result : qutip.solver.McResult
        Result of `trajectories.qutip.mcsolve` or ``qutip.mcsolve``.
    names : sequence of str, optional
        One name for each collapse operator; by default ``"channel 0"``, ``"channel 1"``, …

    Returns
    -------
    ClickRecord
        One trajectory for each run, observed from the first of its times to the last.

    Raises
    ------
    InvalidInput
        Not such a result, another number of names, or trajectories with unequal weights (improved sampling, some
        mixtures), which are no sample of the records of a detector.

    Examples
    --------
    >>> import numpy as np, qutip
    >>> from trajectories.qutip import click_record, mcsolve
    >>> sigma = qutip.destroy(2)
    >>> times = np.linspace(0.0, 50.0, 2)
    >>> found = mcsolve(sigma + sigma.dag(), qutip.basis(2, 0), times, [sigma], ntraj=4, seeds=1,
    ...                 options={"progress_bar": False})
    >>> record = click_record(found, ["atom"])
    >>> record.channel_names, record.n_trajectories, record.total_time
    (('atom',), 4, 200.0)
    """
    if not hasattr(result, "collapse") or not hasattr(result, "num_c_ops"):
        raise InvalidInput(f"result={shown(result)} must be a result of mcsolve")
    weights = np.asarray(result._trajectories_weight_info, float)
    if result.deterministic_weights or not np.allclose(weights, weights[:1], rtol=1e-9):
        raise InvalidInput(
            "the trajectories of this result have different weights; simulate without improved_sampling, and a "
            "mixture with trajectories.simulate"
        )
    channel_names = default_names(result.num_c_ops, names)
    counts = [len(clicks) for clicks in result.collapse]
    clicks = [click for of_run in result.collapse for click in of_run]
    return ClickRecord.from_arrays(
        np.repeat(np.arange(len(counts)), counts),
        np.array([when for when, _ in clicks], float),
        np.array([which for _, which in clicks], np.int64),
        channel_names=channel_names,
        start=np.full(len(counts), float(result.times[0])),
        stop=np.full(len(counts), float(result.times[-1])),
        provenance={"made by": str(result.solver)},
    )
