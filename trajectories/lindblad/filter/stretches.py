"""Stretches of trajectories that are followed again by a finer model, and the errors by which they are chosen."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .follow_kernels import Clicks

Array = NDArray[np.float64]
Places = NDArray[np.int64]

# A channel's rate below this share of all matters to the others by its absolute error alone.
SHARE = 1e-2


class Found(NamedTuple):
    """What one model found: hazards (n_gaps,), rates (n_clicks, K), forbidden trajectories (n,)."""

    hazard: Array
    intensity: Array
    forbidden: NDArray[np.bool_]


class Differences(NamedTuple):
    """What a finer model adds: to hazards (n_gaps,), to ln of the rates of clicks, and the worst of each gap."""

    hazard: Array
    rate: Array
    worst: Array


class Stretches(NamedTuple):
    """Parts of trajectories, each as a trajectory of its own that begins in the initial state.

    `gaps` are the wanted gaps of the whole and `here` the same gaps of the parts; gap g of trajectory r ends with
    click g − r.
    """

    clicks: Clicks
    gaps: Places
    here: Places


def rows_of_gaps(clicks: Clicks) -> Places:
    """Return the trajectory of every gap."""
    return np.repeat(np.arange(len(clicks.start)), np.diff(clicks.offsets) + 1)


def ended_by_clicks(clicks: Clicks) -> NDArray[np.bool_]:
    """Return which gaps a click ends; the last of every trajectory ends with it."""
    ended = np.ones(len(clicks.time) + len(clicks.start), dtype=np.bool_)
    ended[clicks.offsets[1:] + np.arange(len(clicks.start))] = False
    return ended


def differences(coarse: Found, fine: Found, clicks: Clicks) -> Differences:
    """Compare two models along the same trajectories.

    The worst of a gap is that of its hazard, of ln of the rate of the click that ends it, and of the rates of the
    other channels beside that of all.
    """
    with np.errstate(invalid="ignore"):
        hazard = fine.hazard - coarse.hazard
    hazard[~np.isfinite(hazard)] = 0.0  # where a click is forbidden
    rate, apart = rates_apart(coarse.intensity, fine.intensity, clicks.channel)
    worst, ended = np.abs(hazard), ended_by_clicks(clicks)
    worst[ended] = np.maximum(worst[ended], apart)
    return Differences(hazard, rate, worst)


def rates_apart(coarse: Array, fine: Array, channel: Places) -> tuple[Array, Array]:
    """Return ln(fine/coarse) of the rates of the channels that clicked, and the worst of all channels by click."""
    clicked = np.arange(len(channel)), channel
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.log(fine[clicked] / coarse[clicked])
        shares = np.abs(fine - coarse) / np.maximum(fine, SHARE * fine.sum(axis=1, keepdims=True))
    rate[~np.isfinite(rate)], shares[~np.isfinite(shares)] = 0.0, 0.0
    return rate, np.maximum(np.abs(rate), shares.max(axis=1, initial=0.0))


def with_neighbours(worst: Array, clicks: Clicks) -> Array:
    """Return the largest of every gap and the gaps beside it in its trajectory.

    Two models may agree in one gap by accident where both are off; in three gaps and all channels they do not.
    """
    row = rows_of_gaps(clicks)
    together = row[1:] == row[:-1]
    found = worst.copy()
    found[1:] = np.maximum(found[1:], np.where(together, worst[:-1], 0.0))
    found[:-1] = np.maximum(found[:-1], np.where(together, worst[1:], 0.0))
    return found


def cut_out(clicks: Clicks, gaps: Places, lead: int) -> Stretches:
    """Return stretches that end with some gaps and begin so many clicks before; those that overlap are one.

    A stretch that begins within a trajectory does so at a click and in the initial state: whether its lead is long
    enough for that to be forgotten is for the caller to check.
    """
    row = rows_of_gaps(clicks)[gaps]
    first = np.maximum(gaps - row - lead, clicks.offsets[row])  # click that ends the first gap
    last = gaps - row
    begins: list[int] = []
    ends: list[int] = []
    rows: list[int] = []
    of = np.empty(len(gaps), dtype=np.int64)
    for i in range(len(gaps)):
        if rows and rows[-1] == row[i] and first[i] <= ends[-1] + 1:
            ends[-1] = int(last[i])
        else:
            rows.append(int(row[i]))
            begins.append(int(first[i]))
            ends.append(int(last[i]))
        of[i] = len(rows) - 1
    begin, end, whose = np.array(begins), np.array(ends), np.array(rows)
    censored = end == clicks.offsets[whose + 1]
    until = np.where(censored, end, end + 1)
    inside = begin > clicks.offsets[whose]
    time = np.append(clicks.time, np.inf)  # a trajectory without clicks may be the last
    start = np.where(inside, time[begin - 1], clicks.start[whose])
    stop = np.where(censored, clicks.stop[whose], time[end])
    chosen = np.concatenate([np.arange(a, b) for a, b in zip(begin, until, strict=True)]).astype(np.int64)
    offsets = np.append(0, np.cumsum(until - begin))
    parts = Clicks(start, stop, offsets, clicks.time[chosen], clicks.channel[chosen])
    return Stretches(parts, gaps, last - begin[of] + offsets[of] + of)


def write(finer: Found, parts: Stretches, found: Found, clicks: Clicks) -> None:
    """Write the wanted gaps of stretches, and the rates at their last clicks, into what was found of all."""
    clicked = ended_by_clicks(clicks)[parts.gaps]
    found.hazard[parts.gaps] = finer.hazard[parts.here]
    click, here = (
        parts.gaps - rows_of_gaps(clicks)[parts.gaps],
        parts.here - rows_of_gaps(parts.clicks)[parts.here],
    )
    found.intensity[click[clicked]] = finer.intensity[here[clicked]]


def digest_of(clicks: Clicks) -> bytes:
    """Return a digest of clicks and their windows."""
    digest = hashlib.blake2b(digest_size=16)
    for array in clicks:
        digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(b"|")
    return digest.digest()
