"""The parameters of the spinning resonator: which may depend on time, their checks, and their plain form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..checks import finite_number, nonnegative_number, one_of, positive_number, shown
from ..errors import InvalidInput
from .envelopes import Constant, Envelope, envelope_from
from .fizeau import DIRECTIONS
from .operators import LARGEST_ENTRY

# Parameters that may have either sign.
SIGNED = (
    "detuning",
    "drive",
    "atom_detuning",
    "magnon_frequency",
    "atom_coupling",
    "phonon_coupling",
    "magnon_coupling",
)
# Parameters that may depend on time.
DRIVEN = ("detuning", "drive", "fizeau")


def checked_parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters as plain numbers, tuples and envelopes.

    Raises
    ------
    InvalidInput
        What `SpinningResonator` refuses.
    """
    one_of(given["direction"], "direction", DIRECTIONS)
    driven = {name: _driven(given[name], name) for name in DRIVEN}
    found = {name: value for name, value in driven.items() if isinstance(value, Envelope)}
    for name, value in given.items():
        if name not in DRIVEN and isinstance(value, Envelope | dict):
            raise InvalidInput(
                f"{name} cannot depend on time, only {', '.join(DRIVEN)} can; make the system from Python, "
                "OpenSystem(H, channels, drives=…), with tj.Channel(name, c, amplitude=g) for a rate"
            )
    values = {name: value for name, value in (dict(given) | driven).items() if name not in found}
    plain: dict[str, Any] = {name: finite_number(values[name], name) for name in SIGNED if name in values}
    plain |= {name: nonnegative_number(values[name], name) for name in ("gamma", "fizeau") if name in values}
    if values["period"] is not None:
        plain["period"] = positive_number(values["period"], "period")
    one_rate = not isinstance(values["kappa"], (tuple, list))
    plain["kappa"] = (
        nonnegative_number(values["kappa"], "kappa") if one_rate else _for_each_mode(values["kappa"], "kappa")
    )
    plain["thermal"] = _for_each_mode(values["thermal"], "thermal")
    for name, value in plain.items():
        if np.abs(value).max() > LARGEST_ENTRY:
            raise InvalidInput(f"{name}={shown(value)} is beyond {LARGEST_ENTRY:g}; rates are in units of ω_b")
    return found | plain


def described(value: Any) -> Any:
    """Return a parameter as JSON holds it."""
    if isinstance(value, Envelope):
        return value.to_dict()
    return list(value) if isinstance(value, tuple) else value


def _driven(value: Any, name: str) -> Any:
    """Return a parameter that may depend on time: an envelope, or a number where it is constant."""
    envelope = envelope_from(value) if isinstance(value, dict) else value
    if isinstance(envelope, Constant) and not envelope.is_complex:
        return envelope.value
    if isinstance(envelope, Envelope) and envelope.is_complex:
        raise InvalidInput(f"{name} is a complex envelope; the resonator's parameters are real")
    return envelope


def _for_each_mode(values: Any, what: str) -> tuple[float, ...]:
    if not isinstance(values, (tuple, list)) or len(values) != 3:
        raise InvalidInput(f"{what}={shown(values)} must be three numbers: photon, phonon, magnon")
    return tuple(nonnegative_number(value, f"{what}[{i}]") for i, value in enumerate(values))
