"""examples/gallery: closed forms, purities against levels and clicks, validation of every system, the page."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from example_scripts import EXAMPLES, assert_pictures, read_table, run_example

import trajectories as tj
from trajectories import analysis as an

sys.path.append(str(EXAMPLES / "gallery"))

import cavity_bundles
import fluorescence
import fock_decay
import pair_source


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


@pytest.mark.parametrize(("n", "least"), [(2, 0.88), (3, 0.78)])
def test_bundles_are_pure_and_converged_at_their_resonance(n, least):
    windows = np.array([4.0, 6.0]) / cavity_bundles.SETTINGS[n][0]
    found = cavity_bundles.numbers(n, windows)
    assert found.max() > least
    np.testing.assert_allclose(found, cavity_bundles.numbers(n, windows, levels=n + 6), rtol=2e-3)
    assert 0.0 < cavity_bundles.resonance(n) - cavity_bundles.by_the_formula(n) < 0.1


def test_every_system_is_accepted_and_its_clicks_agree(walked):
    folder, said = walked
    assert len(re.findall(r"accepted: none of \d+ tests", said)) == 5
    table = read_table(folder / "gallery.csv")
    z = (table["clicks"] - table["exact"]) / table["standard_error"]
    assert len(z) == 8
    assert np.abs(z).max() < 4.5
    assert table["standard_error"].max() < 0.1  # so that the agreement says something


def test_the_page_is_there(walked):
    assert_pictures(walked[0], "gallery")
