"""Pulsed excitation: pairs by the number of pulses between them, and decay after the pulse with its lifetime."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from trajectories.checks import bin_edges, finite_number, integer, positive_number
from trajectories.errors import InvalidInput
from trajectories.notebook import Shown, Summary
from trajectories.records.ticks import whole_ticks
from trajectories.results import Correlation, Estimate, Histogram
from trajectories.time_units import NATURAL, TimeUnit

from ..clicks.streams import Clicks, stream
from ..statistics.goodness_of_fit import merged
from ..statistics.resampling import Pooled, Sums, TestResult, ratio
from ..statistics.resampling_units import add_up, choose_resampling_units
from .correlations import count_pairs
from .pulse_counts import period_of

Normalisation = Literal["rates", "side peaks"]
# Fewest counts that a group of bins should expect for its χ² to hold.
LEAST_EXPECTED = 10.0
# A χ² less likely than this shows that the counts are no single decay.
UNLIKELY = 1e-3


def pulsed_g2(
    record: Clicks,
    first: str,
    second: str,
    pulses: int = 20,
    period: float | None = None,
    centre: int = 0,
    normalise: Normalisation = "side peaks",
) -> Correlation:
    """Estimate the pulse-wise correlation g²[m] of pairs that are m pulses apart.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks; of a synced (T3) record the sync numbers are compared, as integers, and of a simulated one the
        numbers of its pulses.
    first, second : str
        Channels; m counts from the pulse of `first` to that of `second`.
    pulses : int
        Largest |m − centre|.
    period : float, optional
        Time from pulse to pulse, where the record is not synced; pairs then belong to the nearest multiple.
    centre : int
        The m of pairs of one pulse, where cables delay one channel by whole pulses.
    normalise : {"side peaks", "rates"}
        By the mean of all peaks but the central one, or by the click rates: 1 for independent pulses in both
        cases, but slow blinking raises every peak of the second.

    Returns
    -------
    Correlation
        One bin a pulse, edges (m − ½)T; of a synced record mT, which holds the integer m alone. Peaks of so few
        pairs that resampling gives no error, as the central one of a good emitter, have that of n counts, g²/√n.

    Raises
    ------
    InvalidInput
        Unknown channels, a period missing, or given for a synced record, no side peak, or another normalisation.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> clicks = np.random.default_rng(1).integers(0, 2, 1000)
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 1000, np.arange(1000.0), clicks, channel_names=["a", "b"], start=0.0, stop=1000.0
    ... )
    >>> found = tj.analysis.pulsed_g2(record, "a", "b", pulses=5, period=1.0)
    >>> float(found.value[5]), abs(float(np.delete(found.value, 5).mean()) - 1.0) < 1e-12
    (0.0, True)
    """
    if normalise not in get_args(Normalisation):
        raise InvalidInput(f"normalise={normalise!r} must be one of {', '.join(get_args(Normalisation))}")
    record = stream(record)
    integer(pulses, "pulses", 1)
    if record.clock is None and record.provenance.get("period") is not None:
        # Clicks of a simulated system belong to the pulse that was simulated, as those of a synced record.
        period_of(record, period)
        record, period = record.through(lambda block, _: block.in_periods()), None
    low, high = integer(centre, "centre", -(2**31)) - pulses, centre + pulses
    synced = record.clock is not None and record.clock.fine is not None
    if synced:
        if period is not None:
            raise InvalidInput("a synced record has its own period; leave out period=")
        assert record.tick is not None
        edges: NDArray[np.float64] = np.arange(low, high + 2).astype(np.float64) * record.tick
    elif period is None:
        raise InvalidInput("the record has no sync numbers; give period= from pulse to pulse")
    else:
        edges = np.asarray((np.arange(low, high + 2) - 0.5) * positive_number(period, "period"))
    counted = count_pairs(record, [(first, second)], edges)
    if normalise == "rates":
        return _with_counting_errors(counted.correlation(first, second))
    side = np.arange(len(edges) - 1) != pulses

    def shares(s: Sums) -> NDArray[np.float64]:
        # By the overlap first, because pairs further apart fit into an observation window a little more rarely.
        level = s["pairs"] / s["overlap"]
        return level / level[..., side].mean(axis=-1, keepdims=True)

    pooled = counted.pooled(first, second)
    resampled = Pooled(pooled.sums, shares, pooled.units, pooled.counts).jackknife()
    method = f"by the mean of {int(side.sum())} side peaks; {resampled.method}"
    columns = (resampled.value, resampled.errors, resampled.counts)
    found = Correlation(first, second, edges, *columns, method, unit=record.unit)
    return _with_counting_errors(found)


def _with_counting_errors(found: Correlation) -> Correlation:
    """Return peaks with the error √n of n pairs, taken as independent, where they are too rare to be resampled."""
    rare = np.isnan(found.standard_error) & (found.counts > 0)
    if not rare.any():
        return found
    errors = np.where(rare, found.value / np.sqrt(np.maximum(found.counts, 1)), found.standard_error)
    return replace(found, standard_error=errors, method=f"{found.method}; few pairs have the error of their count")


def decay_histogram(record: Clicks, channel: str, edges: ArrayLike, trigger: str | None = None) -> Histogram:
    """Estimate the density of the time from the excitation to the click.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    channel : str
        The channel.
    edges : array_like of shape (n_bins + 1,)
        Ascending edges of the time after the sync pulse (T3) or after the last click of `trigger`, from 0 up.
    trigger : str, optional
        Channel of the excitation, for records that are not synced.

    Returns
    -------
    Histogram
        Density per click of the channel, those outside the edges included.

    Raises
    ------
    InvalidInput
        Unknown channels, bad edges, or neither a synced record nor a trigger.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> pulse = np.arange(0.0, 20000.0, 10.0)
    >>> click = pulse + np.minimum(np.random.default_rng(1).exponential(1.0, 2000), 9.0)
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 4000, np.column_stack([pulse, click]).ravel(), [0, 1] * 2000,
    ...     channel_names=["pulse", "click"], start=0.0, stop=20000.0,
    ... )
    >>> histogram = tj.analysis.decay_histogram(record, "click", np.linspace(0.0, 8.0, 41), trigger="pulse")
    >>> bool(histogram.counts.sum() > 1990)
    True
    """
    bins = bin_edges(edges, lowest=0.0)
    record = stream(record)
    number = record.channel_number(channel)
    source = None if trigger is None else record.channel_number(trigger)
    fine = record.tick if record.clock is None or record.clock.fine is None else record.clock.fine
    if source is None and (record.clock is None or record.clock.fine is None):
        raise InvalidInput("the record is not synced; give trigger=, the channel of the excitation")
    if source is not None:
        fine = record.tick
    units = choose_resampling_units(record, reach=float(bins[-1]))
    stamps = bins if fine is None else whole_ticks(bins, fine, "edges")
    counts = np.zeros(len(bins) - 1, dtype=np.int64)
    binned, total = np.zeros((units.count, len(bins) - 1)), np.zeros((units.count, 1))
    for part, here in units.parts(record):
        chosen = np.flatnonzero(part.channel == number)
        if source is None:
            assert part.within is not None
            delay = part.within[chosen]
        else:
            fired = np.flatnonzero(part.channel == source)
            last = np.searchsorted(fired, chosen) - 1
            known = last >= 0
            known[known] = part.trajectory[fired[last[known]]] == part.trajectory[chosen[known]]
            chosen, last = chosen[known], last[known]
            delay = part.stamp[chosen] - part.stamp[fired[last]]
        unit = here.at(part.trajectory[chosen], part.time[chosen])
        bin_ = np.searchsorted(stamps, delay, side="right") - 1
        inside = (bin_ >= 0) & (bin_ < len(counts))
        add_up(binned, unit[inside], bin_[inside])
        add_up(total, unit)
        counts += np.bincount(bin_[inside], minlength=len(counts))
    width = np.diff(bins) if fine is None else np.diff(stamps) * fine
    sums = {"numerator": binned, "denominator": total}
    resampled = Pooled(sums, lambda s: ratio(s) / width, units, counts).jackknife()
    what = "sync pulse" if trigger is None else trigger
    method = f"density of the time after the {what} per click of {channel}; {resampled.method}"
    return Histogram(bins, resampled.value, resampled.errors, counts, method, unit=record.unit)


@dataclass(frozen=True, repr=False)
class DecayFit(Shown):
    """A mono-exponential decay with a constant background, fitted to the counts of a histogram.

    Attributes
    ----------
    lifetime : Estimate
        τ of n(t) ∝ e^{−t/τ}.
    background : Estimate
        Share of the counts in the fitted range that are no decay.
    start, stop : float
        The fitted range.
    fit : TestResult
        Pearson's χ² of the counts against the fitted ones.
    unit : TimeUnit
        Of the times.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> pulse = np.arange(0.0, 20000.0, 10.0)
    >>> click = pulse + np.minimum(np.random.default_rng(1).exponential(1.0, 2000), 9.0)
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 4000, np.column_stack([pulse, click]).ravel(), [0, 1] * 2000,
    ...     channel_names=["pulse", "click"], start=0.0, stop=20000.0,
    ... )
    >>> histogram = tj.analysis.decay_histogram(record, "click", np.linspace(0.0, 8.0, 41), trigger="pulse")
    >>> found = tj.analysis.fit_decay(histogram, start=0.0)
    >>> found.start, found.stop, found.fit.p_value > 0.001
    (0.0, 8.0, True)
    """

    lifetime: Estimate
    background: Estimate
    start: float
    stop: float
    fit: TestResult
    unit: TimeUnit = NATURAL

    def _summary(self) -> Summary:
        rows = [
            (f"lifetime ({self.unit.name})", str(self.lifetime)),
            ("share of background", str(self.background)),
            ("p of the fit", f"{self.fit.p_value:.2g}"),
        ]
        title = f"Decay fitted from {self.start:g} to {self.unit.of(f'{self.stop:g}')}"
        return Summary(title, ("", "value"), rows)


def fit_decay(histogram: Histogram, start: float | None = None, stop: float | None = None) -> DecayFit:
    """Fit a mono-exponential decay n(t) = A e^{−t/τ} + B to the counts of a histogram, by maximum likelihood.

    Parameters
    ----------
    histogram : Histogram
        Of `decay_histogram`.
    start, stop : float, optional
        Range of the fit; by default from where the counts have fallen to 80 % of the highest bin, after it, so
        that the rise and the blur of the instrument are left out, to the last edge.

    Returns
    -------
    DecayFit
        Errors from the curvature of the likelihood (Fisher's information), times the square root of χ² per degree
        of freedom where χ² rejects the decay at 1e-3. The range that is chosen by default depends on the counts,
        which the errors leave out.

    Raises
    ------
    InvalidInput
        A range of fewer than five bins, or too few counts in it.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> pulse = np.arange(0.0, 20000.0, 10.0)
    >>> click = pulse + np.minimum(np.random.default_rng(1).exponential(1.0, 2000), 9.0)
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 4000, np.column_stack([pulse, click]).ravel(), [0, 1] * 2000,
    ...     channel_names=["pulse", "click"], start=0.0, stop=20000.0,
    ... )
    >>> histogram = tj.analysis.decay_histogram(record, "click", np.linspace(0.0, 8.0, 41), trigger="pulse")
    >>> found = tj.analysis.fit_decay(histogram).lifetime
    >>> abs(found.value - 1.0) < 4 * found.standard_error
    True
    """
    counts, edges = histogram.counts, histogram.edges
    if start is None:
        peak = int(np.argmax(counts))
        below = np.flatnonzero(counts[peak:] <= 0.8 * counts[peak])
        first = peak + int(below[0]) if len(below) else peak
    else:
        first = int(np.searchsorted(edges, finite_number(start, "start") - 1e-9 * np.ptp(edges)))
    last = (
        len(counts)
        if stop is None
        else int(np.searchsorted(edges, finite_number(stop, "stop") + 1e-9 * np.ptp(edges), side="right")) - 1
    )
    n, bins = counts[first:last].astype(np.float64), edges[first : last + 1]
    total = float(n.sum())
    if last - first < 5 or total < 50:
        raise InvalidInput(
            f"the decay has {max(last - first, 0)} bins and {total:g} counts to fit; give at least 5 and 50"
        )
    begin, length = float(bins[0]), float(bins[-1] - bins[0])
    x = (bins - begin) / length

    def shares(rate: float, background: float) -> NDArray[np.float64]:
        decay = np.exp(-rate * x[:-1]) - np.exp(-rate * x[1:])
        return (1.0 - background) * decay / -np.expm1(-rate) + background * np.diff(x)

    def minus_log_likelihood(parameters: NDArray[np.float64]) -> float:
        return -float(n @ np.log(np.maximum(shares(np.exp(parameters[0]), parameters[1]), 1e-300)))

    mean = float(n @ (0.5 * (x[1:] + x[:-1]))) / total
    bounds = [(-7.0, 9.0), (0.0, 1.0 - 1e-9)]
    found = min(
        (
            optimize.minimize(
                minus_log_likelihood,
                [np.log(1.0 / guess), share],
                bounds=bounds,
                method="L-BFGS-B",
            )
            for guess in (mean, 0.3 * mean)
            for share in (0.01, 0.3)
        ),
        key=lambda result: float(result.fun),
    )
    found = optimize.minimize(
        minus_log_likelihood,
        found.x,
        bounds=bounds,
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-9, "maxiter": 4000},
    )
    rate, background = float(np.exp(found.x[0])), float(found.x[1])
    expected = shares(rate, background)
    # Derivatives of the shares give Fisher's information of both parameters.
    step = 1e-5
    slopes = np.stack(
        [
            (shares(rate * np.exp(step), background) - shares(rate * np.exp(-step), background)) / (2 * step),
            (shares(rate, background + step) - shares(rate, background - step)) / (2 * step),
        ]
    )
    information = total * (slopes / np.maximum(expected, 1e-300)) @ slopes.T
    if background < 1e-7:  # at its bound it is no free parameter
        variance = np.array([1.0 / information[0, 0], np.nan])
    else:
        variance = np.diag(np.linalg.inv(information))
    lifetime = length / rate
    method = f"maximum likelihood, {last - first} bins from {begin:g}"
    groups = merged(total * expected, LEAST_EXPECTED)
    seen, predicted = np.bincount(groups, n), np.bincount(groups, total * expected)
    chi2 = float(((seen - predicted) ** 2 / predicted).sum())
    free = max(len(seen) - 1 - (1 if background < 1e-7 else 2), 1)
    fit = TestResult(chi2, float(special.chdtrc(free, chi2)), int(total), f"χ² of {free} degrees of freedom")
    if fit.p_value < UNLIKELY:  # deviations from one exponential move the lifetime by more than counting noise
        variance = variance * chi2 / free
        method += f"; errors times √(χ²/{free}) = {np.sqrt(chi2 / free):.3g}, as the decay is not mono-exponential"
    return DecayFit(
        Estimate(lifetime, float(lifetime * np.sqrt(variance[0])), int(total), method),
        Estimate(background, float(np.sqrt(variance[1])), int(total), method),
        begin,
        float(bins[-1]),
        fit,
        histogram.unit,
    )
