"""The plain twin of the pulsed kernels: one trajectory by a general integrator that restarts at every knot."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

import trajectories as tj


def knots_between(system: tj.OpenSystem, start: float, stop: float) -> list[float]:
    """Return the knots of all envelopes inside an interval, in every period."""
    knots = {knot for envelope in system.envelopes for knot in envelope.knots}
    if system.period is None:
        return sorted(k for k in knots if start < k < stop)
    cycles = range(int(start // system.period), int(stop // system.period) + 1)
    everywhere = {k + n * system.period for n in cycles for k in {*knots, 0.0} if 0.0 <= k < system.period}
    return sorted(k for k in everywhere if start < k < stop)


def h_eff(system: tj.OpenSystem) -> Callable[[float], NDArray[np.complex128]]:
    """Return H_eff(t) from the model's own drives and channels, term by term."""

    def at(t: float) -> NDArray[np.complex128]:
        x = t if system.period is None else t - system.period * np.floor(t / system.period)
        matrix = system.hamiltonian.toarray().astype(complex)
        for drive in system.drives:
            f = complex(drive.envelope(x))
            matrix += f * drive.operator.toarray() if not drive.envelope.is_complex else 0.0
            if drive.envelope.is_complex:
                matrix += f * drive.operator.toarray() + np.conj(f) * drive.operator.toarray().conj().T
        for channel in system.channels:
            g = 1.0 if channel.amplitude is None else float(channel.amplitude(x))
            jump = g * channel.operator.toarray()
            matrix -= 0.5j * jump.conj().T @ jump
        return matrix

    return at


def trajectory(
    system: tj.OpenSystem, ket: NDArray[np.complex128], duration: float, uniforms: NDArray[np.float64]
) -> tuple[list[float], list[int]]:
    """Return times and channels of the clicks of one trajectory, for given random numbers."""
    generator, numbers = h_eff(system), iter(uniforms)
    now, psi = 0.0, np.array(ket, complex)
    times: list[float] = []
    channels: list[int] = []
    threshold = 1.0 - next(numbers)

    def fallen(_: float, y: NDArray[np.complex128]) -> float:
        return float(np.vdot(y, y).real) - threshold

    fallen.terminal, fallen.direction = True, -1.0  # type: ignore[attr-defined]
    while now < duration:
        end = [*knots_between(system, now, duration), duration][0]
        # Strictly inside, so that steps at the ends belong to this stretch.
        inner = (now + 1e-13 * max(1.0, abs(now)), end - 1e-13 * max(1.0, abs(end)))
        solved = solve_ivp(
            lambda t, y, inner=inner: -1j * generator(min(max(t, inner[0]), inner[1])) @ y,
            (now, end),
            psi,
            method="DOP853",
            rtol=1e-11,
            atol=1e-13,
            events=fallen,
        )
        now, psi = float(solved.t[-1]), solved.y[:, -1]
        if not len(solved.t_events[0]):
            continue
        inside = now if system.period is None else now - system.period * np.floor(now / system.period)
        after = [
            (1.0 if c.amplitude is None else float(c.amplitude(inside))) * (c.operator @ psi)
            for c in system.channels
        ]
        rates = np.array([float(np.vdot(a, a).real) for a in after])
        chosen = int(np.searchsorted(np.cumsum(rates), next(numbers) * rates.sum(), side="right"))
        times.append(now)
        channels.append(chosen)
        psi = after[chosen] / np.sqrt(rates[chosen])
        threshold = 1.0 - next(numbers)
    return times, channels
