"""What exact computations keep in a file is read back unchanged, and never taken for another system."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from systems_with_answers import paper_system

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad
from trajectories.analysis.report.exact_model_file import is_kept_file, read_kept, write_kept
from trajectories.analysis.report.folder import AnalysisFolder
from trajectories.errors import InvalidInput
from trajectories.lindblad.solver import solver_of
from trajectories.records.files import pack, unpack

DIGEST = "ab" * 32


@pytest.fixture
def kept():
    steady = lindblad.steady_state(paper_system((2, 2, 2))).with_solver("reduced")
    lindblad.g2(steady, "photon", "magnon", [0.0, 600.0])
    return solver_of(steady).kept


def test_it_comes_back_as_it_was(tmp_path, kept):
    path = tmp_path / "exact_model.npz"
    write_kept(path, kept, DIGEST)
    back = read_kept(path, DIGEST)
    assert back.keys() == kept.keys()
    assert len(back) > 2
    for name, array in kept.items():
        np.testing.assert_array_equal(back[name], array)
        assert back[name].dtype == array.dtype
    assert is_kept_file(path)
    assert read_kept(tmp_path / "none.npz", DIGEST) == {}


def test_of_another_system_it_is_left_alone(tmp_path, kept):
    path = tmp_path / "exact_model.npz"
    write_kept(path, kept, DIGEST)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_kept(path, "cd" * 32) == {}


@pytest.mark.parametrize("fault", ["value", "name", "cut", "foreign"])
def test_a_damaged_or_edited_file_is_not_used(tmp_path, kept, fault):
    path = tmp_path / "exact_model.npz"
    write_kept(path, kept, DIGEST)
    arrays = unpack(path)
    name = next(key for key in arrays if key in kept)
    if fault == "value":
        arrays[name] = 1.1 * arrays[name]
    elif fault == "name":
        arrays["0" * 64] = arrays.pop(name)
    path.write_bytes(pack(arrays) if fault in ("value", "name") else path.read_bytes()[:-300])
    if fault == "foreign":
        path.write_text("mine")
    with pytest.warns(UserWarning, match="damaged or was edited"):
        assert read_kept(path, DIGEST) == {}
    if fault == "foreign":
        with pytest.raises(InvalidInput, match="not written by an analysis"):
            AnalysisFolder(tmp_path)
        assert path.read_text() == "mine"


@pytest.mark.filterwarnings("ignore::trajectories.errors.TruncationWarning")
def test_validate_takes_what_was_kept():
    system = paper_system((2, 2, 2))
    record = tj.simulate(system, trajectories=40, duration=5e4, seed=3, progress=False)
    kept = {}
    first = an.validate(record, system, kept=kept)
    again = an.validate(record, system, kept=dict(kept))
    assert str(first) == str(again)
