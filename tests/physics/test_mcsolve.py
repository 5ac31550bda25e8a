"""What QuTiP's `mcsolve` promises of constant systems, for `OpenSystem.from_qutip` and `simulate`.

The systems, states, times and tolerances are those of QuTiP's own tests of `mcsolve` (5.3); the tests are ours.
Time dependence, feedback and unnormalised states are not simulated here, and are refused.
"""

from __future__ import annotations

import numpy as np
import pytest
import qutip

import trajectories as tj
from trajectories.errors import InvalidInput
from trajectories.simulation.follow import follow

SIZE, TRAJECTORIES = 10, 500
NUMBER = qutip.num(SIZE)
LOWER = qutip.destroy(SIZE)
TIMES = np.linspace(0.0, 1.0, 101)
COUPLING = 0.2
STATES = {
    "ket": qutip.basis(SIZE, SIZE - 1),
    "column": qutip.basis(SIZE, SIZE - 1).full(),
    "mixed": qutip.maximally_mixed_dm(SIZE),
    "thermal": qutip.thermal_dm(SIZE, 2.0),
}


def mcsolve(hamiltonian, state, times, c_ops, e_ops=(), ntraj=TRAJECTORIES, seed=1, **options) -> tj.ClickRecord:
    """Ask for what a script asks of `mcsolve`."""
    return tj.simulate(
        tj.OpenSystem.from_qutip(hamiltonian, c_ops),
        ntraj,
        times[-1],
        seed=seed,
        initial=state,
        observables={str(k): operator for k, operator in enumerate(e_ops)} or None,
        sample_times=times if len(e_ops) else None,
        workers=1,
        progress=False,
        **options,
    )


def agrees(found, expected, error, least: float = 0.6) -> bool:
    """Within 5 standard errors wherever those are known, which they are not before enough trajectories clicked."""
    known = np.isfinite(error)
    return bool(known.mean() > least and (np.abs(found - expected) < 5.0 * error + 1e-8)[known].all())


def excitation(state) -> float:
    """⟨n⟩ of a state in any form."""
    return float(qutip.expect(NUMBER, state if isinstance(state, qutip.Qobj) else qutip.Qobj(state)))


@pytest.mark.parametrize(
    "hamiltonian",
    [NUMBER, pytest.param([NUMBER], marks=pytest.mark.slow), qutip.QobjEvo([NUMBER]), NUMBER.full()],
    ids=["Qobj", "list", "QobjEvo", "array"],
)
@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_without_collapse_expectations_and_states_are_exact(hamiltonian, state):
    """To 1e-8 at every time, also of mixed states; a collapse operator of rate 0 never clicks."""
    nothing = 0.0 * LOWER
    record = mcsolve(hamiltonian, state, TIMES, nothing, [NUMBER], final_states=True)
    np.testing.assert_allclose(record.expectations["0"].value, excitation(state), rtol=1e-8)
    final = record.final_states.density_matrix
    assert np.trace(final @ NUMBER.full()).real == pytest.approx(excitation(state), rel=1e-8)
    assert len(record) == 0


@pytest.mark.parametrize("c_ops", [np.sqrt(COUPLING) * LOWER, [np.sqrt(COUPLING) * LOWER]], ids=["one", "list"])
@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_constant_collapse(c_ops, state):
    """⟨n⟩ decays as e^{−κt}: within 25 % as in QuTiP's test, and within 5 of our own standard errors."""
    record = mcsolve(NUMBER, state, TIMES, c_ops, [NUMBER], final_states=True)
    expected = excitation(state) * np.exp(-COUPLING * TIMES)
    found = record.expectations["0"]
    np.testing.assert_allclose(found.value, expected, rtol=0.25)
    assert agrees(found.value, expected, found.standard_error)
    assert found.value[0] == pytest.approx(expected[0], rel=1e-12)
    final = np.trace(record.final_states.density_matrix @ NUMBER.full()).real
    assert final == pytest.approx(found.value[-1], rel=1e-10)


def test_times_and_operators_of_collapses():
    """Two equal collapse operators from the ninth level: each trajectory has clicks, ascending, of both."""
    record = mcsolve(NUMBER, STATES["ket"], np.linspace(0.0, 10.0, 100), [LOWER, LOWER], ntraj=30)
    times = np.split(record.time, record.offsets[1:-1])
    which = np.split(record.channel, record.offsets[1:-1])
    assert len(times) == len(which) == 30
    assert all(len(t) == len(w) > 0 for t, w in zip(times, which, strict=True))
    assert all((np.diff(t) >= 0.0).all() for t in times)
    assert set(record.channel) == {0, 1}
    assert record.channel_names == ("channel 0", "channel 1")


FOCKS, FEW = 5, 13
CAVITY = qutip.destroy(FOCKS) & qutip.qeye(2)
ATOM = qutip.qeye(FOCKS) & qutip.sigmam()
COUPLED = 1j * CAVITY.dag() * ATOM + CAVITY
COUPLED = COUPLED + COUPLED.dag()
COUPLED_STATES = {
    "ket": qutip.basis([FOCKS, 2], [0, 1]),
    "mixed": qutip.maximally_mixed_dm(FOCKS) & qutip.fock_dm(2, 1),
}


@pytest.mark.parametrize("state", COUPLED_STATES.values(), ids=COUPLED_STATES)
def test_states_output(state, tmp_path):
    """States at the end and along each trajectory: kets of norm 1; their average at t = 0 is the state given."""
    times = np.linspace(0.0, 10.0, 21)
    c_ops = [CAVITY, ATOM]
    begun = mcsolve(COUPLED, state, np.array([1e-300]), c_ops, ntraj=FEW, final_states=True).final_states
    given = (state if state.isoper else state.proj()).full()
    np.testing.assert_allclose(begun.density_matrix, given, atol=1e-14)
    record = mcsolve(COUPLED, state, times, c_ops, ntraj=FEW, final_states=True, out=tmp_path / "run")
    assert record.n_trajectories == FEW
    assert record.final_states.kets.shape == (FEW, 2 * FOCKS)
    np.testing.assert_allclose(np.linalg.norm(record.final_states.kets, axis=1), 1.0, rtol=1e-12)
    assert np.trace(record.final_states.density_matrix).real == pytest.approx(1.0, rel=1e-12)
    final = record.final_states.kets[4]
    assert follow(tmp_path / "run", 4, {"last": final}, times)["last"][-1] == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("state", COUPLED_STATES.values(), ids=COUPLED_STATES)
def test_expectation_output(state):
    """Real numbers of the shape of the times with errors; a, which is not Hermitian, by its two parts."""
    times = np.linspace(0.0, 10.0, 5)
    parts = [(CAVITY + CAVITY.dag()) / 2, (CAVITY - CAVITY.dag()) / 2j]
    e_ops = [CAVITY.dag() * CAVITY, ATOM.dag() * ATOM, *parts]
    record = mcsolve(COUPLED, state, times, [CAVITY, ATOM], e_ops, ntraj=FEW)
    for operator, found in zip(e_ops, record.expectations.values(), strict=True):
        assert found.value.shape == found.standard_error.shape == times.shape
        assert found.value.dtype == np.float64
        assert found.n == FEW
        assert found.value[0] == pytest.approx(qutip.expect(operator, state), abs=1e-14)
    with pytest.raises(InvalidInput, match=r"not Hermitian .* sample its parts O\+O† and i\(O−O†\)"):
        mcsolve(COUPLED, state, times, [CAVITY, ATOM], [CAVITY], ntraj=FEW)


def three_modes():
    """A trilinear coupling of three damped modes, as QuTiP tests its seeds."""
    a = [qutip.tensor([qutip.destroy(6) if k == mode else qutip.qeye(6) for k in range(3)]) for mode in range(3)]
    hamiltonian = 1j * (a[0] * a[1].dag() * a[2].dag() - a[0].dag() * a[1] * a[2])
    state = qutip.tensor(qutip.coherent(6, np.sqrt(2.0)), qutip.basis(6, 0), qutip.basis(6, 0))
    return hamiltonian, state, [np.sqrt(2.0 * rate) * mode for rate, mode in zip((0.1, 0.4, 0.1), a, strict=True)]


def test_seeds():
    """The same seed gives the same clicks, another one others, and trajectories of one seed differ."""
    hamiltonian, state, c_ops = three_modes()
    times = np.linspace(0.0, 10.0, 2)
    first, again, other = (mcsolve(hamiltonian, state, times, c_ops, ntraj=25, seed=s) for s in (1, 1, 2))
    assert len(first) > 25
    np.testing.assert_array_equal(first.time, again.time)
    np.testing.assert_array_equal(first.channel, again.channel)
    assert first.time.tobytes() != other.time.tobytes()
    assert len(np.unique(first.time)) == len(first)
    with pytest.raises(InvalidInput, match=r"seed=\[1\] must be an integer"):
        mcsolve(hamiltonian, state, times, c_ops, seed=[1])


@pytest.mark.parametrize(
    ("state", "trajectories"),
    [
        (qutip.maximally_mixed_dm(2), 5),
        ([(qutip.basis(2, 0), 0.3), (qutip.basis(2, 1), 0.7)], 5),
        ([(qutip.basis(2, 0), 0.3), ((qutip.basis(2, 0) + qutip.basis(2, 1)).unit(), 0.7)], 6),
    ],
    ids=["density matrix", "pairs", "not orthogonal"],
)
@pytest.mark.parametrize("seed", range(4))
def test_mixed_states_are_exact_at_the_start(state, trajectories, seed):
    """Of five trajectories, whatever the seed."""
    record = mcsolve(
        qutip.sigmax(), state, np.array([1e-300]), qutip.sigmam(), ntraj=trajectories, seed=seed, final_states=True
    )
    given = state if isinstance(state, qutip.Qobj) else sum(weight * ket.proj() for ket, weight in state)
    np.testing.assert_allclose(record.final_states.density_matrix, given.full(), atol=1e-14)
    assert sum(record.final_states.weights) == pytest.approx(1.0)


def test_a_mixture_is_the_weighted_sum_of_its_parts():
    """Averages from a mixture, and from its states one by one, agree within 5 standard errors at all times."""
    kets, share = [qutip.basis(2, 1), (qutip.basis(2, 1) + qutip.basis(2, 0)).unit()], 0.25
    times, e_ops = np.linspace(0.0, 2.0, 20), [qutip.sigmaz()]
    mixed = mcsolve(qutip.sigmax(), list(zip(kets, (share, 1 - share), strict=True)), times, qutip.sigmam(), e_ops)
    parts = [mcsolve(qutip.sigmax(), ket, times, qutip.sigmam(), e_ops, seed=9) for ket in kets]
    one, two, found = (record.expectations["0"] for record in (*parts, mixed))
    merged = share * one.value + (1 - share) * two.value
    error = np.sqrt(
        found.standard_error**2 + (share * one.standard_error) ** 2 + ((1 - share) * two.standard_error) ** 2
    )
    assert agrees(found.value, merged, error)


@pytest.mark.parametrize("weights", [(0.5, 0.25), (0.75, 0.5)])
def test_states_of_another_trace_are_refused(weights):
    """QuTiP carries the trace along; no click stream has a trace, so this is said."""
    state = weights[0] * qutip.fock_dm(2, 0) + weights[1] * qutip.fock_dm(2, 1)
    with pytest.raises(InvalidInput, match=rf"trace {sum(weights):g}; give it trace 1, ρ/Tr ρ"):
        mcsolve(qutip.sigmaz(), state, TIMES, qutip.sigmam(), ntraj=10)
    pairs = list(zip((qutip.basis(2, 0), qutip.basis(2, 1)), weights, strict=True))
    with pytest.raises(InvalidInput, match=rf"sum to {sum(weights):g}; must sum to 1"):
        mcsolve(qutip.sigmaz(), pairs, TIMES, qutip.sigmam(), ntraj=10)


def test_the_same_averages_as_mcsolve_itself():
    """Side by side with QuTiP, from a mixed state: within 5 standard errors of both together."""
    times = np.linspace(0.0, 4.0, 9)
    c_ops, e_ops = [CAVITY, ATOM], [CAVITY.dag() * CAVITY, ATOM.dag() * ATOM]
    state = COUPLED_STATES["mixed"]
    ours = mcsolve(COUPLED, state, times, c_ops, e_ops, ntraj=300)
    options = {"map": "serial", "progress_bar": ""}
    theirs = qutip.mcsolve(COUPLED, state, times, c_ops, e_ops=e_ops, ntraj=100, seeds=1, options=options)
    for found, expected in zip(ours.expectations.values(), theirs.average_expect, strict=True):
        error = np.sqrt(1.0 + 300 / 100) * found.standard_error
        assert agrees(found.value, np.asarray(expected), error)
