"""A start in the periodic state by running for some periods before, where ρ is not solved for."""

import numpy as np
import pytest

import trajectories as tj
from trajectories import lindblad
from trajectories.engine.blocks import BlockTask, run_block
from trajectories.engine.compiled import CompiledSystem, compile_system
from trajectories.errors import ConvergenceError, SteadyStateNotUnique
from trajectories.simulation import preparation, warm_up

SIGMA = tj.HilbertSpace(atom=2).lower("atom")
FLIP = SIGMA + SIGMA.T
GROUND = np.array([1.0, 0.0])


def train(decay=0.3, period=20.0):
    """An atom that is still excited when the next pulse comes: a sixth of it with the first decay."""
    drive = tj.Drive(FLIP, tj.Gaussian(10.0, 1.0, 0.5))
    return tj.OpenSystem(0 * SIGMA, [tj.Channel("atom", decay * SIGMA)], drives=[drive], period=period)


@pytest.fixture(autouse=True)
def _always(monkeypatch):
    monkeypatch.setattr(preparation, "LONGEST_EXACT", 0.0)


def test_clicks_are_those_of_the_periodic_state(monkeypatch):
    """Clicks before the first pulse, 8,000 trajectories: within 4σ; without the periods before there is none."""
    state = lindblad.periodic_state(train())
    exact = float(lindblad.click_density(state, "atom", np.array([0.0, 6.0])).value[0] * 6.0)
    record = tj.simulate(train(), 8000, 20.0, seed=3, progress=False)
    seen = (record.time < 6.0).sum() / 8000
    sigma = np.sqrt(exact * (1.0 - exact) / 8000)
    assert exact > 20.0 * sigma
    assert abs(seen - exact) < 4.0 * sigma
    told = record.provenance["periodic_state"]
    brightness = lindblad.brightness(state, "atom").value
    # 64 trajectories of some tens of periods.
    assert abs(told["clicks_per_pulse"]["atom"] / brightness - 1.0) < 0.2
    assert told["left_of_the_start"] <= 1e-8
    # e^(−γT) = 0.17 is what a period leaves of the atom's population, and 3σ of the pilot come on top.
    assert 0.1 < told["memory"] < 0.6
    found = warm_up.warmed_up

    def without(*given):
        compiled, what = found(*given)
        from dataclasses import replace

        return replace(compiled, warm_up=0.0), what

    monkeypatch.setattr(preparation, "warmed_up", without)
    record = tj.simulate(train(), 2000, 20.0, seed=3, progress=False)  # whose σ is twice as large
    assert abs((record.time < 6.0).sum() / 2000 - exact) > 10.0 * 2.0 * sigma


def test_records_do_not_depend_on_blocks_workers_or_files(tmp_path):
    whole = tj.simulate(train(), 40, 100.0, seed=2, progress=False, workers=1)
    tj.simulate(train(), 15, 100.0, seed=2, progress=False, out=tmp_path / "run")
    again = tj.simulate(train(), 40, 100.0, seed=2, progress=False, workers=2, out=tmp_path / "run")
    np.testing.assert_array_equal(again.time, whole.time)
    compiled, _ = warm_up.warmed_up(train(), compile_system(train(), GROUND))
    restored = CompiledSystem.from_arrays(compiled.to_arrays())
    assert restored.warm_up == compiled.warm_up > 0.0
    blocks = [run_block(one, BlockTask(3, 9, 2, 100.0)) for one in (compiled, restored)]
    np.testing.assert_array_equal(blocks[0].time, blocks[1].time)


def test_what_forgets_too_slowly_is_refused():
    with pytest.raises(ConvergenceError, match=r"no periodic state to start from.*give initial="):
        tj.simulate(train(decay=1e-4), 1, 20.0, seed=1, progress=False)


def test_trajectories_that_remain_apart_are_noticed():
    random = np.random.default_rng(1)
    one = random.normal(size=(64, 20, 1))
    warm_up._require_one_state(one, 0.1)
    with pytest.raises(SteadyStateNotUnique, match="not unique"):
        warm_up._require_one_state(one + 2.0 * (np.arange(64) % 2)[:, None, None], 0.1)


def test_small_systems_start_from_the_exact_state(monkeypatch):
    monkeypatch.undo()
    record = tj.simulate(train(), 2, 20.0, seed=1, progress=False)
    assert record.provenance["periodic_state"]["residual"] < 1e-10
    big = tj.SpinningResonator(detuning=1.3406, drive=0.8 * tj.Square(0.0, 100.0), period=4000.0)
    assert preparation.periodic_seconds(big.system((6, 6, 6))) > preparation.LONGEST_EXACT
    assert preparation.periodic_seconds(big.system((3, 2, 3))) < preparation.LONGEST_EXACT
