"""O(n²) twins of the estimators: loops over clicks that follow the definitions word for word."""

from __future__ import annotations

from itertools import pairwise

import numpy as np


def durations(record):
    return record.stop - record.start


def clicks_of(record, trajectory, channels=None):
    """Positions of the detected clicks of one trajectory."""
    names = record.channel_names if channels is None else channels
    return [
        i
        for i in range(len(record))
        if record.trajectory[i] == trajectory and record.channel_names[record.channel[i]] in names
    ]


def bin_number(value, edges):
    for b in range(len(edges) - 1):
        if edges[b] <= value < edges[b + 1]:
            return b
    return None


def pair_counts(record, first, second, edges):
    """Ordered pairs of different clicks of one trajectory, by t_second − t_first."""
    counts = np.zeros(len(edges) - 1, dtype=int)
    for i in range(len(record)):
        for j in range(len(record)):
            same = record.trajectory[i] == record.trajectory[j]
            names = (record.channel_names[record.channel[i]], record.channel_names[record.channel[j]])
            if i != j and same and names == (first, second):
                b = bin_number(record.time[j] - record.time[i], edges)
                if b is not None:
                    counts[b] += 1
    return counts


def overlap(record, edges, margin=0.0):
    """Σ_r ∫_bin (T_r − 2·margin − |τ|)₊ dτ, exactly: trapezia between all kinks."""
    integral = np.zeros(len(edges) - 1)
    for duration in durations(record) - 2 * margin:
        for b in range(len(edges) - 1):
            kinks = [k for k in (-duration, 0.0, duration) if edges[b] < k < edges[b + 1]]
            points = np.array([edges[b], *kinks, edges[b + 1]])
            heights = np.maximum(duration - np.abs(points), 0.0)
            integral[b] += (0.5 * (heights[1:] + heights[:-1]) * np.diff(points)).sum()
    return integral


def rate(record, channel):
    number = record.channel_names.index(channel)
    return sum(1 for c in record.channel if c == number) / durations(record).sum()


def g2(record, first, second, edges):
    expected = rate(record, first) * rate(record, second) * overlap(record, edges)
    with np.errstate(divide="ignore", invalid="ignore"):
        return pair_counts(record, first, second, edges) / expected


def clusters(record, window, channels):
    """Connected components of the graph that joins detected clicks less than a window apart."""
    found = []
    for r in range(record.n_trajectories):
        left = clicks_of(record, r, channels)
        while left:
            members = {left[0]}
            grown = True
            while grown:
                near = {
                    j for j in left for i in members if abs(record.time[i] - record.time[j]) < window
                } - members
                members |= near
                grown = bool(near)
            found.append(sorted(members))
            left = [i for i in left if i not in members]
    return found


def is_complete(record, cluster, window):
    r = record.trajectory[cluster[0]]
    before = record.time[cluster[0]] - record.start[r]
    after = record.stop[r] - record.time[cluster[-1]]
    return before >= window and after >= window


def exposure(record, x, window):
    return sum(max(duration - 2 * window - x, 0.0) for duration in durations(record))


def length(record, cluster):
    return record.time[cluster[-1]] - record.time[cluster[0]]


def names_of(record, cluster):
    return [record.channel_names[record.channel[i]] for i in cluster]


def weight(record, cluster, window):
    """1/X(ℓ), 0 for the cluster that fits exactly."""
    seen = exposure(record, length(record, cluster), window)
    return 1.0 / seen if seen > 0 else 0.0


def composition_rates(record, window, channels):
    rates = {}
    for cluster in clusters(record, window, channels):
        if is_complete(record, cluster, window):
            key = tuple(sorted(names_of(record, cluster), key=channels.index))
            rates[key] = rates.get(key, 0.0) + weight(record, cluster, window)
    return rates


def order_rates(record, window, channels):
    rates = {}
    for cluster in clusters(record, window, channels):
        if is_complete(record, cluster, window):
            key = tuple(names_of(record, cluster))
            rates[key] = rates.get(key, 0.0) + weight(record, cluster, window)
    return rates


def purity(record, n, window, channels):
    rate_n = sum(
        weight(record, c, window)
        for c in clusters(record, window, channels)
        if is_complete(record, c, window) and len(c) == n
    )
    total = sum(rate(record, name) for name in channels)
    return n * rate_n / total if total > 0 else np.nan


def pair_lags(record, first, second, window, channels):
    """(lag, weight) of complete clusters of exactly one click in each of two channels."""
    lags = []
    for cluster in clusters(record, window, channels):
        names = names_of(record, cluster)
        if is_complete(record, cluster, window) and sorted(names) == sorted([first, second]):
            lag = record.time[cluster[names.index(second)]] - record.time[cluster[names.index(first)]]
            lags.append((lag, weight(record, cluster, window)))
    return lags


def cluster_g2(record, n, m, edges, window, channels):
    """By sizes n and m; the weight of a pair is X(τ)/X(τ + ℓ + ℓ')."""
    found = clusters(record, window, channels)
    total = np.zeros(len(edges) - 1)
    for k in found:
        for q in found:
            r = record.trajectory[k[0]]
            tau = record.time[q[0]] - record.time[k[-1]]
            if record.trajectory[q[0]] != r or tau < window or (len(k), len(q)) != (n, m):
                continue
            whole = record.time[k[0]] - record.start[r] >= window
            whole = whole and record.stop[r] - record.time[q[-1]] >= window
            b = bin_number(tau, edges)
            seen = exposure(record, tau + length(record, k) + length(record, q), window)
            if whole and b is not None and seen > 0:
                total[b] += exposure(record, tau, window) / seen
    rates = [
        sum(weight(record, c, window) for c in found if len(c) == size and is_complete(record, c, window))
        for size in (n, m)
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        return total / (rates[0] * rates[1] * overlap(record, edges, margin=window))


def waits(record, first, channels):
    """(wait, channel of the next detected click or None, how long it could be followed) per click of first."""
    found = []
    for r in range(record.n_trajectories):
        mine = clicks_of(record, r, channels)
        for k, i in enumerate(mine):
            if record.channel_names[record.channel[i]] == first:
                following = mine[k + 1] if k + 1 < len(mine) else None
                wait = np.inf if following is None else record.time[following] - record.time[i]
                cause = None if following is None else record.channel_names[record.channel[following]]
                found.append((wait, cause, record.stop[r] - record.time[i]))
    return found


def product_limit(found, cause, edges):
    """Density per bin of (wait, cause, horizon) triples, from waits that can be followed through each bin."""
    grid = list(edges) if edges[0] == 0 else [0.0, *edges]
    survival, values = 1.0, []
    for low, high in pairwise(grid):
        waiting = [w for w in found if w[0] >= low and w[2] >= high]
        ended = [w for w in waiting if w[0] < high]
        if survival == 0.0:
            values.append(0.0)
            continue
        if not waiting:
            survival = np.nan
        values.append(survival * sum(w[1] == cause for w in ended) / max(len(waiting), 1) / (high - low))
        survival *= 1.0 - len(ended) / max(len(waiting), 1)
    return np.array(values[len(grid) - len(edges) :])


def window_counts(record, window, channels):
    """Detected clicks in every adjoining window of every trajectory."""
    counts = []
    for r in range(record.n_trajectories):
        times = [record.time[i] for i in clicks_of(record, r, channels)]
        low = record.start[r]
        while low + window <= record.stop[r]:
            counts.append(sum(low <= t < low + window for t in times))
            low += window
    return np.array(counts)


def heralded(record, herald, signal, window):
    """(herald clicks seen with a window on both sides, those with a signal click nearer than the window)."""
    heralds = hits = 0
    for i in range(len(record)):
        r, t = record.trajectory[i], record.time[i]
        if record.channel_names[record.channel[i]] != herald:
            continue
        if t - record.start[r] < window or record.stop[r] - t < window:
            continue
        heralds += 1
        hits += any(
            j != i
            and record.trajectory[j] == r
            and record.channel_names[record.channel[j]] == signal
            and abs(record.time[j] - t) < window
            for j in range(len(record))
        )
    return heralds, hits
