"""Herald windows: the exact counterparts of heralding efficiency and coincidences over accidentals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...checks import one_of
from ...detectors import Detector
from ...results import Estimate
from ..answers import estimates_of
from ..inputs import among, bundle_window
from ..solver import Model, require_clicks, solver_of
from ..steady_state import SteadyState
from .correlations import g2

Detectors = Mapping[str, Detector] | None


def heralding_efficiency(
    steady: SteadyState, herald: str, signal: str, window: float | None = None, detectors: Detectors = None
) -> Estimate:
    """Return the heralding (Klyshko) efficiency P(a signal click within ±w | a herald click).

    1 − Tr[E 𝒥_herald E ρ]/λ_herald,  E = e^{(L − 𝒥_signal) w}: no signal click before nor after. Computed as
    ∫₀ʷ (Tr[𝒥_signal e^{L0 t} 𝒥_herald ρ] + Tr[E 𝒥_herald e^{L0 t} 𝒥_signal ρ]) dt/λ_herald, L0 = L − 𝒥_signal.

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    herald, signal : str
        Channel names; when they are equal another click of the channel is meant.
    window : float, optional
        w in 1/ω_b; 3/κ when not given, with the smallest κ of the system.
    detectors : mapping of str to Detector, optional
        Efficiency and dark counts by channel.

    Returns
    -------
    Estimate
        Exact.

    Raises
    ------
    InvalidInput
        Unknown channels, a herald that never clicks, a window that is not positive, or none given and no κ, or a
        detector with dead time or jitter.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> steady = tj.lindblad.steady_state(system)
    >>> round(tj.lindblad.heralding_efficiency(steady, "a", "b", window=1.0).value, 4)
    0.703
    """
    among(herald, steady.system.channel_names), among(signal, steady.system.channel_names)
    width = np.array([bundle_window(steady.system, window)])
    require_clicks(steady, (herald,), detectors)

    def compute(model: Model) -> NDArray[np.float64]:
        # A click after the herald, or the last one before it where none comes after: both are sums of what is
        # positive, while one minus the probability of silence loses digits where signals are rare.
        silent, clicked = model.click_free_motion(float(width[0])), model.jump(herald, model.rho)
        survival = silent.propagate(model.identity, width, adjoint=True)[0]
        after = silent.observe(clicked, model.effect(signal)[None], width, integrals=1)[1, 0]
        reader = model.jump_adjoint(herald, survival)[None]
        before = silent.observe(model.jump(signal, model.rho), reader, width, integrals=1)[1, 0]
        return np.asarray((after + before) / model.rate(herald, model.rho))

    answer = solver_of(steady).answer(
        compute, (signal,), detectors, horizon=float(width[0]), starts=3, interest=(herald,), judged=(herald,)
    )
    return estimates_of(answer)[0]


def coincidence_to_accidental(
    steady: SteadyState,
    first: str,
    second: str,
    window: float | None = None,
    convention: Literal["C/A", "(C-A)/A"] = "C/A",
    detectors: Detectors = None,
) -> Estimate:
    """Return the coincidence-to-accidental ratio of two channels within ±w: g² averaged over (−w, w), or that − 1.

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    first, second : str
        Channel names.
    window : float, optional
        w in 1/ω_b, as in `heralding_efficiency`.
    convention : {"C/A", "(C-A)/A"}
        Which of the two is meant.
    detectors : mapping of str to Detector, optional
        Efficiency and dark counts by channel.

    Returns
    -------
    Estimate
        Exact, for windows much longer than w: clicks weigh lags by how long a pair of that lag can be seen.

    Raises
    ------
    InvalidInput
        As in `heralding_efficiency`, or an unknown convention.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> steady = tj.lindblad.steady_state(system)
    >>> round(tj.lindblad.coincidence_to_accidental(steady, "a", "b", window=1.0).value, 2)
    44.55
    """
    one_of(convention, "convention", ("C/A", "(C-A)/A"))
    width = bundle_window(steady.system, window)
    curve = g2(steady, first, second, [-width, width], detectors)
    ratio, error = float(curve.value[0]), float(curve.numerical_error[0])
    value = ratio - 1.0 if convention == "(C-A)/A" else ratio
    return Estimate(value, method=curve.method, numerical_error=error)
