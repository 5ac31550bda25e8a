"""The paper's system: a strongly driven atom in a spinning YIG resonator (PRL 133, 043601)."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..blas import one_blas_thread
from ..checks import finite_number, one_of, shown
from ..errors import ConvergenceError, InvalidInput
from ..stages import staged
from .avoided_crossing import MAX_LOCATED, AvoidedCrossing, gap_between, locate
from .channel import Channel
from .drives import Drive
from .envelopes import Envelope
from .fizeau import DIRECTIONS
from .resonator_parameters import DRIVEN, checked_parameters, described
from .space import HilbertSpace
from .system import OpenSystem

PAIRS = ("photon-phonon", "photon-magnon")
# Drive direction and emitted pair of each regime (paper, Figs. 1 and 3).
REGIMES = {
    "blue": {"left": "photon-magnon"},
    "pink": {"right": "photon-phonon"},
    "orange": {"left": "photon-phonon", "right": "photon-magnon"},
}
# Decimals of the detuning of a named regime.
REGIME_DIGITS = 6


@dataclass(frozen=True)
class SpinningResonator:
    """Photon, phonon and magnon modes and a strongly driven atom in a spinning resonator.

    H = (Δ_ad + Δ_F) a†a + ω_b b†b + ω_m m†m + Δ_σd σ†σ + λ_ab (a†+a)(b†+b) + λ_am (a†+a)(m†+m)
    + λ_aσ (aσ† + a†σ) + ξ (σ†+σ), with Δ_σd = Δ_σa + Δ_ad. All frequencies are in units of ω_b, so ω_b = 1.

    The printed Eq. (1) of the paper has Δ_σa in front of σ†σ. Its dressed energies, resonance conditions and
    numbers hold for Δ_σd (the frame of the pump), which is used here.

    `detuning`, `drive` and `fizeau` may be envelopes instead of numbers: a swept Δ_ad(t), a pulsed ξ(t), a spin
    whose Δ_F(t) is modulated, of either sign.

    Parameters
    ----------
    direction : {"left", "right"}
        Side from which the resonator is driven: Δ_F = +|Δ_F| from the left, −|Δ_F| from the right.
    detuning : float
        Δ_ad, photon minus pump frequency. The default is the blue resonance.
    kappa : float or tuple of three floats
        Decay rate κ of photon, phonon and magnon (one for all, or one each).
    gamma : float
        Decay rate γ of the atom.
    drive : float
        ξ, drive of the atom.
    atom_detuning : float
        Δ_σa, atom minus photon frequency.
    magnon_frequency : float
        ω_m.
    fizeau : float
        |Δ_F|, not negative; the direction gives its sign.
    atom_coupling : float
        λ_aσ.
    phonon_coupling, magnon_coupling : float
        λ_ab and λ_am.
    thermal : tuple of three floats
        Mean thermal occupations of the photon, phonon and magnon baths. Where one is positive, emission
        becomes √(κ(n+1)) o and a channel ``"… absorption"`` with √(κn) o† is added.
    period : float, optional
        T, after which the envelopes repeat.

    Raises
    ------
    InvalidInput
        An unknown direction, a negative rate or occupation, or a value that is not finite.

    Examples
    --------
    >>> resonator = SpinningResonator(direction="left", detuning=1.3406)
    >>> resonator.system(levels=(5, 4, 4)).channel_names
    ('photon', 'phonon', 'magnon', 'atom')
    """

    direction: str = "left"
    detuning: float | Envelope = 1.3406
    kappa: float | tuple[float, float, float] = 0.005
    gamma: float = 0.001
    drive: float | Envelope = 0.8
    atom_detuning: float = -3.1
    magnon_frequency: float = 1.05
    fizeau: float | Envelope = 0.025
    atom_coupling: float = 0.3
    phonon_coupling: float = 0.022
    magnon_coupling: float = 0.022
    thermal: tuple[float, float, float] = (0.0, 0.0, 0.0)
    period: float | None = None

    def __post_init__(self) -> None:
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in checked_parameters(given).items():
            object.__setattr__(self, name, value)

    @classmethod
    def regime(
        cls,
        name: str,
        direction: str | None = None,
        levels: tuple[int, int, int] = (5, 4, 4),
        **parameters: Any,
    ) -> SpinningResonator:
        """Return the resonator tuned to one of the paper's regimes, its resonance located numerically.

        Parameters
        ----------
        name : {"blue", "pink", "orange"}
            Colour of the regime in the paper's Fig. 1.
        direction : {"left", "right"}, optional
            Drive direction; by default the one that emits pairs. The orange regime emits in both
            directions and needs it. In the other direction the same Δ_ad is kept.
        levels : tuple of int
            Truncation at which the resonance is located.
        **parameters
            Other parameters of `SpinningResonator`.

        Raises
        ------
        InvalidInput
            An unknown regime, the orange one without a direction, or a given detuning.
        """
        emitting = REGIMES[one_of(name, "regime", REGIMES)]
        if "detuning" in parameters:
            raise InvalidInput(
                f"regime={name!r} and detuning={shown(parameters['detuning'])} exclude each other; keep one"
            )
        if direction is None:
            if len(emitting) > 1:
                raise InvalidInput(f"the {name} regime emits in both directions; give direction='left' or 'right'")
            direction = next(iter(emitting))
        one_of(direction, "direction", DIRECTIONS)
        tuned_for = direction if direction in emitting else next(iter(emitting))
        tuned = cls(direction=tuned_for, **parameters)
        # Rounded far below the width of a resonance, 1e-3, because the last digits differ between machines and a
        # run is identified by its parameters.
        detuning = round(tuned.resonance(emitting[tuned_for], levels=levels), REGIME_DIGITS)
        return replace(tuned, direction=direction, detuning=detuning)

    def number(self, name: str) -> float:
        """Return a parameter, which must not depend on time."""
        value = getattr(self, name)
        if isinstance(value, Envelope):
            raise InvalidInput(f"{name} depends on time; use resonator.at(t)")
        return float(value)

    def at(self, t: float) -> SpinningResonator:
        """Return the resonator with the constant parameters of time `t`."""
        time = finite_number(t, "t")
        if self.period is not None:
            time -= self.period * float(np.floor(time / self.period))
        moment = {name: value for name in DRIVEN if isinstance(value := getattr(self, name), Envelope)}
        direction, values = self.direction, {name: float(value(time)) for name, value in moment.items()}
        if values.get("fizeau", 0.0) < 0.0:
            values["fizeau"] = -values["fizeau"]
            direction = "right" if direction == "left" else "left"
        changed: dict[str, Any] = {"direction": direction, "period": None, **values}
        return replace(self, **changed)

    @property
    def signed_fizeau(self) -> float:
        """Δ_F, positive when driven from the left."""
        return self.number("fizeau") * (1.0 if self.direction == "left" else -1.0)

    @property
    def pump_atom_detuning(self) -> float:
        """Δ_σd = Δ_σa + Δ_ad, atom minus pump frequency."""
        return self.atom_detuning + self.number("detuning")

    @property
    def kappas(self) -> tuple[float, float, float]:
        """Decay rates of photon, phonon and magnon."""
        if isinstance(self.kappa, tuple):
            return self.kappa
        return (self.kappa,) * 3

    def dressed_energies(self) -> tuple[float, float]:
        """Return (E₊, E₋) = Δ_σd/2 ± √(Δ_σd² + 4ξ²)/2, the energies of the driven atom."""
        half = 0.5 * self.pump_atom_detuning
        splitting = 0.5 * np.hypot(self.pump_atom_detuning, 2.0 * self.number("drive"))
        return float(half + splitting), float(half - splitting)

    def dressed_states(self) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
        """Return (|+⟩, |−⟩) as vectors over (|g⟩, |e⟩): eigenvectors of Δ_σd σ†σ + ξ(σ† + σ)."""
        drive = self.number("drive")
        atom = np.array([[0.0, drive], [drive, self.pump_atom_detuning]])
        _, vectors = np.linalg.eigh(atom)
        lower, upper = (v * np.sign(v[0] if v[0] != 0 else 1.0) for v in vectors.T)
        return upper.astype(np.complex128), lower.astype(np.complex128)

    def dressed_ket(
        self, space: HilbertSpace, photon: int, phonon: int, magnon: int, sign: str
    ) -> NDArray[np.complex128]:
        """Return |photon, phonon, magnon, ±⟩ as a vector over `space`; `sign` is ``"+"`` or ``"-"``.

        Raises
        ------
        InvalidInput
            A sign other than + or −, or occupations outside the truncation.
        """
        if sign not in ("+", "-", "−"):
            raise InvalidInput(f"sign={sign!r} must be '+' or '-'")
        ground, excited = self.dressed_states()[0 if sign == "+" else 1]
        quanta = {"photon": photon, "phonon": phonon, "magnon": magnon}
        return ground * space.ket(**quanta, atom="g") + excited * space.ket(**quanta, atom="e")

    def hamiltonian(self, space: HilbertSpace) -> sparse.csr_array:
        """Return the constant terms of H on `space`, which has subsystems photon, phonon, magnon and atom."""
        a, b, m, s = (space.lower(name) for name in ("photon", "phonon", "magnon", "atom"))
        nothing: dict[str, Any] = {name: 0.0 for name, *_ in self._driven(space)}
        constant = replace(self, period=None, **nothing)
        if constant != self:
            return constant.hamiltonian(space)
        free = sparse.diags_array(self.free_energies(space), format="csr")
        # Each product has its lowering operators to the right, so that a cut-off of the total excitation
        # truncates a term and its conjugate alike and H stays Hermitian.
        raising = (
            self.phonon_coupling * (a.conj().T @ b + (a @ b).conj().T)
            + self.magnon_coupling * (a.conj().T @ m + (a @ m).conj().T)
            + self.atom_coupling * (s.conj().T @ a)
            + self.number("drive") * s.conj().T
        )
        return sparse.csr_array(free + raising + raising.conj().T)

    def free_energies(self, space: HilbertSpace) -> NDArray[np.float64]:
        """Return the diagonal of H: the energies of the basis states without couplings and drive."""
        photon, phonon, magnon, atom = (
            space.occupations[:, space.names.index(name)].astype(float)
            for name in ("photon", "phonon", "magnon", "atom")
        )
        return (
            (self.number("detuning") + self.signed_fizeau) * photon
            + phonon
            + self.magnon_frequency * magnon
            + self.pump_atom_detuning * atom
        )

    def system(self, levels: tuple[int, int, int] = (5, 4, 4), max_quanta: int | None = None) -> OpenSystem:
        """Return the open system at a truncation.

        Parameters
        ----------
        levels : tuple of int
            Fock levels of photon, phonon and magnon.
        max_quanta : int, optional
            Cut-off of the total number of quanta; see `HilbertSpace`.

        Returns
        -------
        OpenSystem
            The system, with channels photon, phonon, magnon, atom, and an absorption channel for each warm bath.

        Raises
        ------
        InvalidInput
            Level counts that are not three integers of at least 2.
        """
        space = self.space(levels, max_quanta)
        channels = []
        for name, rate, occupation in zip(space.modes, self.kappas, self.thermal, strict=True):
            channels.append(Channel(name, np.sqrt(rate * (occupation + 1.0)) * space.lower(name)))
            if occupation > 0:
                raising = np.sqrt(rate * occupation) * space.lower(name).conj().T
                channels.append(Channel(f"{name} absorption", sparse.csr_array(raising)))
        channels.append(Channel("atom", np.sqrt(self.gamma) * space.lower("atom")))
        drives = tuple(Drive(operator, envelope) for _, operator, envelope in self._driven(space))
        return OpenSystem(self.hamiltonian(space), tuple(channels), space, self.provenance(), drives, self.period)

    def _driven(self, space: HilbertSpace) -> list[tuple[str, sparse.csr_array, Envelope]]:
        """Return the parameters that depend on time: name, operator in H, and envelope."""
        sigma = space.lower("atom")
        sign = 1.0 if self.direction == "left" else -1.0
        operators = {
            "detuning": lambda: space.number("photon") + space.number("atom"),
            "drive": lambda: sigma + sigma.conj().T,
            "fizeau": lambda: sign * space.number("photon"),
        }
        given = {name: getattr(self, name) for name in DRIVEN}
        return [(name, operators[name](), f) for name, f in given.items() if isinstance(f, Envelope)]

    def provenance(self) -> dict[str, Any]:
        """Return the parameters as plain numbers and strings, for records and JSON."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.period is None:  # keeps the description of constant systems unchanged
            del values["period"]
        return {"model": "SpinningResonator"} | {name: described(value) for name, value in values.items()}

    @staged("locating the resonance")
    def resonance(self, pair: str, levels: tuple[int, int, int] = (4, 4, 4)) -> float:
        """Return the Δ_ad of the smallest gap between |000+⟩ and the pair state; see `avoided_crossing`."""
        return self.avoided_crossing(pair, levels).detuning

    @one_blas_thread()
    def avoided_crossing(self, pair: str, levels: tuple[int, int, int] = (4, 4, 4)) -> AvoidedCrossing:
        """Locate the avoided crossing of |000+⟩ and a pair state in the closed system.

        The search starts from (Δ_ad + Δ_F) + ω_o = √(Δ_σd² + 4ξ²), which the couplings shift by about
        0.02, and minimises the gap between the two eigenstates of H that carry the two states. `detuning` is
        not used. The result is cached.

        Parameters
        ----------
        pair : {"photon-phonon", "photon-magnon"}
            Pair state |110−⟩ or |101−⟩.
        levels : tuple of int
            Truncation.

        Returns
        -------
        AvoidedCrossing
            Δ_ad and the gap, which is twice the effective coupling.

        Raises
        ------
        InvalidInput
            An unknown pair, or more than 7000 basis states.
        ConvergenceError
            No crossing near the formula's value for these parameters.
        """
        one_of(pair, "pair", PAIRS)
        space = self.space(levels)
        if space.dimension > MAX_LOCATED:
            raise InvalidInput(
                f"levels={shown(levels)} give dimension {space.dimension}, above the {MAX_LOCATED} for which a "
                "resonance can be located; give fewer levels, or the detuning"
            )
        photon, phonon, magnon, _ = space.levels.values()
        return _crossing_near(replace(self, detuning=self._bare_resonance(pair)), pair, (photon, phonon, magnon))

    def _bare_resonance(self, pair: str) -> float:
        """Solve Δ + Δ_F + ω_o = √((Δ_σa + Δ)² + 4ξ²) for Δ; squaring makes it linear."""
        offset = self.signed_fizeau + (1.0 if pair == "photon-phonon" else self.magnon_frequency)
        if offset == self.atom_detuning:
            raise ConvergenceError(f"no {pair} resonance: Δ_σa={self.atom_detuning} equals Δ_F + ω_o")
        numerator = self.atom_detuning**2 + 4.0 * self.number("drive") ** 2 - offset**2
        return numerator / (2.0 * (offset - self.atom_detuning))

    @staticmethod
    def space(levels: tuple[int, int, int], max_quanta: int | None = None) -> HilbertSpace:
        """Return the Hilbert space at a truncation; see `system`."""
        try:
            photon, phonon, magnon = levels
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"levels={shown(levels)} must be three integers: photon, phonon, magnon") from error
        return HilbertSpace(max_quanta=max_quanta, photon=photon, phonon=phonon, magnon=magnon, atom=2)


@functools.lru_cache(maxsize=256)
def _crossing_near(first: SpinningResonator, pair: str, levels: tuple[int, int, int]) -> AvoidedCrossing:
    """Return the crossing near the detuning of a resonator, from some sixty spectra; cached."""
    space = first.space(levels)
    phonon, magnon = (1, 0) if pair == "photon-phonon" else (0, 1)
    couplings = first.hamiltonian(space).real - sparse.diags_array(first.free_energies(space))  # H is real

    def gap(detuning: float) -> float:
        """Distance of the two eigenvalues whose eigenvectors carry |000+⟩ and the pair state."""
        moved = replace(first, detuning=detuning)
        hamiltonian = sparse.csc_array(couplings + sparse.diags_array(moved.free_energies(space)))
        states = moved.dressed_ket(space, 0, 0, 0, "+"), moved.dressed_ket(space, 1, phonon, magnon, "-")
        return gap_between(hamiltonian, np.array(states))

    return locate(gap, first.number("detuning"), pair)
