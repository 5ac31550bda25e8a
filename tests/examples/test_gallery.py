"""examples/gallery: closed forms, what publications say, truncations, validation of every system, the page."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from example_scripts import EXAMPLES, assert_pictures, read_table, run_example

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad

sys.path.append(str(EXAMPLES / "gallery"))

import biexciton
import cavity_bundles
import dissipative_magnons
import fluorescence
import fock_decay
import josephson
import pair_source
import parity_photons
import stokes_phonons
import two_modes

EMITTERS = (
    cavity_bundles, stokes_phonons, parity_photons, biexciton, dissipative_magnons, josephson, two_modes,
)  # fmt: skip


@pytest.fixture(scope="module")
def walked(tmp_path_factory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("gallery")
    return folder, run_example("gallery/gallery.py", folder)


def test_fluorescence_follows_its_closed_forms(monkeypatch):
    for found, closed in fluorescence.numbers().values():
        assert found == pytest.approx(closed, rel=1e-8)
    # Planted fault: an emitter with half the drive of its formulae.
    weak = fluorescence.emitter()
    monkeypatch.setattr(
        fluorescence, "emitter", lambda: tj.OpenSystem(0.5 * weak.hamiltonian, weak.channels, weak.space)
    )
    found, closed = fluorescence.numbers()["click rate"]
    assert abs(found / closed - 1.0) > 0.1


def test_pairs_follow_wicks_theorem():
    for found, closed in pair_source.numbers().values():
        assert found == pytest.approx(closed, rel=1e-4)  # seven levels


def test_a_fock_state_is_counted_binomially():
    count = 4000
    record = tj.simulate(fock_decay.emitter(), count, 12.0, seed=1, initial=fock_decay.initial(), progress=False)
    counts = fock_decay.counted(record)

    def chi_squared(time: float) -> float:
        expected = count * fock_decay.counting_law(time)
        return float(((counts - expected) ** 2 / expected).sum())

    assert chi_squared(fock_decay.TIME) < 21.1  # three degrees of freedom: one record in 10⁴
    assert chi_squared(1.15 * fock_decay.TIME) > 40.0  # planted fault: a decay 15 % too fast
    wrong = tj.OpenSystem(
        fock_decay.emitter().hamiltonian,
        [tj.Channel("cavity", np.sqrt(1.15) * fock_decay.SPACE.lower("cavity"))],
        fock_decay.SPACE,
    )
    assert not an.validate(record, wrong, initial=fock_decay.initial()).accepted


@pytest.mark.parametrize("module", EMITTERS, ids=lambda module: module.__name__)
def test_what_publications_say_holds(module):
    for claim in module.claims():
        assert claim.holds, claim


def more_levels():
    """Return every emitter as drawn, and with more levels at the same detuning."""
    for n in (2, 3):
        yield cavity_bundles.bundles(n), cavity_bundles.bundles(n, n + 9)
        yield stokes_phonons.bundles(n), stokes_phonons.bundles(n, n + 10)
        yield josephson.bundles(n), josephson.bundles(n, levels=2 * n + 8)
    yield parity_photons.bundles(), parity_photons.bundles(10)
    for which in biexciton.SETTINGS:
        yield biexciton.bundles(which), biexciton.bundles(which, 10)
    for kappa in (dissipative_magnons.STRONG, dissipative_magnons.WEAK):
        yield dissipative_magnons.bundles(kappa), dissipative_magnons.bundles(kappa, 10)
    yield two_modes.bundles(), two_modes.bundles(levels=(4, 7))


def test_truncations_suffice():
    for drawn, larger in more_levels():
        window = np.array([4.0 / drawn.decay])
        np.testing.assert_allclose(drawn.purity(window), larger.purity(window), rtol=2e-3, err_msg=drawn.name)
        np.testing.assert_allclose(drawn.g2(), larger.g2(), rtol=2e-2, err_msg=drawn.name)


def test_resonances_lie_where_the_dressed_energies_say():
    for n in (2, 3):
        assert 0.0 < cavity_bundles.resonance(n) - cavity_bundles.by_the_formula(n) < 0.05
        assert stokes_phonons.resonance(n) == pytest.approx(stokes_phonons.by_the_formula(n), abs=1e-3)
    for which in biexciton.SETTINGS:
        assert biexciton.resonance(which) == pytest.approx(biexciton.by_the_formula(which), abs=0.2)
    assert josephson.zero_point(2) == pytest.approx(2.0, abs=1e-12)  # of x²/2 − 4x + 6


def test_red_light_leaves_no_phonons():
    """Planted fault of the Stokes process: the laser as far below the line."""
    red = lindblad.steady_state(stokes_phonons.emitter(2, -stokes_phonons.resonance(2)))
    rates = {name: float(rate.value) for name, rate in lindblad.rates(red).items()}
    assert rates["phonon"] < 0.1 * rates["atom"]


def test_a_force_on_the_field_breaks_the_protection():
    assert not parity_photons.claims(bias=0.02)[0].holds


def test_a_small_zero_point_phase_bunches_the_bundles():
    assert josephson.bundles(2, x=0.1).g2() > 5.0


def test_an_atom_that_flips_back_too_early_bunches_the_bundles():
    """The atom's decay must stay below κ/12: at κ/2 the next bundle is stimulated by the photons that are left."""
    antibunched, _ = two_modes.claims(gamma=0.5 * two_modes.KAPPA)
    assert not antibunched.holds


def test_every_system_is_accepted_and_its_clicks_agree(walked):
    folder, said = walked
    assert len(re.findall(r"accepted: none of \d+ tests", said)) == 15
    table = read_table(folder / "gallery.csv")
    z = (table["clicks"] - table["exact"]) / table["standard_error"]
    assert len(z) == 18
    assert np.abs(z).max() < 4.5
    assert table["standard_error"].max() < 0.1  # so that the agreement says something
    assert set(read_table(folder / "gallery_claims.csv")["verdict"]) == {"holds"}


def test_a_wrong_decay_is_refused():
    """Planted fault: clicks of an emitter whose mode decays 20 % faster than its model."""
    honest = josephson.emitter(2, josephson.zero_point(2))
    fast = tj.OpenSystem(
        honest.hamiltonian, [tj.Channel("resonator", np.sqrt(1.2) * honest.channels[0].operator)], honest.space
    )
    record = tj.simulate(fast, 64, 1e4, seed=1, progress=False)
    assert not an.validate(record, honest).accepted


def test_the_page_is_there(walked):
    assert_pictures(walked[0], "gallery")
