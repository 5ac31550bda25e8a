"""Clicks of several channels together: n-fold coincidences in a window, and g³ against two waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trajectories.checks import bin_edges, channels_among, delays_of, resolved_duration
from trajectories.records.corrections import delayed
from trajectories.results import Coincidences, TripleCorrelation

from ..clicks.inputs import detected_numbers
from ..clicks.streams import Clicks, stream
from ..clicks.ticks import edges_in_stamps, held_edges, in_stamps
from ..statistics.lag_bins import bin_guess
from ..statistics.resampling import Pooled, Sums
from ..statistics.resampling_units import choose_resampling_units
from .coincidences_kernels import count_coincidences, count_triples


def coincidences(
    record: Clicks, channels: Sequence[str], window: float, delays: Mapping[str, float] | None = None
) -> Coincidences:
    """Estimate how often n channels click within a window: tuples of one click in each, all closer than w.

    R̂ = #{tuples, last − first < w}/Σ_r (T_r − w)₊ over tuples whose first click is at least w before the end of
    observation; of independent channels A = n wⁿ⁻¹ Π λ̂_k. With delays d_k, times t + d_k are compared, in the
    window in which all channels were then observed.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    channels : sequence of str
        At least two different channels, in any order.
    window : float
        w, in the record's unit of time; with whole ticks a difference of exactly w is outside.
    delays : mapping of str to float, optional
        What is added to the times of a channel, as `trajectories.records.corrections.delayed` does: minus the
        delay of its cable. 0 where not given; whole ticks are shifted by whole ticks.

    Returns
    -------
    Coincidences
        Rate, accidental rate and their ratio, each with its error.

    Raises
    ------
    InvalidInput
        Unknown channels, fewer than two or one twice, a window that is not positive, a delay of a channel that is
        not among them, or delays longer than a trajectory.

    Notes
    -----
    Exact: Σ over orders of ∫ Tr[J_n e^{Lτ_{n−1}} … e^{Lτ₁} J₁ρ] over the waits after which all t_k + d_k lie
    within w; without delays τ₁ + … + τ_{n−1} < w.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> found = tj.analysis.coincidences(record, ("a", "b"), window=0.6)
    >>> round(found.rate.value, 3), round(found.ratio.value, 3)
    (0.02, 13.973)
    """
    record = stream(record)
    names = channels_among(channels, record.channel_names, least=2)
    length = resolved_duration(window, "window", len(names) - 1)
    added = delays_of(names, delays)
    if any(added.values()):
        record = record.through(lambda block, _: delayed(block, added))
    near = in_stamps(record, length)
    units = choose_resampling_units(record, reach=length)
    counts = np.zeros(units.count, dtype=np.int64)
    for part, here in units.parts(record):
        clicks = (part.stamp, part.channel, part.offsets, part.stop_stamp)
        count_coincidences(*clicks, detected_numbers(part, names), len(names), near, here.stamped, counts)
    n = len(names)
    if record.tick is None:
        volume = n * length ** (n - 1)
    else:  # so many tuples of whole ticks lie within the window for each place of the first
        volume = (float(near) ** n - float(near - 1) ** n) * record.tick ** (n - 1)
    clicks_of = units.clicks(record)
    sums = {
        "tuples": counts[:, None].astype(np.float64),
        "exposure": units.time_before_end(length),
        "clicks": clicks_of[:, [record.channel_number(name) for name in names]],
        "time": units.time(),
    }

    def values(s: Sums) -> NDArray[np.float64]:
        rate = s["tuples"] / s["exposure"]
        chance = volume * np.prod(s["clicks"] / s["time"], axis=-1, keepdims=True)
        return np.concatenate([rate, chance, rate / chance], axis=-1)

    total = int(counts.sum())
    events = np.array([total, int(clicks_of.sum()), total])
    rate, accidental, ratio = Pooled(sums, values, units, events).jackknife().estimates()
    return Coincidences(names, length, rate, accidental, ratio, tuple(added.values()), record.unit)


def g3(
    record: Clicks, first: str, second: str, third: str, edges1: ArrayLike, edges2: ArrayLike
) -> TripleCorrelation:
    """Estimate the third-order correlation of three channels that click one after the other.

    ĝ³(B₁, B₂) = #{triples with t₂ − t₁ in B₁ and t₃ − t₂ in B₂}/[λ̂₁λ̂₂λ̂₃ Σ_r ∬ (T_r − τ₁ − τ₂)₊ dτ₁dτ₂].
    Other orders of time are those of the names: g³ of (b, a, c) is that of triples in which b clicks first.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    first, second, third : str
        Channels in the order of their clicks; equal ones allowed.
    edges1, edges2 : array_like of shape (n + 1,) and (m + 1,)
        Ascending edges of both waits, from 0 up; bins are half-open.

    Returns
    -------
    TripleCorrelation

    Raises
    ------
    InvalidInput
        Unknown channels or bad edges.

    Notes
    -----
    Exact: Tr[J₃ e^{Lτ₂} J₂ e^{Lτ₁} J₁ ρ]/(λ₁λ₂λ₃), averaged over the bins.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> found = tj.analysis.g3(record, "a", "b", "a", [0.0, 1.0], [0.0, 4.0])
    >>> found.counts
    array([[2]])
    """
    bins1, bins2 = bin_edges(edges1, lowest=0.0), bin_edges(edges2, lowest=0.0)
    for name, bins in (("edges1", bins1), ("edges2", bins2)):
        resolved_duration(float(np.diff(bins).min()), f"narrowest bin of {name}")
    record = stream(record)
    names = (first, second, third)
    places = np.array([record.channel_number(name) for name in names], dtype=np.int64)
    units = choose_resampling_units(record, reach=float(bins1[-1] + bins2[-1]))
    stamps1, stamps2 = edges_in_stamps(record, bins1), edges_in_stamps(record, bins2)
    shape = (len(bins1) - 1, len(bins2) - 1)
    counts = np.zeros(shape, dtype=np.int64)
    weights = np.zeros((units.count, *shape))
    guesses = (stamps1, *bin_guess(stamps1), stamps2, *bin_guess(stamps2))
    for part, here in units.parts(record):
        count_triples(part.stamp, part.channel, part.offsets, places, here.stamped, *guesses, counts, weights)
    held = (held_edges(record, stamps1, split=True), held_edges(record, stamps2, split=True))
    clicks = units.clicks(record)
    sums = {
        "triples": weights.reshape(units.count, -1),
        "overlap": units.double_overlap(*held).reshape(units.count, -1),
        "clicks": clicks[:, places],
        "time": units.time(),
    }

    def values(s: Sums) -> NDArray[np.float64]:
        return s["triples"] / (np.prod(s["clicks"] / s["time"], axis=-1, keepdims=True) * s["overlap"])

    resampled = Pooled(sums, values, units, counts.ravel()).jackknife()
    errors = resampled.errors.reshape(shape)
    value = resampled.value.reshape(shape)
    return TripleCorrelation(names, bins1, bins2, value, errors, counts, resampled.method, record.unit)
