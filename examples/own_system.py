"""A system of your own: a two-photon bundle emitter, from its operators to validated bundle statistics.

    python examples/own_system.py --out runs/figures

A strongly driven atom in one cavity: where 2Δ_a ≈ E₊ − E₋, |0+⟩ turns into |2−⟩ and light leaves in photon pairs
(Sánchez Muñoz et al., Nat. Photon. 8, 550 (2014)). The unit is the atom's coupling g instead of ω_b.
"""

import numpy as np
from figures import figure, options, panel, save, style, timed, write_table
from scipy.optimize import minimize_scalar

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad

KAPPA, GAMMA, DRIVE, ATOM_DETUNING = 0.1, 0.003, 5.0, -10.0
SPACE = tj.HilbertSpace(cavity=6, atom=2)
N = SPACE.number("cavity")


def emitter(detuning: float) -> tj.OpenSystem:
    """Return H = Δ_a a†a + Δ_σ σ†σ + (a†σ + σ†a) + Ω(σ + σ†) with the channels √κ a and √γ σ."""
    a, sigma = SPACE.lower("cavity"), SPACE.lower("atom")
    h = detuning * N + ATOM_DETUNING * SPACE.number("atom")
    h = h + a.T @ sigma + sigma.T @ a + DRIVE * (sigma + sigma.T)
    channels = [tj.Channel("cavity", np.sqrt(KAPPA) * a), tj.Channel("atom", np.sqrt(GAMMA) * sigma)]
    return tj.OpenSystem(h, channels, SPACE, {"kappa": KAPPA})  # bundles: clicks closer than 3/κ


with timed():
    chosen = options(__doc__, clicks=40_000, quick_clicks=6_000)
    near = 0.5 * np.hypot(ATOM_DETUNING, 2 * DRIVE)  # the formula above; the coupling shifts the resonance
    search = {"bounds": (near - 0.3, near + 0.3), "method": "bounded", "options": {"xatol": 1e-4}}
    best = minimize_scalar(lambda x: -lindblad.steady_state(emitter(x)).expect(N @ N - N), **search)
    system = emitter(best.x)
    steady = lindblad.steady_state(system)
    rates = {name: rate.value for name, rate in lindblad.rates(steady).items()}
    record = tj.simulate(system, trajectories=64, duration=chosen.clicks / sum(rates.values()) / 64, seed=5)
    windows, edges = np.geomspace(1.0, 200.0, 25), np.linspace(-60.0, 60.0, 49)
    clicks, exact = an.purity(record, 2, windows), lindblad.purity(steady, 2, windows)
    poisson = an.accidental_purity(rates["cavity"], 2, windows)
    g2 = [side.g2(of, "cavity", "cavity", edges) for side, of in ((an, record), (lindblad, steady))]
    print(f"resonance at Δ_a = {best.x:.4f} g, by the formula {near:.4f} g")
    print(an.report.summary(record), an.validate(record, system), sep="\n")

    values = {"exact": exact, "clicks": clicks, "poisson": poisson}
    columns = {"window": windows} | {name: [e.value for e in estimates] for name, estimates in values.items()}
    write_table(chosen.out / "own_system.csv", columns | {"error": [e.standard_error for e in clicks]})
    style()
    left, right = (picture := figure(2.6)).subplots(1, 2)
    an.plot.purity(windows, {2: clicks}, {2: columns["exact"]}, {2: columns["poisson"]}, ax=left)
    an.plot.correlation(*g2, ax=right)
    left.set(xlabel=r"bundle window  $\delta$  ($1/g$)", ylabel=r"two-photon purity  $\pi_2(\delta)$")
    right.set(xlabel=r"lag  $\tau$  ($1/g$)", ylabel=r"$g^{(2)}(\tau)$ of the cavity")
    left.legend(loc="upper left")
    panel(left, "a")
    panel(right, "b")
    save(picture, chosen.out, "own_system")
