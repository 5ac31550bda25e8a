"""The cycle of a pair in the Mollow ladder, from computed energies: for Fig. 1(e), (f)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from figures import MODES
from matplotlib.axes import Axes
from scipy import linalg
from scipy.optimize import linear_sum_assignment

import trajectories as tj
from trajectories.analysis.plot.style import CHANNEL_COLOURS, GREY

# Height in ω_b that stands for one pump photon ω_d, which is 10⁵ times larger.
MANIFOLD = 3.4
# Horizontal positions of the levels of the cycle, and of all that are drawn.
CYCLE = {"vacuum + 2": 0.0, "pair -": 3.0, "photon -": 1.5, "other -": 1.5, "vacuum - 1": 0.0, "vacuum + 0": 0.0}
DRAWN = {**CYCLE, "vacuum - 2": 0.0, "vacuum + 1": 0.0, "vacuum - 0": 0.0}
HEAD = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, "mutation_scale": 8, "linewidth": 1.2}


@dataclass(frozen=True)
class Level:
    """A state |n_a n_b n_m ±⟩_k of the ladder.

    Energies are in the frame of the pump, in ω_b: `bare` is n_a(Δ_ad+Δ_F) + n_b ω_b + n_m ω_m + E_±, and `energy`
    the eigenvalue of the full H whose eigenvector carries the state, to the share `weight`. In the laboratory
    the energy of `quanta` = k + n_a pump photons is added.
    """

    label: str
    manifold: int
    quanta: int
    bare: float
    energy: float
    weight: float

    @property
    def height(self) -> float:
        """Where the level is drawn."""
        return self.energy + MANIFOLD * self.quanta

    @property
    def ket(self) -> str:
        """The state as it is written."""
        return f"|{self.label.replace('-', '−')}⟩$_{self.manifold}$"


@dataclass(frozen=True)
class Ladder:
    """The levels of one cycle |000+⟩₂ = |pair −⟩₁ → |single −⟩₁ → |000−⟩₁ → |000+⟩₀, by name."""

    resonator: tj.SpinningResonator
    pair: str
    gap: float
    levels: dict[str, Level]

    def columns(self) -> dict[str, list]:
        """Return the levels as columns of a table."""
        fields = ("label", "manifold", "quanta", "bare", "energy", "weight")
        rows = {name: [getattr(level, name) for level in self.levels.values()] for name in fields}
        return {"state": list(self.levels), **rows}


def ladder(resonator: tj.SpinningResonator, pair: str, levels: tuple[int, int, int]) -> Ladder:
    """Return the levels of a pair's cycle at the avoided crossing of |000+⟩ and the pair state.

    Parameters
    ----------
    resonator : SpinningResonator
        Parameters and direction; its own Δ_ad is ignored.
    pair : {"photon-phonon", "photon-magnon"}
        Which cycle.
    levels : tuple of int
        Truncation.
    """
    crossing = resonator.avoided_crossing(pair, levels)
    tuned = replace(resonator, detuning=crossing.detuning)
    space = tuned.space(levels)
    other = (1, 0) if pair == "photon-phonon" else (0, 1)
    quanta = {"vacuum": (0, 0, 0), "photon": (1, 0, 0), "other": (0, *other), "pair": (1, *other)}
    states = {f"{name} {sign}": (*n, sign) for name, n in quanta.items() for sign in "+-"}
    eigenvalues, vectors = linalg.eigh(tuned.hamiltonian(space).toarray())
    kets = np.array([tuned.dressed_ket(space, *state) for state in states.values()])
    share = np.abs(kets.conj() @ vectors) ** 2
    rows, columns = linear_sum_assignment(share, maximize=True)  # each state its own eigenvector
    energy_of = dict(zip("+-", tuned.dressed_energies(), strict=True))
    single = (tuned.detuning + tuned.signed_fizeau, 1.0, tuned.magnon_frequency)
    found = {}
    for row, column, (name, (a, b, m, sign)) in zip(rows, columns, states.items(), strict=True):
        bare = float(np.dot((a, b, m), single) + energy_of[sign])
        level = Level(f"{a}{b}{m}{sign}", 1, 1 + a, bare, float(eigenvalues[column]), float(share[row, column]))
        copies = {f"{name} {k}": replace(level, manifold=k, quanta=k) for k in (2, 1, 0)}
        found |= {name: level} if a + b + m else copies
    return Ladder(tuned, pair, crossing.gap, found)


def degenerate(cycle: Ladder) -> str:
    """Return a sentence on which states are degenerate, and that those of the printed caption are not."""
    upper, lower = cycle.levels["vacuum + 2"], cycle.levels["pair -"]
    printed = cycle.levels["pair +"].energy - cycle.levels["vacuum - 2"].energy
    return (
        f"{cycle.pair} at Δ_ad = {cycle.resonator.detuning:.6f}: |{upper.label}⟩ and |{lower.label}⟩ are"
        f" {abs(upper.energy - lower.energy):.3e} ω_b apart, 2 g_eff; with the caption's signs {printed:.3f}"
    )


def draw_ladder(ax: Axes, cycle: Ladder) -> None:
    """Draw the levels, to scale within a manifold, the degenerate transition and the emissions that follow it."""
    at = {name: level.height for name, level in cycle.levels.items()}
    second = cycle.pair.split("-")[1]
    for name, level in cycle.levels.items():
        if name in DRAWN:
            _draw_level(
                ax, level, DRAWN[name], "black" if name in CYCLE else GREY, left=name not in ("pair -", "other -")
            )
    emissions = [
        ((2.80, at["pair -"]), (1.62, at["photon -"]), second),
        ((3.10, at["pair -"]), (1.65, at["other -"]), "photon"),
        ((1.38, at["photon -"]), (0.28, at["vacuum - 1"]), "photon"),
        ((1.30, at["other -"]), (0.20, at["vacuum - 1"]), second),
        ((0.0, at["vacuum - 1"]), (0.0, at["vacuum + 0"]), "atom"),
    ]
    for start, end, channel in emissions:
        look = MODES.get(channel, {"color": CHANNEL_COLOURS["atom"], "linestyle": ":"})
        ax.annotate("", end, start, arrowprops={**HEAD, **look})
    for channel in ("photon", second, "atom"):
        look = MODES.get(channel, {"color": CHANNEL_COLOURS["atom"], "linestyle": ":"})
        ax.plot([], [], **look, label="atom’s photon" if channel == "atom" else channel)
    coupled = {**HEAD, "arrowstyle": "<|-|>", "linewidth": 1.6, "color": "black"}
    ax.annotate("", (2.7, at["pair -"]), (0.3, at["vacuum + 2"]), arrowprops=coupled)
    digits, power = f"{cycle.gap:.2e}".split("e")
    text = rf"degenerate but for  $2g_\mathrm{{eff}}={digits}\times10^{{{int(power)}}}\,\omega_b$"
    ax.text(1.5, at["pair -"] + 0.22, text, ha="center", va="bottom", fontsize=7)
    ax.set_xlim(-2.5, 5.5)
    ax.set_ylim(at["vacuum - 0"] - 0.5, at["pair -"] + 1.0)
    ax.set_xticks([0.0, 1.5, 3.0], ["vacuum", "single", "pair"])
    ax.set_xlabel(r"numbers: eigenvalues of $H$ ($\omega_b$); manifolds not to scale", fontsize=7)
    ax.set_yticks([])
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.legend(loc="lower right", title="emission of", title_fontsize=7)


def _draw_level(ax: Axes, level: Level, x: float, colour: str, left: bool) -> None:
    """Draw one level, with its name and its energy on one side."""
    ax.hlines(level.height, x - 0.3, x + 0.3, color=colour, linewidth=1.5)
    text = f"{level.ket}  {level.energy:+.3f}".replace("-", "−")
    place, align = (x - 0.38, "right") if left else (x + 0.38, "left")
    ax.text(place, level.height, text, color=colour, fontsize=7, ha=align, va="center")
