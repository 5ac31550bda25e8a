"""end_to_end(): records of the same trajectories, each continuing the one before, as one record."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..checks import shown
from ..errors import InvalidInput
from ..results import Expectation
from .clicks import ClickRecord
from .detection_log import DetectionLog

# Provenance that is kept only if all records are of the same system.
OF_ONE_SYSTEM = ("configuration", "steady_state", "parameters", "space", "digest", "run_id", "initial_shares")


def end_to_end(records: Sequence[ClickRecord]) -> ClickRecord:
    """Join records of the same trajectories in time, each started from the final states of the one before.

    Trajectory r of the result is observed from the start of the first record to the end of the last. If all are
    of the same system this is a record like that of one long run, and its provenance says so. If the system
    changes in between, as in a quench, the provenance describes each stage.

    Parameters
    ----------
    records : sequence of ClickRecord
        Records of `simulate`, in order: the second with ``initial=first.final_states``, and so on.

    Returns
    -------
    ClickRecord
        With the final states of the last record, and the averages of the operators that all records sampled.

    Raises
    ------
    InvalidInput
        No record, or one that does not continue the one before it with all trajectories, channels and detectors.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    >>> first = tj.simulate(system, 10, 30.0, seed=1, final_states=True, progress=False)
    >>> second = tj.simulate(system, 10, 20.0, seed=1, initial=first.final_states, progress=False)
    >>> whole = tj.end_to_end([first, second])
    >>> float(whole.stop[0]), len(whole) == len(first) + len(second)
    (50.0, True)
    """
    parts = list(records) if not isinstance(records, ClickRecord) else []
    if not parts or not all(isinstance(part, ClickRecord) for part in parts):
        raise InvalidInput(f"records={shown(records)} must be a sequence of ClickRecords, at least one")
    for number, (before, after) in enumerate(pairwise(parts)):
        _require_continues(before, after, number)
    shifts = [np.zeros(parts[0].n_trajectories)]
    for before in parts[:-1]:
        shifts.append(shifts[-1] + before.stop)
    row = np.concatenate([part.trajectory for part in parts])
    time = np.concatenate([part.time + shift[part.trajectory] for part, shift in zip(parts, shifts, strict=True)])
    # A click at the very end of a record comes before one at the start of the next.
    stage = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    order = np.lexsort((time, stage, row))
    return ClickRecord.from_arrays(
        row[order],
        time[order],
        np.concatenate([part.channel for part in parts])[order],
        channel_names=parts[0].channel_names,
        start=parts[0].start,
        stop=parts[-1].stop + shifts[-1],
        provenance=_provenance(parts),
        expectations=_expectations(parts, [float(shift[0]) for shift in shifts]),
        final_states=parts[-1].final_states,
    )


def _require_continues(before: ClickRecord, after: ClickRecord, number: int) -> None:
    """Refuse a record that does not start where the one before it ended."""
    names = f"records {number} and {number + 1}"
    if before.final_states is None:
        raise InvalidInput(f"record {number} has no final states; simulate it with final_states=True")
    configuration = after.provenance.get("configuration") or {}
    if configuration.get("initial") != before.final_states.fingerprint:
        raise InvalidInput(
            f"record {number + 1} does not start from the final states of record {number}; "
            "simulate it with initial="
        )
    if before.n_trajectories != after.n_trajectories:
        counts = f"{before.n_trajectories} and {after.n_trajectories}"
        raise InvalidInput(f"{names} have {counts} trajectories; continue all of them")
    if before.channel_names != after.channel_names:
        raise InvalidInput(
            f"{names} have the channels {before.channel_names} and {after.channel_names}; select the same ones"
        )
    if DetectionLog.of(before).without_seeds() != DetectionLog.of(after).without_seeds():
        raise InvalidInput(f"{names} passed different detectors; apply detectors to the joined record instead")
    if after.start.any() or (before.stop != before.stop[0]).any():
        raise InvalidInput(f"{names} do not follow one another in time; give them as simulated, without cuts")


def _provenance(parts: Sequence[ClickRecord]) -> dict[str, Any]:
    """Return the provenance of one long run, or of stages of several systems."""
    known = [part.provenance.get("configuration", {}) for part in parts]
    found = dict(parts[0].provenance) | {
        "worst_error": max(part.provenance.get("worst_error", 0.0) for part in parts),
        "complete": all(part.provenance.get("complete", True) for part in parts),
        "stages": [{key: of.get(key) for key in ("digest", "duration", "seed", "stage")} for of in known],
    }
    if len({of.get("digest") for of in known}) > 1:
        return {key: value for key, value in found.items() if key not in OF_ONE_SYSTEM}
    if known[0]:
        whole = float(sum(part.stop[0] for part in parts))
        found["configuration"] = dict(known[0]) | {"duration": whole}
    return found


def _expectations(parts: Sequence[ClickRecord], shifts: Sequence[float]) -> dict[str, Expectation]:
    """Return the averages of the operators that all records sampled, at the times of the joined record."""
    shared = [name for name in parts[0].expectations if all(name in part.expectations for part in parts)]
    found = {}
    for name in shared:
        one_by_one = [part.expectations[name] for part in parts]
        found[name] = Expectation(
            np.concatenate([e.times + shift for e, shift in zip(one_by_one, shifts, strict=True)]),
            np.concatenate([e.value for e in one_by_one]),
            np.concatenate([e.standard_error for e in one_by_one]),
            min(e.n for e in one_by_one),
            one_by_one[0].method,
            one_by_one[0].unit,
        )
    return found
