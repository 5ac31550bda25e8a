"""Exact Fisher information of click records, where the state after a click depends on its channel alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import finite_number
from ..detectors import Detector
from ..errors import InvalidInput
from ..model import OpenSystem
from ..stages import staged
from .filter.linear_model import LinearModel, full_model
from .filter.motions import real_modes
from .superoperators.hermitian_vectors import pack

Array = NDArray[np.float64]

# Rank of a jump operator: singular values below this share of the largest are rounding.
RANK = 1e-12
# Largest dimension: waits are followed on all N² numbers of ρ.
LARGEST = 30
# Steps of the derivatives, of fourth order: they move L0 by a share of its slowest decay, but a parameter at most
# by a share of itself. The trial step by which that is found, relative to the parameter.
MOVED, SHARE, TRIAL = 3e-3, 1e-3, 1e-5
# Panels of the quadrature over waits, nodes of the Gauss–Legendre rule on each, and survival below which waits are
# left out.
PANELS, NODES, UNLIKELY = 400, 10, 1e-14
# Radians of the fastest oscillation on a panel, most panels, and nodes that are worked on together.
RADIANS, MOST_PANELS, TOGETHER = 3.0, 200_000, 4000


@staged("Fisher information")
def information_rate(
    family: Callable[..., Any],
    at: Mapping[str, float],
    detectors: Mapping[str, Detector] | None = None,
) -> Array:
    """Return the Fisher information per unit time of the record about parameters, for renewal processes.

    If each detected click in k leaves the same state ρ_k, whatever happened before, waits are independent given
    the channel of the click before, with densities W(t, l|k) = Tr[𝒥_l e^{L0t}ρ_k]. With the stationary
    distribution π of P(l|k) = ∫W dt,

        F_ij = Σ_k π_k Σ_l ∫ ∂_iW ∂_jW/W dt / Σ_k π_k⟨t⟩_k.

    Parameters
    ----------
    family : callable
        Takes the parameters by name and returns the `OpenSystem` that they make, or an object with `.system()`.
    at : mapping of str to float
        The parameters, and where the information is wanted; "atom.efficiency" is that of a detector.
    detectors : mapping of str to Detector, optional
        Detectors by channel; channels that are not named are undetected. All are ideal when not given. Only loss
        is allowed.

    Returns
    -------
    ndarray of shape (n_parameters, n_parameters)
        In ω_b times the inverse units of the parameters; T F bounds the inverse covariance of unbiased estimates.

    Raises
    ------
    InvalidInput
        A jump operator of rank above one, dark counts or detectors with memory, after which states depend on the
        past, more than 30 dimensions, no parameter, or oscillations too fast beside the slowest decay.

    Notes
    -----
    Radaelli, Smiga, Landi and Binder, arXiv:2402.06556 (2024). For other systems `analysis.information` averages
    the score over a record.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> def atom(rabi):
    ...     return tj.OpenSystem(rabi / 2 * (sigma + sigma.T), [tj.Channel("atom", sigma)])
    >>> tj.lindblad.information_rate(atom, {"rabi": 2.0}).round(4)
    array([[4.]])
    """
    names = tuple(at)
    if not names:
        raise InvalidInput(f"at={dict(at)} must name at least one parameter and its value")
    centre = np.array([finite_number(at[name], f"at[{name!r}]") for name in names])
    renewal = _Renewal(family, names, detectors, centre)
    density = renewal.density(centre)
    rate = [renewal.derivative(i) for i in range(len(names))]
    # Where W touches zero so does its derivative, and their quotient stays finite.
    size = np.maximum(density, 1e-280)
    found = np.einsum("iklt,jklt,t->kij", np.array(rate) / size, np.array(rate), renewal.weights)
    shares, wait = renewal.chain(density)
    return np.asarray(np.einsum("k,kij->ij", shares, found) / wait)


class _Renewal:
    """Waiting-time densities of a family, on the nodes of one quadrature."""

    def __init__(
        self,
        family: Callable[..., Any],
        names: tuple[str, ...],
        detectors: Mapping[str, Detector] | None,
        centre: Array,
    ) -> None:
        self._family, self._names, self._detectors, self._centre = family, names, detectors, centre
        system, efficiencies = self._model(centre)
        modes = self._waits(system, efficiencies)[1]
        slowest = self._slowest = -float(modes.rates.max())
        if not slowest > 0.0:
            raise InvalidInput(
                "clicks can cease for ever, and the information per unit time is then 0; detect more channels"
            )
        longest = -np.log(UNLIKELY) / slowest
        # Panels are widest at the end, 2/n of the whole.
        panels = max(PANELS, ceil(2.0 * longest * float(np.abs(modes.frequencies).max()) / RADIANS))
        if panels > MOST_PANELS:
            raise InvalidInput(
                f"waits oscillate {panels / MOST_PANELS:.2g} times too often before they end for the quadrature; "
                "bring the rates closer, or use analysis.information with a record"
            )
        edges = longest * np.linspace(0.0, 1.0, panels + 1) ** 2
        nodes, weights = np.polynomial.legendre.leggauss(NODES)
        half = 0.5 * np.diff(edges)
        self.times = (edges[:-1, None] + half[:, None] * (1.0 + nodes)).reshape(-1)
        self.weights = (half[:, None] * weights).reshape(-1)

    def density(self, at: Array) -> Array:
        """Return W(t, l|k), shape (channels before, channels after, n_nodes)."""
        system, efficiencies = self._model(at)
        (starts, effects), modes = self._waits(system, efficiencies)
        inner, read = modes.inverse @ starts.T, effects @ modes.vectors
        first, second = modes.paired, np.roll(modes.paired, 1)
        found = []
        for times in np.split(self.times, range(TOGETHER, len(self.times), TOGETHER)):
            moved = np.exp(np.multiply.outer(times, modes.rates))[:, :, None] * inner[None]
            angle = np.multiply.outer(times, modes.frequencies[first])[:, :, None]
            x, y = moved[:, first], moved[:, second]
            moved[:, first], moved[:, second] = (
                x * np.cos(angle) + y * np.sin(angle),
                y * np.cos(angle) - x * np.sin(angle),
            )
            found.append(np.einsum("lr,trk->klt", read, moved))
        return np.concatenate(found, axis=2)

    def derivative(self, number: int) -> Array:
        """Return ∂W/∂(a parameter), shaped as `density`.

        A wait of many lifetimes of the slowest mode must not change its phase by much: a step that is small beside
        a fast frequency may be large beside a slow decay.
        """
        step = TRIAL * max(abs(float(self._centre[number])), TRIAL)
        moved = self._moved(number, step) / step
        if moved > 0.0:
            step = MOVED * self._slowest / moved
        if self._centre[number] != 0.0:
            step = min(step, SHARE * abs(float(self._centre[number])))
        one = np.zeros(len(self._centre))
        one[number] = step
        near, far = ((self.density(self._centre + k * one) - self.density(self._centre - k * one)) for k in (1, 2))
        return np.asarray((8.0 * near - far) / (12.0 * step))

    def _moved(self, number: int, step: float) -> float:
        """Return by how much L0 changes with a parameter."""
        one = np.zeros(len(self._centre))
        one[number] = step
        here, there = (self._generator(self._centre + side * one) for side in (-0.5, 0.5))
        return float(np.linalg.norm(there - here, 2))

    def _generator(self, at: Array) -> Array:
        """Return L0."""
        system, efficiencies = self._model(at)
        return _full(system).click_free(efficiencies, 0.0)

    def chain(self, density: Array) -> tuple[Array, float]:
        """Return the stationary shares of the channels, and the mean wait."""
        steps = density @ self.weights
        values, vectors = np.linalg.eig(steps.T)
        shares = np.abs(vectors[:, np.argmax(values.real)].real)
        shares = shares / shares.sum()
        return shares, float(shares @ (density.sum(axis=1) @ (self.weights * self.times)))

    def _model(self, at: Array) -> tuple[OpenSystem, dict[str, float]]:
        """Return the system and the efficiencies of what is watched."""
        values = dict(zip(self._names, at.tolist(), strict=True))
        moved = {name: values.pop(name) for name in self._names if "." in name}
        made = self._family(**values)
        system = made if isinstance(made, OpenSystem) or not hasattr(made, "system") else made.system()
        if not isinstance(system, OpenSystem):
            raise InvalidInput(f"the family returns {type(made).__name__}; it must return an OpenSystem")
        given = dict(self._detectors) if self._detectors else dict.fromkeys(system.channel_names, Detector())
        for name, detector in given.items():
            system.channel(name)
            if detector != Detector(efficiency=detector.efficiency):
                raise InvalidInput(
                    f"detector of {name!r} has dark counts or a memory, after which the state depends on the "
                    "past; use analysis.information with a record"
                )
        efficiencies = {name: detector.efficiency for name, detector in given.items()}
        for name, value in moved.items():
            channel, field = name.rsplit(".", 1)
            if channel not in efficiencies or field != "efficiency":
                raise InvalidInput(
                    f"at[{name!r}] is not the efficiency of a detected channel, such as 'NAME.efficiency'"
                )
            efficiencies[channel] = value
        return system, efficiencies

    def _waits(self, system: OpenSystem, efficiencies: Mapping[str, float]) -> tuple[tuple[Array, Array], Any]:
        """Return the states after clicks, the effects of the next, and the modes of L0."""
        if system.dimension > LARGEST:
            raise InvalidInput(
                f"dimension {system.dimension} exceeds {LARGEST}; use analysis.information with a record"
            )
        model = _full(system)
        states = []
        for name in efficiencies:
            left, size, _ = np.linalg.svd(system.channel(name).operator.toarray())
            if len(size) > 1 and size[1] > RANK * size[0]:
                raise InvalidInput(
                    f"a click of {name!r} leaves a state that depends on the past (its operator has a rank above "
                    "one); use analysis.information with a record"
                )
            states.append(pack(np.outer(left[:, 0], left[:, 0].conj())))
        effects = np.array([model.effect(name, share, 0.0) for name, share in efficiencies.items()])
        return (np.array(states), effects), real_modes(model.click_free(efficiencies, 0.0))


def _full(system: OpenSystem) -> LinearModel:
    """Return the model of all numbers of ρ."""
    return full_model(system, np.eye(system.dimension, dtype=np.complex128) / system.dimension)
