"""The frequency shift of a spinning resonator (Sagnac and Fizeau)."""

from __future__ import annotations

import numpy as np

from ..checks import finite_number, nonnegative_number, one_of, positive_number

DIRECTIONS = ("left", "right")
SPEED_OF_LIGHT = 299_792_458.0  # m/s, exact


def fizeau_shift(
    angular_velocity: float,
    *,
    direction: str = "left",
    radius: float = 1.1e-3,
    index: float = 2.2,
    wavelength: float = 1.55e-6,
    dispersion: float = 0.0,
) -> float:
    """Return the Sagnac–Fizeau shift of a spinning resonator.

    Δ_F = ± r n ω_a Ω [1 − 1/n² − (λ/n)(dn/dλ)]/c, with ω_a = 2πc/λ, positive when driven from the left.

    Parameters
    ----------
    angular_velocity : float
        Ω in rad/s, not negative.
    direction : {"left", "right"}
        Side from which the resonator is driven.
    radius : float
        Resonator radius r in metres. The paper gives none: 1.1 mm is assumed, the size of the
        resonator spun by Maayani et al., Nature 558, 569 (2018).
    index : float
        Refractive index n. The paper gives none: 2.2 is assumed, YIG in the telecom band
        (Haigh et al., Phys. Rev. A 92, 063845 (2015)).
    wavelength : float
        Vacuum wavelength λ in metres. The paper gives none: 1550 nm is assumed, as in the YIG
        resonators of Zhang et al., Phys. Rev. Lett. 117, 123605 (2016).
    dispersion : float
        dn/dλ in 1/m; 0 is assumed, the paper calls the term small.

    Returns
    -------
    float
        Δ_F in rad/s.

    Raises
    ------
    InvalidInput
        A negative or non-finite length, index or angular velocity, or an unknown direction.

    Examples
    --------
    >>> import trajectories as tj
    >>> tj.fizeau_shift(1e4, direction="right") == -tj.fizeau_shift(1e4, direction="left")
    True
    """
    one_of(direction, "direction", DIRECTIONS)
    for name, value in (("radius", radius), ("index", index), ("wavelength", wavelength)):
        positive_number(value, name)
    nonnegative_number(angular_velocity, "angular_velocity")
    finite_number(dispersion, "dispersion")
    omega = 2.0 * np.pi * SPEED_OF_LIGHT / wavelength
    bracket = 1.0 - 1.0 / index**2 - wavelength / index * dispersion
    sign = 1.0 if direction == "left" else -1.0
    return float(sign * radius * index * omega * angular_velocity * bracket / SPEED_OF_LIGHT)
