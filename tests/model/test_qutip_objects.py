"""Systems from a script for QuTiP's mcsolve, and back."""

import numpy as np
import pytest
import qutip

import trajectories as tj
from trajectories.errors import InvalidInput


def jaynes_cummings():
    """H and c_ops as a script for mcsolve has them."""
    a = qutip.tensor(qutip.destroy(4), qutip.qeye(2))
    sigma = qutip.tensor(qutip.qeye(4), qutip.sigmam().trans())
    return 0.3 * (a.dag() * sigma + a * sigma.dag()) + 0.2 * (a + a.dag()), [0.5 * a, 0.1 * sigma]


def test_a_script_for_mcsolve_needs_one_line():
    H, c_ops = jaynes_cummings()
    system = tj.OpenSystem.from_qutip(H, c_ops, ["photon", "atom"])
    np.testing.assert_array_equal(system.hamiltonian.toarray(), H.full())
    for channel, operator in zip(system.channels, c_ops, strict=True):
        np.testing.assert_array_equal(channel.operator.toarray(), operator.full())
    clicks = tj.simulate(system, 4, 30.0, seed=1, initial=qutip.basis([4, 2], [0, 0]).full()[:, 0], progress=False)
    assert clicks.channel_names == ("photon", "atom")
    assert len(clicks) > 0


def test_round_trip_keeps_the_physics_and_the_subsystems():
    system = tj.SpinningResonator().system(levels=(3, 2, 2))
    H, c_ops = system.to_qutip()
    assert H.dims == [[3, 2, 2, 2], [3, 2, 2, 2]]
    again = tj.OpenSystem.from_qutip(H, c_ops, system.channel_names, system.space)
    assert again.digest == system.digest


def test_a_cut_off_space_is_one_subsystem():
    system = tj.SpinningResonator().system(levels=(3, 3, 3), max_quanta=2)
    H, _ = system.to_qutip()
    assert H.dims == [[system.dimension], [system.dimension]]


def test_names_are_numbered_unless_given():
    H, c_ops = jaynes_cummings()
    assert tj.OpenSystem.from_qutip(H, c_ops).channel_names == ("channel 0", "channel 1")


def test_what_does_not_depend_on_time_is_constant():
    """A constant QobjEvo, [H], a sum of terms without coefficients, and a collapse operator without a list."""
    H, (c, _) = jaynes_cummings()
    right = tj.OpenSystem.from_qutip(H, [c]).digest
    constant = [[H], (H,), [[H]], [0.5 * H, 0.5 * H], qutip.QobjEvo(H), qutip.QobjEvo([H]), H.full().tolist()]
    for same in constant:
        assert tj.OpenSystem.from_qutip(same, [c]).digest == right
    for one in [c, qutip.QobjEvo(c), [qutip.QobjEvo([c])], c.full(), c.to("CSR").data_as("csr_matrix"), [[c]]]:
        assert tj.OpenSystem.from_qutip(H, one).digest == right


def test_operators_of_qutip_are_taken_wherever_an_operator_is():
    H, c_ops = jaynes_cummings()
    direct = tj.OpenSystem(H, [tj.Channel(name, c) for name, c in zip(("a", "b"), c_ops, strict=True)])
    assert direct.digest == tj.OpenSystem.from_qutip(H, c_ops, ["a", "b"]).digest


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda H, c: ([H, [H, lambda t: t]], c), "Hamiltonian depends on time"),
        (lambda H, c: (qutip.QobjEvo([H, [H, lambda t: t]]), c), "Hamiltonian depends on time"),
        (lambda H, c: (H, [c[0], [c[1], "sin(t)"]]), "collapse operator 'atom' depends on time"),
        (lambda H, c: ([H, "sin(t)"], c), "Hamiltonian depends on time"),
        (lambda H, c: (lambda t: H, c), "Hamiltonian depends on time"),
        (lambda H, c: ([H, qutip.qeye(8)], c), "same subsystems"),
        (lambda H, c: (qutip.liouvillian(H), c), "must be an operator"),
        (lambda H, c: (qutip.basis([4, 2], [0, 0]), c), "must be an operator"),
        (lambda H, c: (H, 0.5), "must be a list"),
        (lambda H, c: (H, c[:1]), "must name each of the 1"),
        (lambda H, c: (H + 0.1j * c[0], c), "not Hermitian"),
        (lambda H, c: ("H", c), "square matrix"),
    ],
)
def test_what_cannot_be_simulated_is_refused(change, match):
    H, c_ops = change(*jaynes_cummings())
    with pytest.raises(InvalidInput, match=match):
        tj.OpenSystem.from_qutip(H, c_ops, ["photon", "atom"])
