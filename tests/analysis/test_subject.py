"""validate, fit and analyse take the clicks as a record, a run or a path, and the model in the same way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click_systems import driven_atom, watch

import trajectories as tj
from trajectories import analysis as an
from trajectories.errors import InvalidInput

SYSTEM = driven_atom(1.0, 0.4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("subject") / "run"
    watch(SYSTEM, 60, 60.0, seed=5, out=path)
    return path


def forms(folder: Path) -> list:
    return [folder, str(folder), tj.Run.open(folder), tj.load(folder)]


def test_every_form_gives_the_same_estimates(folder):
    found = [an.rates(clicks)["atom"] for clicks in forms(folder)]
    assert len(set(found)) == 1


def test_validate_takes_the_model_of_the_run_or_another(folder):
    tables = [str(an.validate(clicks, SYSTEM)) for clicks in forms(folder)]
    tables += [str(an.validate(clicks)) for clicks in forms(folder)[:3]]
    assert len(set(tables)) == 1
    assert not an.validate(folder, driven_atom(1.0, 1.2)).accepted


def test_analyse_takes_the_model_of_the_run_or_another(folder):
    numbers = [str(an.analyse(clicks, SYSTEM).numbers) for clicks in forms(folder)]
    numbers += [str(an.analyse(clicks).numbers) for clicks in forms(folder)[:3]]
    assert len(set(numbers)) == 1
    assert str(an.analyse(tj.load(folder)).numbers) != numbers[0]  # without a model nothing is exact
    with pytest.raises(InvalidInput, match="has its own system"):
        an.analyse(folder, SYSTEM, exact_values=an.ExactValues(SYSTEM))


def test_fit_takes_every_form(folder):
    def family(rabi: float) -> tj.OpenSystem:
        return driven_atom(rabi, 0.4)

    found = [an.fit(clicks, family, {"rabi": 0.9}, profile=False)["rabi"] for clicks in forms(folder)]
    assert len(set(found)) == 1


def test_a_run_from_a_given_state_is_held_against_that_state(tmp_path):
    excited = np.array([0.0, 1.0])
    watch(SYSTEM, 400, 12.0, seed=6, out=tmp_path / "run", initial=excited)
    assert an.validate(tmp_path / "run").accepted
    assert not an.validate(tmp_path / "run", initial=np.array([1.0, 0.0])).accepted
