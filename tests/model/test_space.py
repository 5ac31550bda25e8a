"""HilbertSpace: basis order, labels, truncation and operators."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trajectories as tj
from trajectories.errors import InvalidInput

PAPER = {"photon": 3, "phonon": 2, "magnon": 2, "atom": 2}


def dense(operator) -> np.ndarray:
    return operator.toarray()


def kron_lower(levels: dict[str, int], name: str) -> np.ndarray:
    """Return the lowering operator as a Kronecker product of dense factors, in the order given."""
    total = np.ones((1, 1))
    for mode, count in levels.items():
        total = np.kron(total, np.diag(np.sqrt(np.arange(1.0, count)), 1) if mode == name else np.eye(count))
    return total


@pytest.mark.parametrize("name", list(PAPER))
def test_operators_are_kronecker_products_in_the_order_given(name):
    space = tj.HilbertSpace(**PAPER)
    np.testing.assert_array_equal(dense(space.lower(name)), kron_lower(PAPER, name))
    np.testing.assert_allclose(
        dense(space.number(name)), kron_lower(PAPER, name).T @ kron_lower(PAPER, name), atol=1e-15
    )


def test_atoms_come_last_whatever_the_order_they_were_named_in():
    space = tj.HilbertSpace(atom=2, photon=3, atom_b=2, phonon=2)
    assert space.names == ("photon", "phonon", "atom", "atom_b")
    assert space.modes == ("photon", "phonon")
    assert space.index(photon=1, atom="e", atom_b="g") == 1 * 8 + 0 * 4 + 1 * 2 + 0


def test_ground_is_index_0_and_excited_index_1():
    space = tj.HilbertSpace(atom=2)
    np.testing.assert_array_equal(dense(space.lower("atom")), [[0, 1], [0, 0]])
    assert space.labels == ("|g⟩", "|e⟩")


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(
    levels=st.lists(st.integers(2, 4), min_size=1, max_size=3),
    atom=st.booleans(),
    max_quanta=st.one_of(st.none(), st.integers(1, 8)),
)
def test_labels_indices_occupations_and_kets_agree(levels, atom, max_quanta):
    named = {f"m{k}": count for k, count in enumerate(levels)} | ({"atom": 2} if atom else {})
    space = tj.HilbertSpace(max_quanta=max_quanta, **named)
    assert space.dimension == len(space.labels) == len(space.occupations)
    assert len(set(space.labels)) == space.dimension
    for row, occupation in enumerate(space.occupations):
        state = dict(zip(space.names, occupation.tolist(), strict=True))
        assert space.index(**state) == row
        assert space.ket(**state)[row] == 1.0
        assert np.count_nonzero(space.ket(**state)) == 1
        if max_quanta is not None:
            assert sum(state[mode] for mode in space.modes) <= max_quanta
    # Every state that the cut-off allows is there, in the order of the full product.
    full = tj.HilbertSpace(**named)
    quanta = full.occupations[:, : len(full.modes)].sum(axis=1)
    kept = full.occupations[quanta <= max_quanta] if max_quanta is not None else full.occupations
    np.testing.assert_array_equal(space.occupations, kept)
    for name in space.names:
        lower = dense(space.lower(name))
        np.testing.assert_allclose(lower.conj().T @ lower, dense(space.number(name)), atol=1e-14)
        cut = full.lower(name).toarray()[np.ix_(*[[full.labels.index(label) for label in space.labels]] * 2)]
        np.testing.assert_array_equal(lower, cut)


def test_the_cut_off_does_not_count_atoms():
    space = tj.HilbertSpace(max_quanta=1, photon=4, phonon=4, atom=2)
    assert sorted(space.labels) == sorted(["|0,0,g⟩", "|0,0,e⟩", "|1,0,g⟩", "|1,0,e⟩", "|0,1,g⟩", "|0,1,e⟩"])


def test_top_levels_mark_the_edge_of_the_truncation():
    space = tj.HilbertSpace(max_quanta=3, photon=3, phonon=3, atom=2)
    edges = space.top_levels()
    assert set(edges) == {"photon", "phonon", "max_quanta"}
    for row, (photon, phonon, _) in enumerate(space.occupations):
        assert edges["photon"][row] == (photon == 2)
        assert edges["phonon"][row] == (phonon == 2)
        assert edges["max_quanta"][row] == (photon + phonon == 3)


def test_a_space_cannot_be_changed_behind_its_back():
    space = tj.HilbertSpace(photon=3)
    with pytest.raises((ValueError, TypeError)):
        space.occupations[0, 0] = 7
    with pytest.raises(TypeError):
        space.levels["photon"] = 9


def test_numpy_integers_are_integers():
    assert tj.HilbertSpace(photon=np.int64(3), max_quanta=np.int32(1)).dimension == 2


def test_a_space_says_how_to_make_it():
    assert repr(tj.HilbertSpace(max_quanta=3, photon=5, atom=2)) == "HilbertSpace(max_quanta=3, photon=5, atom=2)"


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ({}, "no subsystem"),
        ({"photon": 1}, "photon=1"),
        ({"photon": 0}, "photon=0"),
        ({"photon": -3}, "photon=-3"),
        ({"photon": 2.5}, "photon=2.5"),
        ({"photon": True}, "photon=True"),
        ({"photon": "5"}, "photon='5'"),
        ({"photon": None}, "photon=None"),
        ({"photon": float("nan")}, "photon=nan"),
        ({"atom": 1}, "atom=1"),
        ({"photon": 3, "max_quanta": 0}, "max_quanta=0"),
        ({"photon": 3, "max_quanta": 1.5}, "max_quanta=1.5"),
        ({"photon": 3, "max_quanta": True}, "max_quanta=True"),
        ({"photon": 10**6, "phonon": 10**6}, "lower them"),
        pytest.param({"photon": 10**400}, "photon|lower", id="more than a float holds"),
    ],
)
def test_what_is_no_space_is_refused(levels, message):
    with pytest.raises(InvalidInput, match=message) as refusal:
        tj.HilbertSpace(**levels)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "occupations",
    [
        {"photon": 3},
        {"photon": -1},
        {"photon": 1.7},
        {"photon": "x"},
        {"photon": None},
        {"magnon": 0},
        {"atom": 2},
        {"atom": "up"},
        {"photon": "e"},
        {"photon": 2, "phonon": 1},
    ],
    ids=str,
)
def test_states_that_are_not_there_are_refused(occupations):
    space = tj.HilbertSpace(max_quanta=2, photon=3, phonon=3, atom=2)
    with pytest.raises(InvalidInput):
        space.index(**occupations)
    with pytest.raises(InvalidInput):
        space.ket(**occupations)


@pytest.mark.parametrize("method", ["lower", "number"])
def test_unknown_subsystems_are_refused(method):
    with pytest.raises(InvalidInput, match="magnon"):
        getattr(tj.HilbertSpace(photon=3), method)("magnon")
