"""examples/figure_1.py at reduced size: regimes, resonances, ladder; and examples/fizeau_shift.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from example_scripts import assert_pictures, load_example, read_table, rows_of, run_example
from scipy import linalg

import trajectories as tj
from trajectories import lindblad

LEVELS = (3, 3, 3)  # of --quick
REGIMES = {
    ("left", "photon-magnon"): "blue",
    ("right", "photon-phonon"): "pink",
    ("left", "photon-phonon"): "orange",
    ("right", "photon-magnon"): "orange",
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("figure_1")
    run_example("figure_1.py", folder)
    return folder


@pytest.fixture(scope="module")
def resonances(drawn: Path) -> dict[tuple[str, str], dict]:
    return {(row["direction"], row["pair"]): row for row in rows_of(drawn / "figure_1_resonances.csv")}


def test_the_regimes_are_found_and_named_as_in_the_paper(resonances):
    assert {key: row["regime"] for key, row in resonances.items()} == REGIMES


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (("left", "photon-magnon"), 1.3406),
        (("right", "photon-phonon"), 1.3984),
        (("left", "photon-phonon"), 1.3694),
        (("right", "photon-magnon"), 1.3695),
    ],
)
def test_resonances_lie_beside_the_closed_crossing_and_at_the_known_places(resonances, key, expected):
    direction, pair = key
    row = resonances[key]
    crossing = tj.SpinningResonator(direction=direction).avoided_crossing(pair, LEVELS)
    assert row["crossing"] == pytest.approx(crossing.detuning, abs=1e-9)
    assert abs(row["resonance"] - crossing.detuning) < 2e-4  # decay shifts the maximum by about 1e-4
    # Three levels a mode move it by 5e-4; the finer truncation is as good as the four levels of the known places.
    assert row["finer_resonance"] == pytest.approx(expected, abs=1e-4)
    assert 2e-4 < abs(row["finer_resonance"] - row["resonance"]) < 8e-4
    assert row["low"] < row["resonance"] < row["high"]
    # Planted fault: the other direction has its crossing elsewhere.
    reversed_drive = tj.SpinningResonator(direction="left" if direction == "right" else "right")
    assert abs(row["resonance"] - reversed_drive.avoided_crossing(pair, LEVELS).detuning) > 0.02


def test_each_pair_is_excited_from_one_side_only(drawn, resonances):
    spectra = {d: read_table(drawn / f"figure_1_spectrum_{d}.csv") for d in ("left", "right")}
    for (direction, pair), row in resonances.items():
        other = spectra["left" if direction == "right" else "right"]
        mine = spectra[direction]
        at = int(np.argmin(np.abs(mine["detuning"] - row["resonance"])))
        assert mine[pair][at] == pytest.approx(row["pair_population"], rel=1e-9)
        silent = np.interp(row["resonance"], other["detuning"], other[pair])
        assert row["pair_population"] > 15.0 * silent
        assert row["other_direction"] == pytest.approx(silent, rel=1e-9)
        # S of the pair's second mode peaks there too, S_a only on top of the broad two-photon resonance.
        partner = pair.split("-")[1]
        assert mine["detuning"][np.argmax(mine[partner])] == pytest.approx(row["resonance"], abs=1e-3)


def test_degenerate_levels_are_2_g_eff_apart_and_the_emissions_lead_home(drawn, resonances):
    for pair, direction, label in (("photon-phonon", "left", "110-"), ("photon-magnon", "right", "101-")):
        row = resonances[direction, pair]
        cycle = read_table(drawn / f"figure_1_ladder_{pair}.csv")
        energy = dict(zip(cycle["state"], cycle["energy"], strict=True))
        bare = dict(zip(cycle["state"], cycle["bare"], strict=True))
        assert label in cycle["label"]
        gap = abs(energy["vacuum + 2"] - energy["pair -"])
        assert gap == pytest.approx(2.0 * row["effective_coupling"], rel=1e-5)
        # They are two neighbouring eigenvalues of H, found here without the script.
        tuned = tj.SpinningResonator(direction=direction, detuning=float(row["crossing"]))
        eigenvalues = linalg.eigvalsh(tuned.system(LEVELS).hamiltonian.toarray())
        for name in ("vacuum + 2", "pair -", "photon -", "other -", "vacuum - 1"):
            assert np.abs(eigenvalues - energy[name]).min() < 1e-9
            assert abs(energy[name] - bare[name]) < 0.06  # the couplings move no level further
        # Emitted: ω_o of phonon or magnon, whichever comes first, to the couplings' accuracy.
        omega = 1.0 if pair == "photon-phonon" else 1.05
        assert energy["pair -"] - energy["photon -"] == pytest.approx(omega, abs=0.02)
        assert energy["other -"] - energy["vacuum - 1"] == pytest.approx(omega, abs=0.02)
        # The states that the printed caption calls degenerate are not.
        assert energy["pair +"] - energy["vacuum - 2"] > 4.0


def test_without_rotation_nothing_is_blue_or_pink():
    """Planted fault: a resonator at rest; the names come from the difference of the two directions."""
    script = load_example("figure_1.py")
    spectra = {
        direction: lindblad.excitation_spectrum(
            tj.SpinningResonator(direction=direction, fizeau=0.0), np.linspace(1.34, 1.42, 5), (3, 2, 3)
        )
        for direction in ("left", "right")
    }
    peaks = script.find_regimes(spectra)
    assert len(peaks) >= 2
    assert {peak.regime for peak in peaks} == {"orange"}


def test_the_half_maximum_of_a_lorentzian_is_its_width():
    script = load_example("figure_1.py")
    x = np.sort(np.append(np.linspace(1.2, 1.5, 601), 1.3333))
    lorentzian = 0.01 / (1.0 + ((x - 1.3333) / 0.005) ** 2)
    spectrum = lindblad.excitation_spectrum(tj.SpinningResonator(), [1.2], (2, 2, 2))
    values = {name: getattr(spectrum, name) for name in ("direction", "levels", "added", "residuals", "top_level")}
    made = lindblad.Spectrum(
        **values,
        detunings=x,
        populations={},
        pairs={"photon-magnon": lorentzian},
        resonances={"photon-magnon": 1.3333},
    )
    peak = script.half_maximum(made, "photon-magnon")
    assert (peak.low, peak.high) == pytest.approx((1.3283, 1.3383), abs=2e-5)


def test_the_pictures_are_there(drawn):
    assert_pictures(drawn, "figure_1")


def test_fifty_megahertz_need_the_same_rim_speed_whatever_the_radius(tmp_path):
    run_example("fizeau_shift.py", tmp_path)
    assert_pictures(tmp_path, "fizeau_shift")
    rows = rows_of(tmp_path / "fizeau_shift.csv")
    for row in rows:
        omega = 2.0 * np.pi * row["spin_Hz"]
        assert row["rim_m_per_s"] == pytest.approx(omega * row["radius_m"], rel=1e-9)
        # The paper's formula, written out: ω_a n v [1 − 1/n² − (λ/n) n']/c with ω_a/c = 2π/λ.
        n, wavelength = 2.2, 1.55e-6
        bracket = 1.0 - 1.0 / n**2 - wavelength / n * row["dispersion_per_m"]
        shift = 2.0 * np.pi / wavelength * n * row["rim_m_per_s"] * bracket
        assert shift / (2.0 * np.pi) == pytest.approx(50e6, rel=1e-9)
    still = [row["rim_m_per_s"] for row in rows if row["dispersion_per_m"] == 0.0]
    assert still == pytest.approx([44.4] * len(still), abs=0.05)
