"""OpenSystem: a Hamiltonian and any number of jump operators, checked once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..checks import finite_number, plain_value, shown, time_unit
from ..digest import TIME_DEPENDENCE, digest_of
from ..errors import InvalidInput
from ..names import nearest
from ..notebook import Summary
from ..time_units import NATURAL, TimeUnit
from .channel import Channel, checked_channels
from .drives import (
    Drive,
    Term,
    as_text,
    checked_drives,
    checked_period,
    drive_terms,
    envelopes_from_text,
    square_of,
)
from .envelopes import Constant, Envelope
from .filters import filtered
from .operators import HERMITICITY, as_operator
from .qutip_objects import qobj, timed_qobj
from .qutip_systems import parts_of_qutip
from .space import HilbertSpace


@dataclass(frozen=True, eq=False)
class OpenSystem:
    """A Hamiltonian and its click channels: dρ/dt = −i[H, ρ] + Σ_k D[c_k]ρ.

    With drives, H(t) = H + Σ_j f_j(t) O_j, + h.c. if f_j is complex; jump operators may be g_k(t)·c_k.

    Parameters
    ----------
    hamiltonian : array or sparse array of shape (N, N)
        H with ħ = 1.
    channels : sequence of Channel
        At least one; names are unique.
    space : HilbertSpace, optional
        Meaning of the basis states; needed for labels and for the truncation check.
    parameters : dict, optional
        Parameters of the system for the provenance of records: values that JSON can hold, and arrays, which are
        stored as lists.
    drives : sequence of Drive
        Terms of H that depend on time; constant ones are added to `hamiltonian`.
    period : float, optional
        T, after which all envelopes repeat: their values for 0 ≤ t < T continue periodically.
    time_unit : str or float
        Unit of the system's times; rates are in its inverse. "ns" if H is in rad/ns, also s, ms, us, ps, fs;
        "1/γ"; or the length of 1/ω_b in seconds. Records, tables and pictures show it; it does not change the
        physics or the digest.

    Raises
    ------
    InvalidInput
        A non-Hermitian or non-finite H, no channel, a name used twice, dimensions that differ, a parameter
        that JSON cannot hold, a period that an envelope does not fit into, or an unknown unit.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    >>> system.dimension, system.channel_names
    (2, ('atom',))
    """

    hamiltonian: sparse.csr_array
    channels: tuple[Channel, ...]
    space: HilbertSpace | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    drives: tuple[Drive, ...] = ()
    period: float | None = None
    time_unit: TimeUnit = NATURAL

    def __post_init__(self) -> None:
        object.__setattr__(self, "time_unit", time_unit(self.time_unit))
        matrix = as_operator(self.hamiltonian, "Hamiltonian")
        given = checked_drives(self.drives, matrix.shape[0])
        for drive in given:
            if isinstance(drive.envelope, Constant):
                term = drive.envelope.value * drive.operator
                whole = term + term.conj().T if drive.envelope.is_complex else term
                matrix = as_operator(matrix + whole, "Hamiltonian")
        object.__setattr__(self, "drives", tuple(d for d in given if not isinstance(d.envelope, Constant)))
        scale = float(np.max(np.abs(matrix.data), initial=0.0))
        skew = sparse.csr_array(matrix - matrix.conj().T)
        worst = float(np.max(np.abs(skew.data), initial=0.0))
        if worst > HERMITICITY * scale:
            raise InvalidInput(f"Hamiltonian is not Hermitian: max|H − H†| = {worst:.3g}; check its terms")
        object.__setattr__(self, "hamiltonian", matrix)
        object.__setattr__(self, "channels", checked_channels(self.channels, matrix.shape[0]))
        if self.space is not None and self.space.dimension != matrix.shape[0]:
            raise InvalidInput(
                f"Hamiltonian has dimension {matrix.shape[0]} but the space has {self.space.dimension}; use one"
            )
        object.__setattr__(self, "period", checked_period(self.period, self.envelopes))
        if not isinstance(self.parameters, Mapping):
            raise InvalidInput(f"parameters={shown(self.parameters)} must be a dictionary")
        object.__setattr__(self, "parameters", plain_value(self.parameters, "parameters"))

    @classmethod
    def from_qutip(
        cls,
        hamiltonian: Any,
        collapse_operators: Any,
        names: Sequence[str] | None = None,
        space: HilbertSpace | None = None,
        *,
        tlist: Any = None,
        args: Mapping[str, Any] | None = None,
        time_unit: Any = NATURAL,
    ) -> OpenSystem:
        """Make a system from the arguments of QuTiP's `mcsolve`: H and c_ops.

        Coefficients that depend on time become data: arrays over `tlist` become the cubic splines of QuTiP,
        functions become polynomials (`Piecewise`) between the first and the last time, accurate to 1e-13 of their
        largest value, discontinuities included; their error is in ``parameters["sampling_error"]``. Outside these
        times they are constant.

        Parameters
        ----------
        hamiltonian : qutip.Qobj, qutip.QobjEvo, list of operators and [operator, coefficient], or array
            H; the terms of a list are added.
        collapse_operators : the same, or a sequence of it
            The collapse operators, rates included; or a single one.
        names : sequence of str, optional
            Channel names; by default ``"channel 0"``, ``"channel 1"``, …, in QuTiP's order of ``col_which``.
        space : HilbertSpace, optional
            Meaning of the basis states; name the subsystems in QuTiP's tensor order, which is kept.
        tlist : array_like, optional
            Times of coefficients that are arrays, and the interval on which functions are sampled.
        args : dict, optional
            Arguments of coefficients that are functions, as for `mcsolve`.
        time_unit : str or float
            As for `OpenSystem`.

        Raises
        ------
        InvalidInput
            A time-dependent operator without `tlist`, coefficients that polynomials do not follow, an H that is
            not Hermitian at all times, an object that is not an operator, or what `OpenSystem` refuses.
        """
        parts = parts_of_qutip(hamiltonian, collapse_operators, names, tlist, args)
        parameters = {"sampling_error": parts.sampling_error} if parts.sampling_error > 0.0 else {}
        return cls(parts.hamiltonian, parts.channels, space, parameters, parts.drives, time_unit=time_unit)

    def to_qutip(self) -> tuple[Any, list[Any]]:
        """Return H and the collapse operators as QuTiP objects, in the order of the channels.

        Operators that depend on time become a ``QobjEvo`` with the envelopes as coefficients.

        Raises
        ------
        InvalidInput
            QuTiP is not installed.
        """
        hamiltonian = qobj(self.hamiltonian, self.space)
        for term in drive_terms(self.drives):
            hamiltonian = hamiltonian + timed_qobj(qobj(term.operator, self.space), term.values, self.period)
        jumps = [qobj(c.operator, self.space) for c in self.channels]
        timed = [
            jump if c.amplitude is None else timed_qobj(jump, c.amplitude, self.period)
            for c, jump in zip(self.channels, jumps, strict=True)
        ]
        return hamiltonian, timed

    def filtered(
        self, channel: str, frequency: Any, width: Any, *, levels: int = 3, name: str | None = None
    ) -> OpenSystem:
        """Return the system with a spectral filter behind a channel: a cascaded cavity f.

        H + ω_f f†f + (1/2i)(√(Γ/2) f†c − h.c.), and the channel becomes two: *transmitted* √(Γ/2) f and
        *reflected* c + √(Γ/2) f, with the light of other frequencies. The source is not changed, and the two rates
        add up to that of the channel. Several frequencies mean several filters in a row, each behind the reflected
        output of the one before.

        Parameters
        ----------
        channel : str
            The channel, whose jump operator does not depend on time.
        frequency : float or list of float
            ω_f, relative to the drive in whose frame H is written.
        width : float or list of float
            Γ, full width at half height of the transmission (Γ/2)²/((ω − ω_f)² + (Γ/2)²).
        levels : int
            Fock levels of each filter; the population of its top level is reported, as for other modes.
        name : str, optional
            Name of the outputs instead of `channel`.

        Returns
        -------
        OpenSystem
            With channels "… transmitted" ("… transmitted 1", "… transmitted 2", … of several) and "… reflected"
            in the place of the channel, and modes "filter of …" after the other modes.

        Raises
        ------
        InvalidInput
            An unknown channel, one whose amplitude depends on time, a width that is not positive, fewer than two
            levels, or a space with `max_quanta`.

        Notes
        -----
        Gardiner, Phys. Rev. Lett. 70, 2269 (1993); Carmichael, ibid. 2273. Clicks behind filters: López Carreño,
        del Valle and Laussy, Sci. Rep. 8, 6975 (2018).

        Examples
        --------
        >>> import trajectories as tj
        >>> space = tj.HilbertSpace(atom=2)
        >>> sigma = space.lower("atom")
        >>> system = tj.OpenSystem(2.0 * (sigma + sigma.T), [tj.Channel("atom", sigma)], space)
        >>> behind = system.filtered("atom", frequency=-4.0, width=1.0)
        >>> behind.channel_names, behind.space.names
        (('atom transmitted', 'atom reflected'), ('filter of atom', 'atom'))
        """
        return filtered(self, channel, frequency, width, levels, name)

    @property
    def dimension(self) -> int:
        """Dimension N of the Hilbert space."""
        return int(self.hamiltonian.shape[0])

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Channel names in order; clicks are recorded as positions in this tuple."""
        return tuple(channel.name for channel in self.channels)

    def channel(self, name: str) -> Channel:
        """Return the channel called `name`; raise `InvalidInput` if there is none."""
        for candidate in self.channels:
            if candidate.name == name:
                return candidate
        known = self.channel_names
        raise InvalidInput(f"no channel named {name!r}; there are {', '.join(known)}{nearest(name, known)}")

    @property
    def envelopes(self) -> tuple[Envelope, ...]:
        """All envelopes, those of the drives first."""
        amplitudes = (channel.amplitude for channel in self.channels)
        return (*(d.envelope for d in self.drives), *(a for a in amplitudes if a is not None))

    @property
    def depends_on_time(self) -> bool:
        """Whether H or a jump operator depends on time."""
        return bool(self.envelopes)

    def require_constant(self, what: str) -> None:
        """Refuse a system that depends on time, for quantities that only a constant system has.

        Raises
        ------
        InvalidInput
            The system has drives or amplitudes that depend on time.
        """
        if self.depends_on_time:
            raise InvalidInput(f"{what} needs a system that does not depend on time; give system.at(t)")

    def at(self, t: float) -> OpenSystem:
        """Return the constant system with H and jump operators of time `t`."""
        time = finite_number(t, "t")
        if self.period is not None:
            time -= self.period * float(np.floor(time / self.period))
        moment = np.array([time])
        matrix = self.hamiltonian
        for term in drive_terms(self.drives):
            matrix = matrix + float(term.values(moment)[0]) * term.operator
        channels = [
            c if c.amplitude is None else Channel(c.name, float(c.amplitude(moment)[0]) * c.operator)
            for c in self.channels
        ]
        return OpenSystem(matrix, tuple(channels), self.space, self.parameters, time_unit=self.time_unit)

    @cached_property
    def terms(self) -> list[Term]:
        """H_eff(t) less its constant part, as real functions times operators: the drives, then −i/2 g²c†c.

        The last terms belong to the channels with an amplitude, in their order.
        """
        decays = [
            Term(square_of(c.amplitude), sparse.csr_array(-0.5j * (c.operator.conj().T @ c.operator)), c.amplitude)
            for c in self.channels
            if c.amplitude is not None
        ]
        return [*drive_terms(self.drives), *decays]

    @cached_property
    def constant_part(self) -> sparse.csr_array:
        """H_eff without its `terms`: H and the decay by channels with constant jump operators."""
        matrix = self.hamiltonian
        for channel in self.channels:
            if channel.amplitude is None:
                matrix = matrix - 0.5j * (channel.operator.conj().T @ channel.operator)
        return sparse.csr_array(matrix)

    @cached_property
    def decay(self) -> sparse.csr_array:
        """Σ_k c_k†c_k, the operator of the total click rate."""
        self.require_constant("decay")
        zero = sparse.csr_array((self.dimension, self.dimension), dtype=np.complex128)
        return sum((sparse.csr_array(c.operator.conj().T @ c.operator) for c in self.channels), start=zero)

    @cached_property
    def H_eff(self) -> sparse.csr_array:
        """Effective Hamiltonian H − (i/2) Σ_k c_k†c_k, which drives a trajectory between clicks."""
        self.require_constant("H_eff")
        return sparse.csr_array(self.hamiltonian - 0.5j * self.decay)

    @cached_property
    def centred_H_eff(self) -> sparse.csr_array:
        """H_eff − Tr H/N: the constant affects neither clicks nor expectation values, but would cost digits where
        absolute energies enter.
        """
        constant = float(self.hamiltonian.diagonal().real.mean())
        return sparse.csr_array(self.H_eff - constant * sparse.eye_array(self.dimension, format="csr"))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of H, the channel names, all operators and envelopes, which identifies the physics."""
        return digest_of(self.to_arrays())

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return H and the jump operators by name, for a pickle-free NPZ."""
        named: dict[str, NDArray[Any]] = {"channel_names": np.array(self.channel_names)}
        if self.depends_on_time:
            named[TIME_DEPENDENCE] = np.array(as_text(self.time_dependence()))
        for key, matrix in [
            ("hamiltonian", self.hamiltonian),
            *((f"channel.{c.name}", c.operator) for c in self.channels),
            *((f"drive.{i}", d.operator) for i, d in enumerate(self.drives)),
        ]:
            named |= {
                f"{key}.data": matrix.data,
                f"{key}.indices": matrix.indices,
                f"{key}.indptr": matrix.indptr,
            }
        return named

    def time_dependence(self) -> dict[str, Any]:
        """Return the period and the envelopes of drives and channels, as values for JSON."""
        return {
            "period": self.period,
            "drives": [drive.envelope.to_dict() for drive in self.drives],
            "amplitudes": {c.name: c.amplitude.to_dict() for c in self.channels if c.amplitude is not None},
        }

    @classmethod
    def from_arrays(
        cls,
        named: Mapping[str, NDArray[Any]],
        space: HilbertSpace | None = None,
        parameters: dict[str, Any] | None = None,
        time_unit: Any = NATURAL,
    ) -> OpenSystem:
        """Rebuild a system from the arrays of `to_arrays`, and from properties that are not arrays."""

        def matrix(key: str) -> sparse.csr_array:
            size = len(named[f"{key}.indptr"]) - 1
            parts = tuple(named[f"{key}.{part}"] for part in ("data", "indices", "indptr"))
            return sparse.csr_array(parts, shape=(size, size))

        names = [str(name) for name in named["channel_names"]]
        time: dict[str, Any] = {"period": None, "drives": [], "amplitudes": {}}
        if TIME_DEPENDENCE in named:
            time = envelopes_from_text(str(named[TIME_DEPENDENCE]))
        channels = tuple(Channel(name, matrix(f"channel.{name}"), time["amplitudes"].get(name)) for name in names)
        drives = tuple(Drive(matrix(f"drive.{i}"), envelope) for i, envelope in enumerate(time["drives"]))
        return cls(matrix("hamiltonian"), channels, space, parameters or {}, drives, time["period"], time_unit)

    def __repr__(self) -> str:
        driven = f", drives={len(self.drives)}" if self.drives else ""
        driven += f", period={self.period:g}" if self.period is not None else ""
        driven += f", time_unit={self.time_unit.name!r}" if self.time_unit != NATURAL else ""
        return f"OpenSystem(dimension={self.dimension}, channels={list(self.channel_names)}{driven})"

    def _repr_html_(self) -> str:
        levels = "" if self.space is None else ", ".join(f"{k} {n}" for k, n in self.space.levels.items())
        period = "" if self.period is None else f"{self.period:g}"
        known = {"levels": levels, "channels": ", ".join(self.channel_names), "period": period}
        known["drives"] = str(len(self.drives) or "")
        known["unit of time"] = "" if self.time_unit == NATURAL else self.time_unit.name
        rows = [(name, value) for name, value in known.items() if value]
        rows += [(name, shown(value)) for name, value in self.parameters.items()]
        title = f"OpenSystem of dimension {self.dimension}"
        return Summary(title, ("", ""), rows, f"digest {self.digest[:12]}").html()
