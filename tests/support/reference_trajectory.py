"""Plain-NumPy twin of the kernels: slow and plain, used by tests.

The same random numbers in the same order, but states are carried by dense matrix exponentials and the click
time is found by bisection, so nothing of the fast path is shared.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm

from trajectories.model.system import OpenSystem


def reference_trajectory(
    system: OpenSystem,
    kets: NDArray[np.complex128],
    cumulative: NDArray[np.float64],
    stream: np.random.Generator,
    duration: float,
    *,
    step: float = 1.0,
    resolution: float = 1e-9,
) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
    """Simulate one trajectory with dense matrices.

    Parameters
    ----------
    system : OpenSystem
        A small system.
    kets, cumulative : ndarray
        Initial ensemble, as in `CompiledSystem`.
    stream : numpy.random.Generator
        The trajectory's random numbers.
    duration : float
        End of the window.
    step : float
        Time between two looks at the norm.
    resolution : float
        Width to which a click time is bisected.

    Returns
    -------
    times : ndarray of shape (n_clicks,)
        Click times.
    channels : ndarray of shape (n_clicks,)
        Channel numbers.
    """
    generator = -1j * system.H_eff.toarray()
    operators = [channel.operator.toarray() for channel in system.channels]
    halvings = [expm(generator * step * 0.5**k) for k in range(int(np.ceil(np.log2(step / resolution))) + 1)]
    psi = kets[int(np.searchsorted(cumulative, stream.random(), side="right"))]
    times: list[float] = []
    channels: list[int] = []
    now = 0.0
    threshold = 1.0 - stream.random()
    while now <= duration:
        ahead = halvings[0] @ psi
        if np.vdot(ahead, ahead).real >= threshold:
            psi, now = ahead, now + step
            continue
        for k, propagator in enumerate(halvings[1:], start=1):
            trial = propagator @ psi
            if np.vdot(trial, trial).real >= threshold:
                psi, now = trial, now + step * 0.5**k
        if now > duration:
            break
        after = [operator @ psi for operator in operators]
        rates = np.array([np.vdot(ket, ket).real for ket in after])
        chosen = int(np.searchsorted(np.cumsum(rates), stream.random() * rates.sum(), side="right"))
        times.append(now)
        channels.append(chosen)
        psi = after[chosen] / np.sqrt(rates[chosen])
        threshold = 1.0 - stream.random()
    return np.array(times), np.array(channels, dtype=np.int16)
