"""Initial states: every form in which they come means the same state, and what is none is refused."""

from __future__ import annotations

import numpy as np
import pytest
import qutip
from click_systems import watch
from scipy import sparse

import trajectories as tj
from trajectories import analysis, lindblad
from trajectories.errors import InvalidInput
from trajectories.model.states import initial_states

KET = np.array([0.6, 0.0, 0.8j])
RHO = np.array([[0.5, 0.2, 0.0], [0.2, 0.3, 0.1j], [0.0, -0.1j, 0.2]])
OTHER = np.array([1.0, 1.0, 0.0])


@pytest.mark.parametrize(
    "same",
    [
        KET,
        KET.tolist(),
        7.0 * KET,
        KET[:, None],
        sparse.csr_array(KET[:, None]),
        qutip.Qobj(KET),
        1e200 * KET,
        1e-200 * KET,
        1e-308 * KET,
        1.7e308 * KET,
        [(KET, 1.0)],
    ],
)
def test_every_form_of_a_ket(same):
    start = initial_states(same, 3, stratified=True)
    np.testing.assert_allclose(start.kets, [KET], rtol=1e-15, atol=0)
    assert start.weights.tolist() == [1.0]
    assert start.draws == "independent"


def test_a_subnormal_ket_keeps_its_direction():
    """Of 5e-324 there is one digit, and the state is the basis state that it points to."""
    np.testing.assert_array_equal(initial_states([0.0, 5e-324, 0.0], 3).kets, [[0.0, 1.0, 0.0]])


@pytest.mark.parametrize(
    "same", [RHO, RHO.tolist(), sparse.coo_array(RHO), qutip.Qobj(RHO), [(RHO, 1.0)], [(RHO, 0.25), (RHO, 0.75)]]
)
def test_every_form_of_a_density_matrix(same):
    start = initial_states(same, 3, stratified=True)
    np.testing.assert_allclose(start.density_matrix, RHO, atol=1e-14)
    np.testing.assert_allclose(np.linalg.norm(start.kets, axis=1), 1.0, rtol=1e-14)
    assert start.draws == "stratified"


def test_states_of_a_mixture_need_not_be_orthogonal_and_are_kept_as_they_are():
    start = initial_states([(KET, 0.3), (OTHER, 0.7), (qutip.basis(3, 2), 0.0)], 3)
    np.testing.assert_allclose(start.kets, [KET, OTHER / np.sqrt(2.0)], rtol=1e-15)
    assert start.weights.tolist() == [0.3, 0.7]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (0.75 * RHO, r"trace 0\.75; give it trace 1, ρ/Tr ρ"),
        (1.25 * RHO, r"trace 1\.25"),
        (qutip.Qobj(2.0 * RHO), "trace 2"),
        (RHO + 1e-6j * np.eye(3)[::-1], "not Hermitian"),
        (np.diag([1.5, -0.5, 0.0]), r"negative eigenvalue -0\.5"),
        ([(KET, 0.3), (OTHER, 0.6)], r"sum to 0\.9; must sum to 1"),
        ([(KET, 1.5), (OTHER, -0.5)], r"weight 1 of the initial states=-0\.5"),
        ([(KET, float("nan"))], "weight 0"),
        ([(0.5 * RHO, 1.0)], r"initial state 0 has trace 0\.5"),
        ([(KET, 0.5), (np.zeros(3), 0.5)], "initial state 1 has norm 0"),
        (np.zeros(3), "norm 0"),
        (np.ones(4), r"shape \(4,\)"),
        (KET[None, :], r"shape \(1, 3\)"),
        (qutip.Qobj(KET).dag(), r"is a QuTiP bra; give its \.dag\(\)"),
        (qutip.operator_to_vector(qutip.Qobj(RHO)), "is a QuTiP operator-ket"),
        ([1.0, float("inf"), 0.0], "contains"),
        ("ground", "must be numbers"),
        ([], r"shape \(0,\)"),
        (None, "contains"),
    ],
)
def test_what_is_no_state_is_refused_in_one_line(wrong, message):
    with pytest.raises(InvalidInput, match=message) as refusal:
        initial_states(wrong, 3)
    assert "\n" not in str(refusal.value)


SIGMA = np.array([[0.0, 1.0], [0.0, 0.0]])
ATOM = tj.OpenSystem(0.5 * (SIGMA + SIGMA.T), [tj.Channel("atom", np.sqrt(0.4) * SIGMA)])
EXCITED = np.diag([0.0, 1.0])


@pytest.mark.parametrize(
    ("state", "plain"),
    [
        (qutip.basis(2, 1), np.array([0.0, 1.0])),
        (np.array([[0.0], [1.0]]), np.array([0.0, 1.0])),
        (sparse.csr_array(np.diag([0.3, 0.7])), np.diag([0.3, 0.7])),
        ([(np.array([0.0, 1.0]), 0.7), (qutip.basis(2, 0), 0.3)], np.diag([0.3, 0.7])),
        (tj.TrajectoryStates(np.eye(2)), np.diag([0.5, 0.5])),
        (lindblad.steady_state(ATOM), lindblad.steady_state(ATOM).rho),
    ],
    ids=["Qobj", "column", "sparse", "pairs", "states of trajectories", "steady state"],
)
def test_every_form_is_taken_wherever_a_state_is(state, plain):
    """By the engine, the exact side, the replay and the validation, with QuTiP's observables as well."""
    observed = {"e": qutip.Qobj(EXCITED)}

    def everywhere(start):
        one_by_one = isinstance(start, tj.TrajectoryStates)  # as which the engine takes them
        record = watch(ATOM, 30, 20.0, seed=1, initial=start.density_matrix if one_by_one else start)
        likelihood = tj.replay(record, ATOM, start).log_likelihood
        verdict = analysis.validate(record, ATOM, initial=start)
        exact = lindblad.evolve(ATOM, start, [0.0, 1.0], observed)["e"].value
        return record.time, record.counts(), likelihood, [test.p_value for test in verdict.tests], exact

    for one, other in zip(everywhere(state), everywhere(plain), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("wrong", [np.eye(2), np.ones(3), [(np.eye(2)[0], 0.5)], "ground"])
def test_validate_refuses_a_start_that_is_no_state_before_any_work(wrong):
    """It came out as a filter that could not be tested before."""
    record = watch(ATOM, 3, 20.0, seed=1)
    with pytest.raises(InvalidInput, match=r"state|sum to|initial="):
        analysis.validate(record, ATOM, initial=wrong)
