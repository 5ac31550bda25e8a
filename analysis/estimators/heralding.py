"""Herald windows: Klyshko efficiency and the coincidence-to-accidental ratio."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from trajectories.errors import InvalidInput
from trajectories.results import Estimate

from ..clicks.inputs import bundle_window
from ..clicks.streams import Clicks, stream
from ..clicks.ticks import in_stamps
from ..statistics.resampling import Pooled, ratio
from ..statistics.resampling_units import choose_resampling_units
from .correlations import count_pairs
from .heralding_kernels import count_heralds

Convention = Literal["C/A", "(C-A)/A"]


def heralding_efficiency(record: Clicks, herald: str, signal: str, window: float | None = None) -> Estimate:
    """Estimate the heralding (Klyshko) efficiency P(a signal click within ±w | a herald click).

    The share of herald clicks with at least one signal click less than w before or after them. Heralds within
    w of an end of observation are left out. Accidental coincidences are not subtracted.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    herald, signal : str
        Channel names; when they are equal another click of the channel is meant.
    window : float, optional
        w in 1/ω_b; 3/κ when not given, as in `find_bundles`.

    Returns
    -------
    Estimate
        With the number of herald clicks behind it; NaN without any.

    Raises
    ------
    InvalidInput
        Unknown channels, a window that is not positive, or none given and no κ in the provenance.

    Notes
    -----
    Exact: 1 − Tr[E J_herald E ρ]/λ_herald, E = e^{(L − J_signal) w}. D. N. Klyshko, Sov. J. Quantum Electron.
    10, 1112 (1980).

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> found = tj.analysis.heralding_efficiency(record, "a", "b", window=0.6)
    >>> round(found.value, 3), found.n
    (0.5, 4)
    """
    record = stream(record)
    numbers = (record.channel_number(herald), record.channel_number(signal))
    width = bundle_window(record, window)
    near = in_stamps(record, width)
    units = choose_resampling_units(record, reach=width)
    counts = np.zeros((units.count, 2), dtype=np.int64)
    for part, here in units.parts(record):
        clicks = (part.stamp, part.channel, part.offsets, part.stop_stamp)
        count_heralds(*clicks, *numbers, near, here.stamped, counts)
    sums = {"numerator": counts[:, 1:].astype(np.float64), "denominator": counts[:, :1].astype(np.float64)}
    return Pooled(sums, ratio, units, counts[:, :1].sum(axis=0)).jackknife().estimates()[0]


def coincidence_to_accidental(
    record: Clicks,
    first: str,
    second: str,
    window: float | None = None,
    convention: Convention = "C/A",
) -> Estimate:
    """Estimate the coincidence-to-accidental ratio of two channels within ±w.

    C counts the pairs with −w ≤ t_second − t_first < w, A = λ̂_first λ̂_second Σ_r ∫_{−w}^{w} (T_r − |τ|)₊ dτ is
    what independent clicks of the same rates would give. Both conventions of the literature are offered: "C/A",
    which is ĝ² of the one bin (−w, w) and 1 for independent clicks, and "(C-A)/A", which is 0 for them.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    first, second : str
        Channel names.
    window : float, optional
        w in 1/ω_b; 3/κ when not given, as in `find_bundles`.
    convention : {"C/A", "(C-A)/A"}
        Which of the two is reported; the `method` of the result repeats it.

    Returns
    -------
    Estimate
        With the number of pairs behind it.

    Raises
    ------
    InvalidInput
        Unknown channels or convention, a window that is not positive, or none given and no κ in the provenance.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> found = tj.analysis.coincidence_to_accidental(record, "a", "b", window=0.6)
    >>> round(found.value, 3), found.n
    (13.931, 2)
    """
    if convention not in get_args(Convention):
        raise InvalidInput(f"convention={convention!r} must be one of {get_args(Convention)}")
    record = stream(record)
    width = bundle_window(record, window)
    counted = count_pairs(record, [(first, second)], [-width, width])
    estimate = counted.pooled(first, second).jackknife().estimates()[0]
    subtracted = 1.0 if convention == "(C-A)/A" else 0.0
    method = f"{convention}; {estimate.method}"
    return Estimate(estimate.value - subtracted, estimate.standard_error, estimate.n, method)
