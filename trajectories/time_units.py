"""Units of time of systems and records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TimeUnit:
    """A unit of time with a name.

    Attributes
    ----------
    name : str
        Name in tables, axes and files: "1/ω_b", "1/γ", "s", "ns", …
    seconds : float or None
        Its length in seconds; None if unknown.
    """

    name: str = "1/ω_b"
    seconds: float | None = None

    @property
    def rate(self) -> str:
        """Name of the unit of rates."""
        if self.name == "s":
            return "Hz"
        return self.name[2:] if self.name.startswith("1/") else f"1/{self.name}"

    def of(self, number: str) -> str:
        """Return a number, given as text, with this unit: "3/ω_b", "3 ns"."""
        return f"{number}{self.name[1:]}" if self.name.startswith("1/") else f"{number} {self.name}"

    def to_dict(self) -> dict[str, Any]:
        """Return name and seconds as a dictionary for JSON."""
        return {"name": self.name, "seconds": self.seconds}


NATURAL = TimeUnit()
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "ps": 1e-12, "fs": 1e-15}
