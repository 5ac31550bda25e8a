"""Channel and OpenSystem: what they accept, what they refuse, what identifies them."""

from __future__ import annotations

import numpy as np
import pytest
from click_systems import random_matrix, random_system, superoperator
from scipy import sparse

import trajectories as tj
from trajectories.errors import InvalidInput

LOWER = np.array([[0.0, 1.0], [0.0, 0.0]])
CHANNEL = tj.Channel("c", LOWER)
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    "form",
    [
        np.asarray,
        np.asfortranarray,
        np.matrix,
        lambda m: m.tolist(),
        sparse.csr_array,
        sparse.csr_matrix,
        sparse.csc_array,
        sparse.coo_array,
        sparse.lil_array,
        sparse.dok_array,
        sparse.dia_array,
        sparse.bsr_array,
    ],
)
@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_any_form_of_a_matrix_is_the_same_system(form):
    hamiltonian = np.array([[1.0, 0.5], [0.5, -1.0]])
    system = tj.OpenSystem(form(hamiltonian), [tj.Channel("c", form(LOWER))])
    assert system.digest == tj.OpenSystem(hamiltonian, [CHANNEL]).digest
    assert isinstance(system.hamiltonian, sparse.csr_array)
    assert system.hamiltonian.dtype == np.complex128


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.float32, np.complex64, bool])
def test_any_number_type_will_do(dtype):
    system = tj.OpenSystem(np.eye(2, dtype=dtype), [tj.Channel("c", LOWER.astype(dtype))])
    np.testing.assert_array_equal(system.hamiltonian.toarray(), np.eye(2))


def test_duplicates_and_stored_zeros_are_put_in_order():
    messy = sparse.coo_array(([0.5, 0.5, 0.0, 1.0], ([0, 0, 1, 1], [1, 1, 1, 0])), shape=(2, 2))
    system = tj.OpenSystem(messy, [CHANNEL])
    assert system.digest == tj.OpenSystem(np.array([[0.0, 1.0], [1.0, 0.0]]), [CHANNEL]).digest


def test_the_effective_hamiltonian_has_its_half():
    system = random_system(0, 4, 3)
    decay = sum(c.operator.toarray().conj().T @ c.operator.toarray() for c in system.channels)
    np.testing.assert_allclose(system.decay.toarray(), decay, atol=1e-15)
    np.testing.assert_allclose(system.H_eff.toarray(), system.hamiltonian.toarray() - 0.5j * decay, atol=1e-15)


def test_the_master_equation_keeps_the_trace():
    """With H_eff and jumps put together as −iH_eff ρ + iρH_eff† + Σ cρc†, Tr Lρ = 0, and it is the textbook L."""
    system = random_system(1, 3, 2)
    effective = system.H_eff.toarray()
    rho = random_matrix(np.random.default_rng(0), 3)
    motion = -1j * effective @ rho + 1j * rho @ effective.conj().T
    for channel in system.channels:
        c = channel.operator.toarray()
        motion += c @ rho @ c.conj().T
    assert abs(np.trace(motion)) < 1e-14
    np.testing.assert_allclose(motion.ravel(), superoperator(system) @ rho.ravel(), atol=1e-14)


def test_the_caller_s_arrays_are_not_kept():
    hamiltonian, jump = np.eye(2), LOWER.copy()
    system = tj.OpenSystem(hamiltonian, [tj.Channel("c", jump)])
    digest = system.digest
    hamiltonian[0, 0], jump[0, 1] = 7.0, 7.0
    assert tj.OpenSystem(system.hamiltonian, system.channels).digest == digest
    with pytest.raises(ValueError, match="read-only"):
        system.hamiltonian.data[0] = 7.0


def test_the_digest_changes_with_the_physics_and_with_nothing_else():
    base = tj.OpenSystem(np.eye(2), [CHANNEL])
    assert len(base.digest) == 64
    same = tj.OpenSystem(np.eye(2), [CHANNEL], tj.HilbertSpace(atom=2), {"note": "another"})
    assert same.digest == base.digest
    others = [
        tj.OpenSystem(np.eye(2) * (1.0 + 1e-15), [CHANNEL]),
        tj.OpenSystem(np.eye(2), [tj.Channel("d", LOWER)]),
        tj.OpenSystem(np.eye(2), [tj.Channel("c", -LOWER)]),
        tj.OpenSystem(np.eye(2), [CHANNEL, tj.Channel("d", LOWER)]),
        tj.OpenSystem(np.eye(2), [tj.Channel("d", LOWER), CHANNEL]),
        tj.OpenSystem(np.zeros((2, 2)), [CHANNEL]),
        tj.OpenSystem(np.zeros((3, 3)), [tj.Channel("c", np.zeros((3, 3)))]),
    ]
    assert len({base.digest, *(system.digest for system in others)}) == len(others) + 1


def test_a_system_survives_its_arrays(tmp_path):
    system = random_system(2, 4, 2)
    np.savez(tmp_path / "system.npz", **system.to_arrays())
    with np.load(tmp_path / "system.npz", allow_pickle=False) as named:
        again = tj.OpenSystem.from_arrays(named)
    assert again.digest == system.digest
    assert again.channel_names == system.channel_names


@pytest.mark.parametrize(
    ("hamiltonian", "message"),
    [
        (LOWER, "not Hermitian"),
        (np.array([[1j, 0], [0, 0]]), "not Hermitian"),
        (np.array([[0, 1], [1 + 1e-9, 0]]), "not Hermitian"),
        (np.array([[NAN, 0], [0, 0]]), "nan"),
        (np.array([[INF, 0], [0, 0]]), "inf"),
        (np.array([[0, NAN], [NAN, 0]]), "nan"),
        (np.zeros((2, 3)), "square"),
        (np.zeros(4), "square"),
        (np.zeros((2, 2, 2)), "square"),
        (np.zeros((0, 0)), "square"),
        ("H", "square"),
        (None, "square"),
        (3.0, "square"),
        ([["a", "b"], ["c", "d"]], "square"),
        (np.eye(3), "dimension"),
    ],
)
def test_what_is_no_hamiltonian_is_refused(hamiltonian, message):
    with pytest.raises(InvalidInput, match=message) as refusal:
        tj.OpenSystem(hamiltonian, [CHANNEL])
    assert "\n" not in str(refusal.value)


def test_hermitian_to_rounding_is_hermitian():
    matrix = random_matrix(np.random.default_rng(3), 6)
    unitary = np.linalg.qr(matrix)[0]
    system = tj.OpenSystem(unitary @ np.diag(np.arange(6.0)) @ unitary.conj().T, [tj.Channel("c", np.eye(6))])
    np.testing.assert_allclose(np.linalg.eigvalsh(system.hamiltonian.toarray()), np.arange(6.0), atol=1e-12)


@pytest.mark.parametrize(
    ("name", "operator", "message"),
    [
        ("", LOWER, "name"),
        ("  ", LOWER, "name"),
        (3, LOWER, "name"),
        (None, LOWER, "name"),
        ("c", np.array([[NAN, 0], [0, 0]]), "nan"),
        ("c", np.array([[0, INF], [0, 0]]), "inf"),
        ("c", np.zeros((2, 3)), "square"),
        ("c", "a", "square"),
    ],
)
def test_what_is_no_channel_is_refused(name, operator, message):
    with pytest.raises(InvalidInput, match=message) as refusal:
        tj.Channel(name, operator)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        ([], "no channel"),
        ([CHANNEL, CHANNEL], "twice"),
        ([CHANNEL, tj.Channel("c", 2 * LOWER)], "twice"),
        ([tj.Channel("c", np.eye(3))], "dimension"),
        ([LOWER], "Channel"),
        (["photon"], "Channel"),
        ([("c", LOWER)], "Channel"),
    ],
)
def test_what_are_no_channels_is_refused(channels, message):
    with pytest.raises(InvalidInput, match=message):
        tj.OpenSystem(np.eye(2), channels)


@pytest.mark.parametrize("channels", [None, CHANNEL, 5], ids=["None", "a bare channel", "5"])
def test_channels_that_are_no_sequence_are_refused(channels):
    with pytest.raises(InvalidInput):
        tj.OpenSystem(np.eye(2), channels)


def test_a_space_of_another_dimension_is_refused():
    with pytest.raises(InvalidInput, match="dimension 2"):
        tj.OpenSystem(np.eye(2), [CHANNEL], tj.HilbertSpace(photon=3))


def test_an_unknown_channel_is_refused_with_those_there_are():
    system = tj.OpenSystem(np.eye(2), [CHANNEL])
    assert system.channel("c") is system.channels[0]
    with pytest.raises(InvalidInput, match="'photon'; there are c"):
        system.channel("photon")
