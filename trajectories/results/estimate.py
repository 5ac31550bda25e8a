"""Numbers with their uncertainty: an estimate, and the rates of coincidences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..notebook import Shown, Summary, drawn
from ..time_units import NATURAL, TimeUnit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Estimates are shown with an exponent if value and error are below SMALL, or the error ends in more zeros.
SMALL, MOST_ZEROS = 1e-3, 3


@dataclass(frozen=True, repr=False)
class Estimate(Shown):
    """One number and its uncertainty.

    Attributes
    ----------
    value : float
        The estimate; NaN when the data do not determine it.
    standard_error : float
        One standard error; 0 for an exact value, NaN when it cannot be estimated.
    n : int
        Number of events (clicks, pairs, bundles) it was made from; 0 for an exact value.
    method : str
        How value and error were obtained.
    numerical_error : float
        Estimated error of the computation, for an exact value.

    Examples
    --------
    >>> import trajectories as tj
    >>> found = tj.Estimate(0.43, standard_error=0.01, n=1000, method="counted")
    >>> print(found)
    0.430 ± 0.010
    >>> round(found.deviation(0.45), 3)
    -2.0
    """

    value: float
    standard_error: float = 0.0
    n: int = 0
    method: str = "exact"
    numerical_error: float = 0.0

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the normal confidence interval value ± z·standard_error at `level`."""
        from scipy.special import ndtri  # slow to import

        half = float(ndtri(0.5 * (1.0 + level))) * self.standard_error
        return self.value - half, self.value + half

    def deviation(self, exact: Estimate | float) -> float:
        """Return (value − exact)/σ, with σ² the sum of both squared standard errors."""
        other = exact if isinstance(exact, Estimate) else Estimate(float(exact))
        sigma = float(np.hypot(self.standard_error, other.standard_error))
        difference = self.value - other.value
        if sigma == 0.0:
            return 0.0 if difference == 0.0 else float(np.copysign(np.inf, difference))
        return difference / sigma

    def deviation_text(self, exact: Estimate | float) -> str:
        """Return the deviation as text, such as ``+1.2 σ``; "–" if the error is unknown."""
        if not np.isfinite(self.standard_error):
            return "–"
        return f"{round(self.deviation(exact), 1) + 0.0:+.1f} σ"  # + 0.0: never −0.0

    def plot(self, exact: Estimate | float | None = None, ax: Axes | None = None) -> Axes:
        """Draw the value with its 95 % interval, and the exact value.

        Parameters
        ----------
        exact : Estimate or float, optional
            The exact value.
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; a new figure when not given.
        """
        return drawn("estimate", self, exact, ax)

    def _summary(self) -> Summary:
        events = f", from {self.n} events" if self.n else ""
        return Summary(f"{self}  ({self.method}{events})")

    def __str__(self) -> str:
        if self.standard_error == 0.0:
            return f"{self.value:.6g}"
        if not np.isfinite(self.standard_error):
            return f"{self.value:.4g} ± ?"
        # The value is shown to the second digit of the error.
        value, error = self.value, self.standard_error
        digits = 1 - int(np.floor(np.log10(error)))
        if digits < -MOST_ZEROS or max(abs(value), error) < SMALL:
            size = int(np.floor(np.log10(abs(value) or error)))
            return f"{value:.{max(size + digits, 0)}e} ± {error:.1e}"
        if digits < 0:
            return f"{round(value, digits):.0f} ± {round(error, digits):.0f}"
        return f"{value:.{digits}f} ± {error:.{digits}f}"


@dataclass(frozen=True, repr=False)
class Coincidences(Shown):
    """Rate of coincidences of several channels, and the rate expected by chance.

    Attributes
    ----------
    channels : tuple of str
        The channels; a coincidence has one click in each.
    window : float
        Coincidence time: the largest time from the first to the last click.
    rate : Estimate
        Coincidences per unit of time.
    accidental : Estimate
        Rate of coincidences of independent channels with the same click rates.
    ratio : Estimate
        rate/accidental: the n-fold correlation averaged over the coincidence time.
    delays : tuple of float
        Time that was added to the clicks of each channel.
    unit : TimeUnit
        Unit of window and delays; rates are per this unit.
    """

    channels: tuple[str, ...]
    window: float
    rate: Estimate
    accidental: Estimate
    ratio: Estimate
    delays: tuple[float, ...] = ()
    unit: TimeUnit = NATURAL

    def _summary(self) -> Summary:
        title = f"Coincidences of {', '.join(self.channels)} within {self.unit.of(f'{self.window:g}')}"
        rate = self.unit.rate
        rows = [
            (f"rate ({rate})", str(self.rate)),
            (f"accidental ({rate})", str(self.accidental)),
            ("ratio", str(self.ratio)),
        ]
        return Summary(title, ("", "value"), rows)
